"""Files of a cost report: the page, and beside it Markdown, CSV, JSON and every chart as PNG and SVG.

Everything is computed before the first file is written, each file is put in place whole, and the same report gives
the same bytes.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hnlpu.errors import HnlpuError
from hnlpu.reports.chart import TAG_TEXTS
from hnlpu.reports.cost_chart import Drawing, draw_charts, draw_ratios
from hnlpu.reports.cost_format import between, finite, shown
from hnlpu.reports.cost_page import render_cost_page
from hnlpu.reports.cost_table import (
    baseline_table,
    compare,
    curve_table,
    figure_table,
    headline_table,
    sensitivity_table,
)
from hnlpu.reports.cost_view import CostPage, Curve, Parts
from hnlpu.reports.table import safe_cell

__all__ = ["comparison_files", "cost_files", "write_files"]

#: Inputs in a table of sensitivities.
_N_EFFECTS = 12


def cost_files(page: CostPage) -> dict[str, bytes]:
    """Every file of the report by name: ``index.html``, ``report.md``, ``report.json``, tables and charts."""
    drawings = draw_charts(page)
    return {
        "index.html": render_cost_page(page).encode(),
        "report.md": _markdown(page, drawings).encode(),
        "report.json": _json(_content(page)),
        "headline.csv": _csv(headline_table(page)),
        "figures.csv": _csv(figure_table(page)),
        "baselines.csv": _csv(baseline_table(page), index=False),
        "sensitivity.csv": _csv(_sensitivities(page), index=False),
        **{
            f"{chart.key}.csv": _csv(curve_table(page, chart), index=False)
            for chart in page.charts
            if isinstance(chart, Curve)
        },
        **_pictures(drawings),
    }


def comparison_files(first: CostPage, second: CostPage) -> dict[str, bytes]:
    """Two designs or models side by side: ``compare.md``, ``compare.csv``, ``compare.json``, a chart of ratios.

    Raises
    ------
    ValueError
        They have no headline figure in common.
    """
    table = compare((first, second))
    title = f"{second.title} over {first.title}"
    drawing = draw_ratios("compare", title, list(table["label"]), list(table["ratio"]))
    lines = [
        f"# {first.title} beside {second.title}", "",
        f"* first: {first.title}: {first.description}",
        f"* second: {second.title}: {second.description}", "",
        *_table(
            ("Figure", "First", "Range", "Tag", "Second", "Range", "Tag", "Second / first"),
            [
                (row["label"], shown(row["first_mid"], row["unit"]),
                 between(row["first_low"], row["first_high"], row["unit"]), row["first_tag"],
                 shown(row["second_mid"], row["unit"]),
                 between(row["second_low"], row["second_high"], row["unit"]), row["second_tag"],
                 _times(row["ratio"]))
                for _, row in table.iterrows()
            ],
        ), *_bottlenecks(first, second), "", f"![{_cell(title)}](compare.png)", "",
    ]  # fmt: skip
    content = {
        "first": {"title": first.title, "description": first.description},
        "second": {"title": second.title, "description": second.description},
        "figures": table.to_dict(orient="index"),
    }
    return {
        "compare.md": "\n".join(lines).encode(),
        "compare.csv": _csv(table),
        "compare.json": _json(content),
        **_pictures([drawing]),
    }


def write_files(files: Mapping[str, bytes], out: Path) -> None:
    """Put files into the folder ``out``, which is made if it does not exist; other files in it stay.

    Raises
    ------
    HnlpuError
        The folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            part = out / f".{name}.part"
            part.write_bytes(data)
            os.replace(part, out / name)
    except OSError as error:
        raise HnlpuError(
            "cannot write the report",
            where=str(out),
            got=error.strerror or str(error),
            do="name a folder that can be written",
        ) from error


def _pictures(drawings: Iterable[Drawing]) -> dict[str, bytes]:
    return {
        f"{item.name}.{end}": data
        for item in drawings
        for end, data in (("svg", item.svg), ("png", item.png))
    }


