"""Pieces: every wire and via of an array as a box of its own, and what is joined to what.

A graph of the drawn metal. Its nodes are wires (pieces of M8, M9 and M10) and ports of the base on M7; vias are
its edges. Masks hold the same metal, but there neighbours share a line and are told apart by cuts.

Contract (checked by ``tests/layout/test_pieces.py``): the boxes are the metal of the masks, layer by layer, and the
graph joins every pin to the line of its driver and to nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import bridge_ends, wire_of_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.ports import supply
from hnlpu.layout.stations import Kind
from hnlpu.layout.turns import bridges, line_ends, meetings, track_y, turns

__all__ = ["NOWHERE", "PIECE_LAYERS", "PIECE_VIAS", "Pieces", "across", "along", "metal_pieces"]

Integers = npt.NDArray[np.int64]

#: Layers of the wires and of the vias.
PIECE_LAYERS = ("M8", "M9", "M10")
PIECE_VIAS = ("VIA7", "VIA8", "VIA9")
#: Node of a line or port that is not there.
NOWHERE = -1


def along(layer: str) -> tuple[int, int]:
    """Sides of a box at the ends of wires of a layer."""
    return (0, 2) if layer == "M9" else (1, 3)


def across(layer: str) -> tuple[int, int]:
    """Sides of a box at the sides of wires of a layer."""
    return (1, 3) if layer == "M9" else (0, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The metal of an array as a graph; nodes are wires, then ports.

    Attributes
    ----------
    wires : int64 array (n_wires, 4)
        Boxes in nm.
    layer : int64 array (n_wires,)
        Index into :data:`PIECE_LAYERS`.
    n_ports : int
    vias : int64 array (n_vias, 4)
        Boxes in nm.
    mask : int64 array (n_vias,)
        Index into :data:`PIECE_VIAS`.
    below, above : int64 array (n_vias,)
        Nodes that a via joins.
    pin_port : int64 array (n_rows, stubs that are pins)
        Node of the port of each pin, in the order of ``Stations.pin_stubs``.
    pin_via : int64 array (n_rows, stubs that are pins)
        The via that stands for the pin's weight.
    line, line_out, line_in : int64 array (n_segments, n_stations, wires)
        Nodes of a line, of the port where the base drives it, and of the one where it drives a repeater;
        :data:`NOWHERE` where there is none.
    driver : int64 array (n_stations, wires)
        What each line carries.
    strap_port : int64 array (n,)
        Nodes.
    strap_supply : int64 array (n,)
        Index into :data:`hnlpu.layout.ports.SUPPLIES`.
    """

    wires: Boxes
    layer: Integers
    n_ports: int
    vias: Boxes
    mask: Integers
    below: Integers
    above: Integers
    pin_port: Integers
    pin_via: Integers
    line: Integers
    line_out: Integers
    line_in: Integers
    driver: Integers
    strap_port: Integers
    strap_supply: Integers

    @property
    def n_wires(self) -> int:
        return len(self.wires)

    @property
    def n_nodes(self) -> int:
        return self.n_wires + self.n_ports

    def of_layer(self, layer: str) -> Integers:
        """Wires of a layer."""
        return np.flatnonzero(self.layer == PIECE_LAYERS.index(layer))

    def of_mask(self, mask: str) -> Integers:
        """Vias of a mask."""
        return np.flatnonzero(self.mask == PIECE_VIAS.index(mask))

    def vias_on(self, layer: str) -> Integers:
        """Vias that need metal of a layer, from below or from above."""
        index = PIECE_LAYERS.index(layer)
        return np.flatnonzero((self.mask == index) | (self.mask == index + 1))


def metal_pieces(floorplan: Floorplan, pins: Pins) -> Pieces:
    """Wires and vias of an array.

    Parameters
    ----------
    floorplan : Floorplan
    pins : (n_rows, n_pins + row exponent bits)
        As :func:`hnlpu.layout.drawing.array_pins` gives them.

    Raises
    ------
    HnlpuError
        A pin whose driver is no wire of its station.
    """
    return _Builder(floorplan).pieces(pins)


