"""The cost page: one HTML file for reading and playing.

The page holds the sheet as JavaScript (``costmodel/javascript.py``) and every input. Its settings change inputs, and
figures and charts follow from the formulas; nothing is looked up. It loads nothing: a content security policy
forbids it, and Plotly is inside.

Contract (checked by ``tests/reports/test_cost_page.py`` in headless Chromium): after any change of settings the page
shows what ``Sheet.evaluate`` gives for the same inputs.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.javascript import to_javascript
from hnlpu.costmodel.quantity import CONFIDENCES, Figure
from hnlpu.costmodel.sheet import Rule
from hnlpu.costmodel.units import coherent
from hnlpu.reports.chart import TAG_COLOURS, TAG_TEXTS
from hnlpu.reports.cost_format import between, finite, shown, unit_text
from hnlpu.reports.cost_view import CostPage, Curve, Metric, Parts, label_of

__all__ = ["render_cost_page"]


def render_cost_page(page: CostPage) -> str:
    """The page as one HTML document.

    Raises
    ------
    ValueError
        The page names a figure or an input that its sheet lacks; or a formula has no JavaScript.
    """
    _check(page)
    environment = Environment(
        loader=PackageLoader("hnlpu.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(unit_text=unit_text, label=label_of)
    environment.globals.update(shown=shown, between=between)
    sources = _Sources()
    data = _data(page, sources)
    style = environment.get_template("cost.css.j2").render(tags=TAG_COLOURS)
    text = [
        _raw(environment, name)
        for name in (
            "cost_format.js",
            "cost_state.js",
            "cost_chart.js",
            "cost_show.js",
            "cost.js",
        )
    ]
    return environment.get_template("cost.html.j2").render(
        page=page,
        data=Markup(_json(data)),
        style=Markup(style),
        plotly=Markup(get_plotlyjs()),
        sheet=Markup(to_javascript(page.sheet)),
        script=Markup("\n".join(text)),
        tiles=[_tile(page, item) for item in page.headline],
        rows=[_row(page, sources, name) for name in (*page.sheet.rules, *page.inputs)],
        sources=sources.texts,
        tags=[(tag, TAG_TEXTS[tag]) for tag in CONFIDENCES],
        setting=_settings(page),
    )


class _Sources:
    """Sources by number: most figures share them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(self._numbers)

    def numbers(self, texts: Iterable[str]) -> list[int]:
        """Of some sources, in their order: the weakest evidence stands first."""
        found = (self._numbers.setdefault(text, len(self._numbers)) for text in texts if text)
        return list(dict.fromkeys(found))


def _check(page: CostPage) -> None:
    """Every name the page uses exists: a missing one would be an empty chart."""
    known = {*page.sheet.rules, *page.inputs}
    named = {
        *page.sheet.inputs,
        *page.resources.values(),
        *(item.figure for item in (*page.headline, *page.metrics, *page.sensitivity)),
        *(name for item in page.controls for name in item.inputs),
        *(item.figure for item in page.limits),
        *(item.most for item in page.limits if isinstance(item.most, str)),
        *(name for item in page.baselines for name in item.values),
        *(f for item in page.baselines for f in item.metrics.values() if isinstance(f, str)),
        *page.draws,
    }
    for chart in page.charts:
        named |= {
            line.figure for line in (chart.parts if isinstance(chart, Parts) else chart.lines)
        }
        named |= set(chart.inputs) if isinstance(chart, Curve) else {chart.total} - {""}
    if not named <= known:
        raise ValueError(f"the page names what its sheet lacks: {', '.join(sorted(named - known))}")
    if page.nodes and page.node not in page.nodes:
        raise ValueError(f"node {page.node!r} is not one of {', '.join(page.nodes)}")
    unlisted = set(page.sheet.rules) - set(page.figures)
    if unlisted:
        raise ValueError(f"figures without range and tag: {', '.join(sorted(unlisted))}")


def _data(page: CostPage, sources: _Sources) -> dict[str, Any]:
    """Everything the script needs, besides the formulas."""
    return {
        "inputs": _inputs(page.inputs, sources),
        "figures": {name: _figure(page, sources, name) for name in page.sheet.rules},
        "headline": [_metric(page, item) for item in page.headline],
        "paper": {key: _fixed(item, sources) for key, item in page.paper.items()},
        "resources": dict(page.resources),
        "node": page.node,
        "nodes": {name: _inputs(inputs, sources) for name, inputs in page.nodes.items()},
        "controls": [
            {
                **asdict(item),
                "scale": coherent(item.unit),
                "value": _value(page, item.inputs, item.unit),
            }
            for item in page.controls
        ],
        "limits": [asdict(item) for item in page.limits],
        "charts": [_chart(chart) for chart in page.charts],
        "metrics": [_metric(page, item) for item in page.metrics],
        "baselines": [
            {
                "key": item.key,
                "name": item.name,
                "basis": item.basis,
                "short": item.short or item.name,
                "values": dict(item.values),
                "metrics": {
                    key: figure if isinstance(figure, str) else _fixed(figure, sources)
                    for key, figure in item.metrics.items()
                },
                "sources": sources.numbers([item.source]),
            }
            for item in page.baselines
        ],
        "sensitivity": [_metric(page, item) for item in page.sensitivity],
        "draws": {name: [_short(x) for x in values] for name, values in page.draws.items()},
        "sources": sources.texts,
    }


def _value(page: CostPage, inputs: Iterable[str], unit: str) -> float:
    return sum(page.values[name] for name in inputs) / coherent(unit)


