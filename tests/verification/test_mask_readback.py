"""Masks of a bundle give back the checkpoint's weights; damage on any mask is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gdstk
import numpy as np
import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint
from matplotlib.image import imread

from hnlpu.cli import main
from hnlpu.errors import HnlpuError
from hnlpu.generator import generate
from hnlpu.layout.masks import layer_number, read_mask
from hnlpu.layout.oasis import Boxes, OasisWriter
from hnlpu.masks import LayoutOptions, draw_masks
from hnlpu.reports.mask_picture import draw_pictures
from hnlpu.respinning import RespinOptions, respin
from hnlpu.verification.mask_check import check_layout
from hnlpu.verification.mask_readback import read_masks_back


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A checkpoint, its bundle, and the bundle's masks."""
    folder = tmp_path_factory.mktemp("masks")
    checkpoint = write_checkpoint(folder / "c", GPT_OSS, gpt_oss_tensors(GPT_OSS))
    with remembered_bases():
        generate(checkpoint, folder / "b")
    draw_masks(folder / "b", folder / "m")
    return checkpoint, folder / "b", folder / "m"


@pytest.fixture(scope="module")
def one(drawn: tuple[Path, Path, Path]) -> Path:
    """The masks of a single matrix."""
    draw_masks(drawn[1], drawn[2].with_name("one"), LayoutOptions(match="q_proj"))
    return drawn[2].with_name("one")


@pytest.fixture
def copy(one: Path, tmp_path: Path) -> Path:
    return shutil.copytree(one, tmp_path / "m")


def array(layout: Path, name: str = "q_proj") -> dict:
    arrays = json.loads((layout / "layout.json").read_text())["arrays"]
    return next(entry for entry in arrays if name in entry["name"])


def edit(layout: Path, mask: str, change: Callable[[Boxes], Boxes]) -> None:
    """Change a mask of an array, and write the file as any tool would."""
    entry = next(m for m in array(layout)["masks"] if m["mask"] == mask)
    path = layout / entry["file"]
    boxes = change(read_mask(path, mask))
    with OasisWriter(path) as writer, writer.cell("TOP"):
        writer.boxes(layer_number(mask), boxes)


def test_every_weight_comes_back(drawn):
    checkpoint, bundle, layout = drawn
    result = read_masks_back(layout, checkpoint)
    assert result["weights"] == result["expected"] > 5000
    wrong = ("missing", "mismatches", "constant_mismatches", "image_mismatches", "faults")
    assert not any(result[key] for key in wrong) and result["first_fault"] is None
    assert json.loads((layout / "readback.json").read_text()) == result
    manifest = json.loads((bundle / "manifest.json").read_text())
    summary = json.loads((layout / "layout.json").read_text())
    assert summary["totals"]["arrays"] == len(manifest["matrices"])
    assert summary["totals"]["weights"] == result["weights"]
    assert not list((layout / "bundle").rglob("*.v"))


def test_same_bundle_same_bytes(drawn, tmp_path):
    _, bundle, layout = drawn
    draw_masks(bundle, tmp_path / "m")
    for path in sorted(layout.rglob("*.oas")):
        assert path.read_bytes() == (tmp_path / "m" / path.relative_to(layout)).read_bytes()


@pytest.mark.parametrize("whole", [True, False])
def test_an_intact_layout_passes_the_check(one, whole, monkeypatch):
    """Everywhere, and in samples as of large arrays."""
    monkeypatch.setattr("hnlpu.verification.mask_check._WHOLE", 0)
    assert check_layout(one, whole=whole) == []


