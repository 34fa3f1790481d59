"""The one weight type: integer codes into a codebook with a power-of-two exponent per block."""

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
    """A weight matrix as codes: ``codebook[code] * 2**(unit_exponent + block exponent)``.

    Attributes
    ----------
    name : str
        Where the weights come from; names the matrix in every message and report.
    codes : uint8 array (n_rows, n_columns)
    exponents : int16 array (n_rows, ceil(n_columns / BLOCK))
        Unbiased exponent of each block of ``BLOCK`` inputs.
    codebook : Codebook
    """

    name: str
    codes: npt.NDArray[np.uint8]
    exponents: npt.NDArray[np.int16]
    codebook: Codebook

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or 0 in self.codes.shape:
            raise HnlpuError(
                "a weight matrix needs rows and columns",
                where=self.name,
                got=f"shape {self.codes.shape}",
                do="check the checkpoint",
            )
        expected = (self.n_rows, -(-self.n_columns // BLOCK))
        if self.exponents.shape != expected:
            raise HnlpuError(
                "block exponents do not fit the codes",
                where=self.name,
                got=f"shape {self.exponents.shape} for {expected}",
                do=f"give one exponent per {BLOCK} inputs of a row",
            )
        if int(self.codes.max()) >= len(self.codebook.values):
            row, column = np.argwhere(self.codes >= len(self.codebook.values))[0]
            raise HnlpuError(
                "code outside the codebook",
                where=f"{self.name}[{row}, {column}]",
                got=str(self.codes[row, column]),
                do=f"{self.codebook.name} has codes 0 to {len(self.codebook.values) - 1}",
            )

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
        per_weight = np.repeat(self.exponents.astype(np.int32), BLOCK, axis=1)
        return per_weight[:, : self.n_columns] + self.codebook.unit_exponent

    def values(self) -> npt.NDArray[np.float64]:
        """The weights as numbers, exact in float64, (n_rows, n_columns)."""
        return np.ldexp(self.units().astype(np.float64), self.weight_exponents())
