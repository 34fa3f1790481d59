"""Critical area: where the centre of a defect of some size must lie to break or join something.

A defect is a square. Missing metal cuts a wire where it spans the wire's width, and takes a via's landing where it covers
the via; a missing via is one that is covered; extra metal joins two wires that it touches both. The places of
centres are boxes again: those of wires made longer by the defect and narrower by their width, those of vias, or the
wires made larger, where two of these overlap. Areas are those of unions, so no place counts twice.

    A(s) = area covered at least once (missing) or twice (extra)
    mean = integral of A(s) f(s) ds       f: density of sizes (``hnlpu.layout.defects``)

Contract (checked by ``tests/layout/test_critical.py``): areas are those that brute force finds; a larger defect
has no smaller one.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hnlpu.layout.defects import Mechanism, SizeLaw
from hnlpu.layout.pieces import Pieces, across, along

__all__ = [
    "covered_area",
    "critical_area_um2",
    "critical_boxes",
    "knows_weights",
    "mean_critical_area_um2",
]

Numbers = npt.NDArray[np.float64]

#: Sizes per doubling at which areas are taken for the integral.
_NODES = 3


def covered_area(boxes: Numbers, times: int = 1, *, along: str = "x") -> float:
    """Area that at least so many of some boxes cover.

    Parameters
    ----------
    boxes : float array (n, 4)
        Left, lower, right, upper; empty ones are left out.
    times : int
    along : str
        Axis that is cut into slabs, ``x`` or ``y``: the one along which boxes are short.
    """
    if along == "y":
        boxes = boxes[:, [1, 0, 3, 2]]
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    if not len(boxes):
        return 0.0
    edges = np.unique(boxes[:, [0, 2]])
    first, last = (np.searchsorted(edges, boxes[:, side]) for side in (0, 2))
    n_slabs = last - first
    box = np.repeat(np.arange(len(boxes)), n_slabs)
    slab = np.arange(len(box)) - np.repeat(np.cumsum(n_slabs) - n_slabs, n_slabs) + first[box]
    # In each slab an interval opens and closes; slab after slab, for every one ends with none open.
    y = np.concatenate([boxes[box, 1], boxes[box, 3]])
    slabs = np.concatenate([slab, slab])
    step = np.concatenate([np.ones(len(box), dtype=np.int64), -np.ones(len(box), dtype=np.int64)])
    order = np.lexsort((y, slabs))
    y, slabs = y[order], slabs[order]
    covered = np.cumsum(step[order])[:-1] >= times
    widths = np.diff(edges)[slabs[:-1]]
    return float((np.diff(y) * widths)[covered].sum())


def critical_boxes(pieces: Pieces, mechanism: Mechanism, size_nm: float) -> tuple[Numbers, int]:
    """Boxes of centres, and how many of them must cover a place.

    Parameters
    ----------
    pieces : Pieces
    mechanism : Mechanism
    size_nm : float

    Returns
    -------
    float array (n, 4), int
    """
    half = size_nm / 2
    if mechanism.is_via:
        return _covering(pieces.vias[pieces.of_mask(mechanism.layer)], half), 1
    wires = pieces.wires[pieces.of_layer(mechanism.layer)].astype(np.float64)
    if mechanism.extra:
        return wires + np.array([-half, -half, half, half]), 2
    # Missing metal: the defect reaches over both sides of the wire, and touches it anywhere along.
    (low, high), (start, end) = across(mechanism.layer), along(mechanism.layer)
    cuts = np.empty_like(wires)
    cuts[:, low], cuts[:, high] = wires[:, high] - half, wires[:, low] + half
    cuts[:, start], cuts[:, end] = wires[:, start] - half, wires[:, end] + half
    return np.concatenate([cuts, _covering(_landings(pieces, mechanism.layer), half)]), 1


def knows_weights(pieces: Pieces, mechanism: Mechanism) -> bool:
    """Whether a critical area depends on where the vias of the weights stand."""
    if mechanism.is_via:
        return mechanism.layer != "VIA7"
    return not mechanism.extra and len(_landings(pieces, mechanism.layer)) > 0


def _landings(pieces: Pieces, layer: str) -> npt.NDArray[np.int64]:
    """Vias that can lose their landing on a layer while its wires stay whole: those narrower than its wires."""
    wires, vias = pieces.wires[pieces.of_layer(layer)], pieces.vias[pieces.vias_on(layer)]
    low, high = across(layer)
    narrowest = int((wires[:, high] - wires[:, low]).min())
    return vias[vias[:, 2] - vias[:, 0] < narrowest]


def _covering(boxes: npt.NDArray[np.int64], half: float) -> Numbers:
    """Centres of squares that cover a box; turned inside out where they are too small."""
    return np.stack(
        [boxes[:, 2] - half, boxes[:, 3] - half, boxes[:, 0] + half, boxes[:, 1] + half], axis=1
    )


def critical_area_um2(pieces: Pieces, mechanism: Mechanism, size_nm: float) -> float:
    """Area in which a defect of one size does harm."""
    boxes, times = critical_boxes(pieces, mechanism, size_nm)
    slabs = "y" if mechanism.layer == "M9" else "x"
    return covered_area(boxes, times, along=slabs) * 1e-6


def mean_critical_area_um2(
    pieces: Pieces, mechanism: Mechanism, law: SizeLaw, least_nm: float
) -> float:
    """Critical area of a defect of any size, weighed by how often sizes are.

    Parameters
    ----------
    pieces : Pieces
    mechanism : Mechanism
    law : SizeLaw
    least_nm : float
        No smaller defect does harm.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    ends = _panels(least_nm, law.peak_nm, law.most_nm)
    total = 0.0
    for low, high in pairwise(ends):
        middle, reach = (np.log(high) + np.log(low)) / 2, (np.log(high) - np.log(low)) / 2
        for node, weight in zip(nodes, weights, strict=True):
            size = float(np.exp(middle + reach * node))
            area = critical_area_um2(pieces, mechanism, size)
            total += area * law.density(size) * size * weight * reach
    return float(total)


def _panels(least: float, peak: float, most: float) -> list[float]:
    """Ends of the pieces of the integral: doublings, and the peak, where the law has a corner."""
    if least >= most:
        return [most]
    n = max(1, int(np.ceil(np.log2(most / least))))
    inner = [least * (most / least) ** (i / n) for i in range(n + 1)]
    return sorted({*inner, *([peak] if least < peak < most else [])})
