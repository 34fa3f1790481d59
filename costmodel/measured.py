"""Cell counts of the arrays of the named models, measured beforehand so that an estimate needs no synthesis.

``data/measured.toml`` is written by ``benchmarks/measure_cells.py``, which says when and with what; the tests
measure some of it again. A base is counted by row: rows are alike.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import Quantity
from hnlpu.silicon import PARTS, BaseCount

__all__ = ["Measured", "TapsKey", "load_measured"]


@dataclass(frozen=True, slots=True)
class TapsKey:
    """Parameters of a tap-crossbar base for E2M1 weights that its count depends on; the rest is as by default."""

    n_columns: int
    activation_bits: int
    phases: int
    exponent_values: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Contents of the file.

    Attributes
    ----------
    command, date, tool : str
        How and when it was measured.
    toggles : Quantity
        Toggles of a row per weight and token.
    rows : dict of TapsKey to BaseCount
    """

    command: str
    date: str
    tool: str
    toggles: Quantity
    rows: dict[TapsKey, BaseCount]


_INTEGERS = (
    "n_columns", "activation_bits", "phases", "exponent_values", "interval_cycles", "latency_cycles",
    "row_flip_flops", "shared_flip_flops", "row_crossings",
)  # fmt: skip


@cache
def load_measured(path: Path | None = None) -> Measured:
    """Read ``measured.toml``; HnlpuError names the file and key of a bad entry."""
    file = DataFile("measured.toml", path)
    file.only(("command", "date", "tool", "toggles_per_weight", "row"))
    rows = {}
    entries = file.get("row")
    if not isinstance(entries, list):
        raise file.error("row", "not a list", repr(entries), "write [[row]] tables")
    for index, entry in enumerate(entries):
        if set(entry) != {*_INTEGERS, "row_transistors", "shared_transistors"}:
            raise file.error(f"row[{index}]", "incomplete count", repr(sorted(entry)),
                             "measure it again")  # fmt: skip
        for key in _INTEGERS:
            _natural(file, f"row[{index}].{key}", entry[key])
        for key in ("row_transistors", "shared_transistors"):
            for part, count in entry[key].items():
                if part not in PARTS:
                    raise file.error(f"row[{index}].{key}", "unknown part", repr(part),
                                     f"parts are {', '.join(PARTS)}")  # fmt: skip
                _natural(file, f"row[{index}].{key}.{part}", count)
        found = TapsKey(*(entry[key] for key in _INTEGERS[:4]))
        rows[found] = BaseCount(
            n_columns=entry["n_columns"],
            row_transistors=entry["row_transistors"],
            shared_transistors=entry["shared_transistors"],
            **{key: entry[key] for key in _INTEGERS[4:]},
        )
    return Measured(
        command=file.text("command"),
        date=file.text("date"),
        tool=file.text("tool"),
        toggles=file.quantity("toggles_per_weight", "1/(weight*token)"),
        rows=rows,
    )


def _natural(file: DataFile, key: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise file.error(key, "not a count", repr(value), "write an integer of at least 0")
