"""The timeline of one token through a chip: when each block took and gave its vectors, from a traced run.

A unit (``hnlpu.reports.units``) works on a token from the first element that it takes to the last that it
gives. Units overlap, so these times do not add up. What does add up is the critical path: backwards from the
sampled token, each unit is charged for the cycles between the last element of what it waited for and the
last element that it gave.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hnlpu.bundle import write_json
from hnlpu.errors import HnlpuError
from hnlpu.reports.chart import GRID, INK, MUTED, STYLE
from hnlpu.reports.units import Link, Unit, Units, read_units

__all__ = [
    "Beat",
    "Span",
    "Timeline",
    "timeline",
    "timeline_figure",
    "timeline_table",
    "write_timeline",
]

#: Cycle, stream, fields.
Beat = tuple[int, str, Mapping[str, int]]
#: First and last cycle of a vector.
_Vector = tuple[int, int]
#: Kinds in a timeline; more apart than in the diagram, since bars have no text.
_COLOURS = {
    "arrays": "#e0912f",
    "attention": "#1a7f4b",
    "norms": "#2463b4",
    "quantizers": "#6aa5d8",
    "ropes": "#8f77c0",
    "residual adders": "#5b6875",
    "SwiGLU": "#c2508a",
    "routers": "#b03a2e",
    "merges": "#97a3ad",
    "combiners": "#7a5230",
    "embedding": "#454f59",
    "sampler": "#1c2733",
}
_ENTRY, _EXIT = "token", "sampled"


@dataclass(frozen=True, slots=True)
class Span:
    """A unit's work on the token, in cycles since the token entered.

    Attributes
    ----------
    unit, label, kind : str
    layer : int or None
    first_in, last_in, first_out, last_out : int
        Elements taken and given.
    cycles : int
        From the first taken to the last given.
    path_cycles : int
        On the critical path; these add up to the latency.
    giving_cycles : int
        Of these, from the first element given to the last.
    """

    unit: str
    label: str
    kind: str
    layer: int | None
    first_in: int
    last_in: int
    first_out: int
    last_out: int
    cycles: int
    path_cycles: int = 0
    giving_cycles: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Timeline of a token.

    Attributes
    ----------
    position : int
        Of the token in its sequence.
    latency_cycles : int
        From entering to being sampled.
    prompt_cycles_per_token : float or None
        Between tokens of a prompt that leave one after the other; None for a prompt of one.
    generated_cycles_per_token : float or None
        Between tokens that enter one after the other because each was sampled from the one before.
    spans : list of Span
        In the order in which they begin to give; without experts that were not chosen.
    """

    position: int
    latency_cycles: int
    prompt_cycles_per_token: float | None
    generated_cycles_per_token: float | None
    spans: list[Span] = field(default_factory=list)

    def kinds(self) -> dict[str, dict[str, int]]:
        """Units, cycles and cycles on the critical path of every kind."""
        found: dict[str, dict[str, int]] = {}
        for span in self.spans:
            sums = found.setdefault(span.kind, dict.fromkeys(_SUMS, 0))
            sums["units"] += 1
            for key in _SUMS[1:]:
                sums[key] += getattr(span, key)
        return found

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "position": self.position,
            "latency_cycles": self.latency_cycles,
            "prompt_cycles_per_token": self.prompt_cycles_per_token,
            "generated_cycles_per_token": self.generated_cycles_per_token,
            "kinds": self.kinds(),
            "blocks": [asdict(span) for span in self.spans],
        }


_SUMS = ("units", "cycles", "path_cycles", "giving_cycles")


@dataclass(slots=True)
class _Trace:
    """Vectors of every stream by token."""

    entered: list[int]
    sampled: list[int]
    vectors: dict[str, dict[int, list[_Vector]]]

    def of(self, stream: str, token: int) -> list[_Vector]:
        return self.vectors.get(stream, {}).get(token, [])


def timeline(
    chip: Mapping[str, Any],
    beats: Iterable[Beat],
    n_prompt: int,
    token: int | None = None,
) -> Timeline:
    """Measure a token.

    Parameters
    ----------
    chip : mapping
        What ``chip.json`` holds.
    beats : iterable of (cycle, stream, fields)
        Of a run with one sequence.
    n_prompt : int
        Tokens of the prompt.
    token : int, optional
        Which one; the last that entered if not given.

    Raises
    ------
    HnlpuError
        No such token, a trace without all streams, or with more than one sequence.
    """
    units = read_units(chip)
    trace = _read(units, beats)
    if token is None:
        token = len(trace.sampled) - 1
    if not 0 <= token < len(trace.sampled):
        raise HnlpuError("no such token", where="timeline", got=f"{token} of {len(trace.sampled)}",
                         do="name a token that was sampled from")  # fmt: skip
    entry = trace.entered[token]
    times = {name: _times(units, trace, name, token, entry) for name in units.units}
    path = _path(units, trace, times, token, entry)
    spans = []
    for name, unit in units.units.items():
        found = times[name]
        if found is not None and unit.kind.name != "host":
            spans.append(_span(unit, found, path.get(name, 0)))
    return Timeline(
        token,
        trace.sampled[token] - entry,
        _spacing(trace.sampled[:n_prompt]),
        _spacing(trace.entered[n_prompt:]),
        sorted(spans, key=lambda span: (span.first_out, span.first_in)),
    )


