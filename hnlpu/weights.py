"""The one weight type: codes into a codebook of integers, a power of two per block, a scale per row."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.codebook import Codebook
from hnlpu.errors import HnlpuError

__all__ = ["BLOCK", "CodedMatrix"]

#: Inputs that share a block exponent in the MX formats (OCP MX specification v1.0, section 5.2).
BLOCK = 32


@dataclass(frozen=True, slots=True, eq=False)
class CodedMatrix:
    """A weight matrix as codes.

        weight = codebook[code] * 2**(unit_exponent + block exponent) * row scale

    Attributes
    ----------
    name : str
        Where the weights come from; names the matrix in every message and report.
    codes : uint8 array (n_rows, n_columns)
    exponents : int16 array (n_rows, ceil(n_columns / block))
        Unbiased exponent of each block of inputs.
    codebook : Codebook
    block : int
        Inputs that share an exponent.
    row_scales : float64 array (n_rows,) or None
        Given as any positive numbers; kept from 1 up to, not including, 2, their powers of two moved
        to ``exponents``. None where nothing is left: then the weights of a row are integers times a
        power of two.
    """

    name: str
    codes: npt.NDArray[np.uint8]
    exponents: npt.NDArray[np.int16]
    codebook: Codebook
    block: int = BLOCK
    row_scales: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or 0 in self.codes.shape:
            raise HnlpuError(
                "a weight matrix needs rows and columns",
                where=self.name,
                got=f"shape {self.codes.shape}",
                do="check the checkpoint",
            )
        if self.block < 1:
            raise HnlpuError(
                "a block needs inputs",
                where=self.name,
                got=f"block {self.block}",
                do="give 1 or more",
            )
        expected = (self.n_rows, -(-self.n_columns // self.block))
        if self.exponents.shape != expected:
            raise HnlpuError(
                "block exponents do not fit the codes",
                where=self.name,
                got=f"shape {self.exponents.shape} for {expected}",
                do=f"give one exponent per {self.block} inputs of a row",
            )
        if int(self.codes.max()) >= len(self.codebook.values):
            row, column = np.argwhere(self.codes >= len(self.codebook.values))[0]
            raise HnlpuError(
                "code outside the codebook",
                where=f"{self.name}[{row}, {column}]",
                got=str(self.codes[row, column]),
                do=f"{self.codebook.name} has codes 0 to {len(self.codebook.values) - 1}",
            )
        if self.row_scales is not None:
            self._fold(np.asarray(self.row_scales, dtype=np.float64))

    def _fold(self, scales: npt.NDArray[np.float64]) -> None:
        """Move the powers of two of the row scales to the exponents."""
        if scales.shape != (self.n_rows,):
            raise HnlpuError(
                "row scales do not fit the codes",
                where=self.name,
                got=f"shape {scales.shape} for {(self.n_rows,)}",
                do="give one scale per row",
            )
        bad = ~(np.isfinite(scales) & (scales > 0))
        if bad.any():
            row = int(bad.argmax())
            raise HnlpuError(
                "row scale is not a positive number",
                where=f"{self.name}: row {row}",
                got=str(scales[row]),
                do="check the checkpoint",
            )
        mantissas, powers = np.frexp(scales)
        exponents = self.exponents.astype(np.int32) + (powers[:, None] - 1)
        object.__setattr__(self, "exponents", exponents.astype(np.int16))
        object.__setattr__(self, "row_scales", None if (mantissas == 0.5).all() else 2 * mantissas)

    @property
    def n_rows(self) -> int:
        return int(self.codes.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.codes.shape[1])

    @property
    def n_weights(self) -> int:
        return int(self.codes.size)

    def units(self) -> npt.NDArray[np.int16]:
        """Codebook values without block exponents, (n_rows, n_columns)."""
        return np.asarray(self.codebook.values, dtype=np.int16)[self.codes]

    def histogram(self) -> dict[str, int]:
        """Weights by codebook value (before the block exponent), ascending; zeros under ``"0"``."""
        units = Counter(self.units().ravel().tolist())
        scale = 2.0**self.codebook.unit_exponent
        return {f"{unit * scale:g}": units[unit] for unit in sorted(units)}

    def weight_exponents(self) -> npt.NDArray[np.int32]:
        """Power of two that each weight's unit stands for, (n_rows, n_columns)."""
        per_weight = np.repeat(self.exponents.astype(np.int32), self.block, axis=1)
        return per_weight[:, : self.n_columns] + self.codebook.unit_exponent

    def values(self) -> npt.NDArray[np.float64]:
        """The weights as numbers, (n_rows, n_columns); exact but for the product with a row scale."""
        numbers = self.units().astype(np.float64)
        if self.row_scales is not None:
            numbers *= self.row_scales[:, None]
        return np.ldexp(numbers, self.weight_exponents())
