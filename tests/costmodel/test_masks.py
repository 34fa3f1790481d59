from importlib.resources import files
from pathlib import Path

import pytest

from hnlpu.costmodel.consistent import nodes
from hnlpu.costmodel.masks import ARCHITECTURES, load_masks
from hnlpu.errors import HnlpuError
from hnlpu.layout.rules import load_rules

STACK = load_masks("5nm")


def test_the_5_nm_stack_is_the_papers() -> None:
    assert len(STACK.layers) == 70
    assert sum(layer.kind == "euv" for layer in STACK.layers) == 12
    assert STACK.inputs("paper")["mask_units"].value == 130
    assert STACK.inputs("paper")["weight_mask_units"].value == 10
    assert STACK.inputs("paper")["second_exposure_units"].value == 0


def test_vias_of_taps_take_two_exposures_as_their_drawing_says() -> None:
    inputs, rules = STACK.inputs("taps"), load_rules("n5")
    drawn = sum(rules.exposures(mask) for mask in ("VIA8", "VIA9"))
    assert inputs["weight_mask_units"].value == drawn == 4
    assert inputs["second_exposure_units"].value == drawn - 2
    assert "two exposures" in inputs["weight_mask_units"].source


@pytest.mark.parametrize("node", nodes())
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_node_has_masks_for_every_architecture(node: str, architecture: str) -> None:
    inputs = load_masks(node).inputs(architecture)
    assert 0 < inputs["weight_mask_units"].value < inputs["mask_units"].value


def test_unknown_names_are_refused() -> None:
    with pytest.raises(HnlpuError, match="choose one of taps, paper, merged"):
        STACK.inputs("fpga")
    with pytest.raises(HnlpuError, match="known are 5nm"):
        load_masks("4nm")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('taps = ["VIA8", "VIA9"]', 'taps = ["VIA8", "VIA99"]', "5nm.taps"),
        ("count = 10", "count = 9", "5nm.layers[2]"),
        ('kind = "euv"', 'kind = "xuv"', "5nm.layers[0].kind"),
        ("regions = [", "region = [", "5nm.region"),
        ('taps_twice = ["VIA8"', 'taps_twice = ["M11"', "5nm.taps_twice"),
        ("taps_twice", "taps_thrice", "5nm.taps_thrice"),
    ],
)
def test_bad_mask_stacks_are_refused(tmp_path: Path, old: str, new: str, where: str) -> None:
    text = (files("hnlpu.costmodel") / "data" / "masks.toml").read_text(encoding="utf-8")
    path = tmp_path / "masks.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(HnlpuError) as caught:
        load_masks("5nm", path)
    assert caught.value.where == f"{path}: {where}"
