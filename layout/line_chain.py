"""Line chain: a bundle's lines from their source to the last row, as cells and wires.

A line leaves the source through a repeater and meets another at every turn; each of its pins is the
port of a row. Chains of plain wires, for the distance of repeaters, are made here too.

Contract (checked by ``tests/layout/test_line_chain.py``): every pin of the bundle is on the wire of
its line and segment, and the wires are as long as the drawn ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import wire_of_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.parasitics import LineNets
from hnlpu.layout.rules import Rules
from hnlpu.layout.spef import Pin, Wire
from hnlpu.rtl.liberty_cells import LibraryCell
from hnlpu.rtl.mapping import Netlist

__all__ = [
    "Chain",
    "Segment",
    "bundle_segments",
    "chain_lines",
    "heaviest_bundle",
    "mean_load_per_um",
    "plain_segments",
]

#: Ladder of a segment.
SECTIONS = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """A line between two repeaters.

    Attributes
    ----------
    um, ohm, ff : float
        Of the line alone.
    pins : tuple of (float, int)
        Of each joined stub: how far along the line, and its phase.
    stub_ohm, stub_ff : float
        From the line to a port, vias and half a stub; of a whole stub.
    down_ohm : float
        From the line's end to the repeater's input.
    """

    um: float
    ohm: float
    ff: float
    pins: tuple[tuple[float, int], ...]
    stub_ohm: float
    stub_ff: float
    down_ohm: float


@dataclass(frozen=True, slots=True)
class Chain:
    """Ports of a chain in a netlist, and its wires.

    Attributes
    ----------
    near, far : str
        Output ports behind the first and the last pin.
    wires : tuple of Wire
    n_repeaters : int
    """

    near: str
    far: str
    wires: tuple[Wire, ...]
    n_repeaters: int


def heaviest_bundle(floorplan: Floorplan, nets: LineNets, pin_ff: float) -> int:
    """Station of the bundle with the slowest line, wires and pins taken together."""
    stations = floorplan.stations
    named = np.array([kind.name == "bundle" for kind in stations.kinds])[stations.kind]
    load = nets.line_ohm * (nets.total_ff + nets.n_pins * pin_ff)
    n_wires = int(nets.wire.max()) + 1
    slow = np.bincount(nets.station * n_wires + nets.wire, weights=load)
    slow = np.pad(slow, (0, len(named) * n_wires - len(slow))).reshape(len(named), n_wires)
    lines = stations.n_lines(np.arange(len(named)))
    slow[np.arange(n_wires)[None, :] >= lines[:, None]] = 0
    worst = np.where(named, slow.max(axis=1), -1.0)
    return int(worst.argmax())


def bundle_segments(
    floorplan: Floorplan, nets: LineNets, pins: Pins, station: int
) -> dict[int, list[Segment]]:
    """Segments of every line of a bundle, from the source up."""
    stations = floorplan.stations
    kind = stations.kinds[stations.kind[station]]
    own, stub = stations.pin_stubs()
    columns = np.flatnonzero(own == station)
    wires = wire_of_pins(floorplan, pins)[:, columns]
    phase = stub[columns] % floorplan.plan.phases
    m9 = floorplan.rules.metals["M9"]
    here = np.flatnonzero(nets.station == station)
    table = {(int(nets.wire[i]), int(nets.segment[i])): int(i) for i in here}
    found: dict[int, list[Segment]] = {}
    for wire in range(kind.n_lines):
        found[wire] = []
        for segment in range(floorplan.n_segments):
            i = table[wire, segment]
            first, n_rows = floorplan.segment(segment)
            row, column = np.nonzero(wires[first : first + n_rows] == wire)
            found[wire].append(Segment(
                um=float(nets.length_um[i]), ohm=float(nets.line_ohm[i]), ff=float(nets.line_ff[i]),
                pins=tuple(zip(((row + 0.5) / n_rows).tolist(), phase[column].tolist(), strict=True)),
                stub_ohm=float(nets.stub_ohm[i]), stub_ff=float(nets.stub_um[i]) * m9.ff_per_um,
                down_ohm=float(nets.base_ohm[i]),
            ))  # fmt: skip
    return found


def plain_segments(
    rules: Rules, layer: str, um: float, n: int, load_ff_per_um: float
) -> list[Segment]:
    """``n`` equal segments of a layer, each ending in a repeater alone.

    Parameters
    ----------
    load_ff_per_um : float
        Of stubs and pins, spread along the line.
    """
    metal, via7 = rules.metals[layer], rules.vias["VIA7"].ohm
    ff = um * (metal.ff_per_um + load_ff_per_um)
    return [Segment(um, via7 + um * metal.ohm_per_um, ff, (), 0.0, 0.0, via7)] * n


def chain_lines(
    netlist: Netlist,
    name: str,
    start: str,
    segments: Sequence[Segment],
    repeater: LibraryCell,
    receivers: Mapping[int, Sequence[tuple[str, str, str]]],
    sections: int = SECTIONS,
) -> Chain:
    """Add a line's repeaters and pins to a netlist.

    Parameters
    ----------
    netlist : Netlist
    name : str
        Of the line; nets and ports are called after it.
    start : str
        Net of the source.
    segments : sequence of Segment
    repeater : LibraryCell
    receivers : mapping of int to sequence of (pin, cell, output)
        Cells of a row that a pin of each phase leads to.

    Returns
    -------
    Chain
        ``near`` and ``far`` are the line's own end where it has no pins.
    """
    wires = []
    ends: list[tuple[str, str]] = []  # places of ports
    net = start
    for s, segment in enumerate(segments):
        out = f"{name}_{s}"
        instance = netlist.add(f"repeater_{name}_{s}", repeater.name,
                               **{repeater.input: net, repeater.output: out})  # fmt: skip
        joined: list[Pin] = []
        for at, phase in segment.pins:
            for pin, cell, output in receivers[phase]:
                done = f"{out}_p{len(joined)}"
                own = netlist.add(f"pin_{out}_{len(joined)}", cell, **{pin: out, output: done})
                # The stub counts once, however many cells its port leads to.
                ff = segment.stub_ff / len(receivers[phase])
                joined.append(Pin(f"{own}:{pin}", at, segment.stub_ohm, ff))
                ends.append((f"{at + s:012.6f}", done))
        is_last = s == len(segments) - 1
        if not is_last:
            joined.append(Pin(f"u{len(netlist.gates)}:{repeater.input}", 1.0, segment.down_ohm))
        elif not ends:
            close = netlist.add(f"end_{name}", repeater.name,
                                **{repeater.input: out, repeater.output: f"{out}_end"})  # fmt: skip
            joined.append(Pin(f"{close}:{repeater.input}", 1.0, segment.down_ohm))
            ends.append(("", f"{out}_end"))
        wires.append(Wire(out, f"{instance}:{repeater.output}", segment.ohm, segment.ff,
                          tuple(joined), sections))  # fmt: skip
        net = out
    near, far = min(ends)[1], max(ends)[1]
    netlist.outputs |= {f"{name}_near": near, f"{name}_far": far}
    return Chain(f"{name}_near", f"{name}_far", tuple(wires), len(segments))


def mean_load_per_um(nets: LineNets, chosen: npt.NDArray[np.bool_], pin_ff: float) -> float:
    """Stubs and pins in fF for each um of some lines."""
    loads = nets.load_ff[chosen].sum() + nets.n_pins[chosen].sum() * pin_ff
    return float(loads / nets.length_um[chosen].sum())