DAMAGES: dict[str, tuple[str, Callable[[Boxes], Boxes]]] = {
    "via 8 dropped": ("VIA8", lambda b: b[:-1]),
    "via 9 dropped": ("VIA9", lambda b: b[:-1]),
    "via 8 moved": ("VIA8", lambda b: np.vstack([b[:-1], b[-1:] + [0, 40, 0, 40]])),
    "via 9 moved": ("VIA9", lambda b: np.vstack([b[:-1], b[-1:] + [120, 0, 120, 0]])),
    "via 9 added": ("VIA9", lambda b: np.vstack([b, b[-1:] - [120, 0, 120, 0]])),
    "cut of a stub missing": ("M9C", lambda b: b[1:]),
    "cut of a pad missing": ("M8C", lambda b: b[1:]),
    "port's via missing": ("VIA7", lambda b: b[1:]),
    "line broken": ("M10", lambda b: np.vstack([b[1:], b[:1] - [0, 0, 0, 500]])),
    "wires shorted": ("M9", lambda b: np.vstack([b, b[:1] + [0, 40, 0, 40]])),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(name, drawn, one, copy):
    mask, change = DAMAGES[name]
    edit(copy, mask, change)
    result, intact = (read_masks_back(layout, drawn[0]) for layout in (copy, one))
    assert intact["faults"] == intact["mismatches"] == 0
    assert result["faults"] + result["mismatches"] > 0
    if mask not in ("VIA8", "VIA9"):  # every array of the base shows it
        assert result["faults"] > 0 and f": {mask} at (" in result["first_fault"]
    elif result["faults"]:
        assert "q_proj" in result["first_fault"] and " um" in result["first_fault"]
    else:
        assert any(t["mismatches"] and t["first_mismatch"] for t in result["tensors"])


def tall(boxes: Boxes) -> int:
    """The longest box that is no strap: a line of M10."""
    height = boxes[:, 3] - boxes[:, 1]
    return int(np.where(height < height.max(), height, 0).argmax())


def broken(boxes: Boxes) -> Boxes:
    """A line in two pieces, 100 nm apart."""
    place = tall(boxes)
    middle = int(boxes[place, 1] + boxes[place, 3]) // 2
    below, above = boxes[place].copy(), boxes[place].copy()
    below[3], above[1] = middle, middle + 100
    return np.vstack([np.delete(boxes, place, axis=0), below, above])


def without_narrow(boxes: Boxes) -> Boxes:
    """Without the first of the narrowest cuts: between pads, or between stubs."""
    narrow = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    return np.delete(boxes, np.lexsort((boxes[:, 1], boxes[:, 0], narrow))[0], axis=0)


#: Damages, and what the check of rules and metal calls each.
CHECKED: dict[str, tuple[str, Callable[[Boxes], Boxes], str]] = {
    "via 8 dropped": (*DAMAGES["via 8 dropped"], "open"),
    "via 9 dropped": (*DAMAGES["via 9 dropped"], "open"),
    "stub on a line and the strap": (*DAMAGES["via 9 added"], "short"),
    "bridges of a line and a strap": (*DAMAGES["cut of a stub missing"], "short"),
    "cut of a stub missing": ("M9C", without_narrow, "short"),
    "cut of a pad missing": ("M8C", without_narrow, "short"),
    "port's via missing": (*DAMAGES["port's via missing"], "open"),
    "line broken": ("M10", broken, "open"),
    "wires shorted": (*DAMAGES["wires shorted"], "short"),
    "via moved by half its size": ("VIA9", lambda b: np.vstack([b[:-1], b[-1:] + [0, 20, 0, 20]]),
                                   "enclosure by M9"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKED)
def test_the_check_finds_damage(name, copy):
    mask, change, called = CHECKED[name]
    edit(copy, mask, change)
    assert called in {violation["rule"] for violation in check_layout(copy)}


def test_the_check_finds_damage_in_samples(copy, monkeypatch):
    monkeypatch.setattr("hnlpu.verification.mask_check._WHOLE", 0)
    edit(copy, "VIA7", lambda boxes: boxes[:1])
    found = check_layout(copy)
    assert {violation["rule"] for violation in found} == {"open"}
    assert all("q_proj" in violation["array"] for violation in found)


def test_the_command_line_tells_faults(drawn, copy, capsys):
    edit(copy, *DAMAGES["line broken"])
    assert main(["readback", str(copy), str(drawn[0])]) == 1
    assert "2 shapes are not as they should be, first: model" in capsys.readouterr().out


def test_files_cut_short_and_layouts_that_are_none(drawn, copy, tmp_path):
    entry = next(m for m in array(copy)["masks"] if m["mask"] == "VIA8")
    path = copy / entry["file"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(HnlpuError, match="VIA8.oas"):
        read_masks_back(copy, drawn[0])
    path.unlink()
    with pytest.raises(HnlpuError, match="VIA8.oas"):
        read_masks_back(copy, drawn[0])
    summary = json.loads((copy / "layout.json").read_text())
    summary["arrays"][0]["masks"] = summary["arrays"][0]["masks"][1:]
    (copy / "layout.json").write_text(json.dumps(summary))
    with pytest.raises(HnlpuError, match="a mask is missing"):
        read_masks_back(copy, drawn[0])
    (copy / "layout.json").write_text("{}")
    with pytest.raises(HnlpuError, match="not a layout"):
        read_masks_back(copy, drawn[0])


def test_matrices_that_were_not_asked_for_are_not_missing(drawn, one, copy, capsys):
    result = read_masks_back(one, drawn[0])
    assert result["match"] == "q_proj" and result["weights"] == result["expected"] > 0
    assert {tensor["name"].split(".")[-1] for tensor in result["tensors"]} == {"q_proj"}
    assert main(["readback", str(one), str(drawn[0])]) == 0
    assert "their names hold 'q_proj'" in capsys.readouterr().out
    summary = json.loads((copy / "layout.json").read_text())
    (copy / "layout.json").write_text(json.dumps(summary | {"match": ""}))
    result = read_masks_back(copy, drawn[0])
    assert result["missing"] == result["expected"] - result["weights"] > 0


def test_what_cannot_be_drawn_is_refused(drawn, tmp_path):
    checkpoint, bundle, _ = drawn
    with pytest.raises(HnlpuError, match="no matrix of this name"):
        draw_masks(bundle, tmp_path / "m", LayoutOptions(match="z_proj"))
    with pytest.raises(HnlpuError, match="unknown rule set"):
        draw_masks(bundle, tmp_path / "m", LayoutOptions(rules="n2"))
    for options in (LayoutOptions, RespinOptions):
        with pytest.raises(HnlpuError, match="no such choice of layers"):
            options(layers="M11")
    with pytest.raises(HnlpuError, match="not a bundle"):
        draw_masks(checkpoint, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    with pytest.raises(HnlpuError, match="tracks are negative"):
        LayoutOptions(tracks=-1)


def test_a_respin_prices_the_masks_that_change(drawn, tmp_path, capsys):
    _, bundle, _ = drawn
    same = respin(bundle, bundle)
    assert same["remade"] == [] and same["photomasks"] == same["changed_pins"] == 0
    assert same["tiles"]["untouched"] == same["tiles"]["total"] > 0
    tensors = gpt_oss_tensors(GPT_OSS, seed=7)
    other = write_checkpoint(tmp_path / "c", GPT_OSS, tensors)
    with remembered_bases():
        generate(other, tmp_path / "b", base=bundle)
    change = respin(bundle, tmp_path / "b")
    assert change["remade"] == ["VIA8", "VIA9"] and change["chips"] == 1
    assert change["photomasks"] == 4  # two masks of two exposures
    assert set(change["kept"]) == {"VIA7", "M8", "M8C", "M9", "M9C", "M10", "VIA10", "M11"}
    assert 0 < change["usd"]["low"] < change["usd"]["mid"] < change["usd"]["high"]
    assert change["usd"]["mid"] == pytest.approx(0.4 * change["paper_usd"]["mid"])
    assert same["direct_write"] is None
    written, photomasks = change["direct_write"], change["usd"]["mid"]
    assert written["wafers"]["mid"] == pytest.approx(photomasks / written["usd"]["mid"])
    assert written["usd"]["low"] < written["usd"]["mid"] < written["usd"]["high"]
    removed = sum(row["removed"]["VIA8"] + row["removed"]["VIA9"] for row in change["rows"])
    assert removed == change["changed_pins"]
    eco = tmp_path / "eco.tcl"
    assert main(["respin", str(bundle), str(tmp_path / "b"), "--eco", str(eco)]) == 0
    out = capsys.readouterr().out
    assert "made anew" in out and "written by electron beams" in out
    calls = eco.read_text().splitlines()
    added = sum(row["added"]["VIA8"] + row["added"]["VIA9"] for row in change["rows"])
    assert sum(call.startswith("hn_remove_via {model.layers.0.") for call in calls) <= removed
    assert (sum(c.startswith("hn_remove_via") for c in calls), len(calls)) == (
        removed,
        removed + added,
    )
    assert main(["respin", str(bundle), str(tmp_path / "b"), "--eco", str(tmp_path)]) == 2


def test_other_files_of_an_array(drawn, tmp_path):
    _, bundle, _ = drawn
    options = LayoutOptions(match="q_proj", also=("def", "spef", "gds"))
    draw_masks(bundle, tmp_path / "m", options)
    (lef,) = (tmp_path / "m").rglob("base.lef")
    (design,) = (tmp_path / "m").rglob("metal.def")
    (spef,) = (tmp_path / "m").rglob("lines.spef")
    assert "MACRO hn_base" in lef.read_text() and "*D_NET line_0_0_0" in spef.read_text()
    assert "- line_0_0_0 ( base line_0_0_0_o )" in design.read_text()
    (gds,) = (tmp_path / "m").rglob("array.gds")
    entry = array(tmp_path / "m")
    cell = gdstk.read_gds(gds).top_level()[0]
    for mask in entry["masks"]:
        layer, datatype = layer_number(mask["mask"])
        assert mask["n_base"] + mask["n_weights"] == len(
            cell.get_polygons(layer=layer, datatype=datatype)
        )
    with pytest.raises(HnlpuError, match=r"no such file .* choose of def, spef, gds"):
        LayoutOptions(also=("dxf",))


def test_large_arrays_are_oasis_only(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("hnlpu.masks._MOST", 100)
    with pytest.raises(HnlpuError, match="an array is too large for DEF"):
        draw_masks(drawn[1], tmp_path / "m", LayoutOptions(also=("def",)))
    assert not (tmp_path / "m").exists()


def test_pictures_show_each_base(drawn, copy):
    written = draw_pictures(copy)
    bases = json.loads((copy / "layout.json").read_text())["bases"]
    assert [path.name for path in written] == [f"{base['name']}.png" for base in bases]
    image = imread(written[0])
    assert image.shape[0] > 400 and np.ptp(image) > 0.5