def _sensitivities(page: CostPage) -> pd.DataFrame:
    tables = [
        sensitivity_table(page, item).reset_index().assign(figure=item.figure)
        for item in page.sensitivity
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _content(page: CostPage) -> dict[str, Any]:
    """The report as data; numbers in the units named beside them, infinite ones as null."""
    charts: dict[str, Any] = {}
    for chart in page.charts:
        if isinstance(chart, Parts):
            parts = {line.label: page.result(line.figure, chart.unit) for line in chart.parts}
            charts[chart.key] = {"title": chart.title, "unit": chart.unit, "parts": parts}
        else:
            lines = curve_table(page, chart).to_dict(orient="list")
            charts[chart.key] = {"title": chart.title, "x": chart.label, "x_unit": chart.unit,
                                 "unit": chart.line_unit, "lines": lines}  # fmt: skip
    return {
        "title": page.title,
        "description": page.description,
        "command": page.command,
        "node": page.node,
        "bottleneck": page.bottleneck(),
        "headline": headline_table(page).to_dict(orient="index"),
        "figures": figure_table(page).to_dict(orient="index"),
        "baselines": baseline_table(page).to_dict(orient="records"),
        "sensitivity": {
            item.figure: sensitivity_table(page, item).reset_index().to_dict(orient="records")
            for item in page.sensitivity
        },
        "charts": charts,
        "contradictions": [asdict(note) for note in page.contradictions],
        "notes": list(page.notes),
    }


def _markdown(page: CostPage, drawings: Sequence[Drawing]) -> str:
    headline = headline_table(page)
    lines = [f"# {page.title}", "", page.description, "", "## Headline", ""]
    lines += _table(
        ("Figure", "Consistent", "Range", "Tag", "Paper", "Tag", "Ours / paper"),
        [
            (row["label"], shown(row["mid"], row["unit"]),
             between(row["low"], row["high"], row["unit"]), row["tag"],
             shown(row["paper_mid"], row["unit"], 6 if row["paper_tag"] == "published" else 3)
             if row["paper_tag"] else "", row["paper_tag"],
             _times(row["ratio"]))
            for _, row in headline.iterrows()
        ],
    )  # fmt: skip
    if page.resources:
        figure = page.resources[page.bottleneck()]
        wait = shown(page.result(figure), page.unit(figure))
        lines += ["", f"Bottleneck: {page.bottleneck()}, {wait}."]
    lines += ["", "## Charts", ""]
    for item in drawings:
        lines += [f"![{_cell(item.title)}]({item.name}.png)", ""]
    if page.baselines:
        lines += ["## Beside other machines", "", *_machines(page), ""]
    for metric in page.sensitivity:
        unit = metric.unit or page.unit(metric.figure)
        lines += [f"## Which assumption decides: {metric.label}", ""]
        lines += _table(
            ("Input", "Range", "At low", "At high", "Tag"),
            [
                (row["label"], between(row["low"], row["high"], row["unit"]),
                 shown(row["at_low"], unit), shown(row["at_high"], unit), row["tag"])
                for _, row in sensitivity_table(page, metric).head(_N_EFFECTS).iterrows()
            ],
        )  # fmt: skip
        lines.append("")
    if page.contradictions:
        lines += ["## Where the paper contradicts itself", ""]
        lines += [f"* {_cell(note.text)} ({_cell(note.source)})" for note in page.contradictions]
        lines.append("")
    if page.notes:
        lines += ["## Read with care", "", *(f"* {_cell(note)}" for note in page.notes), ""]
    lines += ["## Every figure and input", ""]
    lines += [f"* {tag}: {text}" for tag, text in TAG_TEXTS.items()]
    lines += ["", *_everything(page)]
    return "\n".join(lines) + "\n"


def _machines(page: CostPage) -> list[str]:
    table = baseline_table(page)
    rows = []
    for _, row in table.iterrows():
        cells = [row["machine"], row["basis"]]
        for item in page.metrics:
            value, ratio = row[item.key], row[f"{item.key}_ratio"]
            text = shown(value, item.unit or page.unit(item.figure)) if np.isfinite(value) else ""
            cells.append(text + (f" ({_times(ratio)})" if np.isfinite(ratio) else ""))
        rows.append(tuple(cells))
    note = "In brackets: ours over theirs."
    return [*_table(("Machine", "Basis", *(item.label for item in page.metrics)), rows), "", note]


def _everything(page: CostPage) -> list[str]:
    """Every figure and input, with numbers for the sources, which follow."""
    table, numbers = figure_table(page), dict[str, int]()
    rows = []
    for name, row in table.iterrows():
        found = sorted(
            numbers.setdefault(text, len(numbers) + 1)
            for text in row["sources"].split("; ")
            if text
        )
        rows.append(
            (name, shown(row["mid"], row["unit"]), between(row["low"], row["high"], row["unit"]),
             row["tag"], row["formula"] or "input", ", ".join(map(str, found)))
        )  # fmt: skip
    head = ("Name", "Value", "Range", "Tag", "Formula", "Sources")
    sources = [f"{number}. {_cell(text)}" for text, number in numbers.items()]
    return [*_table(head, rows), "", "### Sources", "", *sources]


def _bottlenecks(first: CostPage, second: CostPage) -> list[str]:
    if not (first.resources and second.resources):
        return []
    return ["", f"Bottleneck: {first.bottleneck()}; {second.bottleneck()}."]


def _times(ratio: float) -> str:
    return f"{shown(ratio, '1')}\u00d7" if isfinite(ratio) else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]


def _cell(value: Any) -> str:
    """Text that ends no cell and starts no markup."""
    text = " ".join(str(value).split())
    for sign in ("\\", "|", "<", "[", "]", "*", "_", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text


def _csv(table: pd.DataFrame, *, index: bool = True) -> bytes:
    safe = table.map(safe_cell).rename(columns=safe_cell)
    text: str = safe.to_csv(index=index, lineterminator="\n")
    return text.encode()


def _json(content: Any) -> bytes:
    return (json.dumps(finite(content), indent=1, ensure_ascii=False) + "\n").encode()
