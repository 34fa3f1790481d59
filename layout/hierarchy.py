"""A layout as a hierarchy of cells: boxes by layer, and placements of other cells.

``flatten`` walks from the top cell down, all instances of a cell at once, and skips every cell that
holds nothing of the layer or lies outside the window: its memory grows with its result.

Checked by ``tests/layout/test_oasis.py`` against klayout's flattened regions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError

__all__ = [
    "MOST_BOXES",
    "Boxes",
    "Layer",
    "OasisCell",
    "OasisFile",
    "Placement",
    "flatten",
    "layers",
    "parents_first",
]

Boxes: TypeAlias = npt.NDArray[np.int64]
Layer: TypeAlias = tuple[int, int]

MOST_BOXES = 1 << 26
"""Boxes that are expanded before a file counts as damaged: eight times the largest array."""

_Points: TypeAlias = npt.NDArray[np.int64]
_Turn: TypeAlias = tuple[int, int, int, int]
"""xx, xy, yx, yy of a rotation by multiples of 90 degrees, perhaps after a reflection."""

_QUARTERS: tuple[_Turn, ...] = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
_NOWHERE: _Points = np.empty((0, 2), dtype=np.int64)
_CHUNK = 1 << 20  # boxes or instances that are moved at a time


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Instances of a cell with one orientation.

    Attributes
    ----------
    cell : str
    at : int64 array (n, 2)
        Where the cell's origin lies, in database units.
    quarters : int
        Turns by 90 degrees, counterclockwise, 0 to 3.
    mirrored : bool
        Reflected at the x axis before it is turned.
    """

    cell: str
    at: _Points
    quarters: int = 0
    mirrored: bool = False

    @property
    def turn(self) -> _Turn:
        xx, xy, yx, yy = _QUARTERS[self.quarters]
        return (xx, -xy, yx, -yy) if self.mirrored else (xx, xy, yx, yy)


@dataclass(frozen=True, slots=True, eq=False)
class OasisCell:
    """Boxes of each layer and placements, repetitions expanded."""

    boxes: Mapping[Layer, Boxes]
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OasisFile:
    """A layout in memory: every placed cell exists and none contains itself.

    Attributes
    ----------
    path : str
        Where it was read from, for messages.
    unit_nm : float
        Length of a database unit.
    cells : mapping of str to OasisCell
        In the order of the file.
    """

    path: str
    unit_nm: float
    cells: Mapping[str, OasisCell]

    @property
    def tops(self) -> tuple[str, ...]:
        """Cells that no other cell places."""
        placed = {p.cell for cell in self.cells.values() for p in cell.placements}
        return tuple(name for name in self.cells if name not in placed)


def layers(file: OasisFile) -> tuple[Layer, ...]:
    """The layers that hold boxes, in order."""
    return tuple(sorted({layer for cell in file.cells.values() for layer in cell.boxes}))


def parents_first(file: OasisFile) -> list[str]:
    """Cells in an order in which each comes after all that place it.

    Raises
    ------
    HnlpuError
        A cell that is placed does not exist, or contains itself.
    """
    n_parents = dict.fromkeys(file.cells, 0)
    children = {
        name: {p.cell for p in cell.placements if len(p.at)} for name, cell in file.cells.items()
    }
    for name, placed in children.items():
        for child in placed:
            if child not in n_parents:
                raise HnlpuError(
                    "places a cell that the file does not hold",
                    where=f"{file.path}: cell {name}",
                    got=child,
                    do="write the file again with all its cells",
                )
            n_parents[child] += 1
    order = [name for name, n in n_parents.items() if not n]
    for name in order:
        for child in sorted(children[name]):
            n_parents[child] -= 1
            if not n_parents[child]:
                order.append(child)
    if len(order) < len(file.cells):
        name = _in_circle(children, set(file.cells) - set(order))
        raise HnlpuError(
            "a cell contains itself",
            where=f"{file.path}: cell {name}",
            got="a circle of placements",
            do="write the file again; cells may only place cells below them",
        )
    return order


def _in_circle(children: Mapping[str, set[str]], left: set[str]) -> str:
    """A cell of a circle: all of ``left`` are in one or below one; walk up until one repeats."""
    parent = {child: name for name in sorted(left) for child in children[name]}
    name, seen = min(left), set[str]()
    while name not in seen:
        seen.add(name)
        name = parent[name]
    return name


