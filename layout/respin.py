"""Respin: what new weights change on the masks of an array.

Base and lines stay; a weight that changes loses its via and gets another, on the same mask or on the other one.
Only masks with a change are made anew.

Contract (checked by ``tests/layout/test_respin.py``): the changes counted are those between the drawn masks,
box by box.
"""

from dataclasses import dataclass
from typing import TextIO

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import weight_vias
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.masks import WEIGHT_MASKS

__all__ = ["ArrayChange", "compare_pins", "write_eco"]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayChange:
    """What differs between two sets of weights on one base.

    Attributes
    ----------
    n_pins, n_changed_pins : int
        Pins of all rows, row exponents among them.
    removed, added : dict of str to int64 array (n, 2)
        Centres of vias by mask that only the old, or only the new masks have; nm.
    n_tiles, n_changed_tiles : int
        Crossings of a station and a row, and those with a change.
    """

    n_pins: int
    n_changed_pins: int
    removed: dict[str, npt.NDArray[np.int64]]
    added: dict[str, npt.NDArray[np.int64]]
    n_tiles: int
    n_changed_tiles: int

    @property
    def changed_masks(self) -> tuple[str, ...]:
        """Masks that must be made anew."""
        return tuple(m for m in WEIGHT_MASKS if len(self.removed[m]) + len(self.added[m]))


def compare_pins(floorplan: Floorplan, old: Pins, new: Pins) -> ArrayChange:
    """What it takes to get from ``old`` to ``new`` pins, (n_rows, pins and row exponent bits) each."""
    changed = old != new
    removed: dict[str, list[npt.NDArray[np.int64]]] = {mask: [] for mask in WEIGHT_MASKS}
    added: dict[str, list[npt.NDArray[np.int64]]] = {mask: [] for mask in WEIGHT_MASKS}
    for row in np.flatnonzero(changed.any(axis=1)).tolist():
        own = slice(row, row + 1)
        before, after = (weight_vias(floorplan, pins[own], row) for pins in (old, new))
        for mask in WEIGHT_MASKS:
            was, will = (side[mask][:, 0] << 32 | side[mask][:, 1] for side in (before, after))
            removed[mask].append(np.setdiff1d(was, will))
            added[mask].append(np.setdiff1d(will, was))
    stations = floorplan.stations
    safe = np.where(stations.pins >= 0, stations.pins, 0)
    tiles = (changed[:, safe] & (stations.pins >= 0)).any(axis=2)
    return ArrayChange(
        n_pins=changed.size,
        n_changed_pins=int(changed.sum()),
        removed={mask: _places(keys) for mask, keys in removed.items()},
        added={mask: _places(keys) for mask, keys in added.items()},
        n_tiles=tiles.size,
        n_changed_tiles=int(tiles.sum()),
    )


def _places(keys: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    every = np.concatenate([np.zeros(0, dtype=np.int64), *keys])
    return np.stack([every >> 32, every & 0xFFFFFFFF], axis=1)


def write_eco(file: TextIO, name: str, change: ArrayChange) -> None:
    """The change as Tcl: a call for each via, of two procedures that the reader's tool defines.

    ``hn_remove_via ARRAY LAYER X Y`` and ``hn_add_via ARRAY LAYER X Y``, centres in um from the array's lower
    left corner. Vias are removed before any is added: no two ever touch.
    """
    for proc, places in (("hn_remove_via", change.removed), ("hn_add_via", change.added)):
        for mask in WEIGHT_MASKS:
            file.writelines(
                f"{proc} {{{name}}} {mask} {x / 1000:.3f} {y / 1000:.3f}\n"
                for x, y in places[mask].tolist()
            )
