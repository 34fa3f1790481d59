"""Weighted sum: a softmax's terms, and values times their terms, added without any rounding.

    total = first + sum over j of term[j]
    sum_i = sum over j of term[j] * (value[j, i] << exponent[j])

Contract (checked by ``tests/rtl/test_attention.py`` against ``hnlpu.sim.attention``): exact; a term is
added in the cycle after it came.
"""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.kv_cache import exponent_bits
from hnlpu.tables import EXP_BITS
from hnlpu.widths import largest_exponent, sum_bits

__all__ = ["WeightedSum"]


class WeightedSum(SharedComponent):
    """Accumulators of a head.

    Parameters
    ----------
    head_dim : int
    context : int
        Most terms of a sum, not counting the first.
    numerics : Numerics

    Members
    -------
    term : In(EXP_BITS)
        At most 1.0, ``2**(EXP_BITS - 1)``.
    value : In(head_dim * kv_bits)
    exponent : In
    start : In(1)
        ``term`` is the first of a new total; it has no value.
    valid : In(1)
        Add ``term`` with its value.
    added : Out(1)
        In the cycle after ``valid``; the sums contain it from the next one on.
    total : Out
    lane : In(range(head_dim))
    sum : Out(signed)
        Of the lane.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, head_dim: int, context: int, numerics: Numerics) -> None:
        self.head_dim, self.context, self.numerics = head_dim, context, numerics
        most = context << (EXP_BITS - 1)
        super().__init__(
            {
                "term": In(EXP_BITS),
                "value": In(head_dim * numerics.kv_bits),
                "exponent": In(exponent_bits(numerics)),
                "start": In(1),
                "valid": In(1),
                "added": Out(1),
                "total": Out((most + (1 << (EXP_BITS - 1))).bit_length()),
                "lane": In(max(1, (head_dim - 1).bit_length())),
                "sum": Out(signed(sum_bits(context, numerics))),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        return f"hn_weighted_sum_{self.context}x{self.head_dim}x{n.kv_bits}_e{largest_exponent(n)}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n_bits = self.numerics.kv_bits
        # One shifter instead of one per lane.
        shifted = Signal(EXP_BITS + largest_exponent(self.numerics))
        term, value = Signal.like(self.term), Signal.like(self.value)
        with m.If(self.valid):
            m.d.sync += [
                term.eq(self.term),
                shifted.eq(self.term << self.exponent),
                value.eq(self.value),
            ]
        m.d.sync += self.added.eq(self.valid)
        with m.If(self.start | self.added):
            m.d.sync += self.total.eq(Mux(self.start, self.term, self.total + term))
        sums = [Signal.like(self.sum, name=f"sum_{i}") for i in range(self.head_dim)]
        for i, each in enumerate(sums):
            product = shifted * value.word_select(i, n_bits).as_signed()
            with m.If(self.start):
                m.d.sync += each.eq(0)
            with m.Elif(self.added):
                m.d.sync += each.eq(each + product)
        m.d.comb += self.sum.eq(Array(sums)[self.lane])
        return m
