"""Transistors and cycles of one array, as counted on its emitted base."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PARTS", "ArraySilicon"]

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
    """

    n_rows: int
    n_columns: int
    transistors_by_part: Mapping[str, int]
    interval_cycles: int
    latency_cycles: int
    n_flip_flops: int = 0

    @property
    def n_weights(self) -> int:
        return self.n_rows * self.n_columns

    @property
    def transistors(self) -> int:
        return sum(self.transistors_by_part.values())

    @property
    def transistors_per_weight(self) -> float:
        return self.transistors / self.n_weights
