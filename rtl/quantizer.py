"""Quantizer: block floating point, integers of few bits and one power of two for a block.

    y = min(round(x / 2**shift), largest), with the smallest shift that leaves |x| < 2**(n_bits - 1 + shift)

The shift depends on all of a block, so the block is stored while its magnitudes are put together: the
bits of their disjunction are as many as the bits of the largest of them. A block that lies on several chips
has one shift: each sends its disjunction, and gets that of all.

Contract (checked by ``tests/rtl/test_quantizer.py`` against ``hnlpu.sim.quantizer``): bit-exact, in any
pattern of stalls; a block takes two cycles more than it has elements, and its first result is on offer
``LATENCY_CYCLES`` after its last element was taken.
"""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.fixed_point import bit_length, shift_round
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.replay import replay
from hnlpu.rtl.vectors import EXPONENT_BITS, integer_signature, vector_signature, word_signature

__all__ = ["LATENCY_CYCLES", "Quantizer"]

LATENCY_CYCLES = 3


class Quantizer(SharedComponent):
    """Brings vectors to integers of ``n_bits``, block by block.

    Parameters
    ----------
    block, n_blocks : int
        Elements of a block, and blocks of a vector.
    in_bits, n_bits : int
        Of the elements, and of the integers.
    position_bits : int
    agreed : bool
        Blocks lie on several chips.

    Members
    -------
    x : In(vector stream)
    base : In(signed)
        Power of two that ``x`` is in units of; does not change.
    y : Out(integer stream)
        The exponent is ``base`` and the shift of its block.
    seen, seen_by_all : Out(word stream), In(word stream)
        Only if ``agreed``: the magnitudes of a block, or-ed; here, and on all chips.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        block: int,
        n_blocks: int,
        in_bits: int,
        n_bits: int,
        position_bits: int,
        agreed: bool = False,
    ) -> None:
        self.block, self.n_blocks, self.agreed = block, n_blocks, agreed
        self.in_bits, self.n_bits, self.position_bits = in_bits, n_bits, position_bits
        word = word_signature(in_bits)
        super().__init__(
            {
                "x": In(vector_signature(in_bits, position_bits)),
                "base": In(signed(EXPONENT_BITS)),
                "y": Out(integer_signature(n_bits, position_bits)),
                **({"seen": Out(word), "seen_by_all": In(word)} if agreed else {}),
            }
        )

    @property
    def module_name(self) -> str:
        return (
            f"hn_quantizer_{self.n_blocks}x{self.block}_{self.in_bits}to{self.n_bits}"
            f"_p{self.position_bits}{'_agreed' if self.agreed else ''}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        take, step = Signal(), Signal()
        store = replay(
            m, platform, self.in_bits, self.block, write=take, word=self.x.p.value, step=step
        )
        with m.FSM() as fsm:
            with m.State("COLLECT"), m.If(store.filled):
                m.next = "OFFER" if self.agreed else "SHIFT"
            if self.agreed:
                with m.State("OFFER"), m.If(self.seen.ready):
                    m.next = "AGREE"
                with m.State("AGREE"), m.If(self.seen_by_all.valid):
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                m.next = "STREAM"
            with m.State("STREAM"), m.If(step & store.last):
                m.next = "COLLECT"
        streaming = fsm.ongoing("STREAM")
        m.d.comb += [
            self.x.ready.eq(fsm.ongoing("COLLECT") | (streaming & store.freed)),
            take.eq(self.x.valid & self.x.ready),
            step.eq(streaming & (~self.y.valid | self.y.ready)),
        ]

        seen = Signal(self.in_bits)
        position = Signal(self.position_bits)
        with m.If(take):
            m.d.sync += seen.eq(seen | abs(self.x.p.value))
        with m.If(store.filled):
            m.d.sync += position.eq(self.x.p.position)
        if self.agreed:
            m.d.comb += [
                self.seen.valid.eq(fsm.ongoing("OFFER")),
                self.seen.p.word.eq(seen),
                self.seen_by_all.ready.eq(fsm.ongoing("AGREE")),
            ]
            with m.If(self.seen_by_all.valid & self.seen_by_all.ready):
                m.d.sync += seen.eq(self.seen_by_all.p.word)

        shift = self._shift(m, seen, fsm.ongoing("SHIFT"))
        largest = (1 << (self.n_bits - 1)) - 1
        result = shift_round(store.data.as_signed(), shift)
        rounded = Signal(result.shape())
        m.d.comb += rounded.eq(result)
        last_block = self._last_block(m, step & store.last)
        m.d.sync += self.y.valid.eq(step | (self.y.valid & ~self.y.ready))
        with m.If(step):
            m.d.sync += [
                self.y.p.value.eq(Mux(rounded > largest, largest, rounded)),
                self.y.p.exponent.eq(self.base + shift),
                self.y.p.position.eq(position),
                self.y.p.last.eq(last_block & store.last),
            ]
        return m

    def _shift(self, m: Module, seen: Signal, now: Value) -> Signal:
        """The shift of the block whose magnitudes have been ``seen``, kept while it is streamed."""
        kept = self.n_bits - 1
        shift = Signal(range(max(self.in_bits - kept, 1) + 1))
        bits = bit_length(m, seen, "bits")
        with m.If(now):
            m.d.sync += [shift.eq(Mux(bits > kept, bits - kept, 0)), seen.eq(0)]
        return shift

    def _last_block(self, m: Module, ends: Value) -> Value:
        """Whether the block that is streamed is the last one of its vector."""
        if self.n_blocks == 1:
            return Const(1, 1)
        count = Signal(range(self.n_blocks))
        last = count == self.n_blocks - 1
        with m.If(ends):
            m.d.sync += count.eq(Mux(last, 0, count + 1))
        return last