def _spacing(cycles: Sequence[int]) -> float | None:
    steps = [b - a for a, b in pairwise(cycles)]
    return round(mean(steps), 1) if steps else None


def _read(units: Units, beats: Iterable[Beat]) -> _Trace:
    wanted = {link.stream for link in units.links}
    vectors: dict[str, dict[int, list[_Vector]]] = {stream: {} for stream in wanted}
    begun: dict[str, int] = {}
    ended: dict[str, int] = {}
    bare: dict[str, list[int]] = {}
    entered: list[int] = []
    sampled: list[int] = []
    for cycle, stream, fields in beats:
        if stream == _ENTRY:
            if fields["position"] != len(entered):
                raise HnlpuError("more than one sequence", where="timeline",
                                 got=f"position {fields['position']} after {len(entered)} tokens",
                                 do="trace a run of one sequence")  # fmt: skip
            entered.append(cycle)
        elif stream == _EXIT:
            sampled.append(cycle)
        elif stream not in wanted:
            continue
        elif "last" in fields:
            begun.setdefault(stream, cycle)
            if fields["last"]:
                token = fields.get("position", ended.get(stream, 0))
                ended[stream] = token + 1
                vectors[stream].setdefault(token, []).append((begun.pop(stream), cycle))
        else:
            bare.setdefault(stream, []).append(cycle)
    for stream, cycles in bare.items():  # one beat per token
        vectors[stream] = {token: [(cycle, cycle)] for token, cycle in enumerate(cycles)}
    if not sampled:
        raise HnlpuError("the trace lacks streams", where="timeline",
                         got="no token that was sampled", do="trace every stream")  # fmt: skip
    vectors[_ENTRY] = {i: [(cycle, cycle)] for i, cycle in enumerate(entered)}
    vectors[_EXIT] = {i: [(cycle, cycle)] for i, cycle in enumerate(sampled)}
    return _Trace(entered, sampled, vectors)


@dataclass(frozen=True, slots=True)
class _Times:
    """When a unit took and gave, and the link whose last element it waited for."""

    taken: _Vector
    given: _Vector
    waited_for: Link
    waited_until: int


def _times(units: Units, trace: _Trace, name: str, token: int, entry: int) -> _Times | None:
    given = [v for s in _outputs(units, name) for v in trace.of(s, token)]
    if not given:
        return None
    direct: list[_Vector] = []
    waited: tuple[int, Link] | None = None
    for link in units.into(name):
        found = trace.of(link.stream, token)
        if units.units[name].kind.name == "array" and len(found) > 1:
            found = [found[_turn(units, trace, link, name, token)]]
        if not found:
            continue
        if not link.waits:
            direct += found
        last = max(v[1] for v in found)
        if waited is None or last > waited[0]:
            waited = last, link
    if not direct or waited is None:
        return None
    taken = min(v[0] for v in direct) - entry, max(v[1] for v in direct) - entry
    return _Times(
        taken,
        (min(v[0] for v in given) - entry, max(v[1] for v in given) - entry),
        waited[1],
        waited[0] - entry,
    )


def _outputs(units: Units, name: str) -> list[str]:
    return list(dict.fromkeys(link.stream for link in units.out_of(name)))


def _turn(units: Units, trace: _Trace, link: Link, name: str, token: int) -> int:
    """Which of several vectors an array took: chosen arrays take them one after the other."""
    firsts = []
    for other in units.out_of(link.source):
        given = [v for s in _outputs(units, other.target) for v in trace.of(s, token)]
        if other.stream == link.stream and given:
            firsts.append((min(given), other.target))
    return [target for _, target in sorted(firsts)].index(name)


def _path(
    units: Units,
    trace: _Trace,
    times: Mapping[str, _Times | None],
    token: int,
    entry: int,
) -> dict[str, int]:
    """Cycles of every unit on the critical path, which is followed from the sampled token back."""
    charged: dict[str, int] = {}
    (last,) = (link for link in units.links if link.stream == _EXIT)
    name, until = last.source, trace.sampled[token] - entry
    while units.units[name].kind.name != "host":
        own = times[name]
        if own is None or name in charged:
            raise HnlpuError("the trace does not lead back to the token", where="timeline",
                             got=f"nothing before {name}", do="trace every stream")  # fmt: skip
        charged[name] = until - own.waited_until
        name, until = own.waited_for.source, own.waited_until
    return charged


