"""The metal plan: which driver every pin of every row is connected to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan, Pins

__all__ = ["ROW_EXPONENT_BITS", "MetalPlan", "exponents_of_bits", "plan_metal"]

#: Pins that hold a row's own exponent, two's complement: MX scales reach from 2**-127 to 2**127.
ROW_EXPONENT_BITS = 10


@dataclass(frozen=True, slots=True, eq=False)
class MetalPlan:
    """The wiring of one matrix on its base.

    Attributes
    ----------
    base : ArrayPlan
    pins : int64 array (n_rows, n_pins)
        Driver of each pin, numbered as in ``hnlpu.base``.
    row_exponents : int16 array (n_rows,)
    """

    base: ArrayPlan
    pins: Pins
    row_exponents: npt.NDArray[np.int16]

    @property
    def row_exponent_bits(self) -> npt.NDArray[np.int64]:
        """Bits of each row's exponent, low first, (n_rows, ROW_EXPONENT_BITS)."""
        exponents = self.row_exponents.astype(np.int64)[:, None]
        return exponents >> np.arange(ROW_EXPONENT_BITS) & 1


def exponents_of_bits(bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
    """Row exponents whose bits these are; the inverse of :attr:`MetalPlan.row_exponent_bits`."""
    exponents = bits @ (1 << np.arange(ROW_EXPONENT_BITS)) - (bits[:, -1] << ROW_EXPONENT_BITS)
    return np.asarray(exponents, dtype=np.int16)


def plan_metal(matrix: AlignedMatrix, base: ArrayPlan) -> MetalPlan:
    """Wire ``matrix`` on ``base``.

    Raises
    ------
    HnlpuError
        It does not fit: another shape or codebook, too wide a spread of exponents, a region too small.
    """
    return MetalPlan(base, base.wire(matrix), matrix.row_exponents)
