"""Sampler: which token follows, greedily or by chance.

Logits are kept while they come, the largest ones in a sorted list. Then they are read twice: once for the
sum of their terms, and once more until the running sum exceeds a random part of it. No sum is rounded.

    score = saturate(round(logit * temperature / 2**shift))        octaves, exp_table_bits of fraction
    term  = round(2**-(largest score - score) * 2**15), or 0 if not among the top k
    token = first index whose running sum of terms exceeds (random * total) >> 32

Contract (checked by ``tests/rtl/test_sampler.py`` against ``hnlpu.sim.sampler``): bit-exact, in any pattern of
stalls; a greedy token is valid 2 cycles after the last logit, another one vocab + token + 4 cycles after it.
"""

from functools import reduce

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed as signed_shape
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, saturate
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.softmax import Exp2
from hnlpu.rtl.top_k import TopK
from hnlpu.rtl.vectors import token_signature, vector_signature
from hnlpu.sim.sampler import (
    RANDOM_BITS,
    TEMPERATURE_BITS,
    TEMPERATURE_FRACTION,
    lfsr_step,
)
from hnlpu.tables import EXP_BITS

__all__ = ["Sampler"]


class Sampler(SharedComponent):
    """Tokens from logits.

    Parameters
    ----------
    vocab : int
        Elements of a vector of logits.
    slots : int
        Of the sorted list: the largest ``top_k``, 1 or more.
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(vector stream)
        Logits.
    temperature : In(TEMPERATURE_BITS)
        ``round(log2(e) / T * 2**TEMPERATURE_FRACTION)``; 0 is greedy.
    top_k : In(range(slots + 1))
        0 is no limit. Like ``temperature``, read with the last logit of a vector.
    seed, seed_write : In(RANDOM_BITS), In(1)
        Loads the shift register; a seed of 0 counts as 1.
    y : Out(token stream)
        The position is that of the logits.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, vocab: int, slots: int, numerics: Numerics, position_bits: int) -> None:
        if slots < 1:
            raise ValueError(f"{slots} slots: even the largest logit alone needs one")
        self.vocab, self.slots = vocab, slots
        self.numerics, self.position_bits = numerics, position_bits
        self.token_bits = max(1, (vocab - 1).bit_length())
        super().__init__(
            {
                "x": In(vector_signature(numerics.value_bits, position_bits)),
                "temperature": In(TEMPERATURE_BITS),
                "top_k": In(range(slots + 1)),
                "seed": In(RANDOM_BITS),
                "seed_write": In(1),
                "y": Out(token_signature(self.token_bits, position_bits)),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        grid = f"{n.value_bits}f{n.value_fraction}_s{n.score_bits}t{n.exp_table_bits}"
        return f"hn_sampler_{self.vocab}_k{self.slots}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n = self.numerics
        logits = place(m, "logits", platform, Sram, n.value_bits, self.vocab)
        best = place(m, "best", platform, TopK, n.value_bits, self.token_bits, self.slots)
        temperature, top_k = Signal.like(self.temperature), Signal.like(self.top_k)
        index, next_index = Signal(self.token_bits), Signal(self.token_bits)
        position = Signal(self.position_bits)
        load, rewind, step, scaling = Signal(), Signal(), Signal(), Signal()
        total = Signal(EXP_BITS - 1 + self.vocab.bit_length())
        running, threshold = Signal.like(total), Signal.like(total)
        random = self._random(m, load & self.x.p.last)
        term = self._term(
            m, platform, best, logits.read_data.as_signed(), index, temperature, top_k, scaling
        )
        m.d.comb += [
            load.eq(self.x.valid & self.x.ready),
            logits.write.eq(load),
            logits.write_address.eq(index),
            logits.write_data.eq(self.x.p.value),
            # The memory answers a cycle later: it is asked for what comes next.
            logits.read_address.eq(next_index),
            next_index.eq(Mux(rewind, 0, index + step)),
            best.push.eq(load),
            best.clear.eq(index == 0),
            best.value.eq(self.x.p.value),
            best.index.eq(index),
            running.eq(total + term),
        ]
        m.d.sync += index.eq(next_index)
        free, done = Signal(), Signal()
        token = Signal(self.token_bits)
        m.d.comb += free.eq(~self.y.valid | self.y.ready)
        with m.FSM(name="phase"):
            with m.State("LOAD"):
                m.d.comb += [self.x.ready.eq(1), step.eq(load), rewind.eq(load & self.x.p.last)]
                with m.If(load & self.x.p.last):
                    m.d.sync += [
                        temperature.eq(self.temperature),
                        top_k.eq(self.top_k),
                        position.eq(self.x.p.position),
                    ]
                    m.next = "SCALE"
            with m.State("SCALE"):
                m.d.comb += [
                    scaling.eq(1),
                    token.eq(best.indices[0]),
                    done.eq((temperature == 0) & free),
                ]
                m.d.sync += total.eq(0)
                with m.If(done):
                    m.next = "LOAD"
                with m.Elif(temperature != 0):
                    m.next = "TOTAL"
            with m.State("TOTAL"):
                m.d.comb += [step.eq(1), rewind.eq(index == self.vocab - 1)]
                m.d.sync += total.eq(running)
                with m.If(rewind):
                    m.next = "THRESHOLD"
            with m.State("THRESHOLD"):
                m.d.sync += [threshold.eq(random * total >> RANDOM_BITS), total.eq(0)]
                m.next = "DRAW"
            with m.State("DRAW"):
                found = running > threshold
                m.d.comb += [
                    token.eq(index),
                    done.eq(found & free),
                    step.eq(~found),
                    rewind.eq(done),
                ]
                with m.If(done):
                    m.next = "LOAD"
                with m.Elif(~found):
                    m.d.sync += total.eq(running)
        m.d.sync += self.y.valid.eq(done | (self.y.valid & ~self.y.ready))
        with m.If(done):
            m.d.sync += [self.y.p.token.eq(token), self.y.p.position.eq(position)]
        return m

    def _random(self, m: Module, advance: Value) -> Value:
        """The shift register: all its steps of a vector in one, which is linear too."""
        state = Signal(RANDOM_BITS, init=1)
        images = [_steps(1 << i) for i in range(RANDOM_BITS)]
        after = Cat(
            (state & sum((images[i] >> bit & 1) << i for i in range(RANDOM_BITS))).xor()
            for bit in range(RANDOM_BITS)
        )
        with m.If(self.seed_write):
            m.d.sync += state.eq(Mux(self.seed == 0, 1, self.seed))
        with m.Elif(advance):
            m.d.sync += state.eq(after)
        return state

    def _term(
        self,
        m: Module,
        platform: object,
        best: TopK,
        logit: Value,
        index: Value,
        temperature: Value,
        top_k: Value,
        scaling: Value,
    ) -> Value:
        """Term of a logit; while ``scaling``, what all terms are compared with is taken from the list."""
        n = self.numerics
        exp2 = place(m, "exp2", platform, Exp2, n.score_bits, n)
        operand = Signal(signed_shape(n.value_bits))
        largest = Signal(signed_shape(n.score_bits))
        unlimited, least = Signal(), Signal(signed_shape(n.value_bits))
        least_index, place_ = Signal(self.token_bits), Signal(range(max(2, self.slots)))
        takes_part, term = Signal(), Signal(EXP_BITS)
        shift = TEMPERATURE_FRACTION + n.value_fraction - n.exp_table_bits
        # A signal of its own, because an expression is emitted as often as it is used.
        product = Signal(signed_shape(n.value_bits + TEMPERATURE_BITS))
        score, _ = saturate(m, round_shift(product, shift), n.score_bits, "score")
        m.d.comb += [
            product.eq(operand * temperature),
            operand.eq(Mux(scaling, best.values[0], logit)),
            place_.eq(top_k - 1),
            exp2.below.eq(largest - score),
            takes_part.eq(
                unlimited | (logit > least) | ((logit == least) & (index <= least_index))
            ),
            term.eq(Mux(takes_part, exp2.term, 0)),
        ]
        with m.If(scaling):
            m.d.sync += [
                largest.eq(score),
                unlimited.eq((top_k == 0) | (top_k > best.count)),
                least.eq(best.values[place_]),
                least_index.eq(best.indices[place_]),
            ]
        return term


def _steps(state: int) -> int:
    """The state a vector later."""
    return reduce(lambda state, _: lfsr_step(state), range(RANDOM_BITS), state)
