"""Swiglu: the gated activations of both families.

    llama      y = up * gate * sigmoid(gate)
    gpt-oss    y = (up + 1) * gate * sigmoid(1.702 * gate), gate at most 7, up within -7 and 7

The sigmoid is interpolated between the knots of a table; a word of it is a knot and the step to the next.

Contract (checked by ``tests/rtl/test_swiglu.py`` against ``hnlpu.sim.swiglu``): bit-exact, in any pattern of
stalls; an element of the input a cycle, latency 1.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.hdl import signed as signed_shape
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, saturate
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Rom
from hnlpu.rtl.vectors import vector_signature
from hnlpu.tables import SIGMOID_RANGE, SWIGLU_ALPHA, sigmoid_table

__all__ = ["Swiglu"]


class Swiglu(SharedComponent):
    """Activation of gates and ups.

    Parameters
    ----------
    interleaved : bool
        One stream has gates and ups by turns, as the rows of gpt-oss' experts; else they come in two.
    limit : float or None
        Of the gpt-oss variant; None is llama's.
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(vector stream)
        Interleaved only.
    gate, up : In(vector stream)
        Otherwise.
    y : Out(vector stream)
    saturated : Out(1)
        In the cycle in which an element is clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, interleaved: bool, limit: float | None, numerics: Numerics, position_bits: int
    ) -> None:
        self.interleaved, self.limit = interleaved, limit
        self.numerics, self.position_bits = numerics, position_bits
        vector = vector_signature(numerics.value_bits, position_bits)
        inputs = ("x",) if interleaved else ("gate", "up")
        super().__init__(
            {**{name: In(vector) for name in inputs}, "y": Out(vector), "saturated": Out(1)}
        )

    @property
    def _most(self) -> int | None:
        """The limit on the value grid."""
        n = self.numerics
        return None if self.limit is None else round(self.limit * (1 << n.value_fraction))

    @property
    def module_name(self) -> str:
        n = self.numerics
        kind = "interleaved" if self.interleaved else "separate"
        limit = "" if self._most is None else f"_m{self._most}"
        grid = f"{n.value_bits}f{n.value_fraction}_t{n.sigmoid_table_bits}x{n.sigmoid_bits}"
        return f"hn_swiglu_{kind}{limit}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        free, take = Signal(), Signal()
        m.d.comb += free.eq(~self.y.valid | self.y.ready)
        if self.interleaved:
            kept, has_gate = Signal.like(self.x.p.value), Signal()
            m.d.comb += [self.x.ready.eq(~has_gate | free), take.eq(self.x.valid & has_gate & free)]
            with m.If(self.x.valid & self.x.ready):
                m.d.sync += [kept.eq(self.x.p.value), has_gate.eq(~has_gate)]
            gate, up, header = kept, self.x.p.value, self.x.p
        else:
            m.d.comb += [
                take.eq(self.gate.valid & self.up.valid & free),
                self.gate.ready.eq(take),
                self.up.ready.eq(take),
            ]
            gate, up, header = self.gate.p.value, self.up.p.value, self.up.p
        n = self.numerics
        if self._most is not None:
            gate = _within(m, gate, None, self._most, "gate_limited")
            up = _within(m, up, -self._most, self._most, "up_limited") + (1 << n.value_fraction)
        exact = up * gate * self._sigmoid(m, gate, platform)
        # A signal of its own, because an expression is emitted as often as it is used.
        product = Signal(exact.shape())
        rounded = round_shift(product, n.value_fraction + n.sigmoid_bits)
        result, clipped = saturate(m, rounded, n.value_bits, "result")
        m.d.comb += product.eq(exact)
        m.d.comb += self.saturated.eq(take & clipped)
        m.d.sync += self.y.valid.eq(take | (self.y.valid & ~self.y.ready))
        with m.If(take):
            m.d.sync += [
                self.y.p.value.eq(result),
                self.y.p.position.eq(header.position),
                self.y.p.last.eq(header.last),
            ]
        return m

    def _sigmoid(self, m: Module, x: Value, platform: object) -> Value:
        n = self.numerics
        table = sigmoid_table(n, 1.0 if self.limit is None else SWIGLU_ALPHA)
        knots, steps = table[:-1].tolist(), (table[1:] - table[:-1]).tolist()
        knot_bits, step_bits = max(knots).bit_length(), max(1, max(steps).bit_length())
        words = tuple(k | s << knot_bits for k, s in zip(knots, steps, strict=True))
        rom = place(m, "sigmoid", platform, Rom, knot_bits + step_bits, words)
        edge = SIGMOID_RANGE << n.value_fraction
        place_bits = (2 * edge - 1).bit_length()
        within_bits = place_bits - n.sigmoid_table_bits
        result, inside = Signal(n.sigmoid_bits + 1), Signal(n.sigmoid_bits + 1)
        position = Signal(place_bits)  # only the inside of the table counts
        knot, step = rom.data[:knot_bits], rom.data[knot_bits:]
        m.d.comb += [
            position.eq(x + edge),
            rom.address.eq(position[within_bits:]),
            inside.eq(knot + round_shift(step * position[:within_bits], within_bits)),
            result.eq(Mux(x < -edge, 0, Mux(x >= edge, 1 << n.sigmoid_bits, inside))),
        ]
        return Cat(result, 0).as_signed()


def _within(m: Module, value: Value, low: int | None, high: int, name: str) -> Signal:
    """``value`` brought between limits."""
    result = Signal(signed_shape(len(value)), name=name)
    floor = value if low is None else Mux(value < low, low, value)
    m.d.comb += result.eq(Mux(value > high, high, floor))
    return result
