"""Tables as CSV: every figure, every matrix."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hnlpu.reports.figure import Row

__all__ = ["MATRIX_COLUMNS", "figures_csv", "matrices_csv", "safe_cell"]

#: Columns of ``matrices.csv``; the last two are empty unless the tensor was quantised again.
MATRIX_COLUMNS = (
    "name",
    "role",
    "layer",
    "expert",
    "n_rows",
    "n_columns",
    "n_weights",
    "n_zero",
    "base",
    "padding_ratio",
    "exponent_spread",
    "source_format",
    "relative_rmse",
    "saturated",
)


def figures_csv(rows: Iterable[Row]) -> str:
    """One line per figure."""
    return _csv(
        ("figure", "low", "mid", "high", "unit", "tag", "note", "source"),
        ((r.name, r.low, r.mid, r.high, r.unit, r.tag, r.note, r.source) for r in rows),
    )


def matrices_csv(matrices: Iterable[Mapping[str, Any]]) -> str:
    """One line per hardwired matrix."""
    lines = []
    for matrix in matrices:
        flat = {**matrix, **(matrix.get("requantised") or {})}
        lines.append(tuple("" if flat.get(c) is None else flat[c] for c in MATRIX_COLUMNS))
    return _csv(MATRIX_COLUMNS, lines)


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in line] for line in lines)
    return out.getvalue()


def safe_cell(cell: Any) -> Any:
    """A name may come from outside: a spreadsheet must not run it as a formula."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return cell
