"""Unload: the result of an array, element after element, as it is.

An array may accept a vector before the result of the one before it is out (registers in its sources, cuts in
its rows), so the exponents and positions of two vectors are kept.

Contract (checked by ``tests/rtl/test_unload.py``): every element once, with the exponent and position of its
vector, in any pattern of stalls; combinational, an element a cycle.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed as signed_shape
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import EXPONENT_BITS, integer_signature

__all__ = ["Unload"]


class Unload(SharedComponent):
    """Makes a stream of the results of one array.

    Parameters
    ----------
    n_rows : int
        Elements of a result.
    y_bits : int
        Of an element.
    position_bits : int

    Members
    -------
    array_y, array_y_valid, array_y_ready : In(n_rows * y_bits), In(1), Out(1)
        Result of the array, element 0 lowest; it is taken with its last element.
    accepted : In(1)
        The array takes a vector in this cycle.
    exponent, position : In
        Of the vector that it takes.
    y : Out(integer stream)
        In units of ``2**(row exponent + exponent)``.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_rows: int, y_bits: int, position_bits: int) -> None:
        self.n_rows, self.y_bits, self.position_bits = n_rows, y_bits, position_bits
        super().__init__(
            {
                "array_y": In(n_rows * y_bits),
                "array_y_valid": In(1),
                "array_y_ready": Out(1),
                "accepted": In(1),
                "exponent": In(signed_shape(EXPONENT_BITS)),
                "position": In(position_bits),
                "y": Out(integer_signature(y_bits, position_bits)),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_unload_{self.n_rows}x{self.y_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index = Signal(range(max(2, self.n_rows)))
        take, last = Signal(), Signal()
        header = self._headers(m, take & last)
        m.d.comb += [
            take.eq(self.array_y_valid & self.y.ready),
            last.eq(index == self.n_rows - 1),
            self.array_y_ready.eq(take & last),
            self.y.valid.eq(self.array_y_valid),
            self.y.p.value.eq(self.array_y.word_select(index, self.y_bits).as_signed()),
            self.y.p.exponent.eq(header.exponent),
            self.y.p.position.eq(header.position),
            self.y.p.last.eq(last),
        ]
        with m.If(take):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        return m

    def _headers(self, m: Module, taken: Value) -> Any:
        """Exponent and position of the oldest vector in the array."""
        layout = data.StructLayout(
            {"exponent": signed_shape(EXPONENT_BITS), "position": self.position_bits}
        )
        oldest, newer = Signal(layout, name="oldest"), Signal(layout, name="newer")
        level, left = Signal(range(3)), Signal(range(3))  # vectors in the array
        new = Cat(self.exponent, self.position)
        m.d.comb += left.eq(level - taken)
        m.d.sync += level.eq(left + self.accepted)
        with m.If(taken):
            m.d.sync += oldest.eq(newer)
        with m.If(self.accepted):
            m.d.sync += newer.eq(new)
            with m.If(left == 0):
                m.d.sync += oldest.eq(new)
        return oldest
