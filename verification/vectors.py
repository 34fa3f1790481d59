"""Input vectors that an array is verified with."""

import numpy as np
import numpy.typing as npt

__all__ = ["N_CORNERS", "input_vectors"]

N_CORNERS = 5


def input_vectors(
    n_columns: int, activation_bits: int, n_random: int, seed: int
) -> npt.NDArray[np.int64]:
    """Corners, every one-hot input, and seeded random vectors.

    All zero, all minimum, all maximum, alternating both ways; then input ``k`` = 1 alone for every
    ``k``, which reads column ``k`` of the weights functionally; then ``n_random`` uniform vectors.

    Returns
    -------
    int64 array (N_CORNERS + n_columns + n_random, n_columns)
    """
    low, high = -(1 << (activation_bits - 1)), (1 << (activation_bits - 1)) - 1
    odd = np.arange(n_columns) % 2 == 1
    corners = [
        np.zeros(n_columns, dtype=np.int64),
        np.full(n_columns, low, dtype=np.int64),
        np.full(n_columns, high, dtype=np.int64),
        np.where(odd, low, high),
        np.where(odd, high, low),
    ]
    assert len(corners) == N_CORNERS
    rng = np.random.default_rng(seed)
    random = rng.integers(low, high + 1, (n_random, n_columns))
    return np.concatenate([corners, np.eye(n_columns, dtype=np.int64), random])
