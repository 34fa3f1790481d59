"""Tap-crossbar array: the prefabricated base of a matrix, without its weights.

Sources, sequencer and neurons, with every line and every stub brought out: the metal of a matrix is the
wiring from ``lines`` to ``taps`` and from ``tie_low`` / ``tie_high`` to the exponent pins.

Contract (checked by ``tests/rtl/test_array.py`` and, on the emitted Verilog, by ``hnlpu.verification``,
both against ``hnlpu.sim.array``): with the metal of a plan applied, one exact result per accepted
vector, one vector per ``interval_cycles``, valid ``latency_cycles`` after it was accepted.
"""

from collections.abc import Iterator

from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.rtl.hierarchy import Library, SharedComponent
from hnlpu.rtl.neuron import Neuron
from hnlpu.rtl.sequencer import Sequencer
from hnlpu.rtl.source import Source
from hnlpu.rtl.structure import Instance, Port, Structure, concat

__all__ = ["array_ports", "base_modules"]

_CONTROL = ("load", "enable", "first", "last_phase", "sign")


def array_ports(plan: BasePlan) -> list[Port]:
    """Ports of the base, in order. ``x`` and ``y`` are packed, element 0 in the low bits.

    ``lines_{port}`` bit ``j`` carries ``LINE_MULTIPLES[j]`` times the input in phase; stub
    ``phase * n_ports + port`` of a row is the same bit of its ``taps_{row}``.
    """
    rows = range(plan.n_rows)
    exponents = [Port("input", f"exponents_{n}", plan.n_exponent_pins) for n in rows]
    return [
        Port("input", "clk"),
        Port("input", "rst"),
        Port("input", "x_valid"),
        Port("output", "x_ready"),
        Port("input", "x", plan.n_columns * plan.activation_bits),
        Port("output", "y_valid"),
        Port("input", "y_ready"),
        Port("output", "y", plan.n_rows * plan.y_bits),
        Port("output", "tie_low"),
        Port("output", "tie_high"),
        *(Port("output", f"lines_{i}", len(LINE_MULTIPLES)) for i in range(plan.n_ports)),
        *(Port("input", f"taps_{n}", plan.n_stubs) for n in rows),
        *(exponents if plan.n_exponent_pins else []),
    ]


def _instances(
    plan: BasePlan, sequencer: SharedComponent, source: SharedComponent, neuron: SharedComponent
) -> Iterator[Instance]:
    def clock(component: SharedComponent) -> tuple[tuple[str, str], ...]:
        return tuple((name, name) for name in component.clock_ports)

    control = (*((name, name) for name in _CONTROL), ("phase", "phase"))
    handshake = ((name, name) for name in ("x_valid", "x_ready", "y_valid", "y_ready"))
    yield Instance(sequencer.module_name, "sequencer", (*clock(sequencer), *handshake, *control))

    a_bits = plan.activation_bits
    padding = f"{a_bits}'d0"
    for port in range(plan.n_ports):
        columns = [plan.column(phase, port) for phase in range(plan.phases)]
        x = concat(
            padding if c is None else f"x[{(c + 1) * a_bits - 1}:{c * a_bits}]" for c in columns
        )
        pins = (("x", x), ("load", "load"), ("enable", "enable"), ("lines", f"lines_{port}"))
        yield Instance(source.module_name, f"source_{port}", (*clock(source), *pins))

    for row in range(plan.n_rows):
        row_pins = [
            ("taps", f"taps_{row}"),
            *((name, name) for name in ("phase", "first", "last_phase", "sign", "enable")),
            ("y", f"y[{(row + 1) * plan.y_bits - 1}:{row * plan.y_bits}]"),
        ]
        if plan.n_exponent_pins:
            row_pins.append(("exponents", f"exponents_{row}"))
        yield Instance(neuron.module_name, f"row_{row}", (*clock(neuron), *row_pins))


def base_modules(plan: BasePlan) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield ``(module name, pieces of Verilog text)`` of every module of a base, the array first."""
    library = Library()
    sequencer = library.prototype(Sequencer, plan.phases, plan.product_bits)
    source = library.prototype(Source, plan.activation_bits, plan.phases)
    neuron = library.prototype(Neuron, plan)
    top = Structure(
        name=plan.name,
        comment=f"Base of a {plan.n_rows} x {plan.n_columns} array: prefabricated, holds no weight.",
        ports=array_ports(plan),
        wires=[*((name, 1) for name in _CONTROL), ("phase", plan.phases)],
        instances=_instances(plan, sequencer, source, neuron),
        assigns=[("tie_low", "1'b0"), ("tie_high", "1'b1")],
    )
    yield top.name, top.render()
    for name, text in library.modules():
        yield name, iter([text])
