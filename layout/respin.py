"""Respin: what new weights change on the masks of an array.

Base and lines stay; a weight that changes loses its via and gets another, on the same mask or on the other one.
Only masks with a change are made anew.

Contract (checked by ``tests/layout/test_respin.py``): the changes counted are those between the drawn masks,
box by box.
"""

from dataclasses import dataclass

import numpy as np

from hnlpu.base import Pins
from hnlpu.layout.drawing import weight_vias
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.masks import WEIGHT_MASKS

__all__ = ["ArrayChange", "compare_pins"]


@dataclass(frozen=True, slots=True)
class ArrayChange:
    """What differs between two sets of weights on one base.

    Attributes
    ----------
    n_pins, n_changed_pins : int
        Pins of all rows, row exponents among them.
    removed, added : dict of str to int
        Vias by mask that only the old, or only the new masks have.
    n_tiles, n_changed_tiles : int
        Crossings of a station and a row, and those with a change.
    """

    n_pins: int
    n_changed_pins: int
    removed: dict[str, int]
    added: dict[str, int]
    n_tiles: int
    n_changed_tiles: int

    @property
    def changed_masks(self) -> tuple[str, ...]:
        """Masks that must be made anew."""
        return tuple(mask for mask in WEIGHT_MASKS if self.removed[mask] + self.added[mask])


def compare_pins(floorplan: Floorplan, old: Pins, new: Pins) -> ArrayChange:
    """What it takes to get from ``old`` to ``new`` pins, (n_rows, pins and row exponent bits) each."""
    changed = old != new
    removed, added = dict.fromkeys(WEIGHT_MASKS, 0), dict.fromkeys(WEIGHT_MASKS, 0)
    rows = np.flatnonzero(changed.any(axis=1))
    for row in rows.tolist():
        own = slice(row, row + 1)
        before, after = (weight_vias(floorplan, pins[own], row) for pins in (old, new))
        for mask in WEIGHT_MASKS:
            was, will = (side[mask][:, 0] << 32 | side[mask][:, 1] for side in (before, after))
            removed[mask] += len(np.setdiff1d(was, will))
            added[mask] += len(np.setdiff1d(will, was))
    stations = floorplan.stations
    safe = np.where(stations.pins >= 0, stations.pins, 0)
    tiles = (changed[:, safe] & (stations.pins >= 0)).any(axis=2)
    return ArrayChange(
        n_pins=changed.size,
        n_changed_pins=int(changed.sum()),
        removed=removed,
        added=added,
        n_tiles=tiles.size,
        n_changed_tiles=int(tiles.sum()),
    )
