"""Twin of a chip with defects: some of its arrays sum up what their damaged pins read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hnlpu.chip import Chip, HardwiredMatrix
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.fixed_point import Integers
from hnlpu.sim.pins import RowSums

__all__ = ["ArrayChange", "DefectiveTwin"]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayChange:
    """Rows of an array that compute something else.

    Attributes
    ----------
    rows : int64 array (n,)
    sums : RowSums
        Of these rows.
    row_exponents : int64 array (n_rows,)
        Of all rows.
    """

    rows: Integers
    sums: RowSums
    row_exponents: Integers


class DefectiveTwin(ChipTwin):
    """A chip whose arrays ``changes`` names, by matrix, are damaged.

    Parameters
    ----------
    chip : Chip
    changes : mapping of str to ArrayChange
    n_sequences : int
    """

    def __init__(
        self, chip: Chip, changes: Mapping[str, ArrayChange], *, n_sequences: int = 1
    ) -> None:
        super().__init__(chip, n_sequences=n_sequences)
        self._changes = changes

    def _sums(self, x: Integers, matrix: HardwiredMatrix) -> tuple[Integers, HardwiredMatrix]:
        y, drained = super()._sums(x, matrix)
        change = self._changes.get(matrix.name)
        if change is None:
            return y, drained
        y[:, change.rows] = change.sums(x)
        return y, replace(matrix, row_exponents=change.row_exponents)
