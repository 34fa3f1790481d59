"""Printing for people: lines and tables."""

import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["show_line", "show_table"]


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
