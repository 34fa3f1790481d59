"""Router: which experts a token goes to, and with which weights.

    chosen  = the k largest logits
    weights = softmax over these alone

Logits are sorted as they come. Then a logit per cycle becomes a term of the sum, the sum is divided into
one, and the terms times this reciprocal are the weights.

Contract (checked by ``tests/rtl/test_router.py`` against ``hnlpu.sim.router``): bit-exact, in any pattern of
stalls; a vector takes ``2 * k + LATENCY_CYCLES`` cycles more than it has elements.
"""

from math import e, log2

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, shift_round
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.softmax import Exp2, Reciprocal
from hnlpu.rtl.top_k import TopK
from hnlpu.rtl.trees import any_of
from hnlpu.rtl.vectors import mask_signature, route_signature, vector_signature
from hnlpu.tables import EXP_BITS, LOG2E_BITS

__all__ = ["LATENCY_CYCLES", "Router"]

#: Ranking, the pipeline of terms, division and the weights' register.
LATENCY_CYCLES = 21

_LOG2E = round(log2(e) * (1 << LOG2E_BITS))


class Router(SharedComponent):
    """Top-k router.

    Parameters
    ----------
    n_experts : int
    k : int
        Experts per token.
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(vector stream)
        A logit for each expert, on the value grid.
    chosen : Out(mask stream)
        The experts of a token, k bits set.
    route : Out(route stream)
        The same experts one by one with their weights, in order of rank; ``last`` on the k-th. It does not
        wait for ``chosen`` to be taken.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_experts: int, k: int, numerics: Numerics, position_bits: int) -> None:
        assert 0 < k <= n_experts
        self.n_experts, self.k = n_experts, k
        self.numerics, self.position_bits = numerics, position_bits
        super().__init__(
            {
                "x": In(vector_signature(numerics.value_bits, position_bits)),
                "chosen": Out(mask_signature(n_experts)),
                "route": Out(route_signature(n_experts, numerics.routing_bits)),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        return (
            f"hn_router_{self.k}_of_{self.n_experts}_{n.value_bits}_f{n.value_fraction}"
            f"_t{n.exp_table_bits}_w{n.routing_bits}_p{self.position_bits}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n, k = self.numerics, self.k
        expert_bits = max(1, (self.n_experts - 1).bit_length())
        best = place(m, "best", platform, TopK, n.value_bits, expert_bits, k)
        take = self.x.valid & self.x.ready
        expert = Signal(expert_bits)
        m.d.comb += [
            best.value.eq(self.x.p.value),
            best.index.eq(expert),
            best.push.eq(take),
            best.clear.eq(take & (expert == 0)),
        ]
        with m.If(take):
            m.d.sync += expert.eq(Mux(self.x.p.last, 0, expert + 1))

        # Stage one makes a score of logit ``rank``, stage two a term of the score before it.
        rank = Signal(range(k + 1))
        score = Signal(signed(len(self._octaves(best.values[0]))))
        largest = Signal.like(score)
        exp2 = place(m, "exp2", platform, Exp2, len(score), n)
        # k terms, none larger than 1.0
        total = Signal((k << (EXP_BITS - 1)).bit_length())
        terms = Signal(data.ArrayLayout(EXP_BITS, k))
        # The first score is the largest: octaves rise with the logits.
        m.d.comb += exp2.below.eq(Mux(rank == 1, 0, largest - score))
        reciprocal = place(m, "reciprocal", platform, Reciprocal, len(total))
        m.d.comb += reciprocal.total.eq(total)

        mask_free = ~self.chosen.valid | self.chosen.ready
        route_free = ~self.route.valid | self.route.ready
        with m.FSM() as state:
            with m.State("COLLECT"), m.If(take & self.x.p.last):
                m.next = "RANK"
            with m.State("RANK"):
                m.d.sync += [rank.eq(0), total.eq(0)]
                with m.If(mask_free):
                    m.next = "TERMS"
            with m.State("TERMS"):
                m.d.sync += [score.eq(self._octaves(best.values[rank])), rank.eq(rank + 1)]
                with m.If(rank == 1):
                    m.d.sync += largest.eq(score)
                with m.If(rank != 0):
                    before = (rank - 1)[: len(rank)]
                    m.d.sync += [total.eq(total + exp2.term), terms[before].eq(exp2.term)]
                with m.If(rank == k):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += rank.eq(0)
                m.next = "DIVIDE"
            with m.State("DIVIDE"), m.If(reciprocal.done):
                m.next = "ROUTE"
            with m.State("ROUTE"), m.If(route_free):
                m.d.sync += rank.eq(rank + 1)
                with m.If(rank == k - 1):
                    m.next = "COLLECT"
        ranked = state.ongoing("RANK") & mask_free
        routed = state.ongoing("ROUTE") & route_free
        m.d.comb += [
            self.x.ready.eq(state.ongoing("COLLECT")),
            reciprocal.start.eq(state.ongoing("START")),
        ]
        m.d.sync += [
            self.chosen.valid.eq(ranked | (self.chosen.valid & ~self.chosen.ready)),
            self.route.valid.eq(routed | (self.route.valid & ~self.route.ready)),
        ]
        one_hot = [Const(1, 1) << best.indices[i] for i in range(k)]
        with m.If(ranked):
            m.d.sync += self.chosen.p.mask.eq(any_of(one_hot))
        with m.If(routed):
            # The total is at least 1.0, so its reciprocal's shift exceeds the routing bits.
            weight = shift_round(
                terms[rank] * reciprocal.factor,
                (reciprocal.shift - n.routing_bits)[: len(reciprocal.shift)],
            )
            m.d.sync += [
                self.route.p.mask.eq(Const(1, 1) << best.indices[rank]),
                self.route.p.weight.eq(weight),
                self.route.p.last.eq(rank == k - 1),
            ]
        return m

    def _octaves(self, logit: Value) -> Value:
        n = self.numerics
        return round_shift(logit * _LOG2E, LOG2E_BITS + n.value_fraction - n.exp_table_bits)
