"""Transistors and cycles of one array, as counted on its emitted base."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PARTS", "ArraySilicon", "BaseCount"]

#: Where the transistors of an array go; every cell of a base belongs to exactly one part.
PARTS = (
    "ports",
    "compressors",
    "shifters",
    "tree",
    "constants",
    "pipeline",
    "accumulator",
    "source",
    "control",
)


@dataclass(frozen=True, slots=True)
class ArraySilicon:
    """Cell count of one base.

    Attributes
    ----------
    n_rows, n_columns : int
    transistors_by_part : mapping of str to int
        Transistors of the whole array for each of ``PARTS``.
    interval_cycles, latency_cycles : int
        Cycles between vectors, and from a vector to its result.
    n_flip_flops : int
        Of the whole array; the clock tree is estimated from them.
    n_crossings : int
        Places where a line crosses a stub; what the metal of a tap crossbar needs.
    """

    n_rows: int
    n_columns: int
    transistors_by_part: Mapping[str, int]
    interval_cycles: int
    latency_cycles: int
    n_flip_flops: int = 0
    n_crossings: int = 0

    @property
    def n_weights(self) -> int:
        return self.n_rows * self.n_columns

    @property
    def transistors(self) -> int:
        return sum(self.transistors_by_part.values())

    @property
    def transistors_per_weight(self) -> float:
        return self.transistors / self.n_weights


@dataclass(frozen=True, slots=True)
class BaseCount:
    """Cell count of a base by row: rows are alike, so it holds for any number of them.

    Attributes
    ----------
    n_columns : int
    row_transistors, shared_transistors : mapping of str to int
        Transistors by part of one row, and of what all rows share (sources, sequencer, clock gates).
    row_flip_flops, shared_flip_flops : int
    row_crossings : int
        Places where a line crosses a stub of one row.
    interval_cycles, latency_cycles : int
    """

    n_columns: int
    row_transistors: Mapping[str, int]
    shared_transistors: Mapping[str, int]
    row_flip_flops: int
    shared_flip_flops: int
    row_crossings: int
    interval_cycles: int
    latency_cycles: int

    def array(self, n_rows: int) -> ArraySilicon:
        """The count of an array of ``n_rows`` rows."""
        return ArraySilicon(
            n_rows=n_rows,
            n_columns=self.n_columns,
            transistors_by_part={
                part: n_rows * self.row_transistors.get(part, 0)
                + self.shared_transistors.get(part, 0)
                for part in PARTS
            },
            interval_cycles=self.interval_cycles,
            latency_cycles=self.latency_cycles,
            n_flip_flops=n_rows * self.row_flip_flops + self.shared_flip_flops,
            n_crossings=n_rows * self.row_crossings,
        )
