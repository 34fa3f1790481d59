"""Rounding, saturation and bit lengths against whole numbers and fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.sim.fixed_point import (
    MAX_LEFT_SHIFT,
    MAX_RIGHT_SHIFT,
    Saturation,
    bit_length,
    round_shift,
    scale,
)

WIDE = st.integers(-(1 << 60), 1 << 60)


def half_up(value: int, shift: int) -> int:
    return floor(Fraction(value) / Fraction(2) ** shift + Fraction(1, 2))


def test_rounds_half_up_by_hand():
    values = np.array([-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6])
    assert round_shift(values, 2).tolist() == [-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert round_shift(values, 0).tolist() == values.tolist()
    # A shift for each.
    assert round_shift(np.array([5, 5, 5, -5]), np.array([0, 1, 2, 1])).tolist() == [5, 3, 1, -2]


@given(WIDE, st.integers(0, 60))
def test_round_shift_is_the_rounded_quotient(value, shift):
    assert int(round_shift(np.array(value), shift)) == half_up(value, shift)


@given(st.integers(-(1 << 45), 1 << 45), st.integers(-MAX_LEFT_SHIFT, MAX_RIGHT_SHIFT))
def test_scale_is_the_rounded_quotient_for_either_sign(value, shift):
    assert int(scale(np.array(value), np.array(shift))) == half_up(value, shift)


@given(st.integers(-(1 << 45), 1 << 45), st.integers(MAX_RIGHT_SHIFT, 400))
def test_scale_leaves_nothing_after_a_long_shift(value, shift):
    assert int(scale(np.array(value), np.array(shift))) == 0 == half_up(value, shift)


@pytest.mark.parametrize("k", range(54))
def test_bit_length_beside_powers_of_two(k):
    """To the last integer that a double holds with all below it."""
    values = [v for v in ((1 << k) - 1, 1 << k, (1 << k) + 1) if v < 1 << 53]
    assert bit_length(np.array(values)).tolist() == [v.bit_length() for v in values]


@given(st.lists(st.integers(0, (1 << 53) - 1), min_size=1))
def test_bit_length_is_that_of_python(values):
    assert bit_length(np.array(values)).tolist() == [v.bit_length() for v in values]


def test_saturation_clips_and_counts_by_block():
    saturate = Saturation()
    values = np.array([[-129, -128, 0], [127, 128, 1 << 50]])
    assert saturate(values, 8, "a").tolist() == [[-128, -128, 0], [127, 127, 127]]
    assert saturate(values, 52, "b").tolist() == values.tolist()
    saturate(values[0], 8, "a")
    assert saturate.counts == {"a": 4, "b": 0}


@given(st.lists(WIDE, min_size=1), st.integers(2, 32))
def test_saturation_takes_the_nearest_of_the_range(values, n_bits):
    saturate = Saturation()
    low, high = -(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1
    expected = [min(max(v, low), high) for v in values]
    assert saturate(np.array(values), n_bits, "x").tolist() == expected
    assert saturate.counts["x"] == sum(a != b for a, b in zip(values, expected, strict=True))
