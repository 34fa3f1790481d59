"""Estimates of bundles, checkpoints, bare configurations and named models."""

import json
import shutil

import pytest

import hnlpu
from hnlpu.errors import HnlpuError
from hnlpu.estimation import EstimateOptions, workload_for
from hnlpu.outline import read_outline

FEW = EstimateOptions(draws=50)


def test_bundle_checkpoint_and_report_agree(gpt_oss, tmp_path):
    bundle = tmp_path / "bundle"
    hnlpu.generate(gpt_oss, bundle)
    of_bundle = hnlpu.estimate(bundle, options=FEW)
    assert json.loads((bundle / "estimate.json").read_text()).keys() == of_bundle.as_dict().keys()
    of_checkpoint = hnlpu.estimate(gpt_oss, options=FEW)
    for name in ("transistors", "flip_flops", "wire_crossings", "weights"):
        assert of_bundle.inputs[name].value == of_checkpoint.inputs[name].value, name
    assert of_bundle.inputs["transistors"].confidence == "measured"
    assert of_bundle.inputs["weights"].value == 14_040

    summary = hnlpu.write_report(bundle, tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "hnlpu verify" in page  # not run yet: the page says how
    assert summary


def test_configuration_alone(gpt_oss, tmp_path):
    shutil.copy(gpt_oss / "config.json", tmp_path / "config.json")
    result = hnlpu.estimate(tmp_path / "config.json", options=FEW)
    assert result.inputs["weights"].value == 14_040
    assert result.workload.context <= result.model.max_context


def test_more_phases_take_less_silicon(gpt_oss, tmp_path):
    shutil.copy(gpt_oss / "config.json", tmp_path / "config.json")
    one, two = (
        hnlpu.estimate(
            tmp_path / "config.json", options=EstimateOptions(phases=phases, draws=50)
        ).figures["transistors_per_weight"]
        for phases in (1, 2)
    )
    assert two.mid < one.mid


def test_a_named_model_needs_no_synthesis(monkeypatch):
    """Its counts are committed; ``tests/costmodel/test_measured.py`` measures some again."""

    def forbidden(plan):
        raise AssertionError(plan.name)

    monkeypatch.setattr("hnlpu.estimation.count_rows", forbidden)
    for model in ("gpt-oss-120b", "deepseek-v3"):
        assert hnlpu.estimate(model=model, options=FEW).headline["chips"].mid > 1


def test_the_default_workload_is_cut_to_the_context(gpt_oss):
    outline = read_outline(gpt_oss / "config.json")
    cut = workload_for(outline, None)
    assert cut.context <= outline.max_context and "cut" in cut.name
    with pytest.raises(HnlpuError, match="longer than the model's context"):
        hnlpu.estimate(gpt_oss, options=EstimateOptions(workload="long"))


def test_unknown_preset_lists_the_known():
    with pytest.raises(HnlpuError, match="gpt-oss-120b"):
        hnlpu.estimate(model="gpt-5")


def test_nothing_there_or_two_things(tmp_path):
    with pytest.raises(HnlpuError):
        hnlpu.estimate(tmp_path / "nowhere")
    with pytest.raises(HnlpuError, match="name one model"):
        hnlpu.estimate(tmp_path, model="gpt-oss-120b")
    with pytest.raises(HnlpuError, match="name one model"):
        hnlpu.estimate()
