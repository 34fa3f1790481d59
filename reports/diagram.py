"""The block diagram of a chip, drawn and as Mermaid text, from ``chip.json`` and nothing else.

On top the chip, layers as one box; below it a layer in detail, cut where all streams meet in one block.
Experts are drawn once, as a stack.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch
from matplotlib.path import Path as Line

from hnlpu.reports.chart import INK, MUTED, STYLE
from hnlpu.reports.layout import Arrow, Layout, lay_out, ranks
from hnlpu.reports.units import Unit, Units, read_units

__all__ = ["diagram_figure", "mermaid", "write_diagram"]

_LAYERS = "layers"
_SIZE_PT, _SMALL_PT = 7.5, 6.2
_LINE, _CHARACTER = 0.135, 0.0625  # inches, of the box's text
_SMALL_CHARACTER = 0.051
_BOX_GAP, _BEND, _PAD = 0.16, 0.15, 0.16
_STACK = 0.045
#: Columns of a row; a longer one is cut in two.
_MOST_COLUMNS = 11


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of the picture: its lines of text, its colour, and how many it stands for."""

    lines: tuple[str, ...]
    colour: str
    count: int = 1

    @property
    def width(self) -> float:
        return max(map(len, self.lines)) * _CHARACTER + 0.14

    @property
    def depth(self) -> float:
        """How far a stack stands out, to the right and upwards."""
        return (min(self.count, 3) - 1) * _STACK

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 0.12


@dataclass(frozen=True, slots=True)
class _Strip:
    """A part of the picture: boxes by name in order, and arrows."""

    title: str
    boxes: dict[str, _Box]
    arrows: list[Arrow]
    last: frozenset[str] = frozenset()


def write_diagram(chip: Mapping[str, Any], out: Path) -> None:
    """Write ``diagram.png``, ``diagram.svg`` and ``diagram.mmd`` (Mermaid) into ``out``.

    Parameters
    ----------
    chip : mapping
        What ``chip.json`` holds.
    out : Path
        A folder.
    """
    figure = diagram_figure(chip)
    with matplotlib.rc_context(STYLE):
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    (out / "diagram.svg").write_bytes(svg.getvalue())
    (out / "diagram.png").write_bytes(png.getvalue())
    (out / "diagram.mmd").write_text(mermaid(chip), encoding="utf-8")


def mermaid(chip: Mapping[str, Any]) -> str:
    """The same as Mermaid text: the chip, and its first layer as a subgraph."""
    units = read_units(chip)
    chain = _chain(units)
    boxes = {name: box for name, box in chain.boxes.items() if name != _LAYERS}
    lines = ["flowchart LR", *(f"  {_node(name, box)}" for name, box in boxes.items())]
    arrows = chain.arrows
    if units.layers:
        inner, links = _layer(units, units.layers[0])
        lines.append(f'  subgraph {_LAYERS}["{_layer_title(units)}"]')
        lines += [f"    {_node(name, box)}" for name, box in inner.items()]
        lines.append("  end")
        boxes |= inner
        arrows = [*arrows, *links]
    lines += [f"  {arrow.source} -->|{arrow.label}| {arrow.target}" for arrow in arrows]
    colours: dict[str, list[str]] = {}
    for name, box in boxes.items():
        colours.setdefault(box.colour, []).append(name)
    for i, (colour, names) in enumerate(colours.items()):
        lines.append(f"  classDef c{i} fill:{colour},stroke:#5b6875,color:#1c2733")
        lines.append(f"  class {','.join(names)} c{i}")
    return "\n".join(lines) + "\n"


def _node(name: str, box: _Box) -> str:
    text = "<br>".join(box.lines)
    return f'{name}[["{text}"]]' if box.count > 1 else f'{name}["{text}"]'


# -- what is drawn ------------------------------------------------------------------------------------------


def _strips(units: Units) -> list[_Strip]:
    """The chip, then the parts of its first layer."""
    return [_chain(units), *_rows(units)]


def _box(unit: Unit, count: int = 1) -> _Box:
    lines = [*_broken(unit.label)]
    if unit.kind.name == "array":
        lines += ["array", unit.size]
    elif unit.kind.title not in unit.label:
        lines += _broken(unit.kind.title)
    if count > 1:
        lines.append(f"x {count}")
    return _Box(tuple(lines), unit.kind.colour, count)


