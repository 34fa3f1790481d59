"""The chip's netlist: whole, described, and bootable."""

import json

import pytest
from chips import gpt_oss_chip, llama_chip

from hnlpu.bundle import read_manifest
from hnlpu.chip_plan import ChipPlan, plans_from_manifest
from hnlpu.errors import HnlpuError
from hnlpu.grid import Tile
from hnlpu.numerics import Numerics


@pytest.fixture(scope="module", params=[gpt_oss_chip, llama_chip], ids=["gpt-oss", "llama"])
def bundle(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("chip"))


def test_every_block_with_a_boot_port_has_a_window(bundle):
    chip = json.loads((bundle / "chip.json").read_text())
    top = (bundle / "rtl" / "chip" / "hn_chip.v").read_text()
    booted = {w["block"] for w in chip["boot"]}
    for block in chip["blocks"]:
        instance = top.split(f" {block['name']} (\n")[1].split(");\n")[0]
        boots = ".boot__write(" in instance and block["name"] != "boot_decoder"
        boots &= block["name"] != "host"
        assert boots == (block["name"] in booted), block["name"]


def test_windows_are_aligned_and_apart(bundle):
    windows = json.loads((bundle / "chip.json").read_text())["boot"]
    end = 0
    for window in sorted(windows, key=lambda w: w["base"]):
        size = 1 << window["address_bits"]
        assert window["base"] % size == 0
        assert window["base"] >= end
        end = window["base"] + size
        assert all(part["offset"] + part["words"] <= size for part in window["parts"])


def test_image_holds_every_word_once(bundle):
    lines = (bundle / "boot" / "image.hex").read_text().splitlines()
    manifest = read_manifest(bundle)
    addresses = [int(line[:8], 16) for line in lines]
    assert addresses == sorted(set(addresses))
    assert len(lines) == manifest["chip"]["boot_words"]


def test_every_array_of_the_model_is_placed(bundle):
    manifest = read_manifest(bundle)
    chip = json.loads((bundle / "chip.json").read_text())
    placed = [array["module"] for array in chip["arrays"]]
    assert sorted(placed) == sorted(entry["module"] for entry in manifest["matrices"])


def test_streams_have_two_ends(bundle):
    chip = json.loads((bundle / "chip.json").read_text())
    blocks = {block["name"] for block in chip["blocks"]}
    ends = []
    for stream in chip["streams"]:
        ends += [stream["source"], stream["target"]]
        assert {end.split(".")[0] for end in ends[-2:]} <= blocks
    assert len(set(ends)) == len(ends)


def test_widths_that_the_twin_cannot_hold_are_refused(bundle):
    plan = plans_from_manifest(read_manifest(bundle))[Tile()]
    for numerics, word in (
        (Numerics(value_bits=24, residual_bits=24), "queries"),
        (Numerics(residual_bits=32, residual_fraction=16), "squares"),
    ):
        with pytest.raises(HnlpuError, match=word):
            ChipPlan(plan.shape, numerics, plan.context, plan.arrays)
    with pytest.raises(HnlpuError, match="context"):
        ChipPlan(plan.shape, plan.numerics, plan.shape.max_context + 1, plan.arrays)
