"""The charts of a cost report as files: the same figures as on the page, drawn with matplotlib."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from hnlpu.costmodel.units import coherent
from hnlpu.reports.chart import GRID, INK, MUTED, STYLE
from hnlpu.reports.cost_format import shown
from hnlpu.reports.cost_table import baseline_table, curve_table, sensitivity_table
from hnlpu.reports.cost_view import CostPage, Curve, Metric, Parts

__all__ = ["Drawing", "draw_charts", "draw_ratios"]

_ACCENT, _SOFT = "#1f5f8b", "#b9d3e4"
_SERIES = ("#1f5f8b", "#c2641c", "#1a7f4b", "#6b4fa3", "#8a6d1d", "#7a8794")
_DASHES = ("-", "--", ":", "-.")
_WIDTH = 6.4
_WITH_UNIT = ("USD", "J", "s", "W", "B", "Hz")
#: Inputs in a chart of sensitivities.
_N_EFFECTS = 12


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as files; ``name`` is the file name without extension."""

    name: str
    title: str
    svg: bytes
    png: bytes


def draw_charts(page: CostPage) -> list[Drawing]:
    """Every chart of the page, its comparisons and its sensitivities."""
    with matplotlib.rc_context(STYLE):
        drawings = [
            _parts(page, chart) if isinstance(chart, Parts) else _curve(page, chart)
            for chart in page.charts
        ]
        if page.baselines:
            drawings += [_baselines(page, item) for item in page.metrics]
        drawings += [_tornado(page, item) for item in page.sensitivity]
    return drawings


def draw_ratios(name: str, title: str, labels: Sequence[str], ratios: Sequence[float]) -> Drawing:
    """Ratios of two designs as bars from one, on a logarithm."""
    with matplotlib.rc_context(STYLE):
        known = [(label, ratio) for label, ratio in zip(labels, ratios, strict=True)
                 if np.isfinite(ratio) and ratio > 0]  # fmt: skip
        figure, axes = _canvas(0.9 + 0.28 * len(known), [label for label, _ in known])
        values = [ratio for _, ratio in known]
        axes.barh(range(len(known)), [ratio - 1 for ratio in values], left=1.0, height=0.62,
                  color=_ACCENT)  # fmt: skip
        low, high = min([*values, 1.0]), max([*values, 1.0])
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.12 / 1.2, high * (high / low) ** 0.22 * 1.5)
        _log_axis(axes, "1")
        axes.axvline(1.0, color=INK, linewidth=1.0)
        for place, ratio in enumerate(values):
            axes.annotate(f"{shown(ratio, '1')}\u00d7", (max(ratio, 1.0), place), (5, 0),
                          textcoords="offset points", va="center", fontsize=9)  # fmt: skip
        return _save(figure, name, title)


def _parts(page: CostPage, chart: Parts) -> Drawing:
    rows = [(line.label, page.result(line.figure, chart.unit)) for line in chart.parts]
    rows = [(label, value) for label, value in rows if np.isfinite(value) and value > 0]
    if not chart.total:
        rows.sort(key=lambda row: -row[1])
    lefts = np.zeros(len(rows))
    if chart.total:
        lefts = np.concatenate([[0.0], np.cumsum([value for _, value in rows])[:-1]])
        lefts = np.append(lefts, 0.0)
        rows.append(("total", page.result(chart.total, chart.unit)))
    figure, axes = _canvas(0.55 + 0.28 * len(rows), [label for label, _ in rows])
    values = np.array([value for _, value in rows])
    floor = values.min() / 3 if chart.log else 0.0
    colours = [
        _SOFT if chart.total and place < len(rows) - 1 else _ACCENT for place in range(len(rows))
    ]
    starts = lefts if chart.total else np.full(len(rows), floor)
    axes.barh(
        range(len(rows)),
        values - (0 if chart.total else floor),
        left=starts,
        height=0.62,
        color=colours,
    )
    ends = lefts + values
    for place, end in enumerate(ends):
        axes.annotate(shown(values[place], chart.unit), (end, place), (5, 0),
                      textcoords="offset points", va="center", fontsize=9)  # fmt: skip
    if chart.log:
        axes.set_xscale("log")
        axes.set_xlim(floor, ends.max() * (ends.max() / floor) ** 0.35)
        _log_axis(axes, chart.unit)
    else:
        axes.set_xlim(0, ends.max() * 1.3)
        _linear_axis(axes, chart.unit)
    return _save(figure, chart.key, chart.title)


