"""Alignment: the smallest exponent spread that holds the rows of a matrix without loss.

Every nonzero E2M1 weight is ``±{1, 3} * 2**k``, and the lines of a bundle offer ``1, 2, 4, 8`` and
``3, 6, 12``: a block can be written with several exponents. A block whose weights reach from ``k_min``
to ``k_max`` may take any exponent from ``low`` to ``high``:

    high = k_min                    (the smallest weight must still be a whole multiple)
    low  = max(k_max of mantissa 1 - 3, k_max of mantissa 3 - 2)    (the largest must have a line)

The row's own exponent becomes the smallest ``high`` of its blocks and every block takes the smallest
exponent it can from there on; no other choice has a smaller spread.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.base import LINE_MULTIPLES
from hnlpu.errors import HnlpuError
from hnlpu.weights import BLOCK, CodedMatrix

__all__ = ["AlignedMatrix", "align"]

_FAR = 1 << 14  # beyond every exponent a checkpoint can hold


@dataclass(frozen=True, slots=True, eq=False)
class AlignedMatrix:
    """Weights as ``multiple * 2**(row exponent + block exponent)``, ready to be wired.

    Attributes
    ----------
    name : str
    multiples : int8 array (n_rows, n_columns)
        Each one of ``LINE_MULTIPLES``.
    block_exponents : uint8 array (n_rows, n_blocks)
        Relative to the row, 0 and up.
    row_exponents : int16 array (n_rows,)
    """

    name: str
    multiples: npt.NDArray[np.int8]
    block_exponents: npt.NDArray[np.uint8]
    row_exponents: npt.NDArray[np.int16]

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
        shifts = np.repeat(self.block_exponents.astype(np.int64), BLOCK, axis=1)
        return shifts[:, : self.n_columns]

    def integers(self) -> npt.NDArray[np.int64]:
        """Weights in units of ``2**row_exponent``, (n_rows, n_columns).

        Raises
        ------
        OverflowError
            ``12 << spread`` takes more than 64 bits; ``values`` has no such limit.
        """
        if self.spread > 59:
            raise OverflowError(f"{self.name}: spread {self.spread}, 64-bit integers hold 59")
        return self.multiples.astype(np.int64) << self._shifts()

    def values(self) -> npt.NDArray[np.float64]:
        """The weights as numbers, exact, (n_rows, n_columns)."""
        exponents = self._shifts() + self.row_exponents.astype(np.int64)[:, None]
        numbers: npt.NDArray[np.float64] = np.ldexp(self.multiples.astype(np.float64), exponents)
        return numbers


def _split_units(matrix: CodedMatrix) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Signed odd part and exponent of each weight; (0, 0) for zeros."""
    table = np.zeros((len(matrix.codebook.values), 2), dtype=np.int32)
    for code, value in enumerate(matrix.codebook.values):
        shift = (value & -value).bit_length() - 1 if value else 0
        odd = value >> shift
        if abs(odd) > 3:
            raise HnlpuError(
                "codebook value has no line",
                where=f"{matrix.name}: codebook {matrix.codebook.name}",
                got=str(value),
                do="the lines of a bundle carry ±{1, 3} times powers of two; quantise to mxfp4",
            )
        table[code] = odd, shift
    odd, shift = table[matrix.codes, 0], table[matrix.codes, 1]
    return odd, np.where(odd == 0, 0, shift + matrix.weight_exponents())


def _per_block(values: npt.NDArray[np.int32], fill: int) -> npt.NDArray[np.int32]:
    """(n_rows, n_columns) to (n_rows, n_blocks, BLOCK), the last block filled up."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % BLOCK)), constant_values=fill)
    return padded.reshape(values.shape[0], -1, BLOCK)


def align(matrix: CodedMatrix) -> AlignedMatrix:
    """Write every row with the smallest spread of block exponents; exact.

    Raises
    ------
    HnlpuError
        A codebook value that no line carries, or a spread beyond 63 octaves.
    """
    odd, k = _split_units(matrix)
    highest_line = np.where(np.abs(odd) == 3, 2, 3)
    high = _per_block(np.where(odd == 0, _FAR, k), _FAR).min(axis=2)
    low = _per_block(np.where(odd == 0, -_FAR, k - highest_line), -_FAR).max(axis=2)
    row = high.min(axis=1)
    row = np.where(row == _FAR, 0, row)  # a row of zeros
    block = np.maximum(low - row[:, None], 0)
    if block.max() > 63:
        worst = int(block.max(axis=1).argmax())
        raise HnlpuError(
            "block exponents spread too far for any base",
            where=f"{matrix.name}: row {worst}",
            got=f"{int(block[worst].max())} octaves",
            do="re-quantise with --exponent-values 64 or fewer and --requantize",
        )
    shift = k - row[:, None] - np.repeat(block, BLOCK, axis=1)[:, : matrix.n_columns]
    multiples = np.where(odd == 0, 0, odd << np.maximum(shift, 0)).astype(np.int8)
    assert np.isin(multiples, LINE_MULTIPLES).all() and (shift[odd != 0] >= 0).all()
    return AlignedMatrix(matrix.name, multiples, block.astype(np.uint8), row.astype(np.int16))