def _broken(text: str) -> list[str]:
    """Lines of about ten characters."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < 10:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _chain(units: Units) -> _Strip:
    layers, boxes, arrows = units.layers, {}, []

    def place(name: str) -> str:
        return name if units.units[name].layer is None else _LAYERS

    hosts = [name for name, unit in units.units.items() if unit.kind.name == "host"]
    for name in (*hosts, *(n for n in units.units if n not in hosts)):
        where = place(name)
        if where == _LAYERS and where not in boxes:
            text = (
                f"layers {layers[0]} to {layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
            )
            boxes[where] = _Box((*_broken(text),), "#ffffff", len(layers))
        elif where != _LAYERS:
            boxes[where] = _box(units.units[name])
    for link in units.links:
        ends = place(link.source), place(link.target)
        if ends[0] != ends[1]:
            arrows.append(Arrow(*ends, link.label))
    return _Strip("the chip", boxes, list(dict.fromkeys(arrows)))


def _rows(units: Units) -> Iterator[_Strip]:
    """A layer, cut behind units that everything passes."""
    if not units.layers:
        return
    layer = units.layers[0]
    boxes, arrows = _layer(units, layer)
    rank = ranks(list(boxes), arrows)
    at: dict[int, list[str]] = {}
    for name, column in rank.items():
        at.setdefault(column, []).append(name)
    cuts = [
        column
        for column, names in sorted(at.items())
        if len(names) == 1
        and not any(rank[a.source] < column < rank[a.target] for a in arrows)
        and 0 < column < max(at)
    ]
    start = 0
    for i, end in enumerate([*cuts[:-1], max(at)]):
        own = {n: b for n, b in boxes.items() if start <= rank[n] <= end}
        inner = [a for a in arrows if start <= rank[a.source] and rank[a.target] <= end]
        later = f"layer {layer}, continued"
        yield from _halves(_Strip(later if i else _layer_title(units), own, inner), later)
        start = end


def _layer_title(units: Units) -> str:
    alike = len(units.layers) > 1 and units.alike()
    return f"layer {units.layers[0]}" + (f" ({len(units.layers)} layers alike)" if alike else "")


def _halves(strip: _Strip, later: str) -> Iterator[_Strip]:
    """A strip, or two where it is long: what passes the cut ends and begins in boxes of its own."""
    rank = ranks(list(strip.boxes), strip.arrows)
    if max(rank.values()) < _MOST_COLUMNS:
        yield strip
        return
    cut = max(rank.values()) // 2
    passing = [a for a in strip.arrows if rank[a.source] <= cut < rank[a.target]]
    tags = {_tag(a): _Box((*_label(a.label),), "#ffffff") for a in passing}
    before = {n: b for n, b in strip.boxes.items() if rank[n] <= cut}
    after = {n: b for n, b in strip.boxes.items() if rank[n] > cut}
    ending = [Arrow(a.source, _tag(a), "", a.above) for a in passing]
    beginning = [Arrow(_tag(a), a.target, "", a.above) for a in passing]
    inner = [a for a in strip.arrows if a not in passing]
    yield _Strip(
        strip.title,
        {**tags, **before},
        list(dict.fromkeys([*(a for a in inner if a.target in before), *ending])),
        frozenset(tags),
    )
    yield _Strip(later, {**tags, **after}, [*beginning, *(a for a in inner if a.source in after)])


def _tag(arrow: Arrow) -> str:
    return f"pass_{arrow.source}_{arrow.label}"


def _layer(units: Units, layer: int) -> tuple[dict[str, _Box], list[Arrow]]:
    """Boxes and arrows of a layer, experts folded, what comes and goes as boxes of their own."""
    own = {name: unit for name, unit in units.units.items() if unit.layer == layer}
    stacks: dict[tuple[str, str], list[str]] = {}
    for name, unit in own.items():
        key = (unit.label, unit.kind.name) if unit.expert is not None else (name, "")
        stacks.setdefault(key, []).append(name)
    first = {name: names[0] for names in stacks.values() for name in names}
    boxes: dict[str, _Box] = {}
    arrows: list[Arrow] = []
    leaving: dict[str, _Box] = {}
    for link in units.links:
        if link.target in own and link.source not in own:
            boxes[f"from_{link.source}"] = _Box(
                (*_broken(units.units[link.source].label),), "#ffffff"
            )
            arrows.append(Arrow(f"from_{link.source}", first[link.target], link.label, link.waits))
        elif link.source in own and link.target not in own:
            leaving["next"] = _Box(("next", "layer"), "#ffffff")
            arrows.append(Arrow(first[link.source], "next", link.label))
        elif link.source in own:
            arrows.append(Arrow(first[link.source], first[link.target], link.label, link.waits))
    for names in stacks.values():
        boxes[names[0]] = _box(own[names[0]], len(names))
    return {**boxes, **leaving}, list(dict.fromkeys(arrows))


# -- how it is drawn ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Placed:
    """A strip with its measures, in inches."""

    strip: _Strip
    layout: Layout
    lefts: list[float]
    widths: list[float]
    back: list[Arrow]

    @property
    def width(self) -> float:
        return self.lefts[-1] + self.widths[-1]

    def bounds(self) -> tuple[float, float]:
        """Lowest and highest ink."""
        tall = {name: box.height / 2 for name, box in self.strip.boxes.items()}
        heights = self.layout.heights
        low = min(y - tall.get(place, _BEND / 2) for place, y in heights.items())
        return low - (0.3 if self.back else 0.0), max(
            y + tall.get(place, _BEND / 2) for place, y in heights.items()
        )


def _place(strip: _Strip) -> _Placed:
    forward = [a for a in strip.arrows if not _is_host(a.target)]
    back = [a for a in strip.arrows if _is_host(a.target)]
    room = {name: box.height + _BOX_GAP for name, box in strip.boxes.items()}
    layout = lay_out(list(strip.boxes), forward, room, _BEND, last=strip.last)
    lefts, widths, x = [], [], 0.0
    for i, column in enumerate(layout.columns):
        widths.append(max(_wide(strip.boxes[p]) for p in column.places if p in strip.boxes))
        lefts.append(x)
        labels = [
            max(map(len, _label(arrow.label)))
            for arrow, places in layout.paths
            if places[0] in column.places and i + 1 < len(layout.columns)
        ]
        x += widths[-1] + max(labels, default=0) * _SMALL_CHARACTER + 0.14
    return _Placed(strip, layout, lefts, widths, back)


def _wide(box: _Box) -> float:
    return box.width + box.depth


def _is_host(name: str) -> bool:
    return name == "host"


def _label(text: str) -> list[str]:
    """A stream's name in lines of about nine characters."""
    lines: list[str] = []
    for i, word in enumerate(text.split("_")):
        part = f"_{word}" if i else word
        if lines and len(lines[-1]) + len(part) <= 8:
            lines[-1] += part
        else:
            lines.append(part)
    return lines


