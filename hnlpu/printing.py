"""Printing for people: lines, tables, and numbers with their units."""

import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["figure", "rounded", "show_line", "show_table"]


def show_line(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def show_table(rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> None:
    """Print columns, numbers right-aligned."""
    cells = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in cells), 0) for i, head in enumerate(heads)]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(heads))]
    for line in ([*heads], *cells):
        fields = (
            f"{cell:>{width}}" if r else f"{cell:<{width}}"
            for cell, width, r in zip(line, widths, right, strict=True)
        )
        show_line("  ".join(fields).rstrip())


def rounded(value: float) -> str:
    """Four significant digits, thousands separated; powers of ten only for what is tiny."""
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def figure(figure: dict[str, Any]) -> str:
    low, mid, high = (rounded(figure[key]) for key in ("low", "mid", "high"))
    span = f" ({low} .. {high})" if low != high else ""
    return f"{mid}{span} {figure['unit']} [{figure['tag']}]"
