"""Scale: exact sums of whole rows, brought to a grid: scaled, biased and rounded once.

    y = saturate(x * 2**(row exponent + exponent of x + fraction) * multiplier / 2**15 + bias)

Contract (checked by ``tests/rtl/test_drain.py`` against ``hnlpu.sim.projection``): bit-exact, in any pattern
of stalls; an element a cycle, latency 1.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.chip import MULTIPLIER_BITS
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.rtl.fixed_point import saturate, shift_round
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.vectors import boot_signature, integer_signature, vector_signature
from hnlpu.sim.fixed_point import MAX_LEFT_SHIFT, MAX_RIGHT_SHIFT

__all__ = ["Scale"]


class Scale(SharedComponent):
    """Brings the sums of rows to a grid.

    Parameters
    ----------
    n_rows : int
        Elements of a vector.
    x_bits : int
        Of a sum.
    n_bits, fraction : int
        The grid of ``y``.
    has_multipliers : bool
        The rows have scales that are no powers of two.
    position_bits : int

    Members
    -------
    x : In(integer stream)
        In units of ``2**(row exponent + exponent)``.
    row_exponents : In(n_rows * ROW_EXPONENT_BITS)
        Constant.
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
        x_bits: int,
        n_bits: int,
        fraction: int,
        has_multipliers: bool,
        position_bits: int,
    ) -> None:
        self.n_rows, self.x_bits, self.n_bits = n_rows, x_bits, n_bits
        self.fraction, self.has_multipliers = fraction, has_multipliers
        self.position_bits = position_bits
        super().__init__(
            {
                "x": In(integer_signature(x_bits, position_bits)),
                "row_exponents": In(n_rows * ROW_EXPONENT_BITS),
                "y": Out(vector_signature(n_bits, position_bits)),
                "boot": In(boot_signature()),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        grid = f"{self.n_bits}f{self.fraction}{'m' if self.has_multipliers else ''}"
        return f"hn_scale_{self.n_rows}x{self.x_bits}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index, after, next_index = (Signal(range(max(2, self.n_rows)), name=n) for n in _INDICES)
        take = Signal()
        m.d.comb += [
            self.x.ready.eq(~self.y.valid | self.y.ready),
            take.eq(self.x.valid & self.x.ready),
            after.eq(Mux(self.x.p.last, 0, index + 1)),
            next_index.eq(Mux(take, after, index)),
        ]
        m.d.sync += [
            index.eq(next_index),
            self.y.valid.eq(take | (self.y.valid & ~self.y.ready)),
        ]
        second = (self.n_rows - 1).bit_length()  # address bit of the multipliers
        bias = self._constants(m, "biases", platform, self.n_bits, next_index, second, 0)
        value: Value = self.x.p.value
        row = self.row_exponents.word_select(index, ROW_EXPONENT_BITS).as_signed()
        fraction = self.fraction
        if self.has_multipliers:
            bits, fraction = MULTIPLIER_BITS + 1, self.fraction - MULTIPLIER_BITS
            multiplier = self._constants(m, "multipliers", platform, bits, next_index, second, 1)
            value = value * multiplier
        right = -(self.x.p.exponent + row + fraction)
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
                self.y.p.position.eq(self.x.p.position),
                self.y.p.last.eq(self.x.p.last),
            ]
        return m

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