def _curve(page: CostPage, chart: Curve) -> Drawing:
    table = curve_table(page, chart)
    figure = Figure(figsize=(_WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    xs = table[chart.label].to_numpy()
    for place, line in enumerate(chart.lines):
        axes.plot(xs, table[line.label].to_numpy(), color=_SERIES[place % len(_SERIES)],
                  linestyle=_DASHES[place % len(_DASHES)], linewidth=1.5 if place else 2.2,
                  label=line.label)  # fmt: skip
    here = sum(page.values[name] for name in chart.inputs) / coherent(chart.unit)
    if chart.low <= here <= chart.high:
        axes.axvline(here, color=MUTED, linewidth=0.9, linestyle=":")
    axes.set_xlim(chart.low, chart.high)
    if chart.log:
        axes.set_xscale("log")
    if chart.log_lines:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, chart.unit)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, chart.line_unit)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(_named(chart.label, chart.unit))
    axes.set_ylabel(_named("", chart.line_unit))
    axes.tick_params(labelsize=9, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return _save(figure, chart.key, chart.title)


def _baselines(page: CostPage, metric: Metric) -> Drawing:
    table = baseline_table(page)
    known = table[np.isfinite(table[metric.key].astype(float)) & (table[metric.key] > 0)]
    values = known[metric.key].to_numpy(dtype=np.float64)
    unit = metric.unit or page.unit(metric.figure)
    figure, axes = _canvas(0.7 + 0.28 * len(known), list(known["label"]))
    floor = values.min() / 3
    colours = [_ACCENT, *[_SOFT] * (len(known) - 1)]
    axes.barh(range(len(known)), values - floor, left=floor, height=0.62, color=colours)
    for place, value in enumerate(values):
        axes.annotate(shown(value, unit), (value, place), (5, 0), textcoords="offset points",
                      va="center", fontsize=9)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(floor, values.max() * (values.max() / floor) ** 0.35)
    _log_axis(axes, unit)
    return _save(figure, f"compare_{metric.key}", f"{metric.label}, beside other machines")


def _tornado(page: CostPage, metric: Metric) -> Drawing:
    table = sensitivity_table(page, metric).head(_N_EFFECTS)
    table = table[np.isfinite(table["at_low"]) & np.isfinite(table["at_high"])]
    unit = metric.unit or page.unit(metric.figure)
    mid = page.result(metric.figure, unit)
    figure, axes = _canvas(1.0 + 0.28 * len(table), list(table["label"]))
    for column, colour in (("at_low", _SOFT), ("at_high", _ACCENT)):
        axes.barh(range(len(table)), table[column] - mid, left=mid, height=0.62, color=colour)
    axes.axvline(mid, color=INK, linewidth=1.0)
    ends = [*table["at_low"], *table["at_high"], mid]
    if min(ends) > 0 and max(ends) > 8 * min(ends):
        axes.set_xscale("log")
        _log_axis(axes, unit)
    else:
        _linear_axis(axes, unit)
    handles = [Line2D([], [], color=colour, linewidth=7) for colour in (_SOFT, _ACCENT)]
    figure.legend(handles, ["input at its low end", "at its high end"], loc="outside lower center",
                  ncols=2, frameon=False, fontsize=9)  # fmt: skip
    return _save(figure, f"sensitivity_{metric.key}", f"{metric.label}: which assumption decides")


def _canvas(height: float, labels: Sequence[str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)
    return figure, axes


def _log_axis(axes: Axes, unit: str) -> None:
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, unit)))


def _linear_axis(axes: Axes, unit: str) -> None:
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, unit)))


def _tick(value: float, unit: str) -> str:
    """A value of the axis; money and what takes a prefix keep their unit, others have it beside the axis."""
    head = unit.partition("/")[0]
    text = shown(value, head if head in _WITH_UNIT else "1")
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", text).replace(". ", " ").rstrip(".")


def _named(label: str, unit: str) -> str:
    """The label of an axis with the unit its ticks lack."""
    if unit.partition("/")[0] in _WITH_UNIT:
        return label
    text = shown(2, unit).removeprefix("2").lstrip(". 0")
    return label if text.lower() in label.lower() else f"{label}, {text}".removeprefix(", ")


def _save(figure: Figure, name: str, title: str) -> Drawing:
    """The same bytes for the same figures."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    text = svg.getvalue().decode().replace("'DejaVu Sans'", "'DejaVu Sans', system-ui, sans-serif")
    return Drawing(name, title, text.encode(), png.getvalue())
