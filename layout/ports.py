"""Ports: where the pins of rows and the lines of stations meet the base, on M7.

What holds these places and the weights together is the metal above them, and nothing else:
:mod:`hnlpu.layout.extraction` follows it from port to port.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.turns import Landing, bridges, meetings, track_y, turns

__all__ = [
    "SUPPLIES",
    "LinePort",
    "PinPorts",
    "line_ports",
    "pin_ports",
    "strap_bridges",
    "strap_ports",
    "supply",
]

#: Supplies, which the straps of neighbouring stations are in turn.
SUPPLIES = ("VDD", "VSS")


@dataclass(frozen=True, slots=True)
class LinePort:
    """Where a line of one station leaves the base (or enters it, at a turn); nm.

    Attributes
    ----------
    segment : int
        The line's: an entering line's segment is the one below the turn.
    station, wire : int
    driver : int
        What the line carries, numbered as in ``hnlpu.base``.
    leaves : bool
        The base drives the line here; else the line drives a repeater.
    x, y : int
    """

    segment: int
    station: int
    wire: int
    driver: int
    leaves: bool
    x: int
    y: int


@dataclass(frozen=True, slots=True, eq=False)
class PinPorts:
    """Ports of all pins of an array; int64 arrays (n,), places in nm."""

    row: npt.NDArray[np.int64]
    pin: npt.NDArray[np.int64]
    station: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]


def line_ports(floorplan: Floorplan) -> list[LinePort]:
    """Ports of the lines, those of a segment from the bottom up."""
    stations = floorplan.stations
    met = {
        kind: [meetings(floorplan, kind, *wire) for wire in kind.wires] for kind in stations.kinds
    }
    found = []
    for station, kind, x0 in stations.each():
        for wire, own in enumerate(met[kind]):
            driver = stations.driver(station, wire)
            for i, meeting in enumerate(own):
                x = x0 + meeting.x
                if meeting.y_in is not None:
                    found.append(LinePort(i - 1, station, wire, driver, False, x, meeting.y_in))
                found.append(LinePort(i, station, wire, driver, True, x, meeting.y_out))
    return sorted(found, key=lambda port: (port.y, port.x))


def supply(station: int) -> int:
    """Which of :data:`SUPPLIES` the straps of a station are."""
    return station % len(SUPPLIES)


def strap_bridges(floorplan: Floorplan) -> Iterator[tuple[int, int, Landing, int]]:
    """Station, its left edge, and landing and height of each strap at each turn; nm."""
    for turn, bottom in turns(floorplan):
        for station, kind, x0 in floorplan.stations.each():
            for tracks, landing in bridges(floorplan, kind, turn):
                if landing.x in kind.straps:
                    yield station, x0, landing, track_y(floorplan, bottom, tracks[landing.turn])


def strap_ports(floorplan: Floorplan) -> Iterator[tuple[int, int, int]]:
    """Station and centre of every port of a strap; nm."""
    for station, x0, landing, y in strap_bridges(floorplan):
        yield station, x0 + landing.m8_x, y


def pin_ports(floorplan: Floorplan) -> PinPorts:
    """Ports of the pins of every row."""
    stations = floorplan.stations
    rows = np.arange(floorplan.plan.n_rows)
    station, stub = stations.pin_stubs()
    kinds = stations.kind[station]
    pads_x = np.stack(
        [
            np.choose(floorplan.pad_column(rows, kind), np.array(kind.pads)[:, None, None])
            for kind in stations.kinds
        ]
    )  # (kind, row, stub)
    x = stations.x_nm[station] + pads_x[kinds, :, stub].T
    y = floorplan.stub_y_nm(rows)[:, stub]

    def spread(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.broadcast_to(values, x.shape).ravel()

    return PinPorts(
        row=spread(rows[:, None]),
        pin=spread(stations.pins[station, stub]),
        station=spread(station),
        segment=spread(rows[:, None] // floorplan.segment_rows),
        x=x.ravel(),
        y=y.ravel(),
    )