def diagram_figure(chip: Mapping[str, Any]) -> Figure:
    """Draw the chip."""
    units = read_units(chip)
    placed = [_place(strip) for strip in _strips(units)]
    width = max(p.width for p in placed) + 2 * _PAD
    tops, y = [], _PAD
    for each in placed:
        low, high = each.bounds()
        tops.append(y + 0.25 + high)
        y += 0.25 + high - low + 0.25
    height = y + 0.3
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        for each, top in zip(placed, tops, strict=True):
            _draw(axes, each, top)
        _legend(axes, units)
    return figure


def _draw(axes: Axes, placed: _Placed, middle: float) -> None:
    strip, heights = placed.strip, placed.layout.heights
    lefts, rights, ys = {}, {}, {}
    for left, width, column in zip(placed.lefts, placed.widths, placed.layout.columns, strict=True):
        for place in column.places:
            own = _wide(strip.boxes[place]) if place in strip.boxes else width
            lefts[place] = _PAD + left + (width - own) / 2
            rights[place] = lefts[place] + own
            ys[place] = middle - heights[place]
    _, high = placed.bounds()
    axes.text(_PAD, middle - high - 0.12, strip.title, fontsize=9, weight="bold", color=INK)
    labelled: set[tuple[str, str]] = set()
    for arrow, places in placed.layout.paths:
        points = [(rights[places[0]], ys[places[0]])]
        for bend in places[1:-1]:
            points += [(lefts[bend], ys[bend]), (rights[bend], ys[bend])]
        _line(axes, [*points, (lefts[places[-1]] - 0.015, ys[places[-1]])])
        if arrow.label and (arrow.source, arrow.label) not in labelled:
            labelled.add((arrow.source, arrow.label))
            _name_stream(axes, placed, arrow, places, rights, ys)
    for arrow in placed.back:
        low, _ = placed.bounds()
        y = middle - low - 0.08
        ends = [(lefts[n] + rights[n]) / 2 for n in (arrow.source, arrow.target)]
        bottoms = [ys[n] + strip.boxes[n].height / 2 for n in (arrow.source, arrow.target)]
        corner = [(ends[0], bottoms[0]), (ends[0], y), (ends[1], y), (ends[1], bottoms[1] + 0.02)]
        axes.plot(*zip(*corner, strict=True), color=MUTED, linewidth=0.8, zorder=1)
        _head(axes, corner[-2], corner[-1])
        axes.text(sum(ends) / 2, y - 0.03, arrow.label, fontsize=_SMALL_PT, color=MUTED,
                  ha="center", va="bottom")  # fmt: skip
    for name, box in strip.boxes.items():
        _draw_box(axes, box, lefts[name], ys[name])


