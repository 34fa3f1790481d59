"""Source unit: turns the inputs of one bundle into serial multiples on shared lines.

The bits of the bundle's T inputs leave interleaved: bit 0 of inputs 0..T-1, then bit 1 of each, and so
on, least significant first. In the cycle of bit ``b`` and phase ``p``

    lines[j] = bit b of LINE_MULTIPLES[j] * x[p]      (two's complement, B = A + 4 bits)

One serial multiplier serves all T inputs: every delay in it (carries, and the shifts by 1, 2 and 3 bits)
is T registers long instead of one, so phase p meets its own state again one bit-time later.

Contract (checked by ``tests/rtl/test_source.py`` against ``hnlpu.sim.source``): bit-exact.
"""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.base import LINE_MULTIPLES
from hnlpu.rtl.cells import FullAdder, HalfAdder
from hnlpu.rtl.hierarchy import SharedComponent, place

__all__ = ["Source"]


class Source(SharedComponent):
    """Serial multiples of the inputs of one bundle.

    Parameters
    ----------
    activation_bits : int
        Width A of an input.
    phases : int
        Inputs T of the bundle.

    Members
    -------
    x : In(T * A)
        The inputs, signed, input 0 in the low bits.
    load : In(1)
        Take ``x`` and start at bit 0, phase 0 with the next cycle.
    enable : In(1)
        Advance by one phase (or load).
    lines : Out(15)
        The serial multiples of ``LINE_MULTIPLES``.
    """

    clock_ports = ("clk",)

    def __init__(self, activation_bits: int, phases: int) -> None:
        self.activation_bits, self.phases = activation_bits, phases
        super().__init__(
            {
                "x": In(activation_bits * phases),
                "load": In(1),
                "enable": In(1),
                "lines": Out(len(LINE_MULTIPLES)),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_source_a{self.activation_bits}_t{self.phases}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n_phases, n_bits = self.phases, self.activation_bits

        def delayed(name: str, bit: Value, *, at_load: int = 0) -> Value:
            """``bit`` one bit-time ago in the same phase; ``at_load`` in bit-time 0."""
            line = Signal(n_phases, name=name, reset_less=True)
            with m.If(self.load):
                m.d.sync += line.eq(-at_load)
            with m.Elif(self.enable):
                m.d.sync += line.eq(Cat(line[1:], bit))
            return line[0]

        def negated(name: str, bit: Value) -> Value:
            """Serial two's complement: invert, and add a one in bit-time 0."""
            cell = place(m, f"minus_{name}x", platform, HalfAdder)
            m.d.comb += cell.a.eq(~bit)
            m.d.comb += cell.b.eq(delayed(f"minus_{name}_carry", cell.carry, at_load=1))
            return cell.sum

        # The input bits, interleaved over the phases; after the sign bits come the sign bits again.
        bits = Signal(n_bits * n_phases, reset_less=True)
        with m.If(self.load):
            m.d.sync += bits.eq(
                Cat(self.x[p * n_bits + b] for b in range(n_bits) for p in range(n_phases))
            )
        with m.Elif(self.enable):
            m.d.sync += bits.eq(Cat(bits[1:], bits[-n_phases]))

        one = bits[0]
        two = delayed("two", one)
        triple = place(m, "triple", platform, FullAdder)  # 3x = x + 2x
        m.d.comb += [triple.a.eq(one), triple.b.eq(two)]
        m.d.comb += triple.c.eq(delayed("triple_carry", triple.carry))
        serial: dict[int, Value] = {0: Const(0, 1)}
        for unit, bit in ((1, one), (3, triple.sum)):
            for sign, root in ((1, bit), (-1, negated(str(unit), bit))):
                serial[sign * unit] = root
                shift = 2
                while unit * shift in LINE_MULTIPLES:
                    multiple = sign * unit * shift
                    name = f"{'minus_' if sign < 0 else ''}times_{unit * shift}"
                    half = serial[multiple // 2]
                    serial[multiple] = two if multiple == 2 else delayed(name, half)
                    shift *= 2
        m.d.comb += self.lines.eq(Cat(serial[multiple] for multiple in LINE_MULTIPLES))
        return m
