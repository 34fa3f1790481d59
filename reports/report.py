"""Report: of a bundle, one page with its charts and tables and the cost report beside it; or a cost report alone.

Everything is computed before the first file is written, and each file is put in place whole; the
same bundle gives the same bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from hnlpu.costmodel.estimate import Estimate, estimate_from_dict
from hnlpu.reports.bundle import read_bundle
from hnlpu.reports.cost_files import comparison_files, cost_files, write_files
from hnlpu.reports.cost_report import cost_page
from hnlpu.reports.figure import collect
from hnlpu.reports.headline import checks, tiles
from hnlpu.reports.page import draw_charts, render
from hnlpu.reports.table import figures_csv, matrices_csv

__all__ = ["write_cost_report", "write_report"]


def write_report(bundle: Path, out: Path) -> dict[str, Any]:
    """Write the page, its charts, ``report.json`` and the two CSV tables to ``out``; the cost report to ``out/cost``.

    Parameters
    ----------
    bundle : Path
        Folder with ``manifest.json`` and, as far as they exist, ``readback.json``, ``verify.json``
        and ``estimate.json``.
    out : Path
        Made if it does not exist; other files in it stay.

    Returns
    -------
    dict
        The content of ``report.json``: checks, headline, what is missing, every figure, digests of
        the files written.

    Raises
    ------
    HnlpuError
        Not a bundle, or ``out`` cannot be written.
    """
    content = read_bundle(bundle)
    estimate = estimate_from_dict(content.estimate) if content.estimate else None
    rows = collect(content, estimate)
    outcome = checks(content, rows)
    headline = tiles(content, rows, outcome)
    charts = draw_charts(content, rows, estimate)
    files = {
        "index.html": render(content, rows, charts, outcome, headline, estimate).encode(),
        "figures.csv": figures_csv(rows.values()).encode(),
        "matrices.csv": matrices_csv(content.manifest.get("matrices", [])).encode(),
        **{f"{chart.name}.png": chart.png for chart in charts.values()},
    }
    summary: dict[str, Any] = {
        "checkpoint": content.manifest.get("checkpoint", {}).get("name"),
        "hnlpu": content.manifest.get("hnlpu"),
        "checks": [
            {"name": check.name, "state": check.state, "detail": check.detail} for check in outcome
        ],
        "headline": [
            {"label": tile.label, "text": tile.text, "detail": tile.detail, "tag": tile.tag}
            for tile in headline
        ],
        "missing": [
            {"name": missing.name, "file": missing.file, "command": missing.command}
            for missing in content.missing
        ],
        "figures": {
            row.name: {
                "low": row.low, "mid": row.mid, "high": row.high, "unit": row.unit, "tag": row.tag,
                "note": row.note, "source": row.source,
            }
            for row in rows.values()
        },
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }  # fmt: skip
    files["report.json"] = (json.dumps(summary, indent=1) + "\n").encode()
    if estimate is not None:
        write_cost_report(estimate, out / "cost", command=f"hnlpu report {bundle.name}")
    write_files(files, out)
    return summary


def write_cost_report(
    estimate: Estimate, out: Path, *, command: str = "", beside: Estimate | None = None
) -> None:
    """Write the cost page to ``out``, with Markdown, CSV, JSON and charts as PNG and SVG.

    Parameters
    ----------
    command : str
        Named on the page.
    beside : Estimate, optional
        Another design or model: ``compare.md``, ``.csv``, ``.json`` and charts put both side by side.

    Raises
    ------
    HnlpuError
        ``out`` cannot be written.
    """
    page = cost_page(estimate, command=command, seed=estimate.seed)
    files = cost_files(page)
    if beside is not None:
        files |= comparison_files(page, cost_page(beside, seed=beside.seed))
    write_files(files, out)
