"""Turns: how lines come up from the base, and go down to it and up again.

A line of M8 ends on a port of M7 below it. A line of M10 ends above a bridge of M9 that leads to the nearest
track of M8, where a pad goes down to a port. Neighbours take tracks of M9 in turn, for their ports would
touch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ground import Ground, Turn
from hnlpu.layout.stations import Kind

__all__ = [
    "Landing",
    "Meeting",
    "bridges",
    "landings",
    "line_ends",
    "meetings",
    "pads",
    "track_y",
    "turns",
]


@dataclass(frozen=True, slots=True)
class Landing:
    """A line of M10 that meets the base: its place, and the track of M8 on which it does."""

    x: int
    m8_x: int
    turn: int


def landings(kind: Kind, k: int) -> Iterator[Landing]:
    """How each track of M10 goes down; those beside each other take ``k`` tracks in turn."""
    m8 = np.array(sorted(kind.tracks("M8")))
    free = np.ones(len(m8), dtype=bool)
    for i, x in enumerate(sorted(kind.tracks("M10"))):
        distance = np.where(free, np.abs(m8 - x), np.iinfo(np.int64).max)
        nearest = int(distance.argmin())
        free[nearest] = False
        yield Landing(x, int(m8[nearest]), i % k)


def turns(floorplan: Ground) -> Iterator[tuple[Turn, int]]:
    """Every turn and its lower edge, the source first."""
    yield floorplan.source, 0
    for segment in range(1, floorplan.n_segments):
        first, _ = floorplan.segment(segment)
        top = int(floorplan.row_y_nm(np.array(first)))
        yield floorplan.turn, top - floorplan.turn.n_tracks * floorplan.pitch_nm


def track_y(floorplan: Ground, bottom: int, track: int) -> int:
    return bottom + track * floorplan.pitch_nm + floorplan.pitch_nm // 2


def bridges(floorplan: Ground, kind: Kind, turn: Turn) -> Iterator[tuple[tuple[int, ...], Landing]]:
    """Where tracks of M10 go down in a turn: lines in and out, straps once."""
    for landing in landings(kind, len(turn.m10_out)):
        if landing.x in kind.straps or not turn.m10_in:
            yield turn.m10_out, landing
        else:
            yield turn.m10_in, landing
            yield turn.m10_out, landing


def pads(floorplan: Floorplan, kind: Kind, segment: int) -> Iterator[tuple[int, int, int, int]]:
    """Centres x, y of the pads of a segment's stubs, and how often and by how much they repeat in y."""
    first, n_rows = floorplan.segment(segment)
    period = floorplan.row_period
    for row in range(first, first + min(period, n_rows)):
        ny = -(-(first + n_rows - row) // period)
        columns = floorplan.pad_column(np.array(row), kind)
        for stub, y in enumerate(floorplan.stub_y_nm(np.array(row))):
            yield kind.pads[columns[stub]], int(y), ny, period * floorplan.row_nm


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where a line meets the base at a turn: its port's place, and heights at which it enters and leaves; nm.

    ``y_in`` is None below the first row, where no line comes from below.
    """

    x: int
    y_in: int | None
    y_out: int


def meetings(floorplan: Ground, kind: Kind, layer: str, x: int) -> list[Meeting]:
    """Where the line at ``x`` of a station meets the base, from the source up."""
    if layer == "M8":
        # Lines of M8 beside each other take tracks in turn, as those of M10 do.
        port_x, place = x, sorted(own for name, own in kind.wires if name == layer).index(x)
    else:
        k = len(floorplan.source.m10_out)
        down = next(landing for landing in landings(kind, k) if landing.x == x)
        port_x, place = down.m8_x, down.turn
    found = []
    for turn, bottom in turns(floorplan):
        into, out = (turn.m8_in, turn.m8_out) if layer == "M8" else (turn.m10_in, turn.m10_out)
        y_in, y_out = (
            track_y(floorplan, bottom, tracks[place % len(tracks)]) if tracks else None
            for tracks in (into, out)
        )
        assert y_out is not None
        found.append(Meeting(port_x, y_in, y_out))
    return found


def line_ends(floorplan: Ground, kind: Kind, layer: str, x: int) -> list[tuple[int, int]]:
    """Lower and upper end of the line at ``x`` of a station, in every segment; nm."""
    via = floorplan.rules.vias["VIA7" if layer == "M8" else "VIA9"]
    reach = via.upper_reach_nm
    met = meetings(floorplan, kind, layer, x)
    lows = [meeting.y_out - reach for meeting in met]
    highs = [meeting.y_in + reach for meeting in met if meeting.y_in is not None]
    return list(zip(lows, [*highs, floorplan.height_nm], strict=True))
