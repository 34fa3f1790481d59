"""The report of an estimate: every model gives a page, and its script computes what Python computes."""

import json
from dataclasses import replace
from typing import Any

import pytest
from py_mini_racer import MiniRacer

from hnlpu.costmodel.consistent import Design, node_inputs, nodes
from hnlpu.costmodel.estimate import Estimate
from hnlpu.costmodel.headline import HEADLINE
from hnlpu.costmodel.inputs import at
from hnlpu.costmodel.javascript import to_javascript
from hnlpu.estimation import EstimateOptions, estimate
from hnlpu.reports.cost_files import comparison_files, cost_files
from hnlpu.reports.cost_page import render_cost_page
from hnlpu.reports.cost_report import cost_page
from hnlpu.reports.cost_view import Curve, Parts


@pytest.fixture(scope="module")
def paper_model() -> Estimate:
    return estimate(model="gpt-oss-120b", options=EstimateOptions(draws=200))


def in_v8(engine: MiniRacer, values: dict[str, float]) -> dict[str, Any]:
    text = engine.eval(f"JSON.stringify(evaluate({json.dumps(values)}))")
    found: dict[str, Any] = json.loads(text)  # JSON.stringify writes infinity as null
    return found


def test_the_sheet_in_v8_at_every_node(paper_model: Estimate) -> None:
    engine = MiniRacer()
    engine.eval(to_javascript(paper_model.sheet))
    for node in nodes():
        chosen = node_inputs(replace(paper_model.design, node=node))
        for end in ("low", "mid", "high"):
            values = {**at(paper_model.inputs, end), **at(chosen, end)}
            values = {name: values[name] for name in paper_model.sheet.inputs}
            python = paper_model.sheet.evaluate(values)
            v8 = in_v8(engine, values)
            assert v8.keys() == python.keys()
            for name, value in python.items():
                number = float("inf") if v8[name] is None else v8[name]
                assert number == pytest.approx(float(value), rel=1e-12, abs=0), (node, end, name)


def test_the_page_has_every_headline_figure(paper_model: Estimate) -> None:
    page = cost_page(paper_model, command="hnlpu report --model gpt-oss-120b")
    assert set(HEADLINE) <= {item.key for item in page.headline}
    assert set(page.paper) <= set(HEADLINE)
    assert set(page.nodes) == set(nodes())
    assert page.bottleneck() in render_cost_page(page)
    for key, item in HEADLINE.items():
        assert page.result(item.figure, item.unit) == pytest.approx(paper_model.headline[key].mid)


def test_parts_add_up_to_their_totals(paper_model: Estimate) -> None:
    page = cost_page(paper_model)
    totals = {"area": "total_area_mm2", "energy": "token_energy", "nre": "nre_usd", "tco": "tco_usd",
              "power": "chips_w"}  # fmt: skip
    checked = set()
    for chart in page.charts:
        if isinstance(chart, Parts) and chart.key in totals:
            total = sum(page.results[line.figure] for line in chart.parts)
            assert total == pytest.approx(page.results[totals[chart.key]], rel=1e-12), chart.key
            checked.add(chart.key)
    assert checked == set(totals)


def test_baselines_are_rooflines_and_published_rates(paper_model: Estimate) -> None:
    page = cost_page(paper_model)
    by_key = {item.key: item for item in page.baselines}
    assert {"h100", "h200", "b200", "mi300x", "wse3", "groq"} <= set(by_key)
    assert "hc1" not in by_key  # a machine of another model
    live = page.sheet.evaluate({**page.values, **by_key["h200"].values})
    beside = paper_model.comparisons["h200"].figures["gpu_tokens_per_s"]
    assert live["gpu_tokens_per_s"] == pytest.approx(beside.mid)
    published = by_key["h100.paper_table_2"].metrics
    assert published["tokens_per_s"].mid == 45.0
    assert set(published) == {"tokens_per_s", "tokens_per_j"}
    assert set(by_key["wse3.paper_table_2"].metrics) == {"one_request"}


@pytest.mark.parametrize("name", ["gpt-oss-20b", "llama-3-8b", "deepseek-v3", "stories260k"])
def test_other_models(name: str) -> None:
    page = cost_page(estimate(model=name, options=EstimateOptions(draws=100)))
    html = render_cost_page(page)
    assert f"<title>{name}: cost, speed and energy</title>" in html
    curves = [chart for chart in page.charts if isinstance(chart, Curve)]
    assert all(chart.low < chart.high for chart in curves)
    for item in page.controls:
        total = sum(page.values[key] for key in item.inputs)
        assert total > 0


def test_a_fixed_number_of_chips_is_an_input() -> None:
    options = EstimateOptions(chips=24, draws=100)
    page = cost_page(estimate(model="gpt-oss-120b", options=options))
    assert page.figure("chips").mid == 24.0
    assert b"| Chips of a system | 24 chips |" in cost_files(page)["report.md"]


def test_two_nodes_side_by_side(paper_model: Estimate) -> None:
    other = estimate(model="gpt-oss-120b", options=EstimateOptions(node="7nm", draws=200))
    assert other.design == Design(node="7nm")
    table = json.loads(comparison_files(cost_page(paper_model), cost_page(other))["compare.json"])
    ratio = table["figures"]["chips"]["ratio"]
    assert ratio == other.headline["chips"].mid / paper_model.headline["chips"].mid > 1
