"""Tables of a cost report, as pandas frames: headline, figures, comparison with machines, sensitivity, curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hnlpu.costmodel.quantity import Figure
from hnlpu.costmodel.uncertainty import tornado
from hnlpu.costmodel.units import coherent
from hnlpu.reports.cost_view import Baseline, CostPage, Curve, Metric, label_of

__all__ = [
    "baseline_table",
    "compare",
    "curve_table",
    "figure_table",
    "headline_table",
    "sensitivity_table",
]

#: Points of a curve.
N_POINTS = 41


def headline_table(page: CostPage) -> pd.DataFrame:
    """One row per tile: consistent mode, paper mode and ours over the paper's, in the tile's unit."""
    rows = []
    for item in page.headline:
        unit = item.unit or page.unit(item.figure)
        ours, paper = page.figure(item.figure).in_unit(unit), page.paper.get(item.key)
        theirs = paper and paper.in_unit(unit)
        rows.append(
            {"key": item.key, "label": item.label, "unit": unit, **_ends(ours), "tag": ours.tag,
             **{f"paper_{end}": value for end, value in _ends(theirs).items()},
             "paper_tag": theirs.tag if theirs else "",
             "ratio": ours.mid / theirs.mid if theirs and theirs.mid else np.nan}
        )  # fmt: skip
    if not rows:
        return pd.DataFrame()
    return pd.DataFrame(rows).set_index("key")


def figure_table(page: CostPage) -> pd.DataFrame:
    """Every figure and input: value, range, unit, tag, formula, sources."""
    rows = []
    for name, rule in page.sheet.rules.items():
        figure = page.figures[name].in_unit(rule.unit)
        sources = dict.fromkeys((*((rule.source,) if rule.source else ()), *figure.sources))
        rows.append(
            {"name": name, "kind": "figure", **_ends(figure), "unit": rule.unit, "tag": figure.tag,
             "formula": figure.note, "needs": " ".join(rule.inputs), "sources": "; ".join(sources)}
        )  # fmt: skip
    for name, item in page.inputs.items():
        rows.append(
            {"name": name, "kind": "input", "low": item.low, "mid": item.value, "high": item.high,
             "unit": item.unit, "tag": item.confidence, "formula": "", "needs": "",
             "sources": item.source}
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("name")


def baseline_table(page: CostPage) -> pd.DataFrame:
    """The design, then every machine: its metrics, and ours over theirs."""
    units = {item.key: item.unit or page.unit(item.figure) for item in page.metrics}
    own = {item.key: page.result(item.figure, units[item.key]) for item in page.metrics}
    rows: list[dict[str, Any]] = [{"machine": page.title, "label": "this design",
                                   "basis": "consistent mode", **own}]  # fmt: skip
    for baseline in page.baselines:
        values = _of_baseline(page, baseline, units)
        ratios = {f"{key}_ratio": own[key] / value for key, value in values.items() if value}
        rows.append({"machine": baseline.name, "label": baseline.short or baseline.name,
                     "basis": baseline.basis, **values, **ratios})  # fmt: skip
    columns = ["machine", "label", "basis", *own, *(f"{key}_ratio" for key in own)]
    return pd.DataFrame(rows, columns=columns)


def _of_baseline(page: CostPage, baseline: Baseline, units: dict[str, str]) -> dict[str, float]:
    live = page.sheet.evaluate({**page.values, **baseline.values})
    found = {}
    for key, entry in baseline.metrics.items():
        if isinstance(entry, Figure):
            found[key] = entry.in_unit(units[key]).mid
        else:
            found[key] = float(live[entry]) / coherent(units[key])
    return found


def sensitivity_table(page: CostPage, metric: Metric) -> pd.DataFrame:
    """Every input that moves a figure, at its low and its high end, the largest swing first."""
    scale = coherent(metric.unit or page.unit(metric.figure))
    rows = []
    for effect in tornado(page.sheet, page.inputs, metric.figure):
        item = page.inputs[effect.name]
        rows.append(
            {"input": effect.name, "label": label_of(effect.name), "low": item.low,
             "high": item.high, "unit": item.unit, "at_low": effect.at_low / scale,
             "at_high": effect.at_high / scale, "tag": item.confidence,
             "swing": effect.swing / scale}
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=["input", "label", "low", "high", "unit", "at_low", "at_high",
                                        "tag", "swing"])  # fmt: skip
    moved = table[(table["swing"] > 0) | table["swing"].isna()]
    return moved.sort_values("swing", ascending=False, kind="stable").set_index("input")


def curve_table(page: CostPage, chart: Curve) -> pd.DataFrame:
    """A curve's lines at its points, in the units of the chart."""
    space = np.geomspace if chart.log else np.linspace
    xs = space(chart.low, chart.high, N_POINTS)
    total = sum(page.values[name] for name in chart.inputs)
    swept = {
        name: xs
        * coherent(chart.unit)
        * (page.values[name] / total if len(chart.inputs) > 1 else 1.0)
        for name in chart.inputs
    }
    columns: dict[str, Any] = {chart.label: xs}
    for line in chart.lines:
        beside = next((b.values for b in page.baselines if b.key == line.baseline), {})
        results = page.sheet.evaluate({**page.values, **swept, **beside})
        value = np.broadcast_to(np.asarray(results[line.figure], dtype=np.float64), xs.shape)
        columns[line.label] = value / coherent(chart.line_unit)
    return pd.DataFrame(columns)


def compare(pages: Sequence[CostPage]) -> pd.DataFrame:
    """The headline of two designs or models side by side, and the second over the first.

    Raises
    ------
    ValueError
        Not two pages, or pages without a common figure.
    """
    if len(pages) != 2:
        raise ValueError(f"{len(pages)} pages: a comparison takes two")
    first, second = (headline_table(page) for page in pages)
    common = [key for key in first.index if key in second.index]
    if not common:
        raise ValueError("the two designs have no headline figure in common")
    rows = []
    for key in common:
        one, other = first.loc[key], second.loc[key]
        scale = coherent(other["unit"]) / coherent(one["unit"])
        values = {end: float(other[end]) * scale for end in ("low", "mid", "high")}
        rows.append(
            {"key": key, "label": one["label"], "unit": one["unit"],
             **{f"first_{end}": float(one[end]) for end in ("low", "mid", "high")},
             "first_tag": one["tag"], **{f"second_{end}": value for end, value in values.items()},
             "second_tag": other["tag"],
             "ratio": values["mid"] / float(one["mid"]) if one["mid"] else np.nan}
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("key")


def _ends(figure: Figure | None) -> dict[str, float]:
    if figure is None:
        return {"low": np.nan, "mid": np.nan, "high": np.nan}
    return {"low": figure.low, "mid": figure.mid, "high": figure.high}
