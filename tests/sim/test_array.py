"""The twin itself, against fractions and by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.sim.array import array_outputs


def test_by_hand():
    weights = np.array([[0.5, -1.5, 0.0], [8.0, 0.0, -96.0]])
    rows = np.array([-1, 3], dtype=np.int16)
    x = np.array([[1, 0, 0], [2, 3, 4], [-128, 127, -128]])
    # Row 0 in halves: (1, -3, 0); row 1 in eights: (1, 0, -12).
    assert array_outputs(weights, rows, x).tolist() == [
        [1, 1],
        [2 - 9, 2 - 48],
        [-128 - 381, -128 + 1536],
    ]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 60))
def test_equals_the_sum_in_fractions(seed, rows, columns):
    rng = np.random.default_rng(seed)
    units = rng.integers(-12, 13, (rows, columns)) << rng.integers(0, 8, (rows, columns))
    exponents = rng.integers(-128, 128, rows).astype(np.int16)
    weights = np.ldexp(units.astype(np.float64), exponents.astype(int)[:, None])
    x = rng.integers(-128, 128, (2, columns))
    got = array_outputs(weights, exponents, x)
    for vector in range(2):
        for row in range(rows):
            total = sum(
                (Fraction(float(weights[row, k])) * int(x[vector, k]) for k in range(columns)),
                Fraction(0),
            )
            assert int(got[vector, row]) * Fraction(2) ** int(exponents[row]) == total


def test_a_weight_between_units_is_named():
    weights = np.ones((3, 4))
    weights[2, 1] = 1.5
    with pytest.raises(ValueError, match=r"weight \[2, 1\] = 1.5 is no multiple of 2\*\*0"):
        array_outputs(weights, np.zeros(3, np.int16), np.zeros((1, 4), np.int64))
