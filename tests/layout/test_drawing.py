"""Drawn masks obey the rules, for any weights; metal followed and vias read give the pins; damage is found.

Two roads: klayout's extraction follows metal from port to port, ``read_masks`` goes by places.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from drawings import PLANS, drawn, random_pins, small_floorplan
from hypothesis import example, given
from hypothesis import strategies as st

from hnlpu.base import LOW
from hnlpu.errors import HnlpuError
from hnlpu.layout.drawing import Pattern, base_shapes, expand, weight_vias
from hnlpu.layout.drc import check_rules
from hnlpu.layout.extraction import extract
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.geometry import mask_boxes, mask_regions
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.reading import compare_boxes, read_masks
from hnlpu.layout.rules import rule_sets
from hnlpu.layout.stations import LAYERS, NO_PIN
from hnlpu.layout.windows import Window, every_via, tile_windows, touching
from hnlpu.taps import TapsPlan


def whole(floorplan: Floorplan) -> Window:
    return Window(-1000, -1000, floorplan.width_nm + 1000, floorplan.height_nm + 1000)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("rules", rule_sets())
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_any_weights_are_clean(plan, rules, layers):
    """With a via at every place that a weight may choose: fewer vias break no rule."""
    floorplan = small_floorplan(plan, rules, layers)
    vias = every_via(floorplan, whole(floorplan))
    masks = mask_boxes(base_shapes(floorplan), floorplan.rules, vias)
    assert check_rules(floorplan.rules, mask_regions(masks)) == []


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("rules", rule_sets())
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_pins_come_back_on_both_roads(plan, rules, layers):
    floorplan = small_floorplan(plan, rules, layers)
    pins = random_pins(floorplan)
    masks = drawn(floorplan, pins)
    reading = read_masks(floorplan, masks.__getitem__)
    assert reading.n_faults == 0 and np.array_equal(reading.pins, pins)
    extraction = extract(floorplan, mask_regions(masks))
    assert extraction.faults == [] and np.array_equal(extraction.pins, pins)


def test_only_two_masks_know_the_weights():
    floorplan = small_floorplan(PLANS[1])
    one, other = (drawn(floorplan, random_pins(floorplan, seed)) for seed in (1, 2))
    differ = {mask for mask in one if any(map(len, compare_boxes(one[mask], other[mask])))}
    assert differ == {"VIA8", "VIA9"}
    alone = small_floorplan(PLANS[1], layers="M8")
    one, other = (drawn(alone, random_pins(alone, seed)) for seed in (1, 2))
    differ = {mask for mask in one if any(map(len, compare_boxes(one[mask], other[mask])))}
    assert differ == {"VIA8"}


def test_every_place_of_a_via_is_among_those_checked():
    floorplan = small_floorplan(PLANS[0])
    possible = every_via(floorplan, whole(floorplan))
    own = weight_vias(floorplan, random_pins(floorplan))
    for mask, centres in own.items():
        assert set(map(tuple, centres.tolist())) <= set(map(tuple, possible[mask].tolist()))
    n_pins = (floorplan.stations.pins != NO_PIN).sum() * floorplan.plan.n_rows
    assert sum(map(len, own.values())) == n_pins


def test_windows_hold_every_neighbourhood():
    floorplan = small_floorplan(TapsPlan(9, 300, phases=2, exponent_values=4))
    kinds = floorplan.stations.kind
    pairs = set(zip(kinds.tolist(), kinds[1:].tolist(), strict=False))
    seen = set()
    for window in tile_windows(floorplan):
        inside = (floorplan.stations.x_nm >= window.x0) & (floorplan.stations.x_nm < window.x1)
        own = kinds[inside]
        seen |= set(zip(own.tolist(), own[1:].tolist(), strict=False))
    assert seen == pairs
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    assert touching(boxes, Window(5, 5, 20, 20)).tolist() == [[0, 0, 10, 10]]


def test_a_driver_from_elsewhere_cannot_be_drawn():
    floorplan = small_floorplan(PLANS[0])
    pins = random_pins(floorplan)
    pins[3, 0] = floorplan.plan.bundle_line(floorplan.plan.n_bundles - 1, 0)
    with pytest.raises(HnlpuError, match=r"row 3, pin 0 .* a pin cannot be drawn"):
        weight_vias(floorplan, pins)


def test_patterns_expand():
    pattern = Pattern("M8", (0, 0, 2, 3), 2, 10, 3, 100)
    assert sorted(map(tuple, expand(pattern).tolist())) == [
        (x, y, x + 2, y + 3) for x in (0, 10) for y in (0, 100, 200)
    ]


# Damage.


@dataclass(frozen=True)
class Damage:
    """A change of one mask, and what either road calls it."""

    mask: str
    change: Callable[[Floorplan, Boxes], Boxes]
    read: str
    followed: tuple[str, ...]


def _drop(_: Floorplan, boxes: Boxes) -> Boxes:
    return boxes[:-1]


def _add_beside(floorplan: Floorplan, boxes: Boxes) -> Boxes:
    """A second via on a stub of the first bundle, on the next wire of M8."""
    kind = floorplan.stations.kinds[floorplan.stations.kind[0]]
    wires = sorted(x for layer, x in kind.wires if layer == "M8")
    centre = (boxes[:, 0] + boxes[:, 2]) // 2
    place = int(np.flatnonzero(np.isin(centre, wires[:-1]))[-1])  # the weights' come last
    step = wires[1] - wires[0]
    return np.vstack([boxes, boxes[place] + [step, 0, step, 0]])


def _move(floorplan: Floorplan, boxes: Boxes) -> Boxes:
    """The last via of a weight, moved to the next stub's height."""
    moved = boxes.copy()
    moved[-1, 1::2] += floorplan.pitch_nm
    return moved


