"""Masks of bundles with regions: drawn, checked, read back, priced; wires that do not fit are named."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint

from hnlpu.cli import main
from hnlpu.errors import HnlpuError
from hnlpu.generator import GenerateOptions, generate
from hnlpu.layout.arrays import plan_ground
from hnlpu.layout.masks import layer_number, read_mask
from hnlpu.layout.oasis import OasisWriter
from hnlpu.masks import LayoutOptions, draw_masks
from hnlpu.reports.mask_picture import draw_pictures
from hnlpu.respinning import RespinOptions, respin
from hnlpu.selection import BaseOptions
from hnlpu.verification.mask_check import check_layout
from hnlpu.verification.mask_readback import read_masks_back

ARCHS = ["merged", "paper"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("c") / "c", GPT_OSS, gpt_oss_tensors(GPT_OSS))


@pytest.fixture(scope="module", params=ARCHS)
def drawn(request, checkpoint, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle and its masks."""
    folder = tmp_path_factory.mktemp("masks")
    with remembered_bases():
        generate(checkpoint, folder / "b", GenerateOptions(base=BaseOptions(arch=request.param)))
    draw_masks(folder / "b", folder / "m", LayoutOptions(match="attn"))
    return folder / "b", folder / "m"


def test_every_weight_comes_back_from_clean_masks(checkpoint, drawn):
    _, layout = drawn
    result = read_masks_back(layout, checkpoint)
    assert result["weights"] == result["expected"] > 1000
    assert not any(result[key] for key in ("missing", "mismatches", "faults"))
    assert check_layout(layout, whole=True) == []
    totals = json.loads((layout / "layout.json").read_text())["totals"]
    assert totals["weight_masks"] == ["M8C", "VIA8", "M9C", "VIA9", "VIA10", "M11"]
    exposures = [totals["exposures"][mask] for mask in totals["weight_masks"]]
    assert exposures == [2, 2, 2, 2, 1, 1]


def test_an_edited_mask_is_named(checkpoint, drawn, tmp_path):
    layout = tmp_path / "m"
    draw_masks(drawn[0], layout, LayoutOptions(match="q_proj"))
    entry = json.loads((layout / "layout.json").read_text())["arrays"][0]
    mask = next(m for m in entry["masks"] if m["mask"] == "VIA8")
    boxes = read_mask(layout / mask["file"], "VIA8")
    with OasisWriter(layout / mask["file"]) as writer, writer.cell("TOP"):
        writer.boxes(layer_number("VIA8"), np.delete(boxes, mask["n_base"], axis=0))
    result = read_masks_back(layout, checkpoint)
    assert result["faults"] and f"{entry['name']}: open: row " in result["first_fault"]
    found = check_layout(layout)
    assert {v["rule"] for v in found} == {"open"} and found[0]["array"] == entry["name"]


def test_samples_of_large_arrays_are_followed(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("hnlpu.verification.mask_check._WHOLE", 0)
    draw_masks(drawn[0], tmp_path / "m", LayoutOptions(match="q_proj"))
    assert check_layout(tmp_path / "m") == []


def test_strips_that_are_too_low_are_refused_and_leave_nothing(drawn, tmp_path):
    with pytest.raises(HnlpuError, match=r"q_proj: row \d+ at x = .*wires do not fit the strips"):
        draw_masks(drawn[0], tmp_path / "m", LayoutOptions(match="q_proj", tracks=4))
    with pytest.raises(HnlpuError, match="no SPEF of a region base"):
        draw_masks(drawn[0], tmp_path / "m", LayoutOptions(match="q_proj", also=("gds", "spef")))
    with pytest.raises(HnlpuError, match="lines of a region base lie on M10"):
        draw_masks(drawn[0], tmp_path / "m", LayoutOptions(layers="M8"))
    assert not (tmp_path / "m").exists()


def test_a_respin_takes_ten_photomasks(drawn, tmp_path, capsys):
    bundle, _ = drawn
    options = RespinOptions(tracks=80)  # given, so that no lowest strips are looked for
    assert respin(bundle, bundle, options)["photomasks"] == 0
    other = write_checkpoint(tmp_path / "c", GPT_OSS, gpt_oss_tensors(GPT_OSS, seed=7))
    with remembered_bases():
        generate(other, tmp_path / "b", base=bundle)
    change = respin(bundle, tmp_path / "b", options)
    assert set(change["remade"]) >= {"M8C", "VIA8", "M9C", "VIA9"}
    assert change["photomasks"] == 8 + sum(m in change["remade"] for m in ("VIA10", "M11"))
    eco = tmp_path / "eco.tcl"
    words = ["respin", str(bundle), str(tmp_path / "b"), "--tracks", "80", "--eco", str(eco)]
    assert main(words) == 0
    calls = eco.read_text().splitlines()
    counts = [
        sum(sum(row[side].values()) for row in change["rows"]) for side in ("removed", "added")
    ]
    assert len(calls) == sum(counts)
    assert sum(call.startswith("hn_remove_") for call in calls) == counts[0]
    box = next(call for call in calls if call.startswith("hn_add_box"))
    assert box.split()[2] in ("M8C", "M9C", "M11") and len(box.split()) == 7


def test_a_base_is_planned_once_for_all_matrices_of_both_bundles(drawn, monkeypatch):
    bundle, _ = drawn
    asked = []

    def plan(base, *args, matrices, **options):
        asked.append((base.name, len(list(matrices))))
        return plan_ground(base, *args, **options | {"n_tracks": 80})

    monkeypatch.setattr("hnlpu.respinning.plan_ground", plan)
    respin(bundle, bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    n_of = Counter(entry["base"] for entry in manifest["matrices"])
    assert dict(asked) == {name: 2 * n for name, n in n_of.items()}
    assert len(asked) == len(n_of) < len(manifest["matrices"])


def test_pictures_and_gds(drawn, tmp_path):
    draw_masks(drawn[0], tmp_path / "m", LayoutOptions(match="q_proj", also=("gds",)))
    (picture,) = draw_pictures(tmp_path / "m")
    assert picture.stat().st_size > 10_000
    assert list((tmp_path / "m").rglob("array.gds"))
