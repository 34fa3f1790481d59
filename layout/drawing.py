"""Drawing: the shapes of an array, mask by mask.

Everything but the weights is regular and the same for all weights of a shape: it is drawn as
:class:`Pattern` s, boxes repeated in x and y. The weights are vias, a box each, from the pins of the rows.

A layer whose ends are cut has two masks: lines that run through, and cuts. Its metal is the first without
the second.

Contract (checked by ``tests/layout/test_drawing.py``): no mask but VIA8 and VIA9 depends on the weights; the
drawn metal obeys the rules, and joins every pin to its driver and to nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from hnlpu.base import HIGH, LOW, Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.rules import Rules
from hnlpu.layout.stations import Kind
from hnlpu.layout.turns import (
    Landing,
    bridges,
    line_ends,
    meetings,
    pads,
    track_y,
    turns,
)
from hnlpu.metal import MetalPlan

__all__ = [
    "Pattern",
    "array_pins",
    "base_shapes",
    "box_around",
    "bridge_ends",
    "expand",
    "expand_all",
    "via_boxes",
    "weight_vias",
    "wire_of_pins",
]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A box of a mask, ``nx`` times by ``dx`` and ``ny`` times by ``dy``; nm."""

    mask: str
    box: tuple[int, int, int, int]
    nx: int = 1
    dx: int = 0
    ny: int = 1
    dy: int = 0


def expand(pattern: Pattern) -> Boxes:
    """Every box of a pattern."""
    x = np.arange(pattern.nx) * pattern.dx
    y = np.arange(pattern.ny) * pattern.dy
    shift = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)
    boxes: Boxes = np.asarray(pattern.box) + np.tile(shift, 2)
    return boxes


def expand_all(patterns: Iterable[Pattern]) -> Boxes:
    """Every box of some patterns."""
    return np.concatenate([np.zeros((0, 4), dtype=np.int64), *map(expand, patterns)])


def via_boxes(rules: Rules, mask: str, centres: npt.NDArray[np.int64]) -> Boxes:
    """Vias of ``mask`` around centres (n, 2)."""
    half = rules.vias[mask].size_nm // 2
    return np.concatenate([centres - half, centres + half], axis=1)


