"""Drawn region bases obey the rules; metal followed and masks read give the pins; damage is found, on both roads."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from strip_drawings import CASES, strips_of, weights_of

from hnlpu.base import HIGH, LINES, LOW, Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.arrays import (
    Weights,
    all_boxes,
    base_boxes,
    follow_array,
    place_metal,
    place_weights,
    plan_ground,
    read_array,
)
from hnlpu.layout.drc import check_rules
from hnlpu.layout.geometry import mask_regions
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.reading import compare_boxes
from hnlpu.layout.router import M11
from hnlpu.layout.rules import load_rules
from hnlpu.layout.strips import Strips
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan

MERGED = (MergedPlan, 3, 60)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].arch}-{case[1]}")
def test_drawn_metal_is_clean_and_comes_back_on_both_roads(case):
    weights = weights_of(*case)
    boxes = all_boxes(weights)
    ground = weights.ground
    regions = mask_regions(boxes)
    assert check_rules(ground.rules, regions, cut_exposures=2) == []
    reading = read_array(ground, boxes.__getitem__)
    assert reading.n_faults == 0 and np.array_equal(reading.pins, weights.pins)
    extraction = follow_array(ground, regions)
    assert extraction.faults == [] and np.array_equal(extraction.pins, weights.pins)


def test_cases_have_every_kind_of_wire():
    levels, high, outputs = set(), 0, 0
    for case in CASES:
        weights = weights_of(*case)
        assert weights.routing is not None and isinstance(weights.ground, Strips)
        levels.add(weights.ground.floorplan.n_levels)
        high += int((weights.routing.layer == M11).sum())
        outputs += int((weights.routing.nets.output >= 0).sum())
    assert levels == {1, 2, 3} and high and outputs


def test_cuts_meet_at_corners_where_one_exposure_has_to_do():
    weights = weights_of(*MERGED)
    found = check_rules(weights.ground.rules, mask_regions(all_boxes(weights)))
    assert {(v.rule, v.layer) for v in found} >= {("cut space", "M8C"), ("cut space", "M9C")}


def test_only_six_masks_know_the_weights():
    strips, one, other = strips_of(*MERGED)
    drawn = [all_boxes(place_metal(strips, metal)) for metal in (one, other)]
    differ = {m for m in strips.masks if any(map(len, compare_boxes(drawn[0][m], drawn[1][m])))}
    assert differ == set(strips.weight_masks)


def test_rows_drawn_one_by_one_are_the_rows_drawn_together():
    weights = weights_of(*MERGED)
    n_rows = weights.ground.plan.n_rows
    whole = weights.boxes(slice(0, n_rows))
    parts = [weights.boxes(slice(row, row + 1)) for row in range(n_rows)]
    for mask, boxes in whole.items():
        assert sorted(np.concatenate([p[mask] for p in parts]).tolist()) == sorted(boxes.tolist())


@pytest.mark.parametrize("pins", [1, 1 << 20])
def test_segments_are_read_alone_or_together(pins, monkeypatch):
    monkeypatch.setattr("hnlpu.layout.strip_reading._PINS", pins)
    weights = weights_of(*MERGED)
    reading = read_array(weights.ground, all_boxes(weights).__getitem__)
    assert reading.n_faults == 0 and np.array_equal(reading.pins, weights.pins)


# Damage.


def whole() -> tuple[Weights, dict[str, Boxes]]:
    weights = weights_of(*MERGED)
    return weights, all_boxes(weights)


def own_of(weights: Weights, masks: dict[str, Boxes], mask: str) -> np.ndarray:
    """Indices of the shapes of the weights in a mask; of M8C those between two pins of a column."""
    n_base = len(base_boxes(weights.ground, mask))
    own = np.arange(n_base, len(masks[mask]))
    if mask == "M8C":
        strips = weights.ground
        assert isinstance(strips, Strips)
        boxes = masks[mask][own]
        below = np.searchsorted(strips.row_y_nm(np.arange(5)), boxes[:, 1], side="right") - 1
        edge = strips.row_y_nm(below)
        inside = (boxes[:, 1] > edge) & (boxes[:, 3] < edge + strips.row_nm)
        own = own[inside & (boxes[:, 2] < strips.feeds[0] * strips.pitch_nm)]
    return own


def dropped(mask: str) -> Callable[[Weights, dict[str, Boxes]], None]:
    def damage(weights: Weights, masks: dict[str, Boxes]) -> None:
        own = own_of(weights, masks, mask)
        masks[mask] = np.delete(masks[mask], own[len(own) // 2], axis=0)

    return damage


def moved(mask: str, dx: int, dy: int) -> Callable[[Weights, dict[str, Boxes]], None]:
    def damage(weights: Weights, masks: dict[str, Boxes]) -> None:
        own = own_of(weights, masks, mask)
        masks[mask] = masks[mask].copy()
        masks[mask][own[len(own) // 2]] += [dx, dy, dx, dy]

    return damage


def base_dropped(mask: str) -> Callable[[Weights, dict[str, Boxes]], None]:
    def damage(weights: Weights, masks: dict[str, Boxes]) -> None:
        masks[mask] = np.delete(masks[mask], len(base_boxes(weights.ground, mask)) // 2, axis=0)

    return damage


def broken_line(weights: Weights, masks: dict[str, Boxes]) -> None:
    """A gap in a line of M10, above the source and below the row's vias to it."""
    boxes = masks["M10"]
    line = int(np.argmax(boxes[:, 3] - boxes[:, 1]))
    x0, y0, x1, y1 = boxes[line]
    masks["M10"] = np.concatenate(
        [np.delete(boxes, line, axis=0), [[x0, y0, x1, y0 + 300], [x0, y0 + 400, x1, y1]]]
    )


