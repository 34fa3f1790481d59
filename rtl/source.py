"""Source unit: turns the inputs of one bundle into serial multiples on its lines.

The bits of the bundle's T inputs leave interleaved: bit 0 of inputs 0..T-1, then bit 1 of each, and so
on, least significant first. In the cycle of bit ``b`` and phase ``p``

    line of m     bit b of m * x[p]          (two's complement)
    line of -m    its complement             (so -m * x[p] - 1)

A source keeps no state of its own. The input whose turn it is is selected, its odd multiples are added up
in parallel, and each line picks, by the bit-time, a bit of one of them: a shift by ``k`` is a pick ``k``
bit-times later. Inputs are read from the stream itself, which keeps them until they are taken at the end,
or, where a row has several segments, from a register.

Contract (checked by ``tests/rtl/test_source.py`` against ``hnlpu.sim.source``): bit-exact.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.lines import LineGroups
from hnlpu.rtl.cells import FullAdder, HalfAdder, select_phase
from hnlpu.rtl.hierarchy import SharedComponent, place

__all__ = ["Source", "odd_steps"]


def odd_steps(odds: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """How to make odd multiples, one adder each.

    Returns
    -------
    list of (odd, a, b, shift)
        ``odd = a + (b << shift)``, or ``(b << shift) - |a|`` for negative ``a``; ``|a|`` and ``b`` were
        made before (1 is given). Multiples that are not asked for may be made on the way.
    """
    made: list[int] = [1]
    steps: list[tuple[int, int, int, int]] = []
    for wanted in sorted(set(odds) - {1}):
        missing = [wanted]
        while missing:
            odd = missing[-1]
            step = _one_adder(odd, made)
            if step is None:  # without its lowest bit it is smaller: make that first
                rest = odd - 1
                missing.append(rest // (rest & -rest))
                continue
            missing.pop()
            if odd not in made:
                steps.append(step)
                made.append(odd)
    return steps


def _one_adder(odd: int, made: Sequence[int]) -> tuple[int, int, int, int] | None:
    for shift in range(1, odd.bit_length() + 1):
        for b in made:
            rest = odd - (b << shift)
            if rest in made or -rest in made:
                return odd, rest, b, shift
    return None


class Source(SharedComponent):
    """Serial multiples of the inputs of one bundle.

    Parameters
    ----------
    activation_bits : int
        Width A of an input.
    phases : int
        Inputs T of the bundle.
    product_bits : int
        Bit-times B.
    lines : LineGroups
    registered : bool
        Keep the inputs in registers.

    Members
    -------
    x : In(T * A)
        The inputs, signed, input 0 in the low bits.
    phase : In(T), one-hot
    bit_time : In(B), one-hot
    late, early : In(B)
        Bit-time is ``b`` or later; is before ``b``.
    load : In(1)
        Registered only: take ``x``.
    lines : Out(n_lines)
        In the order of ``LineGroups.multiples``.
    """

    def __init__(
        self,
        activation_bits: int,
        phases: int,
        product_bits: int,
        lines: LineGroups,
        registered: bool = False,
    ) -> None:
        self.activation_bits, self.phases = activation_bits, phases
        self.product_bits, self.groups, self.registered = product_bits, lines, registered
        ports = {
            "x": In(activation_bits * phases),
            "phase": In(phases),
            "bit_time": In(product_bits),
            "late": In(product_bits),
            "early": In(product_bits),
            "lines": Out(lines.n_lines),
        }
        super().__init__(ports | ({"load": In(1)} if registered else {}))

    @property
    def clock_ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("clk",) if self.registered else ()

    @property
    def module_name(self) -> str:
        groups = "_".join("m" + "x".join(map(str, group)) for group in self.groups.groups)
        kind = "r" if self.registered else ""
        name = f"hn_source{kind}_a{self.activation_bits}_t{self.phases}_b{self.product_bits}"
        return f"{name}_{groups}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n_bits, n_phases = self.activation_bits, self.phases
        x = self.x
        if self.registered:
            held = Signal(n_bits * n_phases, reset_less=True)
            with m.If(self.load):
                m.d.sync += held.eq(self.x)
            x = held
        bits: list[Value] = [x[i] for i in range(n_bits)]
        if n_phases > 1:
            for i in range(n_bits):
                inputs = [x[p * n_bits + i] for p in range(n_phases)]
                bits[i] = select_phase(m, f"x_{i}", inputs, self.phase, platform)

        def odd_part(magnitude: int) -> int:
            return magnitude // (magnitude & -magnitude)

        magnitudes = [mag for group in self.groups.groups for mag in group]
        odds: dict[int, list[Value]] = {1: bits}
        for odd, a, b, shift in odd_steps([odd_part(mag) for mag in magnitudes]):
            n_odd = n_bits + (odd - 1).bit_length()
            odds[odd] = self._sum(m, f"times_{odd}", odds[abs(a)], a < 0, odds[b], shift, n_odd,
                                  platform)  # fmt: skip
        lines: list[Value] = []
        for magnitude in magnitudes:
            odd = odd_part(magnitude)
            shift = (magnitude // odd).bit_length() - 1
            line = self._serial(m, f"line_{magnitude}", odds[odd], shift, platform)
            lines += [line, ~line]
        m.d.comb += self.lines.eq(Cat(*lines))
        return m

    def _serial(
        self, m: Module, name: str, bits: list[Value], shift: int, platform: object
    ) -> Value:
        """Bit ``bit_time - shift`` of a signed value; the sign bit from there on, zeros before."""
        last = min(len(bits) - 1, self.product_bits - 1 - shift)
        inputs = bits[: last + 1]
        times = [self.bit_time[i + shift] for i in range(last)] + [self.late[last + shift]]
        if shift:
            inputs, times = [Const(0, 1), *inputs], [self.early[shift], *times]
        return select_phase(m, name, inputs, Cat(*times), platform)

    @staticmethod
    def _sum(
        m: Module, name: str, a: list[Value], negative: bool, b: list[Value], shift: int,
        n_bits: int, platform: object,
    ) -> list[Value]:  # fmt: skip
        """``(b << shift) + a`` or ``- a`` of signed values, ``n_bits`` wide."""
        result: list[Value] = []
        carry: Value = Const(int(negative), 1)
        known_carry: int | None = int(negative)
        for i in range(n_bits):
            low = a[min(i, len(a) - 1)]
            low = ~low if negative else low
            if i < shift and known_carry == 0:
                result.append(low)
                continue
            high = b[min(i - shift, len(b) - 1)] if i >= shift else Const(0, 1)
            if high is low and known_carry is None:  # two sign bits: their sum is the carry
                result.append(carry)
                carry = low
                continue
            if i < shift or known_carry == 0:
                cell = place(m, f"{name}_{i}", platform, HalfAdder)
                m.d.comb += [cell.a.eq(low), cell.b.eq(carry if i < shift else high)]
            else:
                cell = place(m, f"{name}_{i}", platform, FullAdder)
                m.d.comb += [cell.a.eq(low), cell.b.eq(high), cell.c.eq(carry)]
            result.append(cell.sum)
            carry, known_carry = cell.carry, None
        return result
