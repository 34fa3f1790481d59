"""Charts: as SVG for the page and as PNG beside it, the same bytes for the same input."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from hnlpu.reports.cost_format import shown
from hnlpu.reports.format import number

__all__ = [
    "GRID",
    "INK",
    "MUTED",
    "STYLE",
    "TAG_COLOURS",
    "TAG_TEXTS",
    "Bar",
    "Chart",
    "bars",
    "histogram",
    "panels",
    "save",
]

#: One colour per tag, on the page and in charts.
TAG_COLOURS = {
    "measured": "#1a7f4b",
    "derived": "#2463b4",
    "published": "#6b4fa3",
    "calibrated": "#b0601a",
    "assumed": "#a8741a",
}

#: What a tag says.
TAG_TEXTS = {
    "measured": "counted or simulated on emitted files, or a measurement",
    "derived": "computed from sourced numbers",
    "published": "stated by the source",
    "calibrated": "fitted to a published result",
    "assumed": "rests on at least one assumption",
}

INK, MUTED, GRID = "#1c2733", "#5b6875", "#dfe5ea"
_ACCENT, _SOFT = "#1f5f8b", "#b9d3e4"
_WIDTH = 4.8
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "hnlpu",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "text.parse_math": False,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart.

    Attributes
    ----------
    name : str
        File name without extension.
    title, text : str
        Heading, and what it shows, in words for a reader who cannot see it.
    svg : str
        The ``<svg>`` element.
    png : bytes
    """

    name: str
    title: str
    text: str
    svg: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its range and tag; ``strong`` marks our own among others'."""

    label: str
    low: float
    mid: float
    high: float
    unit: str
    tag: str
    strong: bool = True


def histogram(name: str, title: str, counts: Sequence[tuple[str, int]]) -> Chart:
    """Columns of counts, one per code, each with its share."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(3.0)
        total = sum(n for _, n in counts) or 1
        shares = [100 * n / total for _, n in counts]
        places = range(len(counts))
        axes.bar(places, shares, width=0.78, color=_ACCENT)
        axes.set_xticks(places, [label for label, _ in counts])
        axes.set_ylabel("% of all weights")
        axes.set_xlabel("weight value (before block exponent and row scale)")
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        for place, share in zip(places, shares, strict=True):
            axes.annotate(number(share, 2), (place, share), (0, 3), textcoords="offset points",
                          ha="center", fontsize=8, color=MUTED)  # fmt: skip
        axes.margins(y=0.12)
        text = ", ".join(f"{label}: {count:,}" for label, count in counts)
        return save(figure, name, title, text)


def bars(name: str, title: str, items: Sequence[Bar], *, log: bool = False) -> Chart:
    """Horizontal bars with range whiskers and values written beside them."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(0.55 + 0.4 * len(items))
        places = range(len(items))
        positive = [item for item in items if item.mid > 0]
        largest = max((item.high for item in positive), default=1.0)
        smallest = min((item.low for item in positive if item.low > 0), default=largest / 10)
        colours = [_ACCENT if item.strong else _SOFT for item in items]
        floor = smallest / 3 if log else 0.0
        widths = [max(0.0, item.mid - floor) for item in items]
        axes.barh(places, widths, left=floor, height=0.62, color=colours)
        for place, item in zip(places, items, strict=True):
            if item.high > item.low:
                axes.plot([max(item.low, floor), item.high], [place, place], color=INK,
                          linewidth=1.1, solid_capstyle="butt", marker="|", ms=6)  # fmt: skip
            end = max(item.high, item.mid)
            axes.annotate(shown(item.mid, item.unit), (max(end, floor), place), (6, 0),
                          textcoords="offset points", va="center", fontsize=9)  # fmt: skip
        axes.set_yticks(places, [item.label for item in items])
        axes.invert_yaxis()
        if log:
            axes.set_xscale("log")
            axes.set_xlim(floor, largest * (largest / floor) ** 0.42)
            axes.xaxis.set_major_locator(LogLocator(numticks=5))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.set_xlim(0, largest * 1.42)
        unit = items[0].unit
        axes.xaxis.set_major_formatter(lambda value, _: _tick(value, unit))
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.tick_params(axis="x", labelsize=8)
        text = ", ".join(
            f"{item.label}: {shown(item.mid, item.unit)} ({item.tag})" for item in items
        )
        return save(figure, name, title, text)


def _tick(value: float, unit: str) -> str:
    """A value of the axis; its unit stands beside the bars."""
    if unit == "USD":
        return shown(value, unit)
    if abs(value) >= 1e5:
        return shown(value, "token").removesuffix(" tokens")
    return f"{value:,g}"


def panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with ``n`` panels, two abreast."""
    columns = min(n, 2)
    rows = -(-n // columns)
    figure = Figure(figsize=(_WIDTH * columns, height * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes[n:]:
        unused.set_axis_off()
    return figure, axes[:n]


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def save(figure: Figure, name: str, title: str, text: str) -> Chart:
    """The figure as SVG element and PNG."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, drawn twice
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    element = svg.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    element = element.replace("'DejaVu Sans'", "inherit").replace(
        "&quot;DejaVu Sans&quot;", "inherit"
    )
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1, flags=re.DOTALL)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1, flags=re.DOTALL)
    # Several charts share one page: ids must not meet.
    element = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', element)
    element = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", element)
    return Chart(name, title, text, element, png.getvalue())
