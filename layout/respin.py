"""Respin: what new weights change on the masks of an array.

The base stays; a weight that changes loses its shapes and gets others, on the same masks or on others. Only masks
with a change are made anew.

Contract (checked by ``tests/layout/test_respin.py``): the changes counted are those between the drawn masks,
box by box.
"""

from dataclasses import dataclass
from typing import TextIO

import numpy as np
import numpy.typing as npt

from hnlpu.layout.arrays import Weights, base_boxes
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.reading import compare_boxes
from hnlpu.layout.strips import Strips

__all__ = ["ArrayChange", "compare_weights", "write_eco"]

#: Pins compared at a time.
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ArrayChange:
    """What differs between two sets of weights on one base.

    Attributes
    ----------
    n_pins, n_changed_pins : int
        Pins of all rows, row exponents among them.
    removed, added : dict of str to Boxes
        Shapes by mask that only the old, or only the new masks have; nm.
    exposed_um2 : dict of str to float
        Area of all shapes of the new masks that hold weights, those of the base among them: what a beam would
        have to write.
    n_tiles, n_changed_tiles : int
        Pieces of rows, and those with a change: crossings with a station, or with the stretch between two
        columns of landings.
    """

    n_pins: int
    n_changed_pins: int
    removed: dict[str, Boxes]
    added: dict[str, Boxes]
    exposed_um2: dict[str, float]
    n_tiles: int
    n_changed_tiles: int

    @property
    def changed_masks(self) -> tuple[str, ...]:
        """Masks that must be made anew."""
        return tuple(m for m in self.removed if len(self.removed[m]) + len(self.added[m]))


def compare_weights(old: Weights, new: Weights) -> ArrayChange:
    """What it takes to get from ``old`` to ``new`` weights on the same ground."""
    ground = old.ground
    changed = old.pins != new.pins
    none = np.zeros((0, 4), dtype=np.int64)
    parts: dict[str, tuple[list[Boxes], list[Boxes]]] = {
        mask: ([none], [none]) for mask in ground.weight_masks
    }
    exposed = {mask: _area_um2(base_boxes(ground, mask)) for mask in parts}
    step = max(1, _CHUNK // ground.n_row_pins)
    for first in range(0, ground.plan.n_rows, step):
        rows = slice(first, min(first + step, ground.plan.n_rows))
        after = new.boxes(rows)
        for mask, boxes in after.items():
            exposed[mask] += _area_um2(boxes)
        if not changed[rows].any():
            continue
        before = old.boxes(rows)
        for mask, (lost, won) in parts.items():
            gone, come = compare_boxes(before[mask], after[mask])
            lost.append(gone)
            won.append(come)
    removed = {mask: np.concatenate(lost) for mask, (lost, _) in parts.items()}
    added = {mask: np.concatenate(won) for mask, (_, won) in parts.items()}
    touched = np.concatenate([*removed.values(), *added.values()])
    tiles = _tiles(ground, touched)
    return ArrayChange(
        changed.size, int(changed.sum()), removed, added, exposed, tiles.size, int(tiles.sum())
    )


def _area_um2(boxes: Boxes) -> float:
    return float((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum()) * 1e-6


def _tiles(ground: object, boxes: Boxes) -> npt.NDArray[np.bool_]:
    """Which tiles shapes lie in, (n_rows, pieces of a row)."""
    assert isinstance(ground, (Floorplan, Strips))
    edges = ground.stations.x_nm if isinstance(ground, Floorplan) else ground.stretches_nm
    bottoms = ground.row_y_nm(np.arange(ground.plan.n_rows))
    x, y = ((boxes[:, i] + boxes[:, i + 2]) // 2 for i in (0, 1))
    tiles = np.zeros((len(bottoms), len(edges)), dtype=bool)
    row, piece = (np.searchsorted(e, at, side="right") - 1 for e, at in ((bottoms, y), (edges, x)))
    tiles[row, piece] = True
    return tiles


def write_eco(file: TextIO, name: str, change: ArrayChange) -> None:
    """The change as Tcl: a call for each shape, of procedures that the reader's tool defines.

    ``hn_remove_via ARRAY MASK X Y`` and ``hn_add_via ARRAY MASK X Y``, centres in um from the array's lower left
    corner; for wires and cuts ``hn_remove_box ARRAY MASK X0 Y0 X1 Y1`` and ``hn_add_box``. Shapes are removed before
    any is added: no two ever touch.
    """
    for verb, places in (("remove", change.removed), ("add", change.added)):
        for mask, boxes in places.items():
            via = mask.startswith("VIA")
            at = (boxes[:, :2] + boxes[:, 2:]) // 2 if via else boxes
            call = f"hn_{verb}_{'via' if via else 'box'} {{{name}}} {mask}"
            file.writelines(
                f"{call} {' '.join(f'{c / 1000:.3f}' for c in place)}\n" for place in at.tolist()
            )
