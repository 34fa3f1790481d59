"""Slices: which region each slice of a row serves, by error diffusion along the strip.

Walking along a strip, every region has so many weights behind it, in each phase, that no slice has taken
yet: its *backlog*. The next slice goes to the region whose backlogs it lowers most, in squares; a phase that
needs fewer than a slice's ports may have taken weights ahead, not more than one slice of them. Regions that
had more than their share of the strip's slices so far come last, so that all have some left for its end. Every
region gets the slices it cannot do without, and those that are left over as long as there are slots for them:
more ports to choose from are shorter wires.

Contract (checked by ``tests/test_regions.py``): every region has ports enough, every output a slot.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["divide_slices"]

#: More than any gain.
_FIRST = 1 << 60

Ints = npt.NDArray[np.int64]


def divide_slices(
    seen: npt.NDArray[np.int32], needed: Ints, slice_ports: int, takes: Ints, slots: Ints
) -> npt.NDArray[np.int64]:
    """Region of each slice of each row, (n_rows, n_slices); -1 for none.

    Parameters
    ----------
    seen : int32 array (n_slices, n_rows, n_regions, phases)
        Weights that stand before the end of each slice.
    needed : int64 array (n_rows, n_regions)
        Slices that each region must get.
    slice_ports : int
    takes : int64 array (n_weights, n_regions)
        1 where a slice of the region takes a slot of the weight.
    slots : int64 array (n_weights,)
    """
    n_slices, n_rows = seen.shape[:2]
    rows = np.arange(n_rows)
    result = np.full((n_rows, n_slices), -1, dtype=np.int64)
    given = np.zeros_like(needed)
    spare = n_slices - needed.sum(axis=1)
    share = needed * n_slices // np.maximum(1, needed.sum(axis=1))[:, None]
    spare_slots = slots - needed @ takes.T
    backlog = np.zeros(seen.shape[1:], dtype=np.int64)
    before = np.zeros_like(backlog)
    for here in range(n_slices):
        now = seen[here].astype(np.int64)
        backlog += now - before
        before = now
        gain = (np.maximum(backlog, 0) ** 2 - np.maximum(backlog - slice_ports, 0) ** 2).sum(axis=2)
        must = given < needed
        may = (spare > 0)[:, None] & ((spare_slots <= 0).astype(np.int64) @ takes == 0)
        # Regions that are at most a slice ahead of their share of the strip come first.
        due = (given * n_slices < share * (here + 1) + n_slices) & (needed > 0)
        rank = gain + due + _FIRST * (due & (gain > 0))
        score = np.where(must | (may & (rank > 0)), rank, -1)
        region = score.argmax(axis=1)
        served = score[rows, region] >= 0
        spare -= ~(served & must[rows, region])
        row, region = rows[served], region[served]
        extra = ~must[row, region]
        spare_slots[row] -= takes[:, region].T * extra[:, None]
        result[row, here] = region
        given[row, region] += 1
        backlog[row, region] = np.maximum(backlog[row, region] - slice_ports, -slice_ports)
    assert (given >= needed).all()
    return result
