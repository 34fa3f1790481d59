"""Figures of a report: one row per number, whatever file it came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hnlpu.costmodel.estimate import Estimate
from hnlpu.costmodel.quantity import Figure
from hnlpu.reports.bundle import Bundle
from hnlpu.reports.cost_format import between, shown
from hnlpu.reports.format import count

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
        return shown(self.mid, self.unit)

    @property
    def range(self) -> str:
        return "" if self.unit == "count" else between(self.low, self.high, self.unit)

    @property
    def title(self) -> str:
        """Tooltip: formula and source."""
        parts = [self.note, f"Source: {self.source}" if self.source else ""]
        return " \u2014 ".join(part for part in parts if part)


def collect(bundle: Bundle, estimate: Estimate | None) -> dict[str, Row]:
    """Every figure of the bundle and of its estimate by dotted name, in a fixed order."""
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
    for name, figure in _figures(estimate):
        rows[name] = Row(
            name, figure.low, figure.mid, figure.high, figure.unit, figure.tag, figure.note,
            "; ".join(figure.sources),
        )  # fmt: skip
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


def _figures(estimate: Estimate | None) -> Iterator[tuple[str, Figure]]:
    """The headline first, then what stands beside it, then everything else."""
    if estimate is None:
        return
    for key, figure in estimate.headline.items():
        yield f"estimate.{key}", figure
    for key, figure in estimate.paper.items():
        yield f"paper.{key}", figure
    total = sum(estimate.transistors.values())
    for part, n in estimate.transistors.items():
        if n:
            per_weight = n / estimate.model.n_hardwired_weights
            yield (
                f"transistors.{part}",
                Figure(
                    per_weight, per_weight, per_weight, "transistor/weight", "measured",
                    f"counted on the emitted bases; {n:,} of {total:,} transistors",
                ),
            )  # fmt: skip
    for machine, comparison in estimate.comparisons.items():
        for key, figure in comparison.figures.items():
            yield f"{machine}.{key}", figure
    for key, figure in estimate.figures.items():
        yield f"figures.{key}", figure
