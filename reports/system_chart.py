"""Charts of a simulated system: rate, latency, where its stages and the time of a token go."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from hnlpu.reports.chart import GRID, INK, MUTED, STYLE, Chart, save
from hnlpu.reports.cost_format import shown
from hnlpu.system_result import BREAKDOWN, SystemResult

__all__ = ["breakdown_chart", "latency_chart", "rate_chart", "stage_chart"]

_SERIES = (
    "#1f5f8b",
    "#c2641c",
    "#1a7f4b",
    "#6b4fa3",
    "#8a6d1d",
    "#7a8794",
    "#b23a48",
    "#2a9d8f",
    "#444f5a",
)
_MARKS = "os^Dvp<>h"
_TICK_RATIO = 1.4
_PARTS = dict(
    zip(
        BREAKDOWN, ("#1f5f8b", "#c2641c", "#8a6d1d", "#1a7f4b", "#b23a48", "#d5d9de"), strict=True
    )
)  # fmt: skip


def rate_chart(results: Sequence[SystemResult], published: Mapping[str, float]) -> Chart:
    """Tokens per second against context, a line a batch, and against batch, a line a context.

    ``published`` rates, by what states them, are drawn across.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 5.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _lines(left, results, "context", "batch", lambda r: r.tokens_per_s)
        _lines(right, results, "batch", "context", lambda r: r.tokens_per_s)
        left.set_ylabel("tokens per second")
        for axes in (left, right):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _short(v)))
            axes.yaxis.set_minor_locator(NullLocator())
            for name, rate in published.items():
                axes.axhline(rate, color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
                if axes is left:
                    axes.annotate(f"{name}: {rate:,.0f}", (1.0, rate), (-2, 3), ha="right",
                                  xycoords=("axes fraction", "data"), textcoords="offset points",
                                  fontsize=8, color=MUTED)  # fmt: skip
        text = "; ".join(
            f"{r.plan.context:,} positions, {r.plan.batch} sequences: {r.tokens_per_s:,.0f} tokens/s"
            for r in results
        )
        return save(figure, "tokens-per-s", "Tokens per second", text)


def latency_chart(results: Sequence[SystemResult]) -> Chart:
    """Time from token to token of a sequence, against batch, a line a context."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 5.2), layout="constrained")
        axes = figure.add_subplot()
        _lines(axes, results, "batch", "context", lambda r: r.latency_s)
        axes.set_yscale("log")
        axes.set_ylabel("from token to token")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: shown(v, "s", 1)))
        axes.yaxis.set_minor_locator(NullLocator())
        text = "; ".join(
            f"{r.plan.context:,} positions, {r.plan.batch} sequences: {shown(r.latency_s, 's')}"
            for r in results
        )
        return save(figure, "latency", "Latency of a token", text)


def stage_chart(result: SystemResult) -> Chart:
    """Heat maps of the stages, a row a stage of a layer: working on a token, and holding one."""
    layers = [s for s in result.stages if "head" not in s.name]
    n_layers = 1 + max(s.layer for s in layers)
    names = [s.name.partition(": ")[2] for s in layers if s.layer == n_layers - 1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, title, key in zip(
            panels, ("working on a token", "holding a token, waiting included"), ("working", "held"),
            strict=True,
        ):  # fmt: skip
            grid = np.zeros((len(names), n_layers))
            for stage in layers:
                grid[stage.number - 1, stage.layer] = 100 * getattr(stage, key)
            image = axes.imshow(grid, aspect="auto", cmap="Blues", vmin=0, vmax=grid.max() or 1)
            axes.set_yticks(range(len(names)), [f"{i} {name}" for i, name in enumerate(names, 1)])
            axes.set_title(title, fontsize=9, color=INK, loc="left")
            axes.tick_params(length=0)
            bar = figure.colorbar(image, ax=axes, label="% of the time")
            bar.outline.set_visible(False)
        panels[-1].set_xlabel("layer")
        busiest = max(layers, key=lambda s: s.working)
        title = f"Stages at {result.plan.context:,} positions, {result.plan.batch} sequences"
        text = f"busiest is {busiest.name}: {busiest.working:.0%} working, {busiest.held:.0%} held"
        return save(figure, "stages", title, text)


def breakdown_chart(groups: Mapping[str, Mapping[int, Mapping[str, float]]]) -> Chart:
    """Where the time of a token goes: for each group (a panel) shares by context and part."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(groups), 4.4), layout="constrained")
        panels = figure.subplots(1, len(groups), sharey=True, squeeze=False).ravel().tolist()
        for axes, (title, bars) in zip(panels, groups.items(), strict=True):
            places = np.arange(len(bars))
            bottom = np.zeros(len(bars))
            for part, colour in _PARTS.items():
                heights = np.array([100 * shares.get(part, 0.0) for shares in bars.values()])
                axes.bar(places, heights, bottom=bottom, width=0.72, color=colour, label=part)
                for place, height, base in zip(places, heights, bottom, strict=True):
                    if height >= 6:
                        axes.annotate(f"{height:.0f}", (place, base + height / 2), ha="center",
                                      va="center", fontsize=7.5,
                                      color=INK if part == "waiting" else "white")  # fmt: skip
                bottom += heights
            axes.set_xticks(places, [_positions(context) for context in bars])
            axes.set_title(title, fontsize=9, color=INK)
            axes.set_xlabel("context")
            axes.tick_params(length=0)
        panels[0].set_ylabel("% of a token's time")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(_PARTS),
                      frameon=False, fontsize=8)  # fmt: skip
        text = "; ".join(
            f"{title}, {_positions(context)}: "
            + ", ".join(f"{part} {share:.1%}" for part, share in shares.items())
            for title, bars in groups.items()
            for context, shares in bars.items()
        )
        return save(figure, "figure-14", "Where the time of a token goes", text)


def _lines(
    axes: Axes,
    results: Sequence[SystemResult],
    x: str,
    line: str,
    value: Callable[[SystemResult], float],
) -> None:
    """A line for each ``line`` over ``x``, both attributes of the plan."""
    ordered = sorted(results, key=lambda r: (getattr(r.plan, line), getattr(r.plan, x)))
    for i, (key, group) in enumerate(groupby(ordered, key=lambda r: getattr(r.plan, line))):
        points = list(group)
        label = _positions(key) if line == "context" else f"{key}"
        axes.plot(
            [getattr(r.plan, x) for r in points], [value(r) for r in points], linewidth=1.3,
            color=_SERIES[i % len(_SERIES)], marker=_MARKS[i % len(_MARKS)], markersize=4, label=label,
        )  # fmt: skip
    ticks: list[int] = []
    for tick in sorted({getattr(r.plan, x) for r in results}, reverse=True):
        if (
            not ticks or ticks[-1] / tick > _TICK_RATIO
        ):  # closer ones would be written over each other
            ticks.append(tick)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda v, _: _positions(round(v)) if x == "context" else f"{v:.0f}")
    )
    axes.set_xlabel("context, positions" if x == "context" else "sequences at a time")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5)
    axes.legend(title="sequences at a time" if line == "batch" else "context", frameon=False,
                fontsize=8, title_fontsize=8, ncols=5, loc="upper center",
                bbox_to_anchor=(0.5, -0.13))  # fmt: skip


def _positions(n: int) -> str:
    return f"{n // 1024}K" if n % 1024 == 0 else f"{n:,}"


def _short(value: float) -> str:
    return (
        f"{value / 1e6:g} M"
        if value >= 1e6
        else f"{value / 1e3:g} k"
        if value >= 1e3
        else f"{value:g}"
    )
