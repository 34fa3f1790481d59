"""Figures of a report: one row per number, whatever file it came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hnlpu.costmodel.quantity import CONFIDENCES
from hnlpu.reports.bundle import Bundle
from hnlpu.reports.format import count, quantity, spread

__all__ = ["Row", "collect"]

_COUNTS = {
    "readback": {
        "expected": "weights that the checkpoint holds",
        "weights": "weights read back from the emitted files",
        "missing": "weights not found in the emitted files",
        "mismatches": "weights read back with another value",
        "base_cells_in_metal": "cells found in the metal files, which may hold wires only",
        "constants": "constants read back from pins and boot image",
    },
    "verify": {
        "arrays": "arrays simulated",
        "vectors": "vectors compared bit for bit with the integer model",
        "mismatches": "vectors that differed",
        "cycles": "clock cycles simulated",
        "mutants": "copies with one weight changed on purpose",
        "mutants_killed": "mutants that the check found",
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the report, with its range, unit, tag, formula and source."""

    name: str
    low: float
    mid: float
    high: float
    unit: str
    tag: str
    note: str
    source: str = ""

    @property
    def text(self) -> str:
        """The middle value with its unit; counts and what a source states in full."""
        if self.unit == "count":
            return count(self.mid)
        stated = self.tag == "published" and self.low == self.high
        return quantity(self.mid, self.unit, 6 if stated else 3)

    @property
    def range(self) -> str:
        return "" if self.unit == "count" else spread(self.low, self.high, self.unit)

    @property
    def title(self) -> str:
        """Tooltip: formula and source."""
        parts = [self.note, f"Source: {self.source}" if self.source else ""]
        return " \u2014 ".join(part for part in parts if part)


def collect(bundle: Bundle) -> dict[str, Row]:
    """Every figure of the bundle by dotted name, in a fixed order."""
    rows = {}
    totals = bundle.manifest.get("totals", {})
    for key, note in (
        ("matrices", "matrices hardwired"),
        ("weights", "weights hardwired"),
        ("zero_weights", "weights that are zero"),
    ):
        if key in totals:
            rows[f"manifest.{key}"] = _counted(
                f"manifest.{key}", totals[key], note, "manifest.json"
            )
    for part, notes in _COUNTS.items():
        content: Mapping[str, Any] = getattr(bundle, part)
        for key, note in notes.items():
            value = _number(content.get(key))
            if value is not None:
                name = f"{part}.{key}"
                rows[name] = _counted(name, value, note, f"{part}.json")
    for name, figure in _figures(bundle.estimate, "estimate"):
        rows[name] = figure
    return rows


def _counted(name: str, value: float, note: str, source: str) -> Row:
    return Row(name, value, value, value, "count", "measured", note, source)


def _number(value: Any) -> float | None:
    """A count, or the length of a list of findings."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return None


def _figures(tree: Any, path: str) -> Iterator[tuple[str, Row]]:
    if not isinstance(tree, Mapping):
        return
    if {"low", "mid", "high", "unit"} <= set(tree):
        tag = str(tree.get("tag", "assumed"))
        yield (
            path,
            Row(
                path,
                float(tree["low"]),
                float(tree["mid"]),
                float(tree["high"]),
                str(tree["unit"]),
                tag if tag in CONFIDENCES else "assumed",
                str(tree.get("note", "")),
                str(tree.get("source", "")),
            ),
        )
        return
    for key, value in tree.items():
        yield from _figures(value, f"{path}.{key}")