def flatten(
    file: OasisFile,
    layer: Layer,
    top: str | None = None,
    window: tuple[int, int, int, int] | None = None,
    *,
    most_boxes: int = MOST_BOXES,
) -> Boxes:
    """All boxes of a layer in the coordinates of the top cell, in no particular order.

    Parameters
    ----------
    file : OasisFile
    layer : (layer, datatype)
    top : str
        Default: the one cell that no other places.
    window : x0, y0, x1, y1
        Only boxes that touch it, whole.
    most_boxes : int
        More are taken for damage.

    Raises
    ------
    HnlpuError
        No such cell, several top cells, or too many boxes.
    """
    name = _top(file, top)
    order = parents_first(file)
    extent = _extents(file, layer, order)
    n_boxes, n_instances = _Budget(file.path, most_boxes), _Budget(file.path, most_boxes)
    found: list[Boxes] = [np.empty((0, 4), dtype=np.int64)]
    instances: dict[str, dict[_Turn, list[_Points]]] = {
        name: {_QUARTERS[0]: [np.zeros((1, 2), dtype=np.int64)]}
    }
    for name in order:
        cell = file.cells[name]
        for turn, parts in instances.pop(name, {}).items():
            origins = np.concatenate(parts)
            if layer in cell.boxes:
                own = _turned(cell.boxes[layer], turn)
                for shifts in _chunks(origins, len(own)):
                    boxes = (own[None] + np.tile(shifts, 2)[:, None]).reshape(-1, 4)
                    found.append(_touching(boxes, boxes, window))
                    n_boxes.take(len(found[-1]))
            for placement in cell.placements:
                inside = extent.get(placement.cell)
                if inside is None:
                    continue
                below = _product(turn, placement.turn)
                box = _turned(inside, below)
                local = _moved(placement.at, turn)
                kept = instances.setdefault(placement.cell, {}).setdefault(below, [_NOWHERE])
                for shifts in _chunks(origins, len(local)):
                    at = (local[None] + shifts[:, None]).reshape(-1, 2)
                    kept.append(_touching(at, np.tile(at, 2) + box, window))
                    n_instances.take(len(kept[-1]))
    return np.concatenate(found)


class _Budget:
    def __init__(self, path: str, most: int) -> None:
        self._path, self._most, self._left = path, most, most

    def take(self, n: int) -> None:
        self._left -= n
        if self._left < 0:
            raise HnlpuError(
                "too many boxes",
                where=self._path,
                got=f"over {self._most:,} once flat",
                do="give a window, or raise most_boxes",
            )


def _top(file: OasisFile, top: str | None) -> str:
    if top is not None:
        if top not in file.cells:
            raise HnlpuError(
                "no such cell", where=file.path, got=top, do=f"choose one of {_some(file.cells)}"
            )
        return top
    tops = file.tops
    if len(tops) != 1:
        raise HnlpuError(
            "not one top cell", where=file.path, got=_some(tops) or "none", do="name the cell: top="
        )
    return tops[0]


def _some(names: Mapping[str, object] | tuple[str, ...]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")


def _extents(file: OasisFile, layer: Layer, order: list[str]) -> dict[str, Boxes]:
    """Bounding box (1, 4) of the layer in each cell that holds any of it, directly or below."""
    extents: dict[str, Boxes] = {}
    for name in reversed(order):
        cell = file.cells[name]
        parts = [cell.boxes[layer]] if len(cell.boxes.get(layer, ())) else []
        for placement in cell.placements:
            inside = extents.get(placement.cell)
            if inside is not None and len(placement.at):
                ends = np.stack((placement.at.min(axis=0), placement.at.max(axis=0)))
                parts.append(_turned(inside, placement.turn) + np.tile(ends, 2))
        if parts:
            boxes = np.concatenate(parts)
            low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
            extents[name] = np.concatenate((low, high))[None]
    return extents


def _product(outer: _Turn, inner: _Turn) -> _Turn:
    a, b, c, d = outer
    e, f, g, h = inner
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


def _moved(points: _Points, turn: _Turn) -> _Points:
    if turn == _QUARTERS[0]:
        return points
    xx, xy, yx, yy = turn
    x, y = points[:, 0], points[:, 1]
    return np.stack((xx * x + xy * y, yx * x + yy * y), axis=1)


def _turned(boxes: Boxes, turn: _Turn) -> Boxes:
    if turn == _QUARTERS[0]:
        return boxes
    a, b = _moved(boxes[:, :2], turn), _moved(boxes[:, 2:], turn)
    return np.concatenate((np.minimum(a, b), np.maximum(a, b)), axis=1)


def _chunks(origins: _Points, n_each: int) -> Iterator[_Points]:
    step = max(1, _CHUNK // max(1, n_each))
    for start in range(0, len(origins), step):
        yield origins[start : start + step]


def _touching(
    rows: npt.NDArray[np.int64], boxes: Boxes, window: tuple[int, int, int, int] | None
) -> npt.NDArray[np.int64]:
    """The rows whose boxes share at least a point with the window."""
    if window is None:
        return rows
    x0, y0, x1, y1 = window
    return rows[
        (boxes[:, 0] <= x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] <= y1) & (boxes[:, 3] >= y0)
    ]
