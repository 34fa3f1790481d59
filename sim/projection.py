"""Twin of ``hnlpu.rtl.drain``: results of an array, scaled, biased and rounded once."""

import numpy as np

from hnlpu.chip import MULTIPLIER_BITS, HardwiredMatrix
from hnlpu.sim.fixed_point import Integers, Saturation, scale

__all__ = ["drain", "multiply", "project"]


def project(
    x: Integers,
    exponent: Integers,
    matrix: HardwiredMatrix,
    fraction: int,
    n_bits: int,
    saturate: Saturation,
    block: str,
) -> Integers:
    """Multiply by a hardwired matrix and bring the results to a grid.

    Parameters
    ----------
    x : (n_tokens, n_columns)
        Integers in units of ``2**exponent``.
    exponent : (n_tokens,)
    matrix : HardwiredMatrix
    fraction, n_bits : int
        The grid of the results.
    """
    return drain(multiply(x, matrix), exponent, matrix, fraction, n_bits, saturate, block)


def multiply(x: Integers, matrix: HardwiredMatrix) -> Integers:
    """Sums of the rows for each token, (n_tokens, n_rows)."""
    # float64: exact, every sum stays below 2**53, and the product is a fast one
    y: Integers = (x.astype(np.float64) @ matrix.weights.T).astype(np.int64)
    return y


def drain(
    y: Integers,
    exponent: Integers,
    matrix: HardwiredMatrix,
    fraction: int,
    n_bits: int,
    saturate: Saturation,
    block: str,
) -> Integers:
    """Bring the sums of an array to a grid; as :func:`project`, with ``y`` (n_tokens, n_rows) in units of the rows."""
    shift = -(exponent[:, None] + matrix.row_exponents + fraction)
    if matrix.multipliers is not None:
        y = y * matrix.multipliers
        shift = shift + MULTIPLIER_BITS
    return saturate(scale(y, shift) + matrix.bias, n_bits, block)
