"""Scaling, bias and rounding of results, against fractions and by hand."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from hnlpu.chip import HardwiredMatrix
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.projection import project


def matrix(weights, row_exponents, bias, multipliers=None):
    return HardwiredMatrix(
        "m",
        np.array(weights, dtype=float),
        np.array(row_exponents),
        None if multipliers is None else np.array(multipliers),
        np.array(bias),
    )


def test_by_hand():
    """Row 0: (3 * 2 - 5) * 2**-1 = 0.5 is 2 on a grid of 2 fraction bits, plus 10; row 1 rounds up."""
    m = matrix([[3, -1], [1, 0], [-1, 0]], [-1, -4, -4], [10, 0, 0])
    saturate = Saturation()
    y = project(np.array([[2, 5]]), np.array([0]), m, 2, 8, saturate, "y")
    # Rows 1 and 2: 2 / 16 and -2 / 16 in quarters are 0.5 and -0.5: half up.
    assert y.tolist() == [[12, 1, 0]]
    assert saturate.counts == {"y": 0}


def test_multipliers_and_saturation_by_hand():
    m = matrix([[4], [4], [-4]], [0, 0, 0], [1, 0, 0], [3 << 14, 1 << 15, 1 << 15])
    saturate = Saturation()
    y = project(np.array([[5], [40]]), np.array([0, 0]), m, 0, 8, saturate, "y")
    assert y.tolist() == [[31, 20, -20], [127, 127, -128]]  # 4 * 5 * 1.5 + 1
    assert saturate.counts == {"y": 3}


@pytest.mark.parametrize("has_multipliers", [False, True])
def test_equals_fractions(has_multipliers):
    rng = np.random.default_rng(0)
    rows, columns, fraction = 6, 9, 5
    weights = rng.integers(-96, 97, (rows, columns))
    exponents = rng.integers(-12, 3, rows)
    bias = rng.integers(-500, 500, rows)
    multipliers = rng.integers(1 << 15, 1 << 16, rows) if has_multipliers else None
    x, own = rng.integers(-128, 128, (20, columns)), rng.integers(-6, 3, 20)
    got = project(
        x, own, matrix(weights, exponents, bias, multipliers), fraction, 40, Saturation(), "y"
    )
    for t in range(20):
        for r in range(rows):
            value = Fraction(int(weights[r] @ x[t])) * Fraction(2) ** int(exponents[r] + own[t])
            if multipliers is not None:
                value *= Fraction(int(multipliers[r]), 1 << 15)
            assert got[t, r] == floor(value * 2**fraction + Fraction(1, 2)) + bias[r]
