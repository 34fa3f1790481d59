"""Array timer: one array's lines and row as netlists with wires, and what OpenSTA says of them.

    lines   registers -> source -> line: repeater, segment, repeater, ...  -> pin of the last row
    row     pins -> port -> adders -> accumulator -> registers

The row's pins change when the slowest line of the heaviest bundle does, its other inputs when a
register does. Wires inside a row have the lengths that the plan of its adders gives them, and
repeaters where they are longer than the rules' distance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hnlpu.base import Pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.line_chain import (
    Segment,
    bundle_segments,
    chain_lines,
    heaviest_bundle,
    mean_load_per_um,
)
from hnlpu.layout.parasitics import line_nets
from hnlpu.layout.row_wires import row_wires
from hnlpu.layout.spef import HEADER, Pin, Wire, spef_net
from hnlpu.repeater_timing import fo4_ps, time_plain_lines
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.liberty_cells import CellLibrary, LibraryCell
from hnlpu.rtl.mapping import Netlist, map_module
from hnlpu.rtl.rows import row_component
from hnlpu.rtl.source import Source
from hnlpu.sta import Constraints, TimingPath, analyse
from hnlpu.timing_paths import gate_of, path_ends, path_parts
from hnlpu.timing_scale import TimingScale, load_scale

__all__ = ["ArrayTimer"]

#: Wires shorter than this are none.
_LEAST_UM = 0.01
#: Where paths of a row begin: at its pins, at what comes from the sequencer, at its registers.
_PINS = "[get_ports pins*]"
_CONTROLS = "[get_ports {phase* first shift stay sign}]"
_REGISTERS = "[all_registers -clock_pins]"


@dataclass(frozen=True, slots=True)
class _Lines:
    """Paths along the lines of a bundle: slowest to each last pin, fastest to each first."""

    netlist: Netlist
    slowest: Sequence[TimingPath]
    fastest: Sequence[TimingPath]

    @property
    def last(self) -> TimingPath:
        return max(self.slowest, key=_pin_arrival)


class ArrayTimer:
    """One array on one library.

    Parameters
    ----------
    floorplan : Floorplan
    pins : int64 array (n_rows, n_pins + row exponent bits)
        Drivers of the pins, those of the row exponents last.
    library : CellLibrary
    repeater : LibraryCell, optional
        Of the lines; left out, the library's fastest buffer.

    Attributes
    ----------
    fo4_ps : float
        Of the library.
    scale : TimingScale
    row : Netlist
        As mapped, without repeaters.
    segments : dict of int to list of Segment
        Of every line of the heaviest bundle.
    repeater : LibraryCell
    """

    def __init__(
        self,
        floorplan: Floorplan,
        pins: Pins,
        library: CellLibrary,
        repeater: LibraryCell | None = None,
    ) -> None:
        self.floorplan, self.plan, self.library = floorplan, floorplan.plan, library
        self.fo4_ps = fo4_ps(library)
        inverter = library.inverter
        gate_ff = inverter.loads_ff[inverter.input]
        self.scale: TimingScale = load_scale(floorplan.rules.name, self.fo4_ps, gate_ff)
        self.row, self._source = self._map()
        self._receivers = self._find_receivers()
        self._wires = self._find_wires()
        self._nets = line_nets(floorplan, pins)
        station = heaviest_bundle(floorplan, self._nets, self._pin_ff)
        self.segments = bundle_segments(floorplan, self._nets, pins, station)
        self.repeater = repeater or self._fastest_repeater()

    def _map(self) -> tuple[Netlist, Netlist]:
        """Row, and source behind registers of its own."""
        plan = self.plan
        one = replace(plan, n_rows=1)
        modules = {name: "".join(text) for name, text in base_modules(one) if name != one.name}
        components = Library()
        row = components.prototype(*row_component(plan)).module_name
        source = components.prototype(
            Source, plan.activation_bits, plan.phases, plan.product_bits, plan.lines, plan.holds_input
        )  # fmt: skip
        assert isinstance(source, Source)
        texts = list(modules.values())
        return (
            map_module(texts, row, self.library),
            map_module([*texts, _launched(source)], "hn_launched", self.library),
        )

    def _find_receivers(self) -> dict[int, list[tuple[str, str, str]]]:
        """Pin, cell and its output that a stub of each phase leads to in a row."""
        loads, cells = self.row.loads(), self.library.cells
        return {
            phase: [
                (pin, kind, cells[kind].output)
                for _, pin, kind in loads[f"pins_{phase * self.plan.n_ports}"]
            ]
            for phase in range(self.plan.phases)
        }

    @property
    def _pin_ff(self) -> float:
        """Mean load of a stub's cells, at the node."""
        cells = self.library.cells
        loads = [
            cells[cell].loads_ff[pin] for own in self._receivers.values() for pin, cell, _ in own
        ]
        return sum(loads) / len(self._receivers) * self.scale.load["value"]

    def _find_wires(self) -> list[tuple[str, str, float]]:
        """Nets of the row, their drivers and lengths."""
        lengths: dict[str, float] = {}
        for name, length in row_wires(self.floorplan).items():
            wire, _, bit = name.partition("[")
            nets = self.row.aliases.get(wire)
            if nets is not None:  # else it was optimised away
                net = nets[int(bit[:-1]) if bit else 0]
                lengths[net] = max(lengths.get(net, 0.0), length)
        drivers = {
            net: f"u{i}:{pin}"
            for i, gate in enumerate(self.row.gates)
            for pin, net in gate.pins.items()
            if pin in self.library.cells[gate.kind].functions
        }
        return [
            (net, drivers[net], um)
            for net, um in lengths.items()
            if um >= _LEAST_UM and net in drivers
        ]

    def _wired_row(self, end: str) -> tuple[Netlist, str]:
        """The row with its own wires: netlist with their repeaters, and SPEF."""
        ohm = self.scale.inputs["tree_resistance"].at(end)
        ff = self.scale.inputs["tree_capacitance"].at(end)
        buffer = self.library.buffers[0]
        netlist = Netlist(self.row.name, list(self.row.gates), dict(self.row.inputs))
        loads = self.row.loads()
        text = [HEADER.format(name=self.row.name)]
        for net, driver, um in self._wires:
            takers = [(i, pin) for i, pin, _ in loads[net] if f"{i}:{pin}" != driver]
            n = max(1, round(um / self.floorplan.rules.silicon.repeater_distance_um))
            for s in range(n - 1):
                out = f"{net}_r{s}"
                own = netlist.add(f"wire_{net}_{s}", buffer.name,
                                  **{buffer.input: net, buffer.output: out})  # fmt: skip
                wire = Wire(
                    net, driver, um / n * ohm, um / n * ff, (Pin(f"{own}:{buffer.input}", 1.0),), 2
                )
                text.append(spef_net(wire, *self.scale.wire(end)))
                net, driver = out, f"{own}:{buffer.output}"
            for i, pin in takers if n > 1 else []:
                netlist.connect(i, pin, net)
            pins = tuple(Pin(f"{i}:{pin}", 1.0) for i, pin in takers)
            if pins:
                wire = Wire(net, driver, um / n * ohm, um / n * ff, pins, 2)
                text.append(spef_net(wire, *self.scale.wire(end)))
        return netlist, "".join(text)

    def _fastest_repeater(self) -> LibraryCell:
        """The buffer with which the heaviest line is fastest."""

        def weight(wire: int) -> float:
            return sum(s.ohm * (s.ff + len(s.pins) * (s.stub_ff + self._pin_ff))
                       for s in self.segments[wire])  # fmt: skip

        heaviest = max(self.segments, key=weight)
        line = {heaviest: self.segments[heaviest]}

        def delay(cell: LibraryCell) -> float:
            return _pin_arrival(self._lines("value", cell, line).last)

        return min(self.library.buffers, key=delay)

    def _lines(
        self, end: str, repeater: LibraryCell, lines: Mapping[int, Sequence[Segment]]
    ) -> _Lines:
        source = self._source
        netlist = Netlist("hn_lines", list(source.gates), dict(source.inputs))
        text = [HEADER.format(name="hn_lines")]
        chains = []
        for wire, segments in lines.items():
            start = source.outputs[f"lines_{wire}" if len(source.outputs) > 1 else "lines"]
            chain = chain_lines(netlist, f"line_{wire}", start, segments, repeater, self._receivers)
            chains.append(chain)
            text += [spef_net(own, *self.scale.wire(end)) for own in chain.wires]
        asked = [f"-path_delay max -to [get_ports {chain.far}]" for chain in chains]
        asked += [f"-path_delay min -to [get_ports {chain.near}]" for chain in chains]
        ports = tuple(port for chain in chains for port in (chain.near, chain.far))
        paths = analyse(self.library.path, netlist.verilog(), netlist.name,
                        Constraints(outputs=ports), asked, "".join(text))  # fmt: skip
        found = [path for path in paths if path is not None]
        assert len(found) == len(paths), "a line that nothing drives"
        return _Lines(netlist, found[: len(chains)], found[len(chains) :])

    def time(self, end: str, skew_ps: float = 0.0) -> dict[str, Any]:
        """Everything at one end of the scale's ranges, in ps of the node.

        Parameters
        ----------
        end : str
            ``low``, ``value`` or ``high``.
        skew_ps : float
            By how much clock edges of two registers may differ.

        Returns
        -------
        dict
            ``period_ps``; ``line_ps``, when the slowest line has come to the last row,
            ``launch_ps`` of it to the source's registers, ``turn_ps`` from one turn to the next;
            ``row_ps`` from a pin to the registers, setup included; ``inside_ps`` from register to
            register; ``row_alone_ps``, the period if registers stood before the pins; ``parts`` of
            the period; slews, hold slack, ends of the worst paths.
        """
        to_ps = self.scale.time[end] * 1e3
        lines = self._lines(end, self.repeater, self.segments)
        last = lines.last
        arrival = _pin_arrival(last)
        netlist, spef = self._wired_row(end)
        launch = last.stages[1].arrival_ns  # a register's clock pin, its output, ...
        early = min(map(_pin_arrival, lines.fastest))
        moving = [port for port in netlist.inputs if self._moves(port)]
        on_lines = {port: port.startswith("pins") for port in moving}
        constraints = Constraints(
            input_max_ns={port: arrival if on_lines[port] else launch for port in moving},
            input_min_ns={port: early if on_lines[port] else launch for port in moving},
            input_slew_ns=last.stages[-3].slew_ns,
            uncertainty_ns=skew_ps / to_ps,
        )
        asked = [f"-path_delay max -from {some}" for some in (_PINS, _CONTROLS, _REGISTERS)]
        outside, control, inside, hold = analyse(
            self.library.path, netlist.verilog(), netlist.name, constraints,
            [*asked, "-path_delay min"], spef,
        )  # fmt: skip
        assert outside and control and inside and hold
        inside = max(inside, control, key=lambda path: path.period_ns)
        worst = max(outside, inside, key=lambda path: path.period_ns)
        parts = path_parts(worst, netlist, self.library)
        along = path_parts(last, lines.netlist, self.library, arrival)
        if worst is outside:
            parts = {part: parts[part] + along[part] for part in parts}
        turn = (along["repeaters"] + along["line wires"]) / self.floorplan.n_segments
        alone = max(outside.period_ns - arrival + launch, inside.period_ns)
        return {
            "period_ps": worst.period_ns * to_ps + skew_ps,
            "line_ps": arrival * to_ps,
            "launch_ps": launch * to_ps,
            "turn_ps": turn * to_ps,
            "row_ps": (outside.period_ns - arrival) * to_ps,
            "inside_ps": inside.period_ns * to_ps,
            "row_alone_ps": alone * to_ps + skew_ps,
            "hold_slack_ps": hold.slack_ns * to_ps,
            "line_slew_ps": max(map(_line_slews(lines.netlist), lines.slowest)) * to_ps,
            "row_slew_ps": worst.worst_slew_ns * to_ps,
            "parts": {part: value * to_ps for part, value in parts.items() if value},
            "setup_path": path_ends(worst, netlist),
            "hold_path": path_ends(hold, netlist),
        }

    def _moves(self, port: str) -> bool:
        """Whether a port of the row changes while it runs: exponents are ties."""
        name, _, index = port.rpartition("_")
        first = self.plan.n_stubs + self.plan.phases * len(self.plan.constant_ports)
        return port != "clk" and not (name == "pins" and int(index) >= first)

    def distances(self) -> Iterator[dict[str, Any]]:
        """Plain lines by the distance of repeaters, with the mean load of their layer."""
        for layer in ("M8", "M10"):
            chosen = (self._nets.n_pins > 0) & (self._nets.on_m10 == (layer == "M10"))
            if chosen.any():
                load = mean_load_per_um(self._nets, chosen, self._pin_ff)
                yield from time_plain_lines(
                    self.floorplan.rules, layer, load, self.library, self.repeater, self.scale
                )


