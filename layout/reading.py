"""Reading: weights from the places of vias, for all rows at once.

The masks that hold no weights must be those of the base, box by box: then a via at a wire of its station is
what joins a pin to a driver, and places tell the weights. Every pin has one via; none is an open, two are
a short. :mod:`hnlpu.layout.extraction` takes the other road, and follows the metal.

Contract (checked by ``tests/layout/test_drawing.py``): the pins of a drawing come back; a via moved, added
or dropped, and any other box that is not the base's, is named with its place.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import base_shapes, expand_all
from hnlpu.layout.faults import MOST_TOLD, OPEN, FaultList, Reading
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.stations import NO_PIN

__all__ = ["compare_boxes", "read_base", "read_masks", "read_vias"]


def read_base(
    ground: Ground, expected: Callable[[str], Boxes], boxes: Callable[[str], Boxes]
) -> FaultList:
    """Faults of the masks that hold no weights.

    Parameters
    ----------
    ground : Ground
    expected, boxes : function of str
        Every box of a mask, as the base has it and as it is; asked mask by mask, so that one is held at a time.
    """
    faults = FaultList()
    for mask in ground.masks:
        if mask not in ground.weight_masks:
            missing, extra = compare_boxes(expected(mask), boxes(mask))
            faults.boxes("shape missing", mask, missing)
            faults.boxes("shape not of the base", mask, extra)
    return faults


def read_masks(
    floorplan: Floorplan, boxes: Callable[[str], Boxes], base: FaultList | None = None
) -> Reading:
    """Pins from all masks of an array.

    Parameters
    ----------
    floorplan : Floorplan
    boxes : function of str
        Every box of a mask.
    base : FaultList, optional
        What :func:`read_base` found, where it was asked before.
    """
    shapes = base_shapes(floorplan)
    faults = FaultList(base or read_base(floorplan, lambda m: expand_all(shapes[m]), boxes))
    vias: dict[str, npt.NDArray[np.int64]] = {}
    for mask in floorplan.weight_masks:
        missing, extra = compare_boxes(expand_all(shapes[mask]), boxes(mask))
        size = floorplan.rules.vias[mask].size_nm
        square = (extra[:, 2:] - extra[:, :2] == size).all(axis=1)
        vias[mask] = extra[square, :2] + size // 2
        faults.boxes("shape missing", mask, missing)
        faults.boxes("shape not a via", mask, extra[~square])
    pins = read_vias(floorplan, vias, faults)
    return Reading(pins, faults.told, faults.n)


#: Bits of a coordinate and of the number of a size where boxes are packed into numbers.
_PLACE_BITS, _SIZE_BITS = 24, 15


def compare_boxes(expected: Boxes, found: Boxes) -> tuple[Boxes, Boxes]:
    """Boxes that are expected and not found, and the other way round; each counts as often as it stands."""
    if not len(expected) + len(found):
        return expected, found
    pack = _Packing(expected, found)
    if not pack.fits:
        every, numbers = np.unique(np.concatenate([expected, found]), axis=0, return_inverse=True)
        numbers = numbers.ravel()
        these, those = np.sort(numbers[: len(expected)]), np.sort(numbers[len(expected) :])
        return every[_without(these, those)], every[_without(those, these)]
    these, those = (np.sort(pack.keys(own)) for own in (expected, found))
    if np.array_equal(these, those):
        return expected[:0], found[:0]
    return pack.boxes(_without(these, those)), pack.boxes(_without(those, these))


class _Packing:
    """Boxes as numbers: x, y, and which of the sizes there are; a mask of 16.7 mm fits."""

    def __init__(self, *sets: Boxes) -> None:
        corners = [own[:, :2] for own in sets if len(own)]
        self._low = np.min([own.min(axis=0) for own in corners], axis=0)
        far = np.max([own.max(axis=0) for own in corners], axis=0) - self._low
        self._sizes = np.unique(np.concatenate([np.unique(_size(own)) for own in sets]))
        self.fits = bool(int(far.max()) >> _PLACE_BITS == 0 and self._sizes[0] >= 0
                         and len(self._sizes) >> _SIZE_BITS == 0)  # fmt: skip

    def keys(self, boxes: Boxes) -> npt.NDArray[np.int64]:
        x, y = boxes[:, 0] - self._low[0], boxes[:, 1] - self._low[1]
        size = np.searchsorted(self._sizes, _size(boxes))
        keys: npt.NDArray[np.int64] = (x << _PLACE_BITS | y) << _SIZE_BITS | size
        return keys

    def boxes(self, keys: npt.NDArray[np.int64]) -> Boxes:
        """The inverse of :meth:`keys`."""
        size = self._sizes[keys & (1 << _SIZE_BITS) - 1]
        place = keys >> _SIZE_BITS
        low = np.stack([place >> _PLACE_BITS, place & (1 << _PLACE_BITS) - 1], axis=1) + self._low
        return np.concatenate([low, low + np.stack([size >> 32, size & 0xFFFFFFFF], 1)], axis=1)


def _size(boxes: Boxes) -> npt.NDArray[np.int64]:
    """Width and height of each box in a number, -1 where one is negative or has no place in it."""
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    packed = np.maximum(wide, high) < 1 << 31
    packed &= np.minimum(wide, high) >= 0
    size: npt.NDArray[np.int64] = np.where(packed, wide << 32 | high, -1)
    return size


def _without(these: npt.NDArray[np.int64], those: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What of sorted ``these`` is not in sorted ``those``, as often as there are too few."""
    n_before = np.arange(len(these)) - np.searchsorted(these, these, side="left")
    n_there = np.searchsorted(those, these, side="right") - np.searchsorted(
        those, these, side="left"
    )
    return these[n_before >= n_there]


