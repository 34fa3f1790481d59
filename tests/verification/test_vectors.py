"""The vectors that every array meets."""

import numpy as np
import pytest

from hnlpu.verification.vectors import N_CORNERS, input_vectors


@pytest.mark.parametrize("columns", [1, 2, 40])
@pytest.mark.parametrize("bits", [2, 8, 16])
@pytest.mark.parametrize("n_random", [0, 7])
def test_corners_one_hot_and_random(columns, bits, n_random):
    x = input_vectors(columns, bits, n_random, seed=3)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert x.shape == (N_CORNERS + columns + n_random, columns)
    assert [set(row.tolist()) for row in x[:3]] == [{0}, {low}, {high}]
    assert (x[3] + x[4] == -1).all()  # low where the other is high
    if columns > 1:
        assert set(x[3].tolist()) == set(x[4].tolist()) == {low, high}
    assert np.array_equal(x[N_CORNERS : N_CORNERS + columns], np.eye(columns))
    assert low <= x.min() and x.max() <= high


def test_the_seed_decides():
    a, b, c = (input_vectors(40, 8, 9, seed) for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert np.array_equal(a[:-9], c[:-9])
    assert not (a[-9:] == c[-9:]).all(axis=1).any()


def test_random_vectors_meet_both_ends():
    x = input_vectors(50, 4, 100, seed=0)[-100:]
    assert set(x.ravel().tolist()) == set(range(-8, 8))
