"""Report: reads a bundle, writes one page, its charts and its tables.

Everything is computed before the first file is written, and each file is put in place whole; the
same bundle gives the same bytes.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from hnlpu.errors import HnlpuError
from hnlpu.reports.bundle import read_bundle
from hnlpu.reports.figure import collect
from hnlpu.reports.headline import checks, tiles
from hnlpu.reports.page import draw_charts, render
from hnlpu.reports.table import figures_csv, matrices_csv

__all__ = ["write_report"]


def write_report(bundle: Path, out: Path) -> dict[str, Any]:
    """Write the page, its charts, ``report.json`` and the two CSV tables to ``out``.

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
    rows = collect(content)
    outcome = checks(content, rows)
    headline = tiles(content, rows, outcome)
    charts = draw_charts(content, rows)
    files = {
        "index.html": render(content, rows, charts, outcome, headline).encode(),
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
    return summary
