"""The estimate as a whole: its keys, its modes, and what it says of the paper's model."""

import json
from typing import Any

import pytest
from costs import measured_arrays

from hnlpu.costmodel.estimate import (
    COMPARED,
    TORNADOES,
    Estimate,
    estimate,
    estimate_from_dict,
)
from hnlpu.costmodel.headline import HEADLINE
from hnlpu.costmodel.presets import outline_preset
from hnlpu.costmodel.quantity import CONFIDENCES
from hnlpu.costmodel.units import is_unit
from hnlpu.costmodel.workload import parse_workload
from hnlpu.errors import HnlpuError

PAPER = outline_preset("gpt-oss-120b")


def make(model: str = "gpt-oss-120b", **options: Any) -> Estimate:
    outline = outline_preset(model)
    return estimate(outline, measured_arrays(outline), parse_workload("full"), draws=300, **options)


@pytest.fixture(scope="module")
def result() -> Estimate:
    return make()


@pytest.mark.parametrize("mode", ["both", "paper", "consistent"])
def test_every_headline_figure_has_range_unit_and_tag(result: Estimate, mode: str) -> None:
    tree = result.as_dict(mode)
    assert json.loads(json.dumps(tree, allow_nan=False)).keys() == tree.keys()
    tops = [tree, tree["paper"]] if mode == "both" else [tree]
    for top in tops:
        for key, item in HEADLINE.items():
            figure = top[key]
            assert figure["low"] <= figure["mid"] <= figure["high"], key
            assert figure["unit"] == item.unit and is_unit(item.unit)
            assert figure["tag"] in CONFIDENCES and figure["note"] and figure["source"], key
    if mode != "paper":
        limits = tree["bottleneck"]
        assert {"low", "mid", "high", "unit", "tag"} <= limits.keys()
        assert sum(limits["shares"].values()) == pytest.approx(1)


def test_paper_mode_is_the_paper(result: Estimate) -> None:
    paper = result.paper
    assert paper["chips"].mid == 16
    assert paper["die_area_mm2"].mid == pytest.approx(827.08)
    assert paper["tokens_per_s"].mid == 249960
    assert paper["tokens_per_j"].mid == pytest.approx(36.226, rel=1e-3)
    assert [paper["mask_nre_usd"].low, paper["mask_nre_usd"].high] == pytest.approx(
        [32.31e6, 64.61e6], rel=1e-3
    )
    assert [paper["tco_usd"].low, paper["tco_usd"].high] == pytest.approx(
        [118.9e6, 229.4e6], rel=1e-3
    )
    assert paper["tco2e"].mid == pytest.approx(5124, rel=1e-3)


def test_another_model_in_paper_mode_is_an_assumption() -> None:
    paper = make("deepseek-v3").paper
    assert paper["chips"].mid == 93
    assert all(figure.tag == "assumed" for figure in paper.values())


def test_accelerators_stand_beside(result: Estimate) -> None:
    baselines = result.as_dict()["baselines"]
    assert {"h100", "h200", "b200", "mi300x", "wse3", "groq", "hc1"} == baselines.keys()
    for name in ("h100", "b200", "groq"):
        assert set(COMPARED) <= baselines[name].keys()
    assert {entry["name"] for entry in baselines["h100"]["measured"]} >= {
        "paper_table_2",
        "paper_tco",
    }
    assert "gpus" not in baselines["hc1"]
    for comparison in result.comparisons.values():
        if comparison.figures:
            ours, theirs = result.figures["tco_usd"].mid, comparison.figures["gpu_tco_usd"].mid
            assert comparison.figures["cost_advantage"].mid == pytest.approx(theirs / ours)


def test_assumptions_are_ranked(result: Estimate) -> None:
    tornado = result.as_dict()["tornado"]
    assert set(tornado) == set(TORNADOES)
    assert all(len(effects) > 10 for effects in tornado.values())


def test_contradictions_are_listed_for_the_papers_model_only(result: Estimate) -> None:
    assert any("2 M tokens/s" in note.text for note in result.contradictions)
    assert not any("2 M tokens/s" in note.text for note in make("llama-3-8b").contradictions)


def test_a_setting_moves_the_figure() -> None:
    changed = make(settings=["systems=500"])
    assert changed.inputs["systems"].value == 500
    assert changed.figures["usd_per_token"].mid < make().figures["usd_per_token"].mid


def test_an_estimate_comes_back_from_json(result: Estimate) -> None:
    tree = json.loads(json.dumps(result.as_dict()))
    again = estimate_from_dict(tree)
    assert json.loads(json.dumps(again.as_dict())) == tree
    for broken in ({}, {**tree, "inputs": {}}, {**tree, "design": {"colour": "red"}}):
        with pytest.raises(HnlpuError, match="run hnlpu estimate again"):
            estimate_from_dict(broken)


def test_transistors_by_part_add_up(result: Estimate) -> None:
    assert sum(result.transistors.values()) == result.inputs["transistors"].value


@pytest.mark.parametrize("key", ["years", "clock", "concurrency", "output_tokens", "logic_density",
                                 "vex_lanes", "mask_units"])  # fmt: skip
def test_an_input_that_leaves_no_number_is_named(key: str) -> None:
    with pytest.raises(HnlpuError, match=f"cost model: .*no number.*{key}") as caught:
        make(settings=[f"{key}=0"])
    assert "\n" not in str(caught.value)


def test_nothing_built_and_nothing_drawn_are_refused() -> None:
    with pytest.raises(HnlpuError, match="systems: nothing is built.*--volume"):
        make(settings=["systems=0"])
    outline = outline_preset("stories260k")
    with pytest.raises(HnlpuError, match="--draws"):
        estimate(outline, measured_arrays(outline), parse_workload("8,8,1"), draws=0)
