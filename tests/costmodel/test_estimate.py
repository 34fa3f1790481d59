import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from hnlpu.costmodel.estimate import estimate
from hnlpu.costmodel.presets import preset
from hnlpu.costmodel.quantity import CONFIDENCES, UNITS
from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape

PAPER = preset("gpt-oss-120b")
KEYS = {
    "hardwired_weights", "active_weights", "transistors_per_weight", "hn_area_mm2", "die_area_mm2",
    "total_area_mm2", "chips", "mask_nre_usd", "respin_usd", "tokens_per_s", "latency_s", "power_w",
    "tokens_per_j", "bottleneck", "baselines", "paper", "notes", "contradictions",
}  # fmt: skip


def figures(tree: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(tree, Mapping) and {"low", "mid", "high"} <= set(tree):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from figures(value, f"{path}.{key}" if path else key)


def test_every_figure_has_range_unit_tag_and_note(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    for model in (tiny, PAPER, preset("gpt-oss-20b")):
        tree = estimate(model, make_arrays(model)).as_dict()
        assert set(tree) >= KEYS
        assert json.loads(json.dumps(tree, allow_nan=False)) == tree
        found = dict(figures(tree))
        assert len(found) > 50
        for path, figure in found.items():
            assert figure["low"] <= figure["mid"] <= figure["high"], path
            assert figure["unit"] in UNITS, path
            assert figure["tag"] in CONFIDENCES, path
            assert figure["note"] or path.startswith("baselines"), path
            assert figure["source"] or figure["tag"] in ("measured", "derived"), path


def test_the_split_adds_up_to_the_count(tiny: ModelShape, make_arrays: Callable[..., Any]) -> None:
    arrays = make_arrays(tiny)
    result = estimate(tiny, arrays)
    counted = sum(
        linear.count * arrays[linear.n_rows, linear.n_columns].transistors
        for linear in tiny.linears()
    )
    total = result.transistors_per_weight.total
    assert total.mid * tiny.n_hardwired_weights == pytest.approx(counted)
    parts = result.transistors_per_weight.parts.values()
    assert sum(part.mid for part in parts) == pytest.approx(total.mid)
    assert total.tag == "measured"
    assert result.hn_area_mm2["counted"].mid == pytest.approx(counted / 138.2e6)


def test_the_papers_figures_stand_beside_its_own_model_only(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    own = estimate(PAPER, make_arrays(PAPER)).as_dict()
    assert own["paper"]["tokens_per_s"]["mid"] == 249960
    assert own["paper"]["tokens_per_s"]["tag"] == "published"
    assert set(own["baselines"]["h100"]["workloads"]) == {
        "roofline_batch_1", "kernels_batch_1", "published_table_2", "published_tco",
    }  # fmt: skip
    assert any("2 M tokens/s" in note["text"] for note in own["contradictions"])
    other = estimate(tiny, make_arrays(tiny)).as_dict()
    assert other["paper"] == {}
    assert set(other["baselines"]) == {"h100"}
    assert set(other["baselines"]["h100"]["workloads"]) == {"roofline_batch_1", "kernels_batch_1"}
    assert "gpt-oss-120b" in other["baselines"]["h100"]["caveat"]


def test_a_renamed_paper_model_is_still_the_papers(make_arrays: Callable[..., Any]) -> None:
    renamed = replace(PAPER, name="mine")
    assert estimate(renamed, make_arrays(renamed)).paper


def test_the_roofline_is_bandwidth_over_bytes(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    roofline = estimate(tiny, make_arrays(tiny)).baselines["h100"].workloads["roofline_batch_1"]
    assert roofline.tokens_per_s.mid == pytest.approx(3.35e12 / (tiny.n_active_weights * 4.25 / 8))
    assert roofline.against == "batch_1"


def test_h100_efficiency_is_the_papers(make_arrays: Callable[..., Any]) -> None:
    h100 = estimate(PAPER, make_arrays(PAPER)).baselines["h100"]
    table_2 = h100.workloads["published_table_2"]
    assert table_2.tokens_per_j.mid * 1000 == pytest.approx(34.6, rel=1e-3)


def test_twice_the_transistors_take_twice_the_area_and_more_power(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    one, two = (estimate(tiny, make_arrays(tiny, factor)) for factor in (1, 2))
    assert two.hn_area_mm2["counted"].mid == pytest.approx(2 * one.hn_area_mm2["counted"].mid)
    assert two.power_w.mid > one.power_w.mid
    assert two.tokens_per_j["pipelined"].mid < one.tokens_per_j["pipelined"].mid


def test_a_missing_or_misfiled_base_is_refused(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    arrays = make_arrays(tiny)
    arrays.pop((tiny.vocab, tiny.hidden))
    with pytest.raises(HnlpuError, match=r"tiny: unembedding.*512 x 64"):
        estimate(tiny, arrays)
    arrays[tiny.vocab, tiny.hidden] = next(iter(arrays.values()))
    with pytest.raises(HnlpuError, match="another shape"):
        estimate(tiny, arrays)


def test_an_unknown_architecture_is_refused(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    with pytest.raises(HnlpuError, match="unknown architecture"):
        estimate(tiny, make_arrays(tiny), architecture="magic")