@dataclass
class _Builder:
    """Collects boxes; a port's node is negative until the wires are counted."""

    floorplan: Floorplan
    wires: list[Boxes] = field(default_factory=list)
    layers: list[Integers] = field(default_factory=list)
    vias: list[tuple[Boxes, Integers, Integers, Integers]] = field(default_factory=list)
    straps: list[tuple[Integers, Integers]] = field(default_factory=list)
    n_wires: int = 0
    n_vias: int = 0
    n_ports: int = 0

    def pieces(self, pins: Pins) -> Pieces:
        stations = self.floorplan.stations
        most = max(kind.n_wires for kind in stations.kinds)
        shape = self.floorplan.n_segments, len(stations.kind), most
        line, out, into = (np.full(shape, NOWHERE) for _ in range(3))
        has_out, has_in = (np.zeros(shape, dtype=bool) for _ in range(2))
        driver = np.full(shape[1:], NOWHERE)
        for index, kind in enumerate(stations.kinds):
            own = np.flatnonzero(stations.kind == index)
            x0 = stations.x_nm[own]
            for wire, (layer, x) in enumerate(kind.wires):
                driver[own, wire] = [stations.driver(s, wire) for s in own.tolist()]
                for segment, (low, high) in enumerate(line_ends(self.floorplan, kind, layer, x)):
                    line[segment, own, wire] = self._column(layer, x0 + x, low, high)
            strap = {x: self._column("M10", x0 + x, 0, self.floorplan.height_nm)
                     for x in kind.straps}  # fmt: skip
            for wire, segment, leaves, port in self._landings(kind, own, line, strap):
                ends, there = (out, has_out) if leaves else (into, has_in)
                ends[segment, own, wire], there[segment, own, wire] = port, True
        pin_port, pin_via = self._pins(pins, line)

        def node(ids: Integers) -> Integers:
            return np.where(ids < 0, self.n_wires - 1 - ids, ids)

        boxes, masks, below, above = (
            np.concatenate(parts) for parts in zip(*self.vias, strict=True)
        )
        ports, supplies = (np.concatenate(parts) for parts in zip(*self.straps, strict=True))
        return Pieces(
            wires=np.concatenate(self.wires),
            layer=np.concatenate(self.layers),
            n_ports=self.n_ports,
            vias=boxes,
            mask=masks,
            below=node(below),
            above=above,
            pin_port=node(pin_port),
            pin_via=pin_via,
            line=line,
            line_out=np.where(has_out, node(out), NOWHERE),
            line_in=np.where(has_in, node(into), NOWHERE),
            driver=driver,
            strap_port=node(ports),
            strap_supply=supplies,
        )

    # One box after another.

    def _wires(self, layer: str, left: Integers, low: Integers, right: Integers, high: Integers) -> Integers:  # fmt: skip
        sides = np.broadcast_arrays(left, low, right, high)
        boxes = np.stack(sides, axis=-1).reshape(-1, 4)
        ids = self.n_wires + np.arange(len(boxes))
        self.wires.append(boxes)
        self.layers.append(np.full(len(boxes), PIECE_LAYERS.index(layer)))
        self.n_wires += len(boxes)
        return ids.reshape(sides[0].shape)

    def _column(self, layer: str, x: Integers, low: int, high: int) -> Integers:
        """Vertical wires around ``x``."""
        width = self.floorplan.rules.metals[layer].width_nm
        left = x - width // 2
        return self._wires(layer, left, np.int64(low), left + width, np.int64(high))  # type: ignore[arg-type]

    def _ports(self, n: int) -> Integers:
        ids = -1 - (self.n_ports + np.arange(n))
        self.n_ports += n
        return ids

    def _vias(self, mask: str, x: Integers, y: Integers, below: Integers, above: Integers) -> Integers:  # fmt: skip
        size = self.floorplan.rules.vias[mask].size_nm
        sides = np.broadcast_arrays(x - size // 2, y - size // 2, below, above)
        corner = np.stack(sides[:2], axis=-1).reshape(-1, 2)
        ids = self.n_vias + np.arange(len(corner))
        which = np.full(len(corner), PIECE_VIAS.index(mask))
        boxes = np.concatenate([corner, corner + size], axis=1)
        self.vias.append((boxes, which, sides[2].ravel(), sides[3].ravel()))
        self.n_vias += len(corner)
        return ids.reshape(sides[0].shape)

    # Where lines and straps meet the base.

    def _landings(
        self, kind: Kind, own: Integers, line: Integers, strap: dict[int, Integers]
    ) -> Iterator[tuple[int, int, bool, Integers]]:
        """Wire, segment, whether the base drives it there, and ports, of every line that meets the base."""
        floorplan, x0 = self.floorplan, self.floorplan.stations.x_nm[own]
        for wire, (layer, x) in enumerate(kind.wires):
            for turn, meeting in enumerate(
                meetings(floorplan, kind, layer, x) if layer == "M8" else ()
            ):
                for segment, y, leaves in (
                    (turn - 1, meeting.y_in, False),
                    (turn, meeting.y_out, True),
                ):
                    if y is None:
                        continue
                    port = self._ports(len(own))
                    self._vias("VIA7", x0 + x, np.int64(y), port, line[segment, own, wire])  # type: ignore[arg-type]
                    yield wire, segment, leaves, port
        wires = {x: wire for wire, (layer, x) in enumerate(kind.wires) if layer == "M10"}
        for index, (turn_, bottom) in enumerate(turns(floorplan)):
            for tracks, landing in bridges(floorplan, kind, turn_):
                y = track_y(floorplan, bottom, tracks[landing.turn])
                left, right = bridge_ends(floorplan, landing)
                leaves = tracks == turn_.m10_out
                segment = index if leaves else index - 1
                top = (strap[landing.x] if landing.x in strap
                       else line[segment, own, wires[landing.x]])  # fmt: skip
                port = self._bridge(x0, landing.x, landing.m8_x, y, (left, right), top)
                if landing.x in strap:
                    rails = np.array([supply(station) for station in own.tolist()])
                    self.straps.append((port, rails))
                else:
                    yield wires[landing.x], segment, leaves, port

    def _bridge(self, x0: Integers, x: int, m8_x: int, y: int, ends: tuple[int, int],
                top: Integers) -> Integers:  # fmt: skip
        """From M10 over M9 and a pad on M8 to ports, which are returned."""
        floorplan = self.floorplan
        half, width = floorplan.pad_nm // 2, floorplan.rules.metals["M9"].width_nm
        pad = self._column("M8", x0 + m8_x, y - half, y + half)
        low = np.int64(y - width // 2)
        bridge = self._wires("M9", x0 + ends[0], low, x0 + ends[1], low + width)  # type: ignore[arg-type]
        port, height = self._ports(len(x0)), np.full(len(x0), y)
        self._vias("VIA7", x0 + m8_x, height, port, pad)
        self._vias("VIA8", x0 + m8_x, height, pad, bridge)
        self._vias("VIA9", x0 + x, height, bridge, top)
        return port

    # Stubs, those that are no pins among them.

    def _pins(self, pins: Pins, line: Integers) -> tuple[Integers, Integers]:
        """Ports of pins and vias of weights, (n_rows, stubs that are pins)."""
        floorplan, stations = self.floorplan, self.floorplan.stations
        rules, rows = floorplan.rules, np.arange(floorplan.plan.n_rows)
        shape = len(rows), len(stations.kind), stations.n_stubs
        y = np.broadcast_to(floorplan.stub_y_nm(rows)[:, None, :], shape)
        x0 = np.broadcast_to(stations.x_nm[None, :, None], shape)
        pads = np.stack([
            np.array(kind.pads)[floorplan.pad_column(rows, kind)] for kind in stations.kinds
        ])[stations.kind].transpose(1, 0, 2) + x0  # fmt: skip
        ends = np.array([kind.stub for kind in stations.kinds])[stations.kind]
        width = rules.metals["M9"].width_nm
        low = y - width // 2
        stub = self._wires("M9", x0 + ends[None, :, None, 0], low, x0 + ends[None, :, None, 1],
                           low + width)  # fmt: skip
        m8, half = rules.metals["M8"].width_nm, floorplan.pad_nm // 2
        left = pads - m8 // 2
        pad = self._wires("M8", left, y - half, left + m8, y + half)
        port = self._ports(stub.size).reshape(shape)
        self._vias("VIA7", pads, y, port, pad)
        self._vias("VIA8", pads, y, pad, stub)
        station, index = stations.pin_stubs()
        wire = wire_of_pins(floorplan, pins)
        segment = rows[:, None] // floorplan.segment_rows
        target = line[segment, station, wire]
        centre, above = stations.wire_places(station, wire)
        height, own = y[:, station, index], stub[:, station, index]
        via = np.empty(wire.shape, dtype=np.int64)
        via[~above] = self._vias(
            "VIA8", centre[~above], height[~above], target[~above], own[~above]
        )
        via[above] = self._vias("VIA9", centre[above], height[above], own[above], target[above])
        return port[:, station, index], via