def _inner(boxes: Boxes) -> int:
    """A box in the middle, away from edges."""
    middle = (boxes.min(axis=0) + boxes.max(axis=0)) // 2
    return int(np.abs(boxes - middle).sum(axis=1).argmin())


def _drop_inner(_: Floorplan, boxes: Boxes) -> Boxes:
    return np.delete(boxes, _inner(boxes), axis=0)


def _break(_: Floorplan, boxes: Boxes) -> Boxes:
    """The longest line in two pieces, 100 nm apart."""
    height = boxes[:, 3] - boxes[:, 1]
    i = int(height.argsort(kind="stable")[-1])
    box = boxes[i]
    middle = int(box[1] + box[3]) // 2
    low, high = box.copy(), box.copy()
    low[3], high[1] = middle, middle + 100
    return np.vstack([np.delete(boxes, i, axis=0), low, high])


DAMAGES = {
    "via 8 dropped": Damage("VIA8", _drop, "no via", ("open",)),
    "via 9 dropped": Damage("VIA9", _drop, "no via", ("open",)),
    "via 8 moved": Damage("VIA8", _move, "no via", ("open",)),
    "via 9 moved": Damage("VIA9", _move, "no via", ("open",)),
    "via 8 added": Damage("VIA8", _add_beside, "more than one via", ("short",)),
    "port's via dropped": Damage("VIA7", _drop_inner, "shape missing", ("open", "break")),
    "pad's cut missing": Damage("M8C", _drop_inner, "shape missing", ("short",)),
    "stub's cut missing": Damage("M9C", _drop_inner, "shape missing", ("short",)),
    "line of M8 missing": Damage("M8", _drop_inner, "shape missing", ("open", "break")),
    "stub missing": Damage("M9", _drop_inner, "shape missing", ("open", "break")),
    "line of M10 missing": Damage("M10", _drop_inner, "shape missing", ("open", "break")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_on_both_roads(name):
    damage = DAMAGES[name]
    floorplan = small_floorplan(PLANS[0])
    pins = random_pins(floorplan)
    masks = drawn(floorplan, pins)
    masks[damage.mask] = damage.change(floorplan, masks[damage.mask])
    reading = read_masks(floorplan, masks.__getitem__)
    assert reading.n_faults > 0
    assert any(damage.read in str(fault) for fault in reading.faults), reading.faults
    extraction = extract(floorplan, mask_regions(masks))
    assert any(fault.what in damage.followed for fault in extraction.faults), extraction.faults[:5]


def test_a_broken_line_is_found():
    """M10 in two pieces: the pins above have no driver."""
    floorplan = small_floorplan(PLANS[0])
    pins = random_pins(floorplan)
    masks = drawn(floorplan, pins)
    straps = {int(x) for k in floorplan.stations.kinds for x in k.straps}
    own = masks["M10"]
    height = own[:, 3] - own[:, 1]
    i = int(np.flatnonzero(height < height.max())[height[height < height.max()].argmax()])
    line = own[i]
    assert straps
    half = (int(line[1]) + int(line[3])) // 2
    pieces = np.array([[line[0], line[1], line[2], half], [line[0], half + 100, line[2], line[3]]])
    masks["M10"] = np.vstack([np.delete(own, i, axis=0), pieces])
    assert read_masks(floorplan, masks.__getitem__).n_faults == 3
    faults = extract(floorplan, mask_regions(masks)).faults
    assert faults and {fault.what for fault in faults} <= {"open", "break"}


def test_swapped_vias_are_other_weights():
    """Two vias that change places along a stub are a legal drawing of other weights."""
    floorplan = small_floorplan(PLANS[0])
    pins = random_pins(floorplan)
    other = pins.copy()
    station = floorplan.stations.pins[0]
    other[1, station[0]], other[1, station[1]] = pins[1, station[1]], pins[1, station[0]]
    if np.array_equal(other, pins):
        other[1, station[0]] = LOW
    reading = read_masks(floorplan, drawn(floorplan, other).__getitem__)
    assert reading.n_faults == 0 and not np.array_equal(reading.pins, pins)
    assert np.array_equal(extract(floorplan, mask_regions(drawn(floorplan, other))).pins, other)


BROKEN_RULES = {
    "space": ("M10", lambda box: box + [30, 0, 30, 0]),
    "width": ("M10", lambda box: np.array([box[0] + 10, box[1], box[2], box[3]])),
    "area": ("M10", lambda box: np.array([box[0], box[1], box[2], box[1] + 55])),
    "enclosure by M10": ("VIA9", lambda box: box + [0, 0, 0, 0] + [20, 0, 20, 0]),
    "size": ("VIA9", lambda box: np.array([box[0], box[1], box[2] + 10, box[3]])),
}


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_each_rule_can_fail(rule):
    mask, change = BROKEN_RULES[rule]
    floorplan = small_floorplan(PLANS[0])
    masks = drawn(floorplan, random_pins(floorplan))
    changed = masks[mask].copy()
    changed[5] = change(changed[5])
    masks[mask] = changed
    assert rule in {v.rule for v in check_rules(floorplan.rules, mask_regions(masks))}


def test_other_rules_can_fail():
    floorplan = small_floorplan(PLANS[0])
    masks = drawn(floorplan, random_pins(floorplan))
    own = masks["VIA8"]
    masks["VIA8"] = np.vstack([own, own[:1] + [0, 60, 0, 60]])  # 20 nm above another
    assert "space" in {v.rule for v in check_rules(floorplan.rules, mask_regions(masks))}
    masks["VIA8"] = own
    cuts = masks["M9C"]
    masks["M9C"] = np.vstack([cuts, cuts[:1] + [60, 0, 60, 0]])
    found = {(v.rule, v.layer) for v in check_rules(floorplan.rules, mask_regions(masks))}
    assert ("cut space", "M9C") in found
    masks["M9C"] = cuts
    line = masks["M10"][0]
    end = np.array([[line[0], line[3] + 50, line[2], line[3] + 400]])
    masks["M10"] = np.vstack([masks["M10"], end])
    found = {(v.rule, v.layer) for v in check_rules(floorplan.rules, mask_regions(masks))}
    assert ("space", "M10") in found or ("end space", "M10") in found


def test_compared_boxes_count_as_often_as_they_stand():
    box, other = np.array([[0, 0, 1, 1]]), np.array([[-5, 0, 1, 1]])
    missing, extra = compare_boxes(np.vstack([box, box, other]), np.vstack([box, other, other]))
    assert missing.tolist() == box.tolist() and extra.tolist() == other.tolist()
    none = np.zeros((0, 4), dtype=np.int64)
    assert [len(part) for part in compare_boxes(none, none)] == [0, 0]
    assert compare_boxes(none, box)[1].tolist() == box.tolist()
    assert [p.tolist() for p in compare_boxes(box, box[:, [2, 3, 0, 1]])] == [
        box.tolist(), [[1, 1, 0, 0]]
    ]  # fmt: skip


@given(st.integers(0, 2**32), st.sampled_from([1, 1 << 12, 1 << 40]))
@example(365648, 1 << 40)  # two boxes from one corner, too large to be packed
def test_compared_boxes_are_those_of_a_count(seed, far):
    """Also where boxes are too far away or too many kinds to be packed into numbers."""
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, 3, (rng.integers(0, 9), 4)) * far for _ in range(2))
    counts = [Counter(map(tuple, boxes.tolist())) for boxes in (one, other)]
    missing, extra = compare_boxes(one, other)
    assert Counter(map(tuple, missing.tolist())) == counts[0] - counts[1]
    assert Counter(map(tuple, extra.tolist())) == counts[1] - counts[0]