def _launched(source: Source) -> str:
    """Verilog of a source behind registers of its own."""
    ports, registers, pins = ["input clk"], [], []
    for name, member in source.signature.members.items():
        n = member.shape if isinstance(member.shape, int) else len(member.shape)
        width = f"[{n - 1}:0] " if n > 1 else ""
        if name == "lines":
            ports.append(f"output {width}{name}")
            pins.append(f".{name}({name})")
        else:
            ports.append(f"input {width}{name}")
            registers.append(f"reg {width}{name}_r;\nalways @(posedge clk) {name}_r <= {name};\n")
            pins.append(f".{name}({name}_r)")
    pins += [f".{port}({port})" for port in source.clock_ports]
    return (
        f"module hn_launched({', '.join(ports)});\n{''.join(registers)}"
        f"{source.module_name} source({', '.join(pins)});\nendmodule\n"
    )


def _pin_arrival(path: TimingPath) -> float:
    """Arrival at the input of the last cell, behind which are its output and a port."""
    return path.stages[-3].arrival_ns


def _line_slews(netlist: Netlist) -> Any:
    """Function that tells the worst slew of a path at the inputs of repeaters and pins."""

    def worst(path: TimingPath) -> float:
        return max(
            stage.slew_ns
            for stage in path.stages
            if (gate := gate_of(stage.pin, netlist)) is not None
            and gate.name.startswith(("repeater_", "pin_"))
        )

    return worst