def _span(unit: Unit, times: _Times, path_cycles: int) -> Span:
    (first_in, last_in), (first_out, last_out) = times.taken, times.given
    label = unit.label if unit.expert is None else f"{unit.label} {unit.expert}"
    return Span(
        unit.name, label, unit.kind.plural, unit.layer, first_in, last_in, first_out, last_out,
        last_out - first_in + 1, path_cycles, min(path_cycles, last_out - first_out),
    )  # fmt: skip


def timeline_table(found: Timeline) -> str:
    """Markdown: kinds of blocks, then blocks."""
    lines = [
        f"Token at position {found.position}: {found.latency_cycles:,} cycles until it is sampled."
    ]
    for what, cycles in (
        ("Tokens of a prompt", found.prompt_cycles_per_token),
        ("Generated tokens", found.generated_cycles_per_token),
    ):
        if cycles is not None:
            lines.append(f"{what} follow every {cycles:,} cycles.")
    lines += [
        "",
        "| kind | blocks | cycles, summed | on the critical path | of these, first to last element given |",
        "|---|---:|---:|---:|---:|",
    ]
    kinds = sorted(found.kinds().items(), key=lambda kind: -kind[1]["path_cycles"])
    totals = dict.fromkeys(_SUMS, 0)
    for name, sums in kinds:
        lines.append(f"| {name} | " + " | ".join(f"{sums[key]:,}" for key in _SUMS) + " |")
        for key in _SUMS:
            totals[key] += sums[key]
    lines.append("| **all** | " + " | ".join(f"{totals[key]:,}" for key in _SUMS) + " |")
    lines += [
        "",
        "| block | takes | gives | cycles | on the critical path |",
        "|---|---:|---:|---:|---:|",
    ]
    for span in found.spans:
        lines.append(
            f"| {_name(span)} | {span.first_in:,} to {span.last_in:,} | {span.first_out:,} to "
            f"{span.last_out:,} | {span.cycles:,} | {span.path_cycles:,} |"
        )
    return "\n".join(lines) + "\n"


def _name(span: Span) -> str:
    return span.label if span.layer is None else f"{span.layer}: {span.label}"


def timeline_figure(found: Timeline) -> Figure:
    """Draw a timeline: light while a unit works, strong while it gives elements."""
    with matplotlib.rc_context({**STYLE, "font.size": 7}):
        spans = found.spans
        figure = Figure(
            figsize=(9, 1.0 + 0.145 * len(spans)), facecolor="white", layout="constrained"
        )
        axes = figure.add_subplot()
        for i, span in enumerate(spans):
            colour = _COLOURS[span.kind]
            axes.barh(i, span.cycles, left=span.first_in, height=0.72, color=colour, alpha=0.38)
            axes.barh(i, span.last_out - span.first_out + 1, left=span.first_out, height=0.72,
                      color=colour, edgecolor=INK if span.path_cycles else "none",
                      linewidth=0.5)  # fmt: skip
            layers = [s.layer for s in spans[max(0, i - 1) : i + 1]]
            if len(set(layers)) > 1:
                axes.axhline(i - 0.5, color=GRID, linewidth=1)
        axes.set_yticks(range(len(spans)), [_name(span) for span in spans])
        axes.set_ylim(len(spans) - 0.4, -0.6)
        axes.set_xlim(0, found.latency_cycles * 1.01)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="x", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.set_xlabel("cycles since the token entered")
        axes.set_title(
            f"one token, position {found.position}: {found.latency_cycles:,} cycles", loc="left",
            fontsize=9, color=INK,
        )  # fmt: skip
        handles = [Patch(facecolor=_COLOURS[kind], label=kind) for kind in found.kinds()]
        handles.append(Patch(facecolor="white", edgecolor=INK, label="on the critical path"))
        axes.legend(handles=handles, loc="upper right", fontsize=6.5, frameon=True, edgecolor=GRID,
                    labelcolor=MUTED)  # fmt: skip
    return figure


def write_timeline(
    chip: Mapping[str, Any], beats: Iterable[Beat], n_prompt: int, out: Path
) -> Timeline:
    """Write ``timeline.json``, ``timeline.md`` and ``timeline.png`` of the last token into ``out``."""
    found = timeline(chip, beats, n_prompt)
    write_json(out / "timeline.json", found.as_dict())
    (out / "timeline.md").write_text(timeline_table(found), encoding="utf-8")
    png = io.BytesIO()
    figure = timeline_figure(found)
    with matplotlib.rc_context(STYLE):
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    (out / "timeline.png").write_bytes(png.getvalue())
    return found
