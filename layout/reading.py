"""Reading: weights from the places of vias, for all rows at once.

The masks that hold no weights must be those of the base, box by box: then a via at a wire of its station is
what joins a pin to a driver, and places tell the weights. Every pin has one via; none is an open, two are
a short. :mod:`hnlpu.layout.extraction` takes the other road, and follows the metal.

Contract (checked by ``tests/layout/test_reading.py``): the pins of a drawing come back; a via moved, added
or dropped, and any other box that is not the base's, is named with its place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import Boxes, Pattern, base_shapes, expand
from hnlpu.layout.faults import OPEN, Fault
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.stations import NO_PIN

__all__ = ["Reading", "compare_boxes", "read_masks", "read_vias"]

#: Masks that hold weights.
WEIGHT_MASKS = ("VIA8", "VIA9")
#: Faults told one by one; the rest is counted.
_MANY = 100


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the masks of an array hold.

    Attributes
    ----------
    pins : int64 array (n_rows, n_pins + row exponent bits)
        Drivers, as :func:`hnlpu.layout.drawing.array_pins` gives them; ``OPEN`` where there is none.
    faults : list of Fault
        The first ones of each mask.
    n_faults : int
        All of them.
    """

    pins: Pins
    faults: list[Fault]
    n_faults: int


def read_masks(floorplan: Floorplan, boxes: Callable[[str], Boxes]) -> Reading:
    """Pins from all masks of an array.

    Parameters
    ----------
    floorplan : Floorplan
    boxes : function of str
        Every box of a mask; asked mask by mask, so that one is held at a time.
    """
    expected: dict[str, list[Pattern]] = {}
    for pattern in base_shapes(floorplan):
        expected.setdefault(pattern.mask, []).append(pattern)
    faults: list[Fault] = []
    n_faults = 0
    vias: dict[str, npt.NDArray[np.int64]] = {}
    for mask in ("M7", *floorplan.rules.masks):
        base = _expand(expected.get(mask, []))
        missing, extra = compare_boxes(base, boxes(mask))
        wrong = [("missing", missing)]
        if mask in WEIGHT_MASKS:
            size = floorplan.rules.vias[mask].size_nm
            square = (extra[:, 2:] - extra[:, :2] == size).all(axis=1)
            vias[mask] = extra[square, :2] + size // 2
            wrong.append(("not a via", extra[~square]))
        else:
            wrong.append(("not of the base", extra))
        for what, places in wrong:
            n_faults += len(places)
            faults += [Fault(f"shape {what}", mask, x, y)
                       for x, y in ((places[:_MANY, :2] + places[:_MANY, 2:]) // 2).tolist()]  # fmt: skip
    reading = read_vias(floorplan, vias)
    return Reading(reading.pins, faults + reading.faults, n_faults + reading.n_faults)


def _expand(patterns: Iterable[Pattern]) -> Boxes:
    return np.concatenate([np.zeros((0, 4), dtype=np.int64), *map(expand, patterns)])


def _keys(boxes: Boxes) -> npt.NDArray[np.void]:
    """Boxes as single values that can be compared and sorted."""
    rows = np.ascontiguousarray(boxes.astype(">u4"))
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * 4))).ravel()


def compare_boxes(expected: Boxes, found: Boxes) -> tuple[Boxes, Boxes]:
    """Boxes that are expected and not found, and the other way round; each counts as often as it stands."""
    low = min((int(b.min()) for b in (expected, found) if b.size), default=0)
    keys = [np.sort(_keys(boxes - min(low, 0))) for boxes in (expected, found)]

    def without(these: npt.NDArray[np.void], those: npt.NDArray[np.void]) -> Boxes:
        names, counts = np.unique(these, return_counts=True)
        others, other_counts = np.unique(those, return_counts=True)
        place = np.searchsorted(others, names)
        same = np.zeros(len(names), dtype=bool)
        inside = place < len(others)
        same[inside] = others[place[inside]] == names[inside]
        rest = counts - np.where(same, other_counts[np.minimum(place, len(others) - 1)], 0)
        left = np.repeat(names, np.maximum(rest, 0))
        return left.view(">u4").reshape(-1, 4).astype(np.int64) + min(low, 0)

    return without(*keys), without(keys[1], keys[0])


def read_vias(floorplan: Floorplan, vias: Mapping[str, npt.NDArray[np.int64]]) -> Reading:
    """Pins from the centres of the weights' vias.

    Parameters
    ----------
    floorplan : Floorplan
    vias : mapping of str to int64 array (n, 2)
        Centres by mask, VIA8 and VIA9; those of the base are left out.
    """
    pins = np.full((floorplan.plan.n_rows, floorplan.n_row_pins), OPEN, dtype=np.int64)
    times = np.zeros(pins.shape, dtype=np.uint8)
    faults: list[Fault] = []
    n_faults = 0
    for mask, layer in (("VIA8", "M8"), ("VIA9", "M10")):
        centres = vias[mask]
        row, stub, level = _rows(floorplan, centres[:, 1])
        station, driver = _wires(floorplan, layer, centres[:, 0])
        pin = floorplan.stations.pins[station, stub]
        good = level & (driver >= 0) & (pin != NO_PIN)
        n_faults += int((~good).sum())
        faults += [Fault("via on no wire or stub", mask, x, y)
                   for x, y in centres[~good][:_MANY].tolist()]  # fmt: skip
        row, pin, driver = row[good], pin[good], driver[good]
        np.add.at(times, (row, pin), 1)
        pins[row, pin] = driver
    for what, wrong in (("no via", times == 0), ("more than one via", times > 1)):
        n_faults += int(wrong.sum())
        for r, p in np.argwhere(wrong)[:_MANY].tolist():
            station, stub = (int(n[0]) for n in np.nonzero(floorplan.stations.pins == p))
            x = int(floorplan.stations.x_nm[station])
            y = int(floorplan.stub_y_nm(np.array(r))[stub])
            faults.append(Fault(what, f"row {r}, pin {p}", x, y))
    pins[times != 1] = OPEN
    return Reading(pins, faults, n_faults)


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
        for wire, (name, centre) in enumerate(kind.wires):
            if name == layer:
                tables[i, centre] = wire
    inside = (place >= 0) & (place < widest)
    kind_index = stations.kind[station]
    wire = np.where(inside, tables[kind_index, np.where(inside, place, 0)], -1)
    n_lines = np.array([kind.n_lines for kind in stations.kinds])[kind_index]
    tie = stations.ties[station, np.clip(wire - n_lines, 0, 1)]
    driver = np.where(wire < n_lines, stations.first_driver[station] + wire, tie)
    return station, np.where(wire < 0, -1, driver)
