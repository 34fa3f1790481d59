"""Alignment: the smallest exponent spread that holds the rows of a matrix without loss.

A codebook often holds values that are a power of two apart: E2M1 has ``1, 2, 4, 8`` and ``3, 6, 12``.
A block of such weights can be written with several exponents. Value ``v`` stays in the codebook when it
is shifted left by ``down(v)`` .. ``up(v)``, without a gap, so a block with exponent ``e`` may take any
exponent from ``low`` to ``high``:

    high = e - max of down(v)       (its smallest weight must still be a codebook value)
    low  = e - min of up(v)         (its largest must be)

A row scale stays outside. The row's own exponent becomes the smallest ``high`` of its blocks and every block takes the smallest
exponent it can from there on; no other choice from these ranges has a smaller spread.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.codebook import Codebook
from hnlpu.errors import HnlpuError
from hnlpu.weights import BLOCK, CodedMatrix

__all__ = ["AlignedMatrix", "align", "exponent_range"]

_FAR = 1 << 14  # beyond every exponent a checkpoint can hold


@dataclass(frozen=True, slots=True, eq=False)
class AlignedMatrix:
    """Weights as ``multiple * 2**(row exponent + block exponent) * row scale``, ready to be wired.

    Attributes
    ----------
    name : str
    multiples : int16 array (n_rows, n_columns)
        Codebook values; the block exponents are other ones than those of the coded matrix.
    block_exponents : uint8 array (n_rows, n_blocks)
        Relative to the row, 0 and up.
    row_exponents : int16 array (n_rows,)
    block : int
        Inputs that share a block exponent.
    row_scales : float64 array (n_rows,) or None
        From 1 up to, not including, 2; applied after the array. None where all are 1.
    """

    name: str
    multiples: npt.NDArray[np.int16]
    block_exponents: npt.NDArray[np.uint8]
    row_exponents: npt.NDArray[np.int16]
    block: int = BLOCK
    row_scales: npt.NDArray[np.float64] | None = None

    @property
    def n_rows(self) -> int:
        return int(self.multiples.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.multiples.shape[1])

    @property
    def spread(self) -> int:
        """Largest block exponent of any row: the base must hold ``spread + 1`` values."""
        return int(self.block_exponents.max())

    def _shifts(self) -> npt.NDArray[np.int64]:
        shifts = np.repeat(self.block_exponents.astype(np.int64), self.block, axis=1)
        return shifts[:, : self.n_columns]

    def integers(self) -> npt.NDArray[np.int64]:
        """Weights in units of ``2**row_exponent * row_scale``, (n_rows, n_columns).

        Raises
        ------
        OverflowError
            ``value << spread`` may take more than 64 bits; ``values`` has no such limit.
        """
        if self.spread > 47:
            raise OverflowError(f"{self.name}: spread {self.spread}, 64-bit integers hold 47")
        return self.multiples.astype(np.int64) << self._shifts()

    def values(self) -> npt.NDArray[np.float64]:
        """The weights as numbers, (n_rows, n_columns); equal to those of the coded matrix."""
        exponents = self._shifts() + self.row_exponents.astype(np.int64)[:, None]
        multiples = self.multiples.astype(np.float64)
        if self.row_scales is not None:
            multiples *= self.row_scales[:, None]
        numbers: npt.NDArray[np.float64] = np.ldexp(multiples, exponents)
        return numbers


def _shift_table(codebook: Codebook) -> npt.NDArray[np.int32]:
    """How far each code's value can be shifted right and left, (n_codes, 2); zeros go anywhere."""
    known = set(codebook.magnitudes)
    table = np.full((len(codebook.values), 2), _FAR, dtype=np.int32)
    for code, value in enumerate(map(abs, codebook.values)):
        if value:
            down = up = 0
            while value % (2 << down) == 0 and value >> (down + 1) in known:
                down += 1
            while value << (up + 1) in known:
                up += 1
            table[code] = down, up
    return table


def _per_block(values: npt.NDArray[np.int32], block: int, fill: int) -> npt.NDArray[np.int32]:
    """(n_rows, n_columns) to (n_rows, n_blocks, block), the last block filled up."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % block)), constant_values=fill)
    return padded.reshape(values.shape[0], -1, block)


def exponent_range(
    matrix: CodedMatrix,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Lowest and highest exponent of each block that keep its weights, (n_rows, n_blocks) each.

    A block of zeros takes any: it has a lowest far below, and a highest far above, every exponent.
    """
    shifts = _shift_table(matrix.codebook)[matrix.codes]
    exponents = matrix.exponents.astype(np.int32)
    down = _per_block(shifts[..., 0], matrix.block, _FAR).min(axis=2)
    up = _per_block(shifts[..., 1], matrix.block, _FAR).min(axis=2)
    return (
        np.where(up == _FAR, -_FAR, exponents - up),
        np.where(down == _FAR, _FAR, exponents + down),
    )


def align(matrix: CodedMatrix) -> AlignedMatrix:
    """Write every row with the smallest spread of block exponents; exact.

    Raises
    ------
    HnlpuError
        A spread beyond 63 octaves.
    """
    low, high = exponent_range(matrix)
    row = high.min(axis=1)
    row = np.where(row == _FAR, -matrix.codebook.unit_exponent, row)  # a row of zeros
    block = np.maximum(low - row[:, None], 0)
    if block.max() > 63:
        worst = int(block.max(axis=1).argmax())
        raise HnlpuError(
            "block exponents spread too far for any base",
            where=f"{matrix.name}: row {worst}",
            got=f"{int(block[worst].max())} octaves",
            do="re-quantise with --exponent-values 64 or fewer and --requantize",
        )
    moved = np.where(low == -_FAR, 0, matrix.exponents - row[:, None] - block)
    left = np.repeat(moved, matrix.block, axis=1)[:, : matrix.n_columns]
    units = matrix.units().astype(np.int32)
    multiples = np.where(left < 0, units >> np.maximum(-left, 0), units << np.maximum(left, 0))
    assert np.isin(np.abs(multiples), [0, *matrix.codebook.magnitudes]).all()
    row = row + matrix.codebook.unit_exponent
    return AlignedMatrix(
        matrix.name,
        multiples.astype(np.int16),
        block.astype(np.uint8),
        row.astype(np.int16),
        matrix.block,
        matrix.row_scales,
    )
