"""Layout of a graph in columns, from left to right: a node stands behind everything that leads to it.

Long links pass columns through bends of their own, so that no line crosses a box. Links of one stream share
their bends.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Arrow", "Column", "Layout", "lay_out", "ranks"]

_ROUNDS = 12
#: Weight of a place that gives way.
_LIGHT = 1e-3


@dataclass(frozen=True, slots=True)
class Arrow:
    """A link to draw: ``label`` is shared by all arrows of a stream; ``above`` keeps it out of the middle."""

    source: str
    target: str
    label: str
    above: bool = False


@dataclass(slots=True)
class Column:
    """Nodes and bends that stand above each other, from the top."""

    places: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Layout:
    """Places of nodes and lines.

    Attributes
    ----------
    columns : list of Column
    heights : dict of float by place
        Middle of a node or bend, upwards.
    paths : list of (arrow, places)
        Each line: from the source, through bends, to the target.
    """

    columns: list[Column]
    heights: dict[str, float]
    paths: list[tuple[Arrow, list[str]]]


def ranks(nodes: Sequence[str], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Column of every node: the longest way to it.

    Raises
    ------
    ValueError
        The arrows go round in a circle.
    """
    into: dict[str, set[str]] = {node: set() for node in nodes}
    for arrow in arrows:
        into[arrow.target].add(arrow.source)
    found: dict[str, int] = {}
    while len(found) < len(nodes):
        ready = [n for n in nodes if n not in found and into[n] <= found.keys()]
        if not ready:
            raise ValueError(f"a circle among {', '.join(n for n in nodes if n not in found)}")
        for node in ready:
            found[node] = max((found[source] + 1 for source in into[node]), default=0)
    return found


def lay_out(
    nodes: Sequence[str],
    arrows: Sequence[Arrow],
    room: Mapping[str, float],
    bend_room: float,
    *,
    last: Collection[str] = (),
) -> Layout:
    """Place nodes.

    Parameters
    ----------
    nodes : sequence of str
        In the order in which nodes of a column stand.
    arrows : sequence of Arrow
    room : mapping of float by node
        Height of a node, with the space around it.
    bend_room : float
        Height of a bend.
    last : collection of str
        Nodes of the last column, wherever else they could be.
    """
    rank = ranks(nodes, arrows)
    rank.update(dict.fromkeys(last, max(rank.values(), default=0)))
    order: dict[str, tuple[float, ...]] = {n: (1.0, float(i)) for i, n in enumerate(nodes)}
    columns = [Column() for _ in range(max(rank.values(), default=0) + 1)]
    for node in nodes:
        columns[rank[node]].places.append(node)
    longest: dict[tuple[str, str], int] = {}
    for arrow in arrows:
        stream = arrow.source, arrow.label
        longest[stream] = max(longest.get(stream, 0), rank[arrow.target])
    paths = []
    for arrow in arrows:
        first, final = rank[arrow.source], rank[arrow.target]
        places = [arrow.source]
        for column in range(first + 1, final):
            bend = f"{arrow.source}>{arrow.label}@{column}"
            if bend not in order:
                span = longest[arrow.source, arrow.label] - first
                order[bend] = (0.0, -float(span)) if arrow.above else (1.0, order[arrow.source][1])
                columns[column].places.append(bend)
            places.append(bend)
        paths.append((arrow, [*places, arrow.target]))
    for each in columns:
        each.places.sort(key=lambda place: order[place])
    sizes = {place: room.get(place, bend_room) for each in columns for place in each.places}
    light = {bend for arrow, places in paths if arrow.above for bend in places[1:-1]}
    heights = _heights(columns, paths, sizes, light)
    for arrow, places in paths:  # the longer stream is the higher one, so level lines do not cross
        if arrow.above and len(places) > 2:
            own = [b for b in light if b.startswith(f"{arrow.source}>{arrow.label}@")]
            heights.update(dict.fromkeys(own, max(heights[bend] for bend in own)))
    return Layout(columns, heights, paths)


def _heights(
    columns: Sequence[Column],
    paths: Sequence[tuple[Arrow, list[str]]],
    sizes: Mapping[str, float],
    light: Collection[str],
) -> dict[str, float]:
    """Heights that keep lines straight: each place moves towards its neighbours, none over another.

    ``light`` places give way, and move nobody else.
    """
    near: dict[str, list[str]] = {place: [] for place in sizes}
    for arrow, places in paths:
        for a, b in pairwise(places):
            for one, other in ((a, b), (b, a)):
                if other not in near[one] and (one in light or not arrow.above):
                    near[one].append(other)
    heights = {}
    for column in columns:
        y = sum(sizes[place] for place in column.places) / 2
        for place in column.places:
            heights[place] = y - sizes[place] / 2
            y -= sizes[place]
    for _ in range(_ROUNDS):
        for column in (*columns, *reversed(columns)):
            wanted = [
                sum(heights[n] for n in near[place]) / len(near[place])
                if near[place]
                else heights[place]
                for place in column.places
            ]
            weights = [_LIGHT if place in light else 1.0 for place in column.places]
            settled = _apart(wanted, [sizes[place] for place in column.places], weights)
            heights.update(zip(column.places, settled, strict=True))
    return heights


def _apart(
    wanted: Sequence[float], sizes: Sequence[float], weights: Sequence[float]
) -> list[float]:
    """Heights near the wanted ones, from the top, that leave everyone its room (least squares)."""
    offsets, down = [], 0.0
    for i, size in enumerate(sizes):
        down += (size + sizes[i - 1]) / 2 if i else 0.0
        offsets.append(down)
    groups: list[tuple[float, float, int]] = []  # mean, weight and number of those that move as one
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        mean, n = want + offset, 1
        while groups and groups[-1][0] < mean:
            other, heavy, m = groups.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, n = weight + heavy, n + m
        groups.append((mean, weight, n))
    means = [mean for mean, _, n in groups for _ in range(n)]
    return [mean - offset for mean, offset in zip(means, offsets, strict=True)]
