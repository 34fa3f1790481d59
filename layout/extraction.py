"""Extraction: what the drawn metal joins, found by klayout's netlist extraction.

Masks become layers, layers that a via joins become nets. A pin's port on M7 must be on the net of one line,
where that line leaves the base; which line, is the weight. Nothing of the drawing's own arithmetic of
tracks is used but the places of ports.

    pin's port - VIA7 - M8 pad - VIA8 - M9 stub - VIA8 or VIA9 - line - ... - line's port

Contract (checked by ``tests/layout/test_drawing.py``): the pins of a drawing come back; vias moved, added
or dropped, cuts missing, shorts and breaks are found, with their place.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hnlpu.layout.faults import OPEN, Fault, Reading
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.geometry import klayout_db, metal_regions
from hnlpu.layout.ports import line_ports, pin_ports, strap_ports, supply
from hnlpu.layout.rules import METALS, VIAS, Rules
from hnlpu.layout.windows import Window

if TYPE_CHECKING:
    from klayout import db

__all__ = ["Nets", "extract"]


def extract(
    floorplan: Floorplan, masks: "Mapping[str, db.Region]", window: Window | None = None
) -> Reading:
    """Pins of the rows as the masks wire them.

    Parameters
    ----------
    floorplan : Floorplan
        Where ports are.
    masks : mapping of str to Region
        All masks, M7 among them.
    window : Window, optional
        Follow the ports in here alone; pins elsewhere are not told. It must hold whole segments.
    """
    nets = Nets(floorplan.rules, masks)
    faults: list[Fault] = []
    supplies: dict[int, int] = {}
    for station, x, y in strap_ports(floorplan):
        if window is not None and not window.holds(x, y):
            continue
        net, name = nets.at(x, y), f"strap of station {station}"
        if net is None:
            faults.append(Fault("open", name, x, y))
        elif supplies.setdefault(net, supply(station)) != supply(station):
            faults.append(Fault("short", f"{name} with the other supply", x, y))
    # What drives each net, by segment: a net of the line (station, driver).
    line_of: dict[tuple[int, int], tuple[int, int]] = {}
    net_of: dict[tuple[int, int, int], int | None] = {}
    for port in line_ports(floorplan):
        if window is not None and not window.holds(port.x, port.y):
            continue
        net = nets.at(port.x, port.y)
        name = f"wire {port.wire} of station {port.station}, segment {port.segment}"
        line = (port.segment, port.station, port.wire)
        if not port.leaves:
            if line in net_of and (net is None or net_of[line] != net):
                faults.append(Fault("break", name, port.x, port.y))
            continue
        net_of[line] = net
        if net is None:
            faults.append(Fault("open", name, port.x, port.y))
        elif net in supplies or (port.segment, net) in line_of:
            faults.append(Fault("short", name, port.x, port.y))
        else:
            line_of[port.segment, net] = (port.station, port.driver)
    pins = np.full((floorplan.plan.n_rows, floorplan.n_row_pins), OPEN, dtype=np.int64)
    ports = pin_ports(floorplan)
    for row, pin, station, segment, x, y in zip(
        *(
            a.tolist()
            for a in (ports.row, ports.pin, ports.station, ports.segment, ports.x, ports.y)
        ),
        strict=True,
    ):
        if window is not None and not window.holds(x, y):
            continue
        net = nets.at(x, y)
        found = None if net is None else line_of.get((segment, net))
        name = f"row {row}, pin {pin}"
        if found is None:
            faults.append(Fault("open", name, x, y))
        elif found[0] != station:
            faults.append(Fault("short", f"{name} on a line of station {found[0]}", x, y))
        else:
            pins[row, pin] = found[1]
    return Reading(pins, faults, len(faults))


class Nets:
    """Nets by the places of their ports."""

    def __init__(self, rules: Rules, masks: "Mapping[str, db.Region]") -> None:
        db = klayout_db()
        metals = metal_regions(rules, masks)
        layout = db.Layout()
        layout.dbu = 0.001
        top = layout.create_cell("TOP")
        layers: dict[str, Any] = {}
        for name in (*METALS, *VIAS):
            index = layout.layer(db.LayerInfo(name))
            region = metals[name] if name in metals else masks.get(name)
            if region:
                top.shapes(index).insert(region)
            layers[name] = index
        self._layout = layout
        l2n = db.LayoutToNetlist(db.RecursiveShapeIterator(layout, top, []))
        regions = {name: l2n.make_layer(index, name) for name, index in layers.items()}
        for name in METALS:
            l2n.connect(regions[name])
        for i, via in enumerate(VIAS):
            l2n.connect(regions[METALS[i]], regions[via])
            l2n.connect(regions[via], regions[METALS[i + 1]])
        l2n.extract_netlist()
        self._l2n, self._m7, self._point = l2n, regions["M7"], db.Point

    def at(self, x: int, y: int) -> int | None:
        """Number of the net whose port lies at a place."""
        net = self._l2n.probe_net(self._m7, self._point(x, y))
        return None if net is None else int(net.cluster_id)
