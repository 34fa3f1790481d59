"""The leaf cells a Hardwired-Neuron is built of, each its own module.

They stay modules in the emitted Verilog so that a physical designer can bind each to a library cell and
the transistor count of a base is a count of cells, not a guess about what synthesis recognises.
Transistors per cell are in ``rtl/data/cells.toml``.
"""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent, place

__all__ = ["FullAdder", "HalfAdder", "InvertingFullAdder", "PhaseSelect", "select_phase"]


class FullAdder(SharedComponent):
    """``a + b + c = sum + 2 carry``.

    Members
    -------
    a, b, c : In(1)
    sum, carry : Out(1)
    """

    module_name = "hn_full_adder"

    def __init__(self) -> None:
        super().__init__({"a": In(1), "b": In(1), "c": In(1), "sum": Out(1), "carry": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.sum.eq(self.a ^ self.b ^ self.c),
            self.carry.eq((self.a & self.b) | (self.c & (self.a ^ self.b))),
        ]
        return m


class InvertingFullAdder(SharedComponent):
    """``a + b + c = ~sum + 2 ~carry``: a mirror adder without its output inverters.

    Self-dual: with all inputs complemented, ``sum`` and ``carry`` are true.

    Members
    -------
    a, b, c : In(1)
    sum, carry : Out(1)
        Complements of sum and carry.
    """

    module_name = "hn_full_adder_n"

    def __init__(self) -> None:
        super().__init__({"a": In(1), "b": In(1), "c": In(1), "sum": Out(1), "carry": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.sum.eq(~(self.a ^ self.b ^ self.c)),
            self.carry.eq(~((self.a & self.b) | (self.c & (self.a ^ self.b)))),
        ]
        return m


class HalfAdder(SharedComponent):
    """``a + b = sum + 2 carry``.

    Members
    -------
    a, b : In(1)
    sum, carry : Out(1)
    """

    module_name = "hn_half_adder"

    def __init__(self) -> None:
        super().__init__({"a": In(1), "b": In(1), "sum": Out(1), "carry": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [self.sum.eq(self.a ^ self.b), self.carry.eq(self.a & self.b)]
        return m


class PhaseSelect(SharedComponent):
    """Transmission-gate selector: one of ``n_phases`` inputs by a one-hot select.

    Parameters
    ----------
    n_phases : int
        Number of inputs; one passes without a gate.

    Members
    -------
    a : In(n_phases)
    phase : In(n_phases), one-hot
    y : Out(1)
    """

    def __init__(self, n_phases: int) -> None:
        self.n_phases = n_phases
        super().__init__({"a": In(n_phases), "phase": In(n_phases), "y": Out(1)})

    @property
    def module_name(self) -> str:
        return f"hn_phase_select_{self.n_phases}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.y.eq((self.a & self.phase).any())
        return m


def select_phase(
    m: Module, name: str, inputs: list[Value], phase: Value, platform: object
) -> Value:
    """The input whose phase it is; a port of one phase is a wire."""
    if len(inputs) == 1:
        return inputs[0]
    select = place(m, name, platform, PhaseSelect, len(inputs))
    m.d.comb += [select.a.eq(Cat(*inputs)), select.phase.eq(phase)]
    result: Value = select.y
    return result
