"""Pareto chart of an exploration: transistors per weight against cycles, one panel per shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hnlpu.reports.chart import GRID, INK, MUTED, STYLE, Chart, panels, save

__all__ = ["pareto_chart"]

_COLOURS = {
    "taps": "#1f5f8b",
    "merged": "#1a7f4b",
    "paper": "#b0601a",
    "cell": "#6b4fa3",
    "mac": "#5b6875",
}
_MOST_PANELS = 6


def pareto_chart(points: Sequence[Mapping[str, Any]], name: str = "explore") -> Chart:
    """Draw points as ``hnlpu.exploration.explore`` returns them.

    Filled: its adders can be wired within the strip; hollow: not. The line joins the Pareto front. Of many
    shapes the largest are drawn.
    """
    shapes = sorted({str(p["shape"]) for p in points}, key=_size, reverse=True)[:_MOST_PANELS]
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(shapes), 3.2)
        for axis, shape in zip(axes, shapes, strict=True):
            own = [p for p in points if p["shape"] == shape]
            front = sorted((p for p in own if p["pareto"]), key=lambda p: p["cycles"])
            axis.plot([p["cycles"] for p in front], [p["transistors_per_weight"] for p in front],
                      color=INK, linewidth=0.9, zorder=1)  # fmt: skip
            for arch, colour in _COLOURS.items():
                some = [p for p in own if p["arch"] == arch]
                for wirable in (True, False):
                    shown = [p for p in some if (p["wirable"] is not False) == wirable]
                    if shown:
                        axis.scatter([p["cycles"] for p in shown],
                                     [p["transistors_per_weight"] for p in shown], s=26, zorder=2,
                                     facecolors=colour if wirable else "white", edgecolors=colour,
                                     label=arch if wirable else f"{arch}, not wirable")  # fmt: skip
                for p in some:
                    if arch not in ("cell", "mac") and not p.get("cuts"):
                        axis.annotate(f"T={p['phases']}", (p["cycles"], p["transistors_per_weight"]),
                                      (4, 4), textcoords="offset points", fontsize=7,
                                      color=MUTED)  # fmt: skip
            axis.set_xscale("log")
            axis.set_yscale("log")
            for scale, key in (
                (axis.xaxis, "cycles"),
                (axis.yaxis, "transistors_per_weight"),
            ):
                values = [p[key] for p in own]
                scale.set_major_locator(FixedLocator(_ticks(min(values), max(values))))
                scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                scale.set_minor_locator(NullLocator())
            axis.margins(0.12)
            axis.set_title(f"{shape} (inputs x outputs)", fontsize=9, color=INK)
            axis.set_xlabel("cycles per vector")
            axis.set_ylabel("transistors per weight")
            axis.grid(color=GRID, linewidth=0.8)
            axis.set_axisbelow(True)
        handles: dict[str, Any] = {}
        for axis in axes:
            found, labels = axis.get_legend_handles_labels()
            handles.update(zip(labels, found, strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4,
                      frameon=False, fontsize=8)  # fmt: skip
        text = "; ".join(
            f"{p['arch']} T={p['phases']} on {p['shape']}: {p['transistors_per_weight']:.2f} "
            f"transistors/weight at {p['cycles']} cycles"
            for p in points
            if p["pareto"]
        )
        return save(figure, name, "Cycles and transistors per weight", text)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from just below ``low`` to just above ``high``."""
    steps = (1, 2, 5) if high / low > 12 else (1, 1.5, 2, 3, 4, 5, 7)
    shown = [step * 10.0**power for power in range(-1, 6) for step in steps]
    return [t for t in shown if low / 1.6 < t < high * 1.6]


def _size(shape: str) -> int:
    inputs, outputs = shape.split("x")
    return int(inputs) * int(outputs)
