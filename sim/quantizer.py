"""Twin of ``hnlpu.rtl.quantizer``: block floating point, one power of two for a vector."""

import numpy as np

from hnlpu.sim.fixed_point import Integers, bit_length, round_shift

__all__ = ["quantize"]


def quantize(values: Integers, n_bits: int) -> tuple[Integers, Integers]:
    """Integers of ``n_bits`` and the power of two they are in units of.

    The shift is the smallest that leaves the largest magnitude below ``2**(n_bits - 1)`` before rounding;
    a value that rounding takes there is brought back by one.

    Parameters
    ----------
    values : (..., n)

    Returns
    -------
    integers : (..., n)
    shift : (...)
        ``values`` are about ``integers * 2**shift``.
    """
    shift = np.maximum(bit_length(np.abs(values).max(axis=-1)) - (n_bits - 1), 0)
    rounded = round_shift(values, shift[..., None])
    return np.minimum(rounded, (1 << (n_bits - 1)) - 1), shift
