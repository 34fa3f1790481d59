"""Twin of ``hnlpu.rtl.softmax``: terms rounded once to one grid, and one reciprocal of their sum.

No sum is ever rounded or rescaled, so the order of its terms cannot matter.
"""

import numpy as np

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, bit_length, round_shift
from hnlpu.tables import EXP_BITS, RECIPROCAL_BITS, exp2_table

__all__ = ["exp2_terms", "reciprocal"]


def exp2_terms(below: Integers, numerics: Numerics) -> Integers:
    """``2**-below``; ``below`` is not negative, in octaves with ``exp_table_bits`` of fraction."""
    n = 1 << numerics.exp_table_bits
    octaves = np.minimum(below >> numerics.exp_table_bits, EXP_BITS + 1)  # nothing is left there
    return round_shift(exp2_table(numerics)[below & (n - 1)], octaves)


def reciprocal(total: Integers) -> tuple[Integers, Integers]:
    """``1 / total = factor * 2**-shift`` of positive integers, cut to ``RECIPROCAL_BITS`` bits."""
    n_bits = bit_length(total)
    left = RECIPROCAL_BITS - n_bits
    m = (total << np.maximum(left, 0)) >> np.maximum(-left, 0)
    return (1 << (2 * RECIPROCAL_BITS - 1)) // m, 2 * RECIPROCAL_BITS - 1 - left