def _name_stream(
    axes: Axes,
    placed: _Placed,
    arrow: Arrow,
    places: Sequence[str],
    rights: Mapping[str, float],
    ys: Mapping[str, float],
) -> None:
    """Write a stream's name where it leaves, above its line."""
    labels = {a.label for a in placed.strip.arrows if a.source == arrow.source and a.label}
    down = len(labels) > 1 and not arrow.above
    lines = _label(arrow.label)
    y = ys[places[0]] + (0.05 if down else -0.03)
    axes.text(rights[places[0]] + 0.03, y, "\n".join(lines), fontsize=_SMALL_PT, color=MUTED,
              ha="left", va="top" if down else "bottom", linespacing=0.95, zorder=1.5,
              bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.2})  # fmt: skip


def _line(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """A line that leaves and arrives level, with a head."""
    vertices, codes = [points[0]], [Line.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (x0 + x1) / 2
        vertices += [(half, y0), (half, y1), (x1, y1)]
        codes += [Line.CURVE4] * 3
    axes.add_patch(PathPatch(Line(vertices, codes), fill=False, edgecolor=MUTED, linewidth=0.8,
                             zorder=1))  # fmt: skip
    _head(axes, (points[-1][0] - 0.1, points[-1][1]), points[-1])


def _head(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, zorder=3, arrowprops={
        "arrowstyle": "-|>", "color": MUTED, "linewidth": 0.8, "mutation_scale": 6,
        "shrinkA": 0, "shrinkB": 0,
    })  # fmt: skip


def _draw_box(axes: Axes, box: _Box, left: float, y: float) -> None:
    for depth in range(min(box.count, 3) - 1, -1, -1):
        axes.add_patch(
            FancyBboxPatch(
                (left + depth * _STACK, y - box.height / 2 - depth * _STACK), box.width, box.height,
                boxstyle="round,pad=0,rounding_size=0.04", facecolor=box.colour, edgecolor=MUTED,
                linewidth=0.8, zorder=2,
            )
        )  # fmt: skip
    n = len(box.lines)
    for i, line in enumerate(box.lines):
        axes.text(left + box.width / 2, y + (i - (n - 1) / 2) * _LINE, line, fontsize=_SIZE_PT,
                  ha="center", va="center", color=INK, zorder=5)  # fmt: skip


def _legend(axes: Axes, units: Units) -> None:
    groups: dict[str, list[str]] = {}
    for unit in units.units.values():
        kinds = groups.setdefault(unit.kind.colour, [])
        if unit.kind.plural not in kinds:
            kinds.append(unit.kind.plural)
    patches = [
        Patch(facecolor=colour, edgecolor=MUTED, linewidth=0.8,
              label="hardwired arrays" if kinds == ["arrays"] else ", ".join(kinds))
        for colour, kinds in groups.items()
    ]  # fmt: skip
    axes.legend(handles=patches, loc="lower left", ncols=4, frameon=False, fontsize=_SMALL_PT + 0.5,
                bbox_to_anchor=(0.005, 0.0), handlelength=1.2, columnspacing=1.4)  # fmt: skip