def _metric(page: CostPage, item: Metric) -> dict[str, Any]:
    unit = item.unit or page.unit(item.figure)
    return {"key": item.key, "label": item.label, "figure": item.figure, "unit": unit,
            "scale": coherent(unit), "said": _said(item.label, unit)}  # fmt: skip


def _said(label: str, unit: str) -> str:
    """The unit behind a value, where the label of its tile says it: tokens per second."""
    head, slash, tail = unit.partition("/")
    said = slash and label.lower().startswith(f"{head}s per ")
    return f" {head}s/{tail}" if said else ""


def _inputs(inputs: Inputs, sources: _Sources) -> dict[str, Any]:
    return {
        name: {
            "label": label_of(name),
            "value": item.in_coherent_units()[1],
            "low": item.in_coherent_units()[0],
            "high": item.in_coherent_units()[2],
            "unit": item.unit,
            "scale": coherent(item.unit),
            "tag": item.confidence,
            "sources": sources.numbers([item.source]),
        }
        for name, item in inputs.items()
    }


def _figure(page: CostPage, sources: _Sources, name: str) -> dict[str, Any]:
    rule, figure = page.sheet.rules[name], page.figures[name]
    scale = coherent(rule.unit)
    to = coherent(figure.unit) / scale
    return {
        "label": label_of(name),
        "low": figure.low * to,
        "high": figure.high * to,
        "unit": rule.unit,
        "scale": scale,
        "tag": figure.tag,
        "note": figure.note,
        "needs": rule.inputs,
        "sources": sources.numbers((rule.source, *_nearest(page, rule), *figure.sources)),
    }


def _nearest(page: CostPage, rule: Rule) -> list[str]:
    """Sources of the inputs that a formula names itself."""
    return [page.inputs[name].source for name in rule.inputs if name in page.inputs]


def _fixed(figure: Figure, sources: _Sources) -> dict[str, Any]:
    return {"low": figure.low, "mid": figure.mid, "high": figure.high, "unit": figure.unit, "tag": figure.tag,
            "note": figure.note, "sources": sources.numbers(figure.sources)}  # fmt: skip


def _chart(chart: Parts | Curve) -> dict[str, Any]:
    plain = asdict(chart)
    if isinstance(chart, Curve):
        return {**plain, "kind": "curve", "scale": coherent(chart.unit),
                "line_scale": coherent(chart.line_unit)}  # fmt: skip
    kind = "waterfall" if chart.total else "bars"
    return {**plain, "kind": kind, "scale": coherent(chart.unit)}


def _tile(page: CostPage, item: Metric) -> dict[str, Any]:
    """A tile as it stands before any setting is changed."""
    figure, unit = page.figure(item.figure), item.unit or page.unit(item.figure)
    to = coherent(figure.unit) / coherent(unit)
    paper, said = page.paper.get(item.key), _said(item.label, unit)
    return {
        "key": item.key,
        "label": item.label,
        "text": shown(page.result(item.figure, unit), unit).removesuffix(said),
        "range": between(figure.low * to, figure.high * to, unit).removesuffix(said),
        "tag": figure.tag,
        "paper": paper and {
            "text": shown(paper.mid, paper.unit, _digits(paper)).removesuffix(said),
            "range": between(paper.low, paper.high, paper.unit).removesuffix(said),
            "tag": paper.tag,
        },
    }  # fmt: skip


def _row(page: CostPage, sources: _Sources, name: str) -> dict[str, Any]:
    """A line of the table of all figures and inputs."""
    if name in page.sheet.rules:
        figure, rule = page.figures[name], page.sheet.rules[name]
        to = coherent(figure.unit) / coherent(rule.unit)
        low, high, tag, note = figure.low * to, figure.high * to, figure.tag, figure.note
        numbers = sources.numbers((rule.source, *figure.sources))
    else:
        item = page.inputs[name]
        low, high, tag, note = item.low, item.high, item.confidence, "input"
        numbers = sources.numbers([item.source])
    unit = page.unit(name)
    return {"name": name, "text": shown(page.result(name), unit), "range": between(low, high, unit),
            "unit": unit_text(unit) or "1", "tag": tag, "note": note, "sources": _runs(sorted(numbers)),
            "input": name not in page.sheet.rules}  # fmt: skip


def _digits(figure: Figure) -> int:
    """What a source states is shown in full."""
    return 6 if figure.tag == "published" and figure.low == figure.high else 3


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring numbers: 1 to 4, 7."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _settings(page: CostPage) -> list[dict[str, Any]]:
    return [
        {
            "control": item,
            "unit": _unit_beside(item.label, item.unit),
            "value": float(f"{_value(page, item.inputs, item.unit):.12g}"),
        }
        for item in page.controls
    ]


def _unit_beside(label: str, unit: str) -> str:
    """The unit of a control, unless its label says it: systems, years."""
    text = f"{unit}s" if unit.isalpha() and unit.islower() and len(unit) > 3 else unit_text(unit)
    return "" if text.lower() in label.lower() else text


def _short(value: float) -> float:
    """A draw needs no more digits than its range has."""
    return float(f"{value:.6g}")


def _json(data: Mapping[str, Any]) -> str:
    """JSON that ends no script element."""
    text = json.dumps(finite(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _raw(environment: Environment, name: str) -> str:
    """A template file as it is: scripts hold no placeholders."""
    loader = environment.loader
    assert loader is not None
    return loader.get_source(environment, name)[0]
