"""Estimates of bundles, checkpoints and bare configurations."""

import json
import shutil

import pytest

import hnlpu
from hnlpu.errors import HnlpuError


def test_bundle_checkpoint_and_report_agree(gpt_oss, tmp_path):
    bundle = tmp_path / "bundle"
    hnlpu.generate(gpt_oss, bundle)
    of_bundle = hnlpu.estimate(bundle)
    assert json.loads((bundle / "estimate.json").read_text()) == of_bundle
    of_checkpoint = hnlpu.estimate(gpt_oss)
    assert of_bundle["transistors_per_weight"] == of_checkpoint["transistors_per_weight"]
    assert of_bundle["transistors_per_weight"]["total"]["tag"] == "measured"
    assert of_bundle["hardwired_weights"]["mid"] == 14_040

    summary = hnlpu.write_report(bundle, tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "hnlpu verify" in page  # not run yet: the page says how
    assert summary


def test_configuration_alone(gpt_oss, tmp_path):
    shutil.copy(gpt_oss / "config.json", tmp_path / "config.json")
    result = hnlpu.estimate(tmp_path / "config.json")
    assert result["hardwired_weights"]["mid"] == 14_040
    assert {base["exponent_values"] for base in result["bases"]} == {4}


def test_more_phases_take_less_silicon(gpt_oss, tmp_path):
    shutil.copy(gpt_oss / "config.json", tmp_path / "config.json")
    one, two = (
        hnlpu.estimate(tmp_path / "config.json", phases=phases)["transistors_per_weight"]["total"]
        for phases in (1, 2)
    )
    assert two["mid"] < one["mid"]


def test_unknown_preset_lists_the_known():
    with pytest.raises(HnlpuError, match="gpt-oss-120b"):
        hnlpu.estimate_preset("gpt-5")


def test_nothing_there(tmp_path):
    with pytest.raises(HnlpuError):
        hnlpu.estimate(tmp_path / "nowhere")
