"""Twin of ``hnlpu.rtl.rmsnorm``.

    y = x * rsqrt(mean(x**2) + epsilon) * gain

in integers: the sum of squares is exact; its reciprocal root comes from a table and one Newton step; each
result is rounded once. ``sqrt(n)`` of the mean is part of the gains.
"""

import numpy as np

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, Saturation, bit_length, round_shift
from hnlpu.tables import RSQRT_BITS, rsqrt_table

__all__ = ["rmsnorm", "rsqrt"]


def rsqrt(v: Integers, numerics: Numerics) -> tuple[Integers, Integers]:
    """``1 / sqrt(v) = root * 2**-(RSQRT_BITS + octaves)`` of positive integers below 2**53."""
    octaves = (bit_length(v) - 1) >> 1
    left = RSQRT_BITS - 2 * octaves
    m = (v << np.maximum(left, 0)) >> np.maximum(-left, 0)  # 1 to 4, RSQRT_BITS of fraction
    upper = m >> (RSQRT_BITS + 1)  # 1 from 2 on
    half_bits = numerics.rsqrt_table_bits - 1
    within = (m >> (RSQRT_BITS + upper - half_bits)) & ((1 << half_bits) - 1)
    first = rsqrt_table(numerics)[(upper << half_bits) + within]
    # first * (3 - m * first**2) / 2
    product = m * ((first * first) >> (RSQRT_BITS - 2))
    rest = (3 << (2 * RSQRT_BITS + 2)) - product
    return round_shift(first * (rest >> (RSQRT_BITS + 2)), RSQRT_BITS + 1), octaves


def rmsnorm(
    x: Integers, gains: Integers, epsilon: int, numerics: Numerics, saturate: Saturation, block: str
) -> Integers:
    """Normalise vectors.

    Parameters
    ----------
    x : (..., n)
        On the residual grid.
    gains : (n,)
        ``gain * sqrt(n)`` with ``gamma_bits``; see ``hnlpu.chip.Norm``.
    epsilon : int
        ``epsilon * n`` in units of a square of the residual grid, at least 1.

    Returns
    -------
    (..., n), of ``value_bits``, with ``value_bits - gamma_bits`` more fraction bits than the gains.
    """
    root, octaves = rsqrt((x * x).sum(axis=-1) + epsilon, numerics)
    shift = RSQRT_BITS + numerics.gamma_bits - numerics.value_bits + octaves
    products = x * root[..., None] * gains
    return saturate(round_shift(products, shift[..., None]), numerics.value_bits, block)