def box_around(x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
    """The box of a size around a centre."""
    left, low = x - width // 2, y - height // 2
    return left, low, left + width, low + height


def array_pins(plan: MetalPlan, rows: slice = slice(None)) -> Pins:
    """Drivers of the pins of each row, the bits of the row's exponent last, on ties."""
    ties = np.where(plan.row_exponent_bits[rows], HIGH, LOW)
    return np.concatenate([plan.pins[rows], ties], axis=1)


def weight_vias(
    floorplan: Floorplan, pins: Pins, first_row: int = 0
) -> dict[str, npt.NDArray[np.int64]]:
    """Centres of the vias that stand for the pins of some rows.

    Parameters
    ----------
    floorplan : Floorplan
    pins : (n_rows, n_pins + row exponent bits)
        As :func:`array_pins` gives them.
    first_row : int
        Row of the array that ``pins[0]`` is.

    Returns
    -------
    dict of str to int64 array (n, 2)
        Centres in nm of VIA8 and of VIA9.

    Raises
    ------
    HnlpuError
        A pin whose driver is no wire of its station.
    """
    stations = floorplan.stations
    station, stub = stations.pin_stubs()
    wire = wire_of_pins(floorplan, pins, first_row)
    x, above = stations.wire_places(station, wire)
    rows = np.arange(first_row, first_row + len(pins))
    centre = np.stack([x, floorplan.stub_y_nm(rows)[:, stub]], axis=-1)
    return {"VIA8": centre[~above], "VIA9": centre[above]}


def wire_of_pins(floorplan: Floorplan, pins: Pins, first_row: int = 0) -> npt.NDArray[np.int64]:
    """Wire of its station that each pin of some rows is joined to, (n_rows, stubs that are pins).

    Raises
    ------
    HnlpuError
        A pin whose driver is no wire of its station.
    """
    stations = floorplan.stations
    station, stub = stations.pin_stubs()
    drivers = pins[:, stations.pins[station, stub]]
    wire = drivers - stations.first_driver[station]
    n_lines = stations.n_lines(station)
    wire[(wire < 0) | (wire >= n_lines)] = -1
    for tie in range(stations.ties.shape[1]):
        wire = np.where(drivers == stations.ties[station, tie], n_lines + tie, wire)
    if (wire < 0).any():
        row, i = (int(n) for n in np.argwhere(wire < 0)[0])
        raise HnlpuError(
            "a pin cannot be drawn: its driver is no wire of its station",
            where=f"row {first_row + row}, pin {stations.pins[station[i], stub[i]]} on "
            f"{floorplan.plan.name}",
            got=f"driver {drivers[row, i]}",
            do="draw the metal of this base",
        )
    return wire


@lru_cache(maxsize=4)
def base_shapes(floorplan: Floorplan) -> dict[str, list[Pattern]]:
    """Everything that does not depend on weights, by mask; ports on M7 among it."""
    found: dict[str, list[Pattern]] = {}
    columns = (_columns(floorplan, layer) for layer in ("M8", "M10"))
    for pattern in chain(_ports(floorplan), _stubs(floorplan), *columns):
        found.setdefault(pattern.mask, []).append(pattern)
    return found


# Ports of stubs, and the ports through which lines come and go.


def _square(mask: str, x: int, y: int, width: int, height: int, nx: int, dx: int,
            ny: int = 1, dy: int = 0) -> Pattern:  # fmt: skip
    return Pattern(mask, box_around(x, y, width, height), nx, dx, ny, dy)


def _ports(floorplan: Floorplan) -> Iterator[Pattern]:
    rules = floorplan.rules
    via = {name: rule.size_nm for name, rule in rules.vias.items()}
    m7 = rules.metals["M7"].width_nm

    def port(x: int, y: int, nx: int, dx: int, ny: int = 1, dy: int = 0) -> Iterator[Pattern]:
        yield _square("M7", x, y, floorplan.port_nm, m7, nx, dx, ny, dy)
        yield _square("VIA7", x, y, via["VIA7"], via["VIA7"], nx, dx, ny, dy)

    for kind, x0, n in floorplan.stations.runs():
        repeat = (n, kind.width_nm)
        for segment in range(floorplan.n_segments):
            for x, y, ny, dy in pads(floorplan, kind, segment):
                yield from port(x0 + x, y, *repeat, ny, dy)
                yield _square("VIA8", x0 + x, y, via["VIA8"], via["VIA8"], *repeat, ny, dy)
        for x in (x for layer, x in kind.wires if layer == "M8"):
            for meeting in meetings(floorplan, kind, "M8", x):
                yield from port(x0 + x, meeting.y_out, *repeat)
                if meeting.y_in is not None:
                    yield from port(x0 + x, meeting.y_in, *repeat)
        for turn, bottom in turns(floorplan):
            for tracks, landing in bridges(floorplan, kind, turn):
                y = track_y(floorplan, bottom, tracks[landing.turn])
                yield from port(x0 + landing.m8_x, y, *repeat)
                yield _square("VIA8", x0 + landing.m8_x, y, via["VIA8"], via["VIA8"], *repeat)
                yield _square("VIA9", x0 + landing.x, y, via["VIA9"], via["VIA9"], *repeat)


# Stubs, and the bridges from M10 to M8, on M9.


def _stubs(floorplan: Floorplan) -> Iterator[Pattern]:
    stubs = {kind: [kind.stub] for kind in floorplan.stations.kinds}
    for segment in range(floorplan.n_segments):
        first, n_rows = floorplan.segment(segment)
        for y in floorplan.stub_y_nm(np.array(first)):
            yield from _track(floorplan, int(y), stubs, n_rows, floorplan.row_nm)
    for turn, bottom in turns(floorplan):
        for track in (*turn.m10_in, *turn.m10_out):
            pieces = {
                kind: sorted(
                    bridge_ends(floorplan, landing)
                    for tracks, landing in bridges(floorplan, kind, turn)
                    if tracks[landing.turn] == track
                )
                for kind in floorplan.stations.kinds
            }
            yield from _track(floorplan, track_y(floorplan, bottom, track), pieces, 1, 0)


def bridge_ends(floorplan: Ground, landing: Landing) -> tuple[int, int]:
    """Both ends of the M9 between a track of M10 and its landing on M8."""
    vias = floorplan.rules.vias
    reach8, reach10 = vias["VIA8"].upper_reach_nm, vias["VIA9"].lower_reach_nm
    left = min(landing.m8_x - reach8, landing.x - reach10)
    right = max(landing.m8_x + reach8, landing.x + reach10)
    short = max(0, floorplan.bridge_nm(0) - (right - left))
    return left - short // 2, right + short - short // 2


def _track(
    floorplan: Floorplan,
    y: int,
    pieces: dict[Kind, list[tuple[int, int]]],
    ny: int,
    dy: int,
) -> Iterator[Pattern]:
    """Wires on a track of M9: ``pieces`` of each kind of station, from left to right."""
    rule = floorplan.rules.metals["M9"]
    low, high = y - rule.width_nm // 2, y - rule.width_nm // 2 + rule.width_nm
    if not any(pieces[kind] for kind, _, _ in floorplan.stations.runs()):
        return
    if not rule.cut:
        for kind, x0, n in floorplan.stations.runs():
            for left, right in pieces[kind]:
                box = (x0 + left, low, x0 + right, high)
                yield Pattern("M9", box, n, kind.width_nm, ny, dy)
        return
    reach = (rule.pitch_nm - rule.width_nm) // 2

    def cut(left: int, right: int, nx: int = 1, dx: int = 0) -> Pattern:
        return Pattern("M9C", (left, low - reach, right, high + reach), nx, dx, ny, dy)

    begin = end = -1
    for kind, x0, n in floorplan.stations.runs():
        own = pieces[kind]
        if not own:
            continue
        if begin < 0:
            begin = x0 + own[0][0]
        else:
            yield cut(end, x0 + own[0][0])
        for (_, left), (right, _) in pairwise(own):
            yield cut(x0 + left, x0 + right, n, kind.width_nm)
        if n > 1:
            yield cut(x0 + own[-1][1], x0 + kind.width_nm + own[0][0], n - 1, kind.width_nm)
        end = x0 + (n - 1) * kind.width_nm + own[-1][1]
    yield Pattern("M9", (begin, low, end, high), 1, 0, ny, dy)


# Columns: lines, straps and pads on M8 and M10.

#: Ends of a piece of a column, how often it stands there, and by how much.
_Piece = tuple[int, int, int, int]


def _columns(floorplan: Floorplan, layer: str) -> Iterator[Pattern]:
    rule = floorplan.rules.metals[layer]
    for kind, x0, n in floorplan.stations.runs():
        for x in sorted(set(kind.tracks(layer))):
            pieces = sorted(_column(floorplan, kind, layer, x))
            left = x0 + x - rule.width_nm // 2
            right = left + rule.width_nm

            def box(low: int, high: int, ny: int = 1, dy: int = 0, mask: str = layer,
                    left: int = left, right: int = right, n: int = n,
                    width: int = kind.width_nm) -> Pattern:  # fmt: skip
                return Pattern(mask, (left, low, right, high), n, width, ny, dy)

            if not rule.cut:
                for low, high, ny, dy in pieces:
                    yield box(low, high, ny, dy)
                continue
            yield box(0, floorplan.height_nm)
            # Cuts between lines abut; those between pads take turns, and keep their distance.
            full = (rule.pitch_nm - rule.width_nm) // 2
            for low, high, ny, dy in _gaps(pieces, floorplan.height_nm):
                reach = full // 2 if dy else full
                yield box(low, high, ny, dy, f"{layer}C", left - reach, right + reach)


def _gaps(pieces: Sequence[_Piece], top: int) -> Iterator[_Piece]:
    """What a column leaves open between 0 and ``top``.

    Pieces that repeat with one period in one place (the pads of a segment) interleave: the gaps between
    them repeat with it.
    """
    end = 0
    for group in _groups(pieces):
        low = group[0][0]
        if low > end:
            yield end, low, 1, 0
        for this, following in pairwise(group):
            yield this[1], following[0], following[2], following[3]
        first, last = group[0], group[-1]
        dy = first[3]
        if first[2] > 1:
            yield last[1], first[0] + dy, first[2] - 1, dy
        # The last repetition may lack the later pieces of a group.
        end = max(high + (ny - 1) * step for _, high, ny, step in group)
    if end < top:
        yield end, top, 1, 0


def _groups(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces that repeat together."""
    group: list[_Piece] = []
    for piece in pieces:
        together = group and piece[3] and piece[3] == group[0][3]
        if together and piece[0] < group[0][0] + group[0][3]:
            group.append(piece)
            continue
        if group:
            yield group
        group = [piece]
    if group:
        yield group


def _column(floorplan: Floorplan, kind: Kind, layer: str, x: int) -> Iterator[_Piece]:
    """What lies on the track at ``x`` of a station."""
    if layer == "M10" and x in kind.straps:
        yield 0, floorplan.height_nm, 1, 0
        return
    half = floorplan.pad_nm // 2
    if layer == "M8" and x in kind.pads:
        for segment in range(floorplan.n_segments):
            for pad_x, y, ny, dy in pads(floorplan, kind, segment):
                if pad_x == x:
                    yield y - half, y + half, ny, dy
    else:
        for low, high in line_ends(floorplan, kind, layer, x):
            yield low, high, 1, 0
    for turn, bottom in turns(floorplan) if layer == "M8" else ():
        for tracks, landing in bridges(floorplan, kind, turn):
            if landing.m8_x == x:
                y = track_y(floorplan, bottom, tracks[landing.turn])
                yield y - half, y + half, 1, 0
