"""A respin counts what differs between the mask files."""

import numpy as np
import pytest
from drawings import PLANS, small_floorplan
from strip_drawings import strips_of
from test_masks import metal, written

from hnlpu.alignment import AlignedMatrix
from hnlpu.layout.arrays import place_metal
from hnlpu.layout.ground import Ground
from hnlpu.layout.masks import read_mask
from hnlpu.layout.reading import compare_boxes
from hnlpu.layout.respin import ArrayChange, compare_weights
from hnlpu.merged import MergedPlan
from hnlpu.metal import MetalPlan, plan_metal


def check(ground: Ground, old: MetalPlan, new: MetalPlan, folder) -> ArrayChange:
    """The change counted, compared with the files of both."""
    change = compare_weights(place_metal(ground, old), place_metal(ground, new))
    before, after = written(ground, old, folder / "old"), written(ground, new, folder / "new")
    remade = set()
    for mask in before:
        gone, come = compare_boxes(*(read_mask(f[mask].path, mask) for f in (before, after)))
        if mask in change.removed:
            for boxes, own in ((gone, change.removed[mask]), (come, change.added[mask])):
                assert sorted(boxes.tolist()) == sorted(own.tolist())
        if len(gone) + len(come):
            remade.add(mask)
        else:
            assert before[mask].path.read_bytes() == after[mask].path.read_bytes()
    assert set(change.changed_masks) == remade <= set(ground.weight_masks)
    for mask, area in change.exposed_um2.items():
        boxes = read_mask(after[mask].path, mask)
        assert area == pytest.approx((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum() * 1e-6)
    return change


@pytest.mark.parametrize("n_changed", [0, 1, 37])
def test_taps(n_changed, tmp_path):
    plan = PLANS[1]
    floorplan, old = small_floorplan(plan), metal(plan)
    wiring = plan.read(old.pins)
    values = wiring.values.copy()
    rng = np.random.default_rng(3)
    places = rng.choice(values.size, n_changed, replace=False)
    values.flat[places] = np.where(values.flat[places] == 12, -8, 12)
    matrix = AlignedMatrix("w", values.astype(np.int16), wiring.block_exponents, old.row_exponents)
    change = check(floorplan, old, plan_metal(matrix, plan), tmp_path)
    assert change.n_changed_pins >= n_changed  # a sign also changes the row's constant
    assert sum(map(len, change.removed.values())) == change.n_changed_pins
    assert bool(n_changed) == bool(change.n_changed_tiles)


def test_regions(tmp_path):
    strips, old, new = strips_of(MergedPlan, 3, 60)
    change = check(strips, old, new, tmp_path)
    assert {"M8C", "VIA8", "M9C", "VIA9"} <= set(change.changed_masks)
    assert change.n_changed_tiles > change.n_tiles // 2


def test_a_row_that_stays_keeps_its_shapes(tmp_path):
    strips, old, new = strips_of(MergedPlan, 3, 60)
    pins, exponents = old.pins.copy(), old.row_exponents.copy()
    pins[1], exponents[1] = new.pins[1], new.row_exponents[1]
    change = check(strips, old, MetalPlan(old.base, pins, exponents), tmp_path)
    edge = int(strips.row_y_nm(np.array(1)))
    for boxes in (*change.removed.values(), *change.added.values()):
        assert (boxes[:, 1] >= edge).all() and (boxes[:, 3] <= edge + strips.row_nm).all()
