"""The metal plan: which line every stub is tapped to, and where every constant pin is tied."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.errors import HnlpuError

__all__ = ["ROW_EXPONENT_BITS", "MetalPlan", "plan_metal"]

#: Pins that hold a row's own exponent, two's complement: MX scales reach from 2**-127 to 2**127.
ROW_EXPONENT_BITS = 10


@dataclass(frozen=True, slots=True, eq=False)
class MetalPlan:
    """The wiring of one matrix on its base.

    Attributes
    ----------
    base : BasePlan
    taps : uint8 array (n_rows, n_stubs)
        Line of its bundle (index into ``LINE_MULTIPLES``) that each stub is tapped to.
    exponent_pins : uint8 array (n_rows, n_exponent_pins)
        1 where the pin is tied high.
    row_exponents : int16 array (n_rows,)
    """

    base: BasePlan
    taps: npt.NDArray[np.uint8]
    exponent_pins: npt.NDArray[np.uint8]
    row_exponents: npt.NDArray[np.int16]


def plan_metal(matrix: AlignedMatrix, base: BasePlan) -> MetalPlan:
    """Wire ``matrix`` on ``base``; stubs beyond the inputs are tapped to the zero line.

    Raises
    ------
    HnlpuError
        The base has another shape, or too few exponent values for a row.
    """
    if (matrix.n_rows, matrix.n_columns) != (base.n_rows, base.n_columns):
        raise HnlpuError(
            "matrix does not fit the base",
            where=matrix.name,
            got=f"{matrix.n_rows} x {matrix.n_columns} on {base.n_rows} x {base.n_columns}",
            do="generate a base of the matrix's shape",
        )
    if matrix.spread >= base.exponent_values:
        row = int(matrix.block_exponents.max(axis=1).argmax())
        raise HnlpuError(
            "block exponents spread further than the base holds",
            where=f"{matrix.name}: row {row} on {base.name}",
            got=f"{int(matrix.block_exponents[row].max()) + 1} exponent values for "
            f"{base.exponent_values}",
            do="use a base with more --exponent-values, or allow --requantize",
        )
    line_of = np.zeros(256, dtype=np.uint8)
    for line, multiple in enumerate(LINE_MULTIPLES):
        line_of[multiple % 256] = line
    stubs = [base.stub(column) for column in range(base.n_columns)]
    taps = np.zeros((base.n_rows, base.n_stubs), dtype=np.uint8)
    taps[:, stubs] = line_of[matrix.multiples.view(np.uint8)]

    slots = base.n_superblocks * base.phases  # block c is slot c: superblock c // T, phase c % T
    exponents = np.zeros((base.n_rows, slots), dtype=np.uint8)
    exponents[:, : base.n_blocks] = matrix.block_exponents
    bits = np.arange(base.exponent_bits, dtype=np.uint8)
    pins = (exponents[:, :, None] >> bits) & 1
    flat = pins.reshape(base.n_rows, -1).astype(np.uint8)
    return MetalPlan(base, taps, flat, matrix.row_exponents)
