"""Accumulator: collects the counts of a row, least significant bit-time first.

Every cycle adds a count; after the last phase of a bit-time the sum moves right by one bit, and the bit
that falls out is one of the result. The last bit-time weighs negative and stays in place. Until then
sums are not negative, and they stay below twice the counts of a bit-time; the result lies between plus and
minus half of that. So one width serves both, first without a sign and then with one.

Contract (checked by ``tests/rtl/test_accumulator.py``): bit-exact, and never overflows as long as the
register holds twice the counts of a bit-time.
"""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.cells import InvertingFullAdder, PhaseSelect
from hnlpu.rtl.hierarchy import SharedComponent, place

__all__ = ["Accumulator"]


class Accumulator(SharedComponent):
    """Shift-right accumulator.

    Parameters
    ----------
    count_bits : int
        Width of an unsigned count.
    accumulator_bits : int
        Register.
    product_bits : int
        Bit-times B per vector.

    Members
    -------
    count : In(count_bits)
    first : In(1)
        First cycle of a vector.
    shift, stay : In(1)
        One-hot: the bit-time ends and is not the last, or not.
    sign : In(1)
        Last bit-time.
    enable : In(1)
        Take this cycle's count.
    y : Out(accumulator_bits + product_bits - 1)
        The result, after the last enabled cycle of a vector and until the next enabled one.
    """

    clock_ports = ("clk",)

    def __init__(self, count_bits: int, accumulator_bits: int, product_bits: int) -> None:
        self.count_bits = count_bits
        self.accumulator_bits, self.product_bits = accumulator_bits, product_bits
        super().__init__(
            {
                "count": In(count_bits),
                "first": In(1),
                "shift": In(1),
                "stay": In(1),
                "sign": In(1),
                "enable": In(1),
                "y": Out(accumulator_bits + product_bits - 1),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_accumulator_{self.count_bits}_{self.accumulator_bits}_{self.product_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc = Signal(self.accumulator_bits, reset_less=True)
        low = Signal(self.product_bits - 1, reset_less=True)
        # acc + count, or acc + ~count + 1 in the last bit-time. The adders take complements, so that
        # the inverting kind gives a true sum.
        total, carry = [], ~self.sign
        for i in range(self.accumulator_bits):
            cell = place(m, f"add_{i}", platform, InvertingFullAdder)
            m.d.comb += [
                cell.a.eq(~(acc[i] & ~self.first)),
                cell.b.eq(~(self.count[i] ^ self.sign) if i < self.count_bits else ~self.sign),
                cell.c.eq(carry),
            ]
            total.append(cell.sum)
            carry = ~cell.carry
        following = [*total[1:], Const(0, 1)]
        chosen = []
        for i, (stay, shift) in enumerate(zip(total, following, strict=True)):
            select = place(m, f"next_{i}", platform, PhaseSelect, 2)
            m.d.comb += [select.a.eq(Cat(stay, shift)), select.phase.eq(Cat(self.stay, self.shift))]
            chosen.append(select.y)
        with m.If(self.enable):
            m.d.sync += acc.eq(Cat(*chosen))
            with m.If(self.shift):
                m.d.sync += low.eq(Cat(low[1:], total[0]))
        m.d.comb += self.y.eq(Cat(low, acc))
        return m
