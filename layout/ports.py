"""Ports: where the pins of rows and the lines of stations meet the base, on M7.

What holds these places and the weights together is the metal above them, and nothing else:
:mod:`hnlpu.layout.extraction` follows it from port to port.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.stations import NO_PIN
from hnlpu.layout.turns import landings, lines_of, track_y, turns

__all__ = ["LinePort", "PinPorts", "line_ports", "pin_ports"]


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
    found = []
    for i, (turn, bottom) in enumerate(turns(floorplan)):
        places = []
        for kind in stations.kinds:
            k = len(turn.m10_out)
            downs = {landing.x: landing for landing in landings(kind, k)}
            m8 = lines_of(kind, "M8")
            own = []
            for wire, (layer, x) in enumerate(kind.wires):
                if layer == "M8":
                    place, into, out = m8.index(x), turn.m8_in, turn.m8_out
                else:
                    place, into, out, x = downs[x].turn, turn.m10_in, turn.m10_out, downs[x].m8_x
                if into:
                    own.append(
                        (wire, False, x, track_y(floorplan, bottom, into[place % len(into)]))
                    )
                own.append((wire, True, x, track_y(floorplan, bottom, out[place % len(out)])))
            places.append(own)
        for station, (kind_index, x0) in enumerate(zip(stations.kind, stations.x_nm, strict=True)):
            for wire, leaves, x, y in places[kind_index]:
                segment, driver = i if leaves else i - 1, stations.driver(station, wire)
                found.append(LinePort(segment, station, wire, driver, leaves, int(x0) + x, y))
    return sorted(found, key=lambda port: (port.y, port.x))


def pin_ports(floorplan: Floorplan) -> PinPorts:
    """Ports of the pins of every row."""
    stations = floorplan.stations
    rows = np.arange(floorplan.plan.n_rows)
    station, stub = np.nonzero(stations.pins != NO_PIN)
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
