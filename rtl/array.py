"""Array: the prefabricated base of a matrix, without its weights.

Sequencer, sources and rows, with every line and every pin brought out: the metal of a matrix is the wiring
from ``lines``, ``constants``, ties and a row's own outputs to ``pins``.

Contract (checked by ``tests/rtl/test_array.py`` and, on the emitted Verilog, by ``hnlpu.verification``,
both against ``hnlpu.sim.array``): with the metal of a plan applied, one exact result per accepted
vector, one vector per ``interval_cycles``, valid ``latency_cycles`` after it was offered.
"""

from collections.abc import Iterator

from hnlpu.base import ArrayPlan
from hnlpu.rtl.hierarchy import Library, SharedComponent
from hnlpu.rtl.rows import row_component
from hnlpu.rtl.sequencer import Sequencer
from hnlpu.rtl.source import Source
from hnlpu.rtl.structure import Instance, Port, Structure, concat

__all__ = ["array_ports", "base_modules"]


def array_ports(plan: ArrayPlan) -> list[Port]:
    """Ports of the base, in order. ``x`` and ``y`` are packed, element 0 in the low bits.

    From ``tie_low`` to ``constants`` the bits are the drivers of ``hnlpu.base``, in order; the outputs
    ``local_{row}`` are the drivers after them, for the pins of that row.
    """
    rows = range(plan.n_rows)
    local = [Port("output", f"local_{n}", plan.n_local) for n in rows] if plan.n_local else []
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
        *(Port("output", f"lines_{i}", plan.lines.n_lines) for i in range(plan.n_bundles)),
        Port("output", "constants", plan.n_constant_lines),
        *local,
        *(Port("input", f"pins_{n}", plan.n_pins) for n in rows),
    ]


def _instances(
    plan: ArrayPlan, sequencer: SharedComponent, source: SharedComponent, row: SharedComponent
) -> Iterator[Instance]:
    def pins(component: SharedComponent, own: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """Every port of a component: its own connections, else the wire of its name."""
        names = [*component.clock_ports, *component.signature.members]
        return tuple((name, own.get(name, name)) for name in names)

    yield Instance(sequencer.module_name, "sequencer", pins(sequencer, {}))
    a_bits = plan.activation_bits
    padding = f"{a_bits}'d0"
    for bundle in range(plan.n_bundles):
        columns = [plan.column(phase, bundle) for phase in range(plan.phases)]
        x = concat(
            padding if c is None else f"x[{(c + 1) * a_bits - 1}:{c * a_bits}]" for c in columns
        )
        j = plan.bundle_segment(bundle)
        own = {"x": x, "lines": f"lines_{bundle}"}
        own |= {name: f"{name}_{j}" for name in ("phase", "bit_time", "late", "early", "load")}
        yield Instance(source.module_name, f"source_{bundle}", pins(source, own))
    for n in range(plan.n_rows):
        y = f"y[{(n + 1) * plan.y_bits - 1}:{n * plan.y_bits}]"
        own = {"pins": f"pins_{n}", "locals": f"local_{n}", "y": y}
        yield Instance(row.module_name, f"row_{n}", pins(row, own))


def base_modules(plan: ArrayPlan) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield ``(module name, pieces of Verilog text)`` of every module of a base, the array first."""
    library = Library()
    control = (plan.phases, plan.product_bits, plan.n_segments, plan.n_cuts, plan.holds_input)
    sequencer = library.prototype(Sequencer, *control)
    source = library.prototype(
        Source, plan.activation_bits, plan.phases, plan.product_bits, plan.lines, plan.holds_input
    )
    row = library.prototype(*row_component(plan))
    outside = {port.name for port in array_ports(plan)}
    wires = [
        (name, member.shape)
        for name, member in sequencer.signature.members.items()
        if name not in outside
    ]
    top = Structure(
        name=plan.name,
        comment=f"Base of a {plan.n_rows} x {plan.n_columns} array ({plan.arch}): prefabricated, "
        "holds no weight.\nverilator lint_off UNUSEDSIGNAL",
        ports=array_ports(plan),
        wires=wires,
        instances=_instances(plan, sequencer, source, row),
        assigns=[
            ("tie_low", "1'b0"),
            ("tie_high", "1'b1"),
            ("constants", f"constants_{plan.constant_segment}"),
        ],
    )
    yield top.name, top.render()
    for name, text in library.modules():
        yield name, iter([text])