def shorted_jogs(weights: Weights, masks: dict[str, Boxes]) -> None:
    """The cut between two jogs of one track is missing."""
    boxes, end = masks["M9C"], weights.ground.strip_nm
    own = own_of(weights, masks, "M9C")
    between = own[(boxes[own, 0] > 0) & (boxes[own, 2] < end)]
    masks["M9C"] = np.delete(boxes, between[len(between) // 2], axis=0)


def bridged_jogs(weights: Weights, masks: dict[str, Boxes]) -> None:
    """A cut between jogs is half as long: metal of one jog grows, and touches nothing."""
    own = own_of(weights, masks, "M9C")
    boxes = masks["M9C"].copy()
    long = own[boxes[own, 2] - boxes[own, 0] >= 400][0]
    boxes[long, 2] = boxes[long, 0] + 80
    masks["M9C"] = boxes


def swapped_inputs(weights: Weights, masks: dict[str, Boxes]) -> None:
    """Two jogs of one row end on each other's line."""
    masks.update(all_boxes(swapped(weights, same_output=False)))


def flipped_slice(weights: Weights, masks: dict[str, Boxes]) -> None:
    """Two outputs of a row go to each other's slot: their slices count another magnitude."""
    masks.update(all_boxes(swapped(weights, same_output=True)))


def swapped(weights: Weights, *, same_output: bool) -> Weights:
    plan, pins = weights.ground.plan, weights.pins.copy()
    local = plan.local_driver(0)
    row = 1
    own = np.flatnonzero((pins[row] >= local) if same_output else
                         (pins[row] >= LINES) & (pins[row] < local))  # fmt: skip
    one, two = own[0], own[len(own) // 2]
    assert pins[row, one] != pins[row, two]
    pins[row, [one, two]] = pins[row, [two, one]]
    return place_weights(weights.ground, pins)


#: What is done to the masks.
DAMAGES = {
    **{f"{mask} dropped": dropped(mask) for mask in ("VIA8", "VIA9", "VIA10", "M11")},
    **{f"{mask} cut dropped": dropped(f"{mask}C") for mask in ("M8", "M9")},
    "VIA8 beside its stub": moved("VIA8", 80, 0),
    "VIA8 off the grid": moved("VIA8", 30, 0),
    "VIA9 on the next line": moved("VIA9", 120, 0),
    "VIA9 off its jog": moved("VIA9", 0, 80),
    "VIA10 on the next line": moved("VIA10", 120, 0),
    "M11 on the next track": moved("M11", 0, 120),
    "M9 cut moved": moved("M9C", 80, 0),
    "M8 cut moved": moved("M8C", 0, 80),
    **{f"{mask} of the base dropped": base_dropped(mask)
       for mask in ("M7", "VIA7", "M8", "M9", "M10", "VIA8", "VIA9", "M8C", "M9C")},
    "line broken": broken_line,
    "jogs shorted": shorted_jogs,
}  # fmt: skip
WIRED = {"inputs swapped": swapped_inputs, "slice code flipped": flipped_slice}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_on_both_roads(name):
    weights, masks = whole()
    DAMAGES[name](weights, masks)
    reading = read_array(weights.ground, masks.__getitem__)
    assert reading.n_faults or not np.array_equal(reading.pins, weights.pins)
    rules = check_rules(weights.ground.rules, mask_regions(masks), cut_exposures=2)
    extraction = follow_array(weights.ground, mask_regions(masks))
    other = extraction.faults or rules or not np.array_equal(extraction.pins, weights.pins)
    assert other


@pytest.mark.parametrize("name", WIRED)
def test_other_wiring_is_read_as_other_weights(name):
    """Clean metal that says something else."""
    weights, masks = whole()
    WIRED[name](weights, masks)
    pins = [
        read_array(weights.ground, masks.__getitem__),
        follow_array(weights.ground, mask_regions(masks)),
    ]
    plan = weights.ground.plan
    for reading in pins:
        assert not reading.n_faults and (reading.pins != weights.pins).sum() == 2
    before, after = (plan.read(p[:, : plan.n_pins]) for p in (weights.pins, pins[0].pins))
    assert (before.values != after.values).any() or (before.errors != after.errors).any()
    if name == "slice code flipped":
        assert (before.errors != after.errors).any() or after.missing.any()


def test_a_longer_jog_is_no_fault_but_cuts_are_as_they_are():
    """Metal that only grows, and touches nothing, joins nothing else."""
    weights, masks = whole()
    bridged_jogs(weights, masks)
    reading = read_array(weights.ground, masks.__getitem__)
    assert np.array_equal(reading.pins, weights.pins)


def test_a_short_across_the_edge_of_rows_is_found():
    weights, masks = whole()
    strips = weights.ground
    edge = int(strips.row_y_nm(np.array(1)))
    at = np.flatnonzero((masks["M8C"][:, 1] == edge) | (masks["M8C"][:, 3] == edge))
    x = masks["M8C"][at, 0]
    same = at[x == x[0]]
    masks["M8C"] = np.delete(masks["M8C"], same, axis=0)
    reading = read_array(strips, masks.__getitem__)
    assert any("edge of its row" in fault.what for fault in reading.faults)


# Bad input.


def test_wires_that_do_not_fit_are_named():
    strips, metal, _ = strips_of(*MERGED)
    low = plan_ground(strips.plan, strips.rules, n_tracks=6)
    with pytest.raises(HnlpuError, match=r"w: row \d+ at x.*wires do not fit the strips"):
        place_metal(low, metal, "w")


def test_a_pin_on_the_other_tie_is_refused():
    weights = weights_of(*MERGED)
    pins: Pins = weights.pins.copy()
    tied = np.argwhere(pins[:, : weights.ground.plan.n_pins] < LINES)[0]
    pins[tuple(tied)] = LOW + HIGH - pins[tuple(tied)]
    with pytest.raises(HnlpuError, match=f"row {tied[0]}, pin.*the tie that is not its own"):
        replace(weights, pins=pins).boxes(slice(0, weights.ground.plan.n_rows))


def test_a_routing_of_other_strips_is_refused():
    weights = weights_of(*MERGED)
    assert isinstance(weights.ground, Strips)
    taller = plan_ground(weights.ground.plan, weights.ground.rules,
                         n_tracks=weights.ground.n_tracks + 3)  # fmt: skip
    with pytest.raises(HnlpuError, match="its wires are in other strips"):
        replace(weights, ground=taller).boxes(slice(0, 1))


def test_rules_and_layers_that_do_not_suit_are_refused():
    strips, _, _ = strips_of(PaperPlan, 1, 40)
    with pytest.raises(HnlpuError, match="wires of M11 cannot land"):
        plan_ground(strips.plan, load_rules("sky130"))
    with pytest.raises(HnlpuError, match="lines of a region base lie on M10"):
        plan_ground(strips.plan, strips.rules, layers="M8")
