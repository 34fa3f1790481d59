"""Parasitics: resistance and capacitance of the lines and stubs, from the lengths that are drawn.

A line's net reaches from its port, along the line, through the vias of the weights on it, over their stubs to
their ports. Which weights are on it decides its load; a stub's whole length loads the line it is joined to.

    R of a line  = length x ohm per um, half of it to the mean load; vias and half a stub to a port
    C of a net   = (line + stubs) x fF per um; pins of the base are not counted

Source of the constants: ``data/rules.toml``.

Contract (checked by ``tests/layout/test_parasitics.py``): lengths are those of the drawn shapes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import wire_of_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.spef import HEADER
from hnlpu.layout.turns import line_ends

__all__ = ["LineNets", "line_nets", "write_spef"]


@dataclass(frozen=True, slots=True, eq=False)
class LineNets:
    """Every line of an array, segment by segment; arrays (n,).

    Attributes
    ----------
    segment, station, wire : int64
    on_m10 : bool
    length_um : float64
        Of the line.
    n_pins : int64
        Pins joined to it.
    stub_um : float64
        Length of one stub.
    line_ohm, line_ff : float64
        Of the line alone, from its port to its end.
    load_ff : float64
        Of the stubs joined to it.
    base_ohm, stub_ohm : float64
        Of the vias between the line and its port; from the line to the port of a pin: vias and half a stub.
    """

    segment: npt.NDArray[np.int64]
    station: npt.NDArray[np.int64]
    wire: npt.NDArray[np.int64]
    on_m10: npt.NDArray[np.bool_]
    length_um: npt.NDArray[np.float64]
    n_pins: npt.NDArray[np.int64]
    stub_um: npt.NDArray[np.float64]
    line_ohm: npt.NDArray[np.float64]
    line_ff: npt.NDArray[np.float64]
    load_ff: npt.NDArray[np.float64]
    base_ohm: npt.NDArray[np.float64]
    stub_ohm: npt.NDArray[np.float64]

    @property
    def path_ohm(self) -> npt.NDArray[np.float64]:
        """From the line's port to the port of a pin half way up."""
        return (self.base_ohm + self.line_ohm) / 2 + self.stub_ohm

    @property
    def total_ff(self) -> npt.NDArray[np.float64]:
        return self.line_ff + self.load_ff

    @property
    def elmore_ps(self) -> npt.NDArray[np.float64]:
        """Delay from the port to the end, loads spread evenly along the line."""
        return self.line_ohm * (self.line_ff + self.load_ff) / 2 * 1e-3


def line_nets(floorplan: Floorplan, pins: Pins) -> LineNets:
    """Nets of the lines as ``pins`` (n_rows, n_pins + row exponent bits) load them."""
    stations, rules = floorplan.stations, floorplan.rules
    n_wires = max(kind.n_wires for kind in stations.kinds)
    shape = floorplan.n_segments, len(stations.kind), n_wires
    station, _ = stations.pin_stubs()
    segment_of = np.arange(len(pins)) // floorplan.segment_rows
    joined = (segment_of[:, None] * shape[1] + station) * n_wires + wire_of_pins(floorplan, pins)
    counts = np.bincount(joined.ravel(), minlength=int(np.prod(shape))).reshape(shape)
    ends = [[line_ends(floorplan, kind, *wire) for wire in kind.wires] for kind in stations.kinds]
    rows = []
    for segment in range(floorplan.n_segments):
        for index, kind in enumerate(stations.kinds):
            own = np.flatnonzero(stations.kind == index)
            for wire, (layer, _) in enumerate(kind.wires):
                low, high = ends[index][wire][segment]
                for s in own.tolist():
                    rows.append((segment, s, wire, layer == "M10", (high - low) / 1000,
                                 counts[segment, s, wire], (kind.stub[1] - kind.stub[0]) / 1000))  # fmt: skip
    table = np.array(rows, dtype=np.float64)
    on_m10, length, n_pins, stub_um = table[:, 3] > 0, table[:, 4], table[:, 5], table[:, 6]
    m8, m9, m10 = (rules.metals[layer] for layer in ("M8", "M9", "M10"))
    ohm = np.where(on_m10, m10.ohm_per_um, m8.ohm_per_um)
    ff = np.where(on_m10, m10.ff_per_um, m8.ff_per_um)
    via7, via8, via9 = (rules.vias[via].ohm for via in ("VIA7", "VIA8", "VIA9"))
    up = np.where(on_m10, via7 + via8 + via9, via7)
    down = np.where(on_m10, via9, via8) + stub_um / 2 * m9.ohm_per_um + via8 + via7
    return LineNets(
        segment=table[:, 0].astype(np.int64),
        station=table[:, 1].astype(np.int64),
        wire=table[:, 2].astype(np.int64),
        on_m10=on_m10,
        length_um=length,
        n_pins=n_pins.astype(np.int64),
        stub_um=stub_um,
        line_ohm=up + length * ohm,
        line_ff=length * ff,
        load_ff=n_pins * stub_um * m9.ff_per_um,
        base_ohm=up,
        stub_ohm=down,
    )


def write_spef(file: TextIO, name: str, nets: LineNets, sections: int = 4) -> None:
    """The lines as SPEF (IEEE 1481): a ladder of ``sections``, loads spread along it.

    A net is called ``seg_station_wire``, its driver ``:o``, its end ``:e``.
    """
    file.write(HEADER.format(name=name))
    file.writelines(_spef_nets(nets, sections))


def _spef_nets(nets: LineNets, sections: int) -> Iterator[str]:
    total = nets.total_ff
    for i in range(len(nets.wire)):
        net = f"line_{nets.segment[i]}_{nets.station[i]}_{nets.wire[i]}"
        nodes = [f"{net}:o", *(f"{net}:{k}" for k in range(1, sections)), f"{net}:e"]
        part = total[i] / sections
        shares = [part / 2, *[part] * (sections - 1), part / 2]
        yield f"*D_NET {net} {total[i]:.4f}\n*CONN\n*P {nodes[0]} O\n*P {nodes[-1]} I\n*CAP\n"
        for k, (node, share) in enumerate(zip(nodes, shares, strict=True), 1):
            yield f"{k} {node} {share:.5f}\n"
        yield "*RES\n"
        ohm = nets.line_ohm[i] / sections
        for k in range(sections):
            yield f"{k + 1} {nodes[k]} {nodes[k + 1]} {ohm:.4f}\n"
        yield "*END\n\n"
