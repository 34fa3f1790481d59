"""Strip drawing: the shapes of a region base and of its weights, mask by mask.

What does not depend on weights is drawn once for a row and once for the turns: ports, rails, whole lines of M8,
M9 and M10, and the landings. The weights are stubs and jogs: what the cuts of M8 and M9 leave, vias at both
ends of a jog, and wires of M11. So six masks hold them.

Cuts take away everything between two wires of a track, and those of neighbouring tracks may meet at a corner. So
each cut mask takes two exposures: one for even tracks, one for odd ones.

Contract (checked by ``tests/layout/test_strip_drawing.py``): the drawn metal obeys the rules, and joins every pin
to its driver and to nothing else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.drawing import box_around, bridge_ends, via_boxes
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.intervals import gaps
from hnlpu.layout.router import M9, M11, NOWHERE, Routing
from hnlpu.layout.strips import Strips
from hnlpu.layout.turns import Landing, track_y, turns

__all__ = ["StripBase", "strip_base", "weight_boxes"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class StripBase:
    """What does not depend on weights; boxes by mask, nm.

    Attributes
    ----------
    row : mapping of str to Boxes
        Of one row, from its edge; that of odd rows is mirrored.
    fixed : mapping of str to Boxes
        Everything else, in the array.
    """

    row: Mapping[str, Boxes]
    fixed: Mapping[str, Boxes]

    def boxes(self, strips: Strips, mask: str) -> Boxes:
        """Every box of a mask."""
        own = self.row.get(mask)
        parts = [self.fixed.get(mask, _NONE)]
        if own is not None:
            rows = np.arange(strips.plan.n_rows)
            bottoms = strips.row_y_nm(rows)
            for parity, row in enumerate((own, strips.mirrored(own))):
                shift = np.zeros((len(rows[parity::2]), 1, 4), dtype=np.int64)
                shift[..., 1::2] = bottoms[parity::2, None, None]
                parts.append((row + shift).reshape(-1, 4))
        return np.concatenate(parts)


_NONE: Boxes = np.zeros((0, 4), dtype=np.int64)


def _in_row(strips: Strips, boxes: Boxes, row: Ints) -> Boxes:
    """Boxes whose heights are offsets in a row (one row, or one of each box)."""
    x0, y0, x1, y1 = boxes.T
    low, high = strips.y_nm(row, y0), strips.y_nm(row, y1)
    result: Boxes = np.stack([x0, np.minimum(low, high), x1, np.maximum(low, high)], axis=1)
    return result


@lru_cache(maxsize=4)
def strip_base(strips: Strips) -> StripBase:
    """Everything that does not depend on weights."""
    return StripBase(dict(_merge(_row_shapes(strips))), dict(_merge(_fixed(strips))))


def _merge(shapes: Iterator[tuple[str, Boxes]]) -> Iterator[tuple[str, Boxes]]:
    found: dict[str, list[Boxes]] = {}
    for mask, boxes in shapes:
        found.setdefault(mask, []).append(boxes)
    for mask, parts in found.items():
        yield mask, np.concatenate(parts)


def _around(x: Ints, y: Ints, width: int, height: int) -> Boxes:
    """Boxes of a size around centres."""
    x, y = np.broadcast_arrays(x, y)
    low = np.stack([x - width // 2, y - height // 2], axis=-1).reshape(-1, 2)
    return np.concatenate([low, low + [width, height]], axis=1)


def _row_shapes(strips: Strips) -> Iterator[tuple[str, Boxes]]:
    rules, pitch = strips.rules, strips.pitch_nm
    # Ports of pins, outputs and feeds; the vias that join feeds to rails.
    x = strips.column_x_nm(strips.column)
    y = strips.port_height * pitch
    feeds = [
        (strips.column_x_nm(np.array(strips.feeds[tie])), strips.rail_height(level, tie) * pitch)
        for level, tie in strips.rails
    ]
    feed_x, feed_y = (np.array(values, dtype=np.int64) for values in zip(*feeds, strict=True))
    ports = np.stack([np.append(x, feed_x), np.append(y, feed_y)], axis=1)
    yield "M7", _around(ports[:, 0], ports[:, 1], strips.port_nm, rules.metals["M7"].width_nm)
    yield "VIA7", via_boxes(rules, "VIA7", ports)
    yield "VIA8", via_boxes(rules, "VIA8", np.stack([feed_x, feed_y], axis=1))
    # Tracks of M9, and rails.
    width = rules.metals["M9"].width_nm
    middle = strips.m9_heights * pitch
    zero, end = np.zeros_like(middle), np.full_like(middle, strips.strip_nm)
    yield "M9", np.stack([zero, middle - width // 2, end, middle - width // 2 + width], axis=1)
    # Landings: pieces of M10 from a track of M11 to one of M9.
    column = np.arange(len(strips.floorplan.landing_x_nm))[:, None]
    berth = np.arange(strips.n_berths)[None, :]
    below = strips.track_height(berth * 3 + 1) * pitch + 0 * column
    above = strips.high_offset_nm(berth * 2 + column % 2)
    reach9, reach10 = rules.vias["VIA9"].upper_reach_nm, rules.vias["VIA10"].lower_reach_nm
    low = np.minimum(below - reach9, above - reach10).ravel()
    high = np.maximum(below + reach9, above + reach10).ravel()
    left = np.broadcast_to(strips.floorplan.landing_x_nm[:, None], below.shape).ravel()
    left = left - rules.metals["M10"].width_nm // 2
    yield "M10", np.stack([left, low, left + rules.metals["M10"].width_nm, high], axis=1)


def _boxes(boxes: list[tuple[int, int, int, int]]) -> Boxes:
    return np.array(boxes, dtype=np.int64).reshape(-1, 4)


def _fixed(strips: Strips) -> Iterator[tuple[str, Boxes]]:
    """Lines from turn to turn, how they meet the base there, and the columns of M8 that run through."""
    rules, height = strips.rules, strips.height_nm
    m10, m8 = rules.metals["M10"].width_nm, rules.metals["M8"].width_nm
    x = strips.column_x_nm(np.arange(strips.n_columns)) - m8 // 2
    yield "M8", np.stack([x, 0 * x, x + m8, np.full_like(x, height)], axis=1)
    reach = rules.vias["VIA9"].upper_reach_nm
    begin = dict.fromkeys(strips.landing_lines, 0)
    lines: list[tuple[int, int, int, int]] = []
    for turn, bottom in turns(strips):
        meets: dict[int, list[Landing]] = {}
        pads: dict[int, list[int]] = {}
        for landing in strips.landing_lines:
            left = landing.x - m10 // 2
            for tracks in (turn.m10_in, turn.m10_out):
                if not tracks:
                    continue
                y = track_y(strips, bottom, tracks[landing.turn])
                meets.setdefault(y, []).append(landing)
                pads.setdefault(landing.m8_x, []).append(y)
                if tracks is turn.m10_in:
                    lines.append((left, begin[landing], left + m10, y + reach))
                else:
                    begin[landing] = y - reach
        for y, own in meets.items():
            yield from _meeting(strips, y, own)
        top = bottom + turn.n_tracks * strips.pitch_nm
        yield "M8C", _pad_cuts(strips, pads, bottom, top)
    lines += [(w.x - m10 // 2, begin[w], w.x - m10 // 2 + m10, height) for w in begin]
    yield "M10", _boxes(lines)
    last = np.array(strips.plan.n_rows - 1)
    yield "M8C", _pad_cuts(strips, {}, int(strips.row_y_nm(last)) + strips.row_nm, height)


def _meeting(strips: Strips, y: int, own: list[Landing]) -> Iterator[tuple[str, Boxes]]:
    """Lines that go down to the base on one track of M9."""
    rules = strips.rules
    for via, places in (
        ("VIA7", [(w.m8_x, y) for w in own]),
        ("VIA8", [(w.m8_x, y) for w in own]),
        ("VIA9", [(w.x, y) for w in own]),
    ):
        yield via, via_boxes(rules, via, np.array(places, dtype=np.int64))
    m7, m9 = rules.metals["M7"].width_nm, rules.metals["M9"]
    yield "M7", _boxes([box_around(w.m8_x, y, strips.port_nm, m7) for w in own])
    ends = sorted(bridge_ends(strips, w) for w in own)
    low, high = y - m9.width_nm // 2, y - m9.width_nm // 2 + m9.width_nm
    yield "M9", _boxes([(ends[0][0], low, ends[-1][1], high)])
    reach = (m9.pitch_nm - m9.width_nm) // 2
    yield "M9C", _boxes([(a, low - reach, b, high + reach) for (_, a), (b, _) in pairwise(ends)])


def _pad_cuts(strips: Strips, pads: Mapping[int, list[int]], bottom: int, top: int) -> Boxes:
    """Cuts of all columns of M8 between two heights, which leave pads."""
    half, reach = strips.pad_nm // 2, strips.pitch_nm // 2
    found = []
    for x in strips.column_x_nm(np.arange(strips.n_columns)).tolist():
        edges = [bottom, *(e for y in sorted(pads.get(x, ())) for e in (y - half, y + half)), top]
        found += [
            (x - reach, low, x + reach, high)
            for low, high in zip(edges[::2], edges[1::2], strict=True)
        ]
    return _boxes(found)


# Weights.


def weight_boxes(strips: Strips, routing: Routing, pins: Pins, rows: slice) -> dict[str, Boxes]:
    """Shapes of the weights of some rows, by mask.

    Parameters
    ----------
    strips : Strips
    routing : Routing
        Of the whole array, or of these rows alone.
    pins : (n_rows, n_pins + row exponent bits)
        Drivers of the array, as :func:`hnlpu.layout.drawing.array_pins` gives them.
    rows : slice

    Raises
    ------
    HnlpuError
        Wires that found no way, that borrow tracks, or ties that a pin has not.
    """
    nets = routing.nets
    some = (nets.row >= rows.start) & (nets.row < rows.stop)
    if (routing.layer[some] == NOWHERE).any():
        routing.check(strips.plan.name)
    if (routing.strip != nets.row)[some].any() or routing.n_tracks != strips.n_tracks:
        raise HnlpuError("a routing cannot be drawn: its wires are in other strips",
                         where=strips.plan.name, got=f"{routing.n_tracks} tracks",
                         do=f"route in strips of {strips.n_tracks} tracks, without borrowing")  # fmt: skip
    strips.check_ties(pins[rows, : strips.plan.n_pins], strips.plan.name)
    return _Weights(strips, routing, pins, rows, np.flatnonzero(some)).draw()


class _Weights:
    """Shapes of some rows on their way; heights are offsets in the rows until the end."""

    def __init__(
        self, strips: Strips, routing: Routing, pins: Pins, rows: slice, which: Ints
    ) -> None:
        self.strips, self.pitch = strips, strips.pitch_nm
        nets = routing.nets
        self.first, self.n_rows = rows.start, rows.stop - rows.start
        self.row = nets.row[which] - self.first
        self.pin, self.output = nets.pin[which], nets.output[which]
        self.line_x, self.pin_x = nets.driver_x_nm[which], nets.pin_x_nm[which]
        self.up = routing.layer[which] == M11
        assert (self.up | (routing.layer[which] == M9)).all()
        track = routing.track[which]
        self.height = strips.track_height(np.where(self.up, routing.piece[which], track))
        self.high_nm = strips.high_offset_nm(np.where(self.up, track, 0))
        self.landing_x = strips.floorplan.landing_x_nm[routing.landing[which] * self.up]
        row, pin = np.nonzero(pins[rows] < 2)
        self.tied = row, pin, pins[rows][row, pin]

    def draw(self) -> dict[str, Boxes]:
        cuts = {"M8C": self._column_cuts(), "M9C": self._track_cuts()}
        return cuts | self._vias() | {"M11": self._high_wires()}

    def _placed(self, row: Ints, boxes: Boxes) -> Boxes:
        return _in_row(self.strips, boxes, row + self.first)

    def _vias(self) -> dict[str, Boxes]:
        y = self.height * self.pitch
        up, own = self.up, self.output >= 0
        row, pin, tie = self.tied
        tie_y = (self.strips.low_rail_height[self.strips.level[pin]] + tie) * self.pitch
        tie_x = self.strips.column_x_nm(self.strips.column[pin])
        apart = own & (self.line_x != self.pin_x)  # one via where both are in one column
        down = ~up & ~own
        return {
            "VIA8": self._squares("VIA8", (self.row, self.pin_x, y), (row, tie_x, tie_y),
                                  (self.row[apart], self.line_x[apart], y[apart])),
            "VIA9": self._squares("VIA9", (self.row[down], self.line_x[down], y[down]),
                                  (self.row[up], self.landing_x[up], y[up])),
            "VIA10": self._squares("VIA10", (self.row[up], self.line_x[up], self.high_nm[up]),
                                   (self.row[up], self.landing_x[up], self.high_nm[up])),
        }  # fmt: skip

    def _squares(self, via: str, *places: tuple[Ints, Ints, Ints]) -> Boxes:
        """Vias at rows, places and heights, row by row."""
        row, x, y = (np.concatenate(parts) for parts in zip(*places, strict=True))
        order = np.lexsort((x, y, row))
        centres = np.stack([x, y], axis=1)[order]
        return self._placed(row[order], via_boxes(self.strips.rules, via, centres))

    def _high_wires(self) -> Boxes:
        rules, up = self.strips.rules, self.up
        reach = rules.vias["VIA10"].upper_reach_nm
        low = np.minimum(self.line_x, self.landing_x)[up] - reach
        high = np.maximum(self.line_x, self.landing_x)[up] + reach
        width = rules.metals["M11"].width_nm
        y = self.high_nm[up] - width // 2
        order = np.lexsort((low, y, self.row[up]))
        boxes = np.stack([low, y, high, y + width], axis=1)[order]
        return self._placed(self.row[up][order], boxes)

    def _track_cuts(self) -> Boxes:
        """What the jogs leave of the tracks of M9."""
        strips, rules = self.strips, self.strips.rules
        begin = np.where(self.up, self.landing_x, self.line_x)
        reach = max(rules.vias["VIA8"].upper_reach_nm, rules.vias["VIA9"].lower_reach_nm)
        low, high = np.minimum(begin, self.pin_x) - reach, np.maximum(begin, self.pin_x) + reach
        heights = strips.track_height(np.arange(strips.n_tracks))
        index = np.searchsorted(heights, self.height)
        track, low, high = gaps(
            self.row * strips.n_tracks + index, low, high,
            self.n_rows * strips.n_tracks, strips.strip_nm,
        )  # fmt: skip
        # No cut at the left edge that were too narrow: the wire goes on to the edge.
        kept = (low > 0) | (high - low >= rules.metals["M9"].end_space_nm)
        track, low, high = track[kept], low[kept], high[kept]
        row, index = np.divmod(track, strips.n_tracks)
        y, half = heights[index] * self.pitch, self.pitch // 2
        return self._placed(row, np.stack([low, y - half, high, y + half], axis=1))

    def _column_cuts(self) -> Boxes:
        """What the stubs leave of the columns of M8."""
        strips = self.strips
        n_pins = strips.n_row_pins
        low = np.tile(strips.low_rail_height[strips.level], (self.n_rows, 1))
        high = low + 1
        own = self.output >= 0
        for row, stand, height in (
            (self.row, self.pin, self.height),
            (self.row[own], n_pins + self.output[own], self.height[own]),
        ):
            np.minimum.at(low, (row, stand), height)
            np.maximum.at(high, (row, stand), height)
        feeds = [(strips.feeds[tie], strips.rail_height(level, tie)) for level, tie in strips.rails]
        column = np.concatenate([strips.column, [c for c, _ in feeds]])
        still = np.tile([h for _, h in feeds], (self.n_rows, 1))
        low, high = (np.concatenate([ends, still], axis=1) for ends in (low, high))
        reach = strips.rules.vias["VIA8"].lower_reach_nm
        line = np.arange(self.n_rows)[:, None] * strips.n_columns + column
        line, low, high = gaps(
            line.ravel(), low.ravel() * self.pitch - reach, high.ravel() * self.pitch + reach,
            self.n_rows * strips.n_columns, strips.row_nm,
        )  # fmt: skip
        row, column = np.divmod(line, strips.n_columns)
        x, half = strips.column_x_nm(column), self.pitch // 2
        return self._placed(row, np.stack([x - half, low, x + half, high], axis=1))