def read_vias(
    floorplan: Floorplan, vias: Mapping[str, npt.NDArray[np.int64]], faults: FaultList
) -> Pins:
    """Pins from the centres of the weights' vias; what is wrong with them is added to ``faults``.

    Parameters
    ----------
    floorplan : Floorplan
    vias : mapping of str to int64 array (n, 2)
        Centres by mask, VIA8 and VIA9; those of the base are left out.
    faults : FaultList
    """
    pins = np.full((floorplan.plan.n_rows, floorplan.n_row_pins), OPEN, dtype=np.int64)
    times = np.zeros(pins.shape, dtype=np.uint8)
    for mask, layer in (("VIA8", "M8"), ("VIA9", "M10")):
        centres = vias[mask]
        row, stub, level = _rows(floorplan, centres[:, 1])
        station, driver = _wires(floorplan, layer, centres[:, 0])
        pin = floorplan.stations.pins[station, stub]
        good = level & (driver >= 0) & (pin != NO_PIN)
        faults.add("via on no wire or stub", mask, *centres[~good].T)
        row, pin, driver = row[good], pin[good], driver[good]
        np.add.at(times, (row, pin), 1)
        pins[row, pin] = driver
    for what, wrong in (("no via", times == 0), ("more than one via", times > 1)):
        row, pin = (indices[:MOST_TOLD] for indices in np.nonzero(wrong))
        names = [f"row {r}, pin {p}" for r, p in zip(row, pin, strict=True)]
        faults.add(what, names, *_pin_places(floorplan, row, pin), int(wrong.sum()))
    pins[times != 1] = OPEN
    return pins


def _pin_places(
    floorplan: Floorplan, row: npt.NDArray[np.int64], pin: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Left edge of the station and height of the stub of some pins."""
    station, stub = floorplan.stations.pin_stubs()
    own = floorplan.stations.pins[station, stub]
    order = np.argsort(own)
    at = order[np.searchsorted(own[order], pin)]
    heights = floorplan.stub_y_nm(row)
    return floorplan.stations.x_nm[station[at]], heights[np.arange(len(row)), stub[at]]


def _rows(
    floorplan: Floorplan, y: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Row and stub of each height, and whether it is one's centre."""
    bottoms = floorplan.row_y_nm(np.arange(floorplan.plan.n_rows))
    row = np.maximum(np.searchsorted(bottoms, y, side="right") - 1, 0)
    stub, off = np.divmod(y - bottoms[row] - floorplan.pitch_nm // 2, floorplan.pitch_nm)
    level = (off == 0) & (stub >= 0) & (stub < floorplan.stations.n_stubs)
    return row, np.where(level, stub, 0), level


def _wires(
    floorplan: Floorplan, layer: str, x: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Station of each place, and the driver of the wire of ``layer`` there, -1 for none."""
    stations = floorplan.stations
    station = np.maximum(np.searchsorted(stations.x_nm, x, side="right") - 1, 0)
    place = x - stations.x_nm[station]
    widest = max(kind.width_nm for kind in stations.kinds)
    tables = np.full((len(stations.kinds), widest), -1, dtype=np.int64)
    for i, kind in enumerate(stations.kinds):
        for number, (name, centre) in enumerate(kind.wires):
            if name == layer:
                tables[i, centre] = number
    inside = (place >= 0) & (place < widest)
    wire = np.where(inside, tables[stations.kind[station], np.where(inside, place, 0)], -1)
    n_lines = stations.n_lines(station)
    tie = stations.ties[station, np.clip(wire - n_lines, 0, 1)]
    driver = np.where(wire < n_lines, stations.first_driver[station] + wire, tie)
    return station, np.where(wire < 0, -1, driver)
