"""Mask files hold what is drawn; same weights, same bytes."""

from pathlib import Path

import numpy as np
import pytest
from drawings import PLANS, drawn, small_floorplan
from klayout import db

from hnlpu.alignment import AlignedMatrix
from hnlpu.errors import HnlpuError
from hnlpu.layout.arrays import place_metal
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.masks import (
    MaskFile,
    layer_number,
    read_mask,
    write_base,
    write_weights,
)
from hnlpu.layout.reading import compare_boxes, read_masks
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
    files = [*write_base(floorplan, folder), *write_weights(place_metal(floorplan, plan), folder)]
    return {file.mask: file for file in files}


def same(one: Boxes, other: Boxes) -> bool:
    return not any(map(len, compare_boxes(one, other)))


@pytest.mark.parametrize("chunk", [1 << 20, 100])
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_files_hold_the_drawing(plan, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr("hnlpu.layout.masks._CHUNK", chunk)
    floorplan, own = small_floorplan(plan), metal(plan)
    files = written(floorplan, own, tmp_path / "a")
    assert set(files) == set(floorplan.masks)
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
    masks = ("M7", *load_rules("n5").masks)
    assert len({layer_number(mask) for mask in masks}) == len(masks)
    assert layer_number("VIA9") == (9, 10) and layer_number("M8C") == (8, 1)


def test_a_mask_cut_short_is_named(tmp_path):
    floorplan, own = small_floorplan(PLANS[0]), metal(PLANS[0])
    files = written(floorplan, own, tmp_path / "a")
    path = files["VIA8"].path
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(HnlpuError, match="VIA8.oas"):
        read_masks(floorplan, lambda mask: read_mask(files[mask].path, mask))
