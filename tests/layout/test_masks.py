"""Mask files hold what is drawn; same weights, same bytes; a respin counts what differs between the files."""

from pathlib import Path

import numpy as np
import pytest
from drawings import PLANS, drawn, small_floorplan
from klayout import db

from hnlpu.alignment import AlignedMatrix
from hnlpu.errors import HnlpuError
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.masks import (
    MaskFile,
    layer_number,
    mask_files,
    read_mask,
    write_base,
    write_weights,
)
from hnlpu.layout.reading import compare_boxes, read_masks
from hnlpu.layout.respin import compare_pins
from hnlpu.layout.rules import load_rules
from hnlpu.metal import MetalPlan, plan_metal
from hnlpu.taps import TapsPlan


def metal(plan: TapsPlan, seed: int = 0) -> MetalPlan:
    rng = np.random.default_rng(seed)
    shape = plan.n_rows, plan.n_columns
    values = rng.choice([0, *plan.magnitudes], shape) * rng.choice([-1, 1], shape)
    exponents = rng.integers(0, plan.exponent_values, (plan.n_rows, plan.n_blocks))
    rows = rng.integers(-20, 20, plan.n_rows)
    matrix = AlignedMatrix(
        "w", values.astype(np.int16), exponents.astype(np.uint8), rows.astype(np.int16)
    )
    return plan_metal(matrix, plan)


def written(floorplan: Floorplan, plan: MetalPlan, folder: Path) -> dict[str, MaskFile]:
    folder.mkdir()
    files = [*write_base(floorplan, folder), *write_weights(floorplan, plan, folder)]
    return {file.mask: file for file in files}


def same(one: Boxes, other: Boxes) -> bool:
    return not any(map(len, compare_boxes(one, other)))


@pytest.mark.parametrize("chunk", [1 << 20, 100])
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_files_hold_the_drawing(plan, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr("hnlpu.layout.masks._CHUNK", chunk)
    floorplan, own = small_floorplan(plan), metal(plan)
    files = written(floorplan, own, tmp_path / "a")
    assert set(files) == set(mask_files(floorplan.rules))
    expected = drawn(floorplan, array_pins(own))
    for mask, file in files.items():
        assert same(read_mask(file.path, mask), expected[mask])
        assert file.n_base + file.n_weights == len(expected[mask])
        layout = db.Layout()
        layout.read(str(file.path))
        layer = layout.layer(*layer_number(mask))
        theirs = db.Region(layout.top_cell().begin_shapes_rec(layer))
        ours = db.Region([db.Box(*box) for box in expected[mask].tolist()])
        assert (theirs ^ ours).is_empty() and theirs.count() == len(expected[mask])
    again = written(floorplan, own, tmp_path / "b")
    assert all(files[m].path.read_bytes() == again[m].path.read_bytes() for m in files)


def test_layers_are_told_apart():
    masks = mask_files(load_rules("n5"))
    assert len({layer_number(mask) for mask in masks}) == len(masks)
    assert layer_number("VIA9") == (9, 10) and layer_number("M8C") == (8, 1)


@pytest.mark.parametrize("n_changed", [0, 1, 37])
def test_a_respin_counts_what_differs_between_files(n_changed, tmp_path):
    plan = PLANS[1]
    floorplan, old = small_floorplan(plan), metal(plan)
    wiring = plan.read(old.pins)
    values = wiring.values.copy()
    rng = np.random.default_rng(3)
    places = rng.choice(values.size, n_changed, replace=False)
    values.flat[places] = np.where(values.flat[places] == 12, -8, 12)
    matrix = AlignedMatrix("w", values.astype(np.int16), wiring.block_exponents, old.row_exponents)
    new = plan_metal(matrix, plan)
    change = compare_pins(floorplan, array_pins(old), array_pins(new))
    before = written(floorplan, old, tmp_path / "old")
    after = written(floorplan, new, tmp_path / "new")
    remade = set()
    for mask in before:
        gone, come = compare_boxes(*(read_mask(f[mask].path, mask) for f in (before, after)))
        if mask in change.removed:
            size = floorplan.rules.vias[mask].size_nm // 2
            for boxes, places in ((gone, change.removed[mask]), (come, change.added[mask])):
                assert sorted((boxes[:, :2] + size).tolist()) == sorted(places.tolist())
        if len(gone) + len(come):
            remade.add(mask)
        else:
            assert before[mask].path.read_bytes() == after[mask].path.read_bytes()
    assert set(change.changed_masks) == remade <= {"VIA8", "VIA9"}
    assert change.n_changed_pins >= n_changed  # a sign also changes the row's constant
    assert sum(map(len, change.removed.values())) == change.n_changed_pins
    assert bool(n_changed) == bool(change.n_changed_tiles)


def test_a_mask_cut_short_is_named(tmp_path):
    floorplan, own = small_floorplan(PLANS[0]), metal(PLANS[0])
    files = written(floorplan, own, tmp_path / "a")
    path = files["VIA8"].path
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(HnlpuError, match="VIA8.oas"):
        read_masks(floorplan, lambda mask: read_mask(files[mask].path, mask))
