"""Strip reading: weights of a region base from its mask files, for all rows at once.

Cuts leave pieces of M8 and M9, wires of M11 and pieces and lines of M10 are as drawn; a via joins two of these.
What hangs together has one driver: a line, a tie, or an output of the row. No route is looked up: the jogs are
followed wherever they run. :mod:`hnlpu.layout.strip_extraction` follows the same metal with klayout.

Contract (checked by ``tests/layout/test_strip_drawing.py``): the pins of a drawing come back; every shape moved,
added or dropped is found, and named with its place.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hnlpu.base import LINES
from hnlpu.layout.faults import MOST_TOLD, OPEN, FaultList, Reading
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.intervals import Intervals, gaps
from hnlpu.layout.reading import compare_boxes, read_base
from hnlpu.layout.strip_drawing import strip_base
from hnlpu.layout.strips import Strips

__all__ = ["read_strips"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: No place on a mask is as far away.
_FAR = np.iinfo(np.int32).max - 1
#: Rows followed at a time: as many whole segments as hold about so many pins.
_PINS = 1 << 20


def read_strips(
    strips: Strips,
    boxes: Callable[[str], Boxes],
    base: FaultList | None = None,
) -> Reading:
    """Pins from all masks of an array; parameters as of :func:`hnlpu.layout.reading.read_masks`."""
    expected = strip_base(strips)
    faults = FaultList(base or read_base(strips, lambda m: expected.boxes(strips, m), boxes))
    own: dict[str, npt.NDArray[np.int32]] = {}
    for mask in strips.weight_masks:
        missing, extra = compare_boxes(expected.boxes(strips, mask), boxes(mask))
        faults.boxes("shape missing", mask, missing)
        # Half as wide: they are held for all rows. Places beyond are nowhere in an array either.
        near = np.clip(extra, -_FAR, _FAR).astype(np.int32)
        own[mask] = near[np.argsort(near[:, 1], kind="stable")]
    n_rows = strips.plan.n_rows
    pins = np.full((n_rows, strips.n_row_pins), OPEN, dtype=np.int64)
    segments = max(1, _PINS // strips.n_row_pins // strips.segment_rows)
    for first in range(0, strips.n_segments, segments):
        low = strips.segment(first)[0]
        high = sum(strips.segment(min(first + segments, strips.n_segments) - 1))
        y0 = 0 if not first else int(strips.row_y_nm(np.array(low)))
        y1 = int(strips.row_y_nm(np.array(high - 1))) + strips.row_nm
        if high == n_rows:
            y1 = _FAR + 1
        elif strips.segment(first + segments)[0] < n_rows:
            y1 = int(strips.row_y_nm(np.array(high)))
        part = {
            m: b[slice(*np.searchsorted(b[:, 1], [y0, y1]))].astype(np.int64)
            for m, b in own.items()
        }
        pins[low:high] = _Metal(strips, part, np.arange(low, high), faults).pins()
    return Reading(pins, faults.told, faults.n)


@dataclass(frozen=True, slots=True, eq=False)
class _Drivers:
    """What drives nodes: the driver, the row that alone may use it (-1: any), and its place."""

    node: Ints
    driver: Ints
    row: Ints
    x: Ints
    y: Ints


class _Metal:
    """The metal of some whole segments as a graph: pieces of wires are nodes, vias are edges."""

    def __init__(
        self, strips: Strips, own: dict[str, Boxes], rows: Ints, faults: FaultList
    ) -> None:
        self.strips, self.rows, self.faults = strips, rows, faults
        self.pitch = strips.pitch_nm
        self._columns(own["M8C"])
        self._tracks(own["M9C"])
        self._high_wires(own["M11"])
        self._lines()
        self.edges: list[tuple[Ints, Ints]] = []
        for via, (below, above) in {
            "VIA8": (self._on_m8, self._on_m9),
            "VIA9": (self._on_m9, self._on_m10),
            "VIA10": (self._on_m10, self._on_m11),
        }.items():
            self._join(via, own[via], below, above)
        self._join_feeds()

    # Nodes. Each kind has numbers of its own, one kind after another.

    def _columns(self, cuts: Boxes) -> None:
        """Pieces of M8, by row and column."""
        strips, half = self.strips, self.pitch // 2
        row, offset, good = self._row_of(cuts[:, 1], cuts[:, 3])
        column, rest = np.divmod(cuts[:, 0], self.pitch)
        good &= (rest == 0) & (cuts[:, 2] - cuts[:, 0] == 2 * half) & (column < strips.n_columns)
        self.faults.boxes("not a cut", "M8C", cuts[~good])
        line = (row * strips.n_columns + column)[good]
        low = offset[good]
        high = low + (cuts[:, 3] - cuts[:, 1])[good]
        self.m8 = Intervals(
            *gaps(line, low, high, len(self.rows) * strips.n_columns, strips.row_nm)
        )
        # Rows keep apart: in each, every column is cut at both edges.
        touching = (self.m8.low == 0) | (self.m8.high == strips.row_nm)
        row, column = np.divmod(self.m8.line[touching], strips.n_columns)
        edge = np.where(self.m8.low[touching] == 0, 0, strips.row_nm)
        self.faults.add("a column is not cut at the edge of its row", "M8C",
                        strips.column_x_nm(column), strips.y_nm(self.rows[row], edge))  # fmt: skip
        self.first9 = len(self.m8)

    def _tracks(self, cuts: Boxes) -> None:
        """Pieces of M9, by row and height."""
        strips, half = self.strips, self.pitch // 2
        middle = (cuts[:, 1] + cuts[:, 3]) // 2
        row, offset, good = self._row_of(middle, middle)
        height, rest = np.divmod(offset, self.pitch)
        good &= (rest == 0) & (cuts[:, 3] - cuts[:, 1] == 2 * half)
        good &= (
            np.isin(height, strips.m9_heights) & (cuts[:, 0] >= 0) & (cuts[:, 2] <= strips.strip_nm)
        )
        self.faults.boxes("not a cut", "M9C", cuts[~good])
        line = (row * strips.row_tracks + height)[good]
        n = len(self.rows) * strips.row_tracks
        self.m9 = Intervals(*gaps(line, cuts[good, 0], cuts[good, 2], n, strips.strip_nm))
        self.first10 = self.first9 + len(self.m9)

    def _lines(self) -> None:
        """Lines of M10 by segment, and the pieces of M10 at landings, by row."""
        strips = self.strips
        segments = self.rows // strips.segment_rows
        self.first_segment = int(segments[0])
        self.n_lines = len(strips.floorplan.line_x_nm)
        n = (int(segments[-1]) - self.first_segment + 1) * self.n_lines
        self.first_landing = self.first10 + n
        landings = len(self.rows) * len(strips.floorplan.landing_x_nm) * strips.n_berths
        self.first11 = self.first_landing + landings
        self.n_nodes = self.first11 + len(self.m11)

    def _high_wires(self, wires: Boxes) -> None:
        """Wires of M11, by row and track."""
        strips = self.strips
        middle = (wires[:, 1] + wires[:, 3]) // 2
        row, offset, good = self._row_of(middle, middle)
        track, on_track = _find(self._m11_offsets, offset)
        good &= on_track
        good &= wires[:, 3] - wires[:, 1] == strips.rules.metals["M11"].width_nm
        self.faults.boxes("not on a track", "M11", wires[~good])
        n = len(self.rows) * 2 * strips.n_berths
        line = (row * 2 * strips.n_berths + track)[good]
        end = strips.width_nm
        between = gaps(line, wires[good, 0], wires[good, 2], n, end)
        self.m11 = Intervals(*gaps(*between, n, end))

    @property
    def _m11_offsets(self) -> Ints:
        """Tracks of M11 from a strip's edge, ascending."""
        return self.strips.high_offset_nm(np.arange(2 * self.strips.n_berths))

    # Where places are.

    def _row_of(self, low: Ints, high: Ints) -> tuple[Ints, Ints, Bools]:
        """Row (from the first) and offset in it of intervals of heights, and whether they lie in one."""
        strips = self.strips
        bottoms = strips.row_y_nm(self.rows)
        row = np.maximum(np.searchsorted(bottoms, low, side="right") - 1, 0)
        good = (low >= bottoms[row]) & (high <= bottoms[row] + strips.row_nm)
        mirrored = self.rows[row] % 2 == 1
        offset = np.where(mirrored, bottoms[row] + strips.row_nm - high, low - bottoms[row])
        return row, offset, good

    def _on_m8(self, row: Ints, offset: Ints, x: Ints, reach: int) -> Ints:
        column = x // self.pitch
        there = x % self.pitch == self.pitch // 2
        column = np.clip(column, 0, self.strips.n_columns - 1)
        node = self.m8.at(row * self.strips.n_columns + column, offset, reach)
        return np.where(there, node, -1)

    def _on_m9(self, row: Ints, offset: Ints, x: Ints, reach: int) -> Ints:
        height, rest = np.divmod(offset, self.pitch)
        there = (rest == 0) & np.isin(height, self.strips.m9_heights)
        height = np.clip(height, 0, self.strips.row_tracks - 1)
        node = self.m9.at(row * self.strips.row_tracks + height, x, reach)
        return np.where(there & (node >= 0), self.first9 + node, -1)

    def _on_m10(self, row: Ints, offset: Ints, x: Ints, reach: int) -> Ints:
        strips, floorplan = self.strips, self.strips.floorplan
        segment = self.rows[row] // strips.segment_rows - self.first_segment
        line, on_line = _find(floorplan.line_x_nm, x)
        result = np.where(on_line, self.first10 + segment * self.n_lines + line, -1)
        landing, on_landing = _find(floorplan.landing_x_nm, x)
        # A piece reaches from its track of M9 to the one of the two tracks of M11 beside it that lands there.
        nine = strips.track_height(np.arange(strips.n_berths) * 3 + 1) * self.pitch
        berth, on9 = _find(nine, offset)
        track, on11 = _find(self._m11_offsets, offset)
        there = on_landing & (on9 | (on11 & (track % 2 == landing % 2)))
        piece = (row * len(floorplan.landing_x_nm) + landing) * strips.n_berths
        piece = piece + np.where(on9, berth, track // 2)
        return np.where(there, self.first_landing + piece, result)

    def _on_m11(self, row: Ints, offset: Ints, x: Ints, reach: int) -> Ints:
        track, there = _find(self._m11_offsets, offset)
        node = self.m11.at(row * 2 * self.strips.n_berths + track, x, reach)
        return np.where(there & (node >= 0), self.first11 + node, -1)

    # Edges.

    def _join(
        self, via: str, boxes: Boxes, below: Callable[..., Ints], above: Callable[..., Ints]
    ) -> None:
        if not len(boxes):
            return
        size = self.strips.rules.vias[via].size_nm
        square = (boxes[:, 2:] - boxes[:, :2] == size).all(axis=1)
        self.faults.boxes("not a via", via, boxes[~square])
        centre = boxes[square, :2] + size // 2
        row, offset, inside = self._row_of(centre[:, 1], centre[:, 1])
        ends = [on(row, offset, centre[:, 0], size // 2) for on in (below, above)]
        good = inside & (ends[0] >= 0) & (ends[1] >= 0)
        self.faults.boxes("via on no wire", via, boxes[square][~good])
        self.edges.append((ends[0][good], ends[1][good]))

    def _join_feeds(self) -> None:
        """Vias of the base between feeds and rails."""
        for tie, row, x, offset in self._feeds():
            ends = self._on_m8(row, offset, x, 0), self._on_m9(row, offset, x, 0)
            good = (ends[0] >= 0) & (ends[1] >= 0)
            y = self.strips.y_nm(self.rows[row], offset)
            self.faults.add("open", f"feed of tie {tie}", x[~good], y[~good])
            self.edges.append((ends[0][good], ends[1][good]))

    def _feeds(self) -> Iterator[tuple[int, Ints, Ints, Ints]]:
        """Tie, and rows, places and offsets of the ports of each feed."""
        strips, row = self.strips, np.arange(len(self.rows))
        for level, tie in strips.rails:
            x = strips.column_x_nm(np.array(strips.feeds[tie]))
            offset = strips.rail_height(level, tie) * self.pitch
            yield tie, row, np.full_like(row, x), np.full_like(row, offset)

    # Who drives whom.

    def _port_nodes(self, first: int, last: int) -> tuple[Ints, Ints, Ints]:
        """Nodes, places and heights of the ports of some of a row's pins and outputs, (n_rows, n)."""
        strips = self.strips
        column, height = strips.column[first:last], strips.port_height[first:last]
        row = np.arange(len(self.rows))[:, None]
        x = np.broadcast_to(strips.column_x_nm(column), (len(self.rows), last - first))
        offset = np.broadcast_to(height * self.pitch, x.shape)
        half = strips.rules.vias["VIA7"].size_nm // 2
        node = self._on_m8(np.broadcast_to(row, x.shape), offset, x, half)
        return node, x, strips.y_nm(np.broadcast_to(self.rows[:, None], x.shape), offset)

    def _drivers(self) -> Iterable[_Drivers]:
        strips, plan = self.strips, self.strips.plan
        n = self.first_landing - self.first10
        line = np.arange(n) % self.n_lines
        yield _Drivers(self.first10 + np.arange(n), LINES + line, np.full(n, -1),
                       strips.floorplan.line_x_nm[line], np.zeros(n, dtype=np.int64))  # fmt: skip
        for tie, row, x, offset in self._feeds():
            node = self._on_m9(row, offset, x, 0)
            good = node >= 0
            y = strips.y_nm(self.rows[row], offset)
            yield _Drivers(node[good], np.full(int(good.sum()), tie), np.full(int(good.sum()), -1),
                           x[good], y[good])  # fmt: skip
        n_outputs = strips.floorplan.n_outputs
        if n_outputs:
            node, x, y = self._port_nodes(strips.n_row_pins, strips.n_row_pins + n_outputs)
            driver = np.broadcast_to(plan.local_driver(0) + np.arange(n_outputs), node.shape)
            own = np.broadcast_to(self.rows[:, None], node.shape)
            good = node >= 0
            self.faults.add("open", "an output's port", x[~good], y[~good])
            yield _Drivers(node[good], driver[good], own[good], x[good], y[good])

    def pins(self) -> Ints:
        """Drivers of the pins of the rows, (n_rows, n_row_pins)."""
        edges = np.concatenate([np.stack(pair) for pair in self.edges], axis=1)
        ones = np.ones(edges.shape[1], dtype=np.int8)
        graph = coo_array((ones, (edges[0], edges[1])), shape=(self.n_nodes, self.n_nodes))
        n_nets, net_of = connected_components(graph, directed=False)
        parts = list(self._drivers())
        node, driver, row, x, y = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("node", "driver", "row", "x", "y")
        )
        # A driver and its row in a number: two in one net are a short.
        code = (row + 1) * self.strips.plan.n_drivers + driver
        net = net_of[node]
        lowest = np.full(n_nets, np.iinfo(np.int64).max)
        highest = np.full(n_nets, -1)
        np.minimum.at(lowest, net, code)
        np.maximum.at(highest, net, code)
        short = (lowest != highest) & (highest >= 0)
        meets = short[net]
        names = [f"driver {d}" + (f" of row {r}" if r >= 0 else "")
                 for d, r in zip(driver[meets][:MOST_TOLD], row[meets][:MOST_TOLD], strict=True)]  # fmt: skip
        self.faults.add("short", names, x[meets], y[meets])
        ports, x, y = self._port_nodes(0, self.strips.n_row_pins)
        found = net_of[np.maximum(ports, 0)]
        n_drivers = self.strips.plan.n_drivers
        owner = highest[found] // n_drivers - 1
        foreign = (owner >= 0) & (owner != self.rows[:, None])
        bad = (ports < 0) | (highest[found] < 0) | short[found] | foreign
        for what, which in (
            ("on an output of another row", foreign & ~short[found] & (ports >= 0)),
            ("open", (ports < 0) | (highest[found] < 0)),
            ("on more than one driver", (ports >= 0) & short[found]),
        ):
            r, p = np.nonzero(which)
            names = [f"row {self.rows[i]}, pin {j}"
                     for i, j in zip(r[:MOST_TOLD].tolist(), p[:MOST_TOLD].tolist(), strict=True)]  # fmt: skip
            self.faults.add(what, names, x[which], y[which])
        result: Ints = np.where(bad, OPEN, highest[found] % n_drivers)
        return result


def _find(sorted_values: Ints, values: Ints) -> tuple[Ints, Bools]:
    """Index of each value among ascending ones, and whether it is there."""
    if not len(sorted_values):
        return np.zeros_like(values), np.zeros(values.shape, dtype=bool)
    at = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    return at, sorted_values[at] == values
