"""Fixed point: the only place where the twin rounds and saturates.

All values are int64 arrays. Rounding is half up: ``floor(v / 2**n + 1/2)``.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["Integers", "Saturation", "bit_length", "round_shift", "scale"]

Integers = npt.NDArray[np.int64]

#: Largest left shift of a result (``scale``); a larger one is refused when constants are made.
MAX_LEFT_SHIFT = 15
#: A right shift beyond this leaves nothing of any value of the chip.
MAX_RIGHT_SHIFT = 47


class Saturation:
    """Saturates, and counts how often it had to, by block.

    Attributes
    ----------
    counts : dict of str to int
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def __call__(self, values: Integers, n_bits: int, block: str) -> Integers:
        """``values`` brought into the range of signed integers of ``n_bits``."""
        low, high = -(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1
        result = np.minimum(np.maximum(values, low), high)
        n = int(np.count_nonzero(result != values))
        self.counts[block] = self.counts.get(block, 0) + n
        return result


def bit_length(values: Integers) -> Integers:
    """Bits of non-negative integers below 2**53, 0 for 0."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def round_shift(values: Integers, shift: int | Integers) -> Integers:
    """``values / 2**shift`` rounded half up; ``shift`` is not negative."""
    half: Integers = (np.int64(1) << np.asarray(shift, dtype=np.int64)) >> 1
    result: Integers = (values + half) >> shift
    return result


def scale(values: Integers, shift: Integers) -> Integers:
    """``values / 2**shift`` rounded half up; a negative shift is a multiplication."""
    clipped = np.minimum(np.maximum(shift, -MAX_LEFT_SHIFT), MAX_RIGHT_SHIFT)
    right = np.maximum(clipped, 0)
    return round_shift(values << (right - clipped), right)
