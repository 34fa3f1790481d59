"""Windows: parts of an array that stand for all of it.

An array is a few kinds of stations beside each other, over rows alike, between turns alike. Whatever two
neighbours can be, is in one of these windows: every pair of kinds, at the source, at a turn, and at the top.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.stations import NO_PIN
from hnlpu.layout.turns import turns

__all__ = ["Window", "every_via", "segment_windows", "tile_windows", "touching"]

#: Rows on either side of a turn.
_ROWS = 4


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an array; nm, stations and rows from first to last."""

    x0: int
    y0: int
    x1: int
    y1: int

    def holds(self, x: int, y: int) -> bool:
        return self.x0 <= x < self.x1 and self.y0 <= y < self.y1


def _neighbours(floorplan: Floorplan) -> list[tuple[int, int]]:
    """First and last station of a piece around each pair of kinds that stand beside each other."""
    kind = floorplan.stations.kind
    pairs: dict[tuple[int, int], int] = {}
    for i, pair in enumerate(zip(kind.tolist(), kind[1:].tolist(), strict=False)):
        pairs.setdefault(pair, i)
    last = len(kind) - 1
    return [(max(0, i - 1), min(last, i + 2)) for i in pairs.values()] or [(0, last)]


def tile_windows(floorplan: Floorplan) -> list[Window]:
    """Windows that hold every distinct neighbourhood of an array."""
    stations = floorplan.stations
    edges = np.append(stations.x_nm, stations.width_nm)
    n_rows = floorplan.plan.n_rows
    heights = {(0, min(_ROWS, n_rows) - 1), (max(0, n_rows - _ROWS), n_rows - 1)}
    if floorplan.n_segments > 1:
        turn = floorplan.segment_rows
        heights.add((max(0, turn - _ROWS), min(turn + _ROWS, n_rows) - 1))
    windows = []
    for first, last in _neighbours(floorplan):
        for low, high in sorted(heights):
            bottom, top = floorplan.row_y_nm(np.array([low, high])).tolist()
            windows.append(
                Window(
                    int(edges[first]),
                    0 if low == 0 else bottom,
                    int(edges[last + 1]),
                    floorplan.height_nm if high == n_rows - 1 else top + floorplan.row_nm,
                )
            )
    return windows


def touching(boxes: Boxes, window: Window) -> Boxes:
    """Boxes that reach into a window, whole."""
    x0, y0, x1, y1 = boxes.T
    inside = (x1 > window.x0) & (x0 < window.x1) & (y1 > window.y0) & (y0 < window.y1)
    found: Boxes = boxes[inside]
    return found


def segment_windows(ground: Ground, n: int, seed: int = 0) -> list[Window]:
    """Pieces over a whole segment, chosen at random: lines from port to port.

    Of a tap crossbar four stations; of a region base, whose wires run along the whole row, all of it.
    """
    rng = np.random.default_rng(seed)
    edges = np.array([0, ground.width_nm])
    if isinstance(ground, Floorplan):
        edges = np.append(ground.stations.x_nm, ground.stations.width_nm)
    bottoms = [bottom for _, bottom in turns(ground)]
    windows = []
    for _ in range(n):
        piece = int(rng.integers(len(edges) - 1))
        segment = int(rng.integers(ground.n_segments))
        first, n_rows = ground.segment(segment)
        top = int(ground.row_y_nm(np.array(first + n_rows - 1))) + ground.row_nm
        last = min(piece + 4, len(edges) - 1)
        windows.append(Window(int(edges[piece]), bottoms[segment], int(edges[last]), top))
    return windows if isinstance(ground, Floorplan) else windows[:1]


def every_via(floorplan: Floorplan, window: Window) -> dict[str, npt.NDArray[np.int64]]:
    """Centres of the vias at every place where a weight may put one, within a window."""
    stations = floorplan.stations
    rows = np.arange(floorplan.plan.n_rows)
    y = floorplan.row_y_nm(rows)
    rows = rows[(y < window.y1) & (y + floorplan.row_nm > window.y0)]
    found: dict[str, list[npt.NDArray[np.int64]]] = {"VIA8": [], "VIA9": []}
    for station, kind, x0 in stations.each():
        if x0 >= window.x1 or x0 + kind.width_nm <= window.x0:
            continue
        stubs = np.flatnonzero(stations.pins[station] != NO_PIN)
        heights = floorplan.stub_y_nm(rows)[:, stubs].ravel()
        for layer, x in kind.wires:
            places = np.stack([np.full_like(heights, x0 + x), heights], axis=1)
            found["VIA8" if layer == "M8" else "VIA9"].append(places)
    none = np.zeros((0, 2), dtype=np.int64)
    return {mask: np.concatenate([none, *places]) for mask, places in found.items()}
