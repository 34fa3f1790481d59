"""Drain: the results of an array, element after element, scaled, biased and rounded once.

    y = saturate(array_y * 2**(row exponent + exponent of x + fraction) * multiplier / 2**15 + bias)

An array may accept a vector before the result of the one before it is out (registers in its sources, cuts in
its rows), so the exponents and positions of two vectors are kept.

Contract (checked by ``tests/rtl/test_drain.py`` against ``hnlpu.sim.projection``): bit-exact, in any pattern
of stalls; an element a cycle, the first valid in the cycle after the result is.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed as signed_shape
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from hnlpu.chip import MULTIPLIER_BITS
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.rtl.fixed_point import saturate, shift_round
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.vectors import EXPONENT_BITS, boot_signature, vector_signature
from hnlpu.sim.fixed_point import MAX_LEFT_SHIFT, MAX_RIGHT_SHIFT

__all__ = ["Drain"]


class Drain(SharedComponent):
    """Brings the results of one array to a grid.

    Parameters
    ----------
    n_rows : int
        Elements of a result.
    y_bits : int
        Of an element of the array's result.
    n_bits, fraction : int
        The grid of ``y``.
    has_multipliers : bool
        The rows have scales that are no powers of two.
    position_bits : int

    Members
    -------
    array_y, array_y_valid, array_y_ready : In(n_rows * y_bits), In(1), Out(1)
        Result of the array, element 0 lowest; it is taken with its last element.
    row_exponents : In(n_rows * ROW_EXPONENT_BITS)
        Constant.
    accepted : In(1)
        The array takes a vector in this cycle.
    exponent, position : In
        Of the vector that it takes.
    y : Out(vector stream)
    boot : In(boot)
        Word ``i`` is bias ``i``; the multipliers lie behind the biases, from the next power of two on.
    saturated : Out(1)
        In the cycle in which an element is clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        n_rows: int,
        y_bits: int,
        n_bits: int,
        fraction: int,
        has_multipliers: bool,
        position_bits: int,
    ) -> None:
        self.n_rows, self.y_bits, self.n_bits = n_rows, y_bits, n_bits
        self.fraction, self.has_multipliers = fraction, has_multipliers
        self.position_bits = position_bits
        super().__init__(
            {
                "array_y": In(n_rows * y_bits),
                "array_y_valid": In(1),
                "array_y_ready": Out(1),
                "row_exponents": In(n_rows * ROW_EXPONENT_BITS),
                "accepted": In(1),
                "exponent": In(signed_shape(EXPONENT_BITS)),
                "position": In(position_bits),
                "y": Out(vector_signature(n_bits, position_bits)),
                "boot": In(boot_signature()),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        grid = f"{self.n_bits}f{self.fraction}{'m' if self.has_multipliers else ''}"
        return f"hn_drain_{self.n_rows}x{self.y_bits}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index, after, next_index = (Signal(range(max(2, self.n_rows)), name=n) for n in _INDICES)
        take, last = Signal(), Signal()
        header = self._headers(m, take & last)
        m.d.comb += [
            take.eq(self.array_y_valid & (~self.y.valid | self.y.ready)),
            last.eq(index == self.n_rows - 1),
            self.array_y_ready.eq(take & last),
            after.eq(Mux(last, 0, index + 1)),
            next_index.eq(Mux(take, after, index)),
        ]
        m.d.sync += [
            index.eq(next_index),
            self.y.valid.eq(take | (self.y.valid & ~self.y.ready)),
        ]
        second = (self.n_rows - 1).bit_length()  # address bit of the multipliers
        bias = self._constants(m, "biases", platform, self.n_bits, next_index, second, 0)
        value = self.array_y.word_select(index, self.y_bits).as_signed()
        row = self.row_exponents.word_select(index, ROW_EXPONENT_BITS).as_signed()
        fraction = self.fraction
        if self.has_multipliers:
            bits, fraction = MULTIPLIER_BITS + 1, self.fraction - MULTIPLIER_BITS
            multiplier = self._constants(m, "multipliers", platform, bits, next_index, second, 1)
            value = value * multiplier
        right = -(header.exponent + row + fraction)
        # Signals of their own, because an expression is emitted as often as it is used.
        shift = Signal(right.shape())
        m.d.comb += shift.eq(right)
        exact = self._scale(m, value, shift) + bias.as_signed()
        total = Signal(exact.shape())
        m.d.comb += total.eq(exact)
        result, clipped = saturate(m, total, self.n_bits, "result")
        m.d.comb += self.saturated.eq(take & clipped)
        with m.If(take):
            m.d.sync += [
                self.y.p.value.eq(result),
                self.y.p.position.eq(header.position),
                self.y.p.last.eq(last),
            ]
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

    def _constants(
        self,
        m: Module,
        name: str,
        platform: object,
        n_bits: int,
        next_index: Value,
        second: int,
        half: int,
    ) -> Value:
        """Booted word of the row in turn; the memory is asked for it a cycle ahead."""
        store = place(m, name, platform, Sram, n_bits, self.n_rows)
        mine = self.boot.address[second] == half if self.has_multipliers else 1
        m.d.comb += [
            store.write.eq(self.boot.write & mine),
            store.write_address.eq(self.boot.address[:second]),
            store.write_data.eq(self.boot.data),
            store.read_address.eq(next_index),
        ]
        data_: Value = store.read_data
        return data_

    def _scale(self, m: Module, value: Value, right: Value) -> Value:
        """``value / 2**right``, rounded half up: first as far left as it may go, then only right."""
        steps = Signal(range(MAX_LEFT_SHIFT + MAX_RIGHT_SHIFT + 1))
        m.d.comb += steps.eq(
            Mux(
                right < -MAX_LEFT_SHIFT,
                0,
                Mux(
                    right > MAX_RIGHT_SHIFT,
                    MAX_LEFT_SHIFT + MAX_RIGHT_SHIFT,
                    right + MAX_LEFT_SHIFT,
                ),
            )
        )
        return shift_round(value << MAX_LEFT_SHIFT, steps)


_INDICES = ("index", "after", "next_index")
