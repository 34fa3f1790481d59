"""RMS norm against float64, within the error that its table and its grid allow."""

from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.rmsnorm import rmsnorm, rsqrt
from hnlpu.tables import RSQRT_BITS

TABLE_BITS = pytest.mark.parametrize("table_bits", [2, 3, 6, 9, 12])


def root_error(table_bits: int) -> float:
    """Bound of the root's relative error.

    A segment's middle is off by at most ``2**-table_bits`` of 1, half of that in the root; one Newton step
    makes ``3/2 e**2`` of a relative error ``e``. The roundings on the way are worth a few units.
    """
    return 1.5 * (2.0 ** -(table_bits + 1)) ** 2 + 2 * 2.0**-RSQRT_BITS


@TABLE_BITS
def test_root_of_every_small_number_and_beside_powers_of_two(table_bits):
    powers = [(1 << k) + d for k in range(3, 53) for d in (-1, 0, 1)]
    v = np.array([*range(1, 1 << 14), *powers, (1 << 53) - 1])
    root, octaves = rsqrt(v, Numerics(rsqrt_table_bits=table_bits))
    found = root * 2.0 ** -(RSQRT_BITS + octaves)
    assert np.abs(found * np.sqrt(v) - 1).max() <= root_error(table_bits)
    assert root.max() <= (1 << RSQRT_BITS) + 1


@settings(deadline=None)
@given(st.lists(st.integers(1, (1 << 53) - 1), min_size=1), st.integers(2, 12))
def test_root_has_a_bounded_error(values, table_bits):
    v = np.array(values)
    root, octaves = rsqrt(v, Numerics(rsqrt_table_bits=table_bits))
    found = root * 2.0 ** -(RSQRT_BITS + octaves)
    assert np.abs(found * np.sqrt(v) - 1).max() <= root_error(table_bits)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 70), st.integers(0, 18), st.integers(1, 1 << 20))
def test_equals_float64_within_half_a_unit_and_the_roots_error(seed, length, shift, epsilon):
    numerics = Numerics()
    rng = np.random.default_rng(seed)
    x = rng.integers(-(1 << 19), 1 << 19, (2, length)) >> shift
    gains = rng.integers(-(1 << 15), 1 << 15, length)
    saturate = Saturation()
    y = rmsnorm(x, gains, epsilon, numerics, saturate, "y")
    scale = 2.0 ** (numerics.value_bits - numerics.gamma_bits)
    exact = (
        x * gains * scale / np.sqrt((x.astype(float) ** 2).sum(axis=-1, keepdims=True) + epsilon)
    )
    error = 0.5 + root_error(numerics.rsqrt_table_bits) * np.abs(exact)
    limit = 2.0 ** (numerics.value_bits - 1)
    assert (np.abs(y - np.clip(exact, -limit, limit - 1)) <= error).all()


@pytest.mark.parametrize("n", [1, 64, 100])
def test_in_real_numbers(n):
    """x * rsqrt(mean(x**2) + epsilon) * gain, with gains brought to their grid as a chip's are."""
    numerics, epsilon = Numerics(), 1e-3
    rng = np.random.default_rng(n)
    x = np.rint(rng.normal(0, 3, (5, n)) * 256).astype(np.int64)
    gain = rng.uniform(0.2, 3, n)
    octaves = ceil(log2(gain.max() * np.sqrt(n) * 1.001))
    fraction = numerics.gamma_bits - 1 - octaves
    gains = np.floor(gain * np.sqrt(n) * 2.0**fraction + 0.5).astype(np.int64)
    saturate = Saturation()
    y = rmsnorm(x, gains, round(epsilon * n * 4**8), numerics, saturate, "y")
    real = x / 256
    exact = real / np.sqrt((real**2).mean(axis=-1, keepdims=True) + epsilon) * gain
    unit = 2.0 ** (octaves + 1 - numerics.value_bits)
    gain_error = 0.5 * 2.0**-fraction / (gain * np.sqrt(n))
    assert (np.abs(y * unit - exact) <= np.abs(exact) * (1.5e-4 + gain_error) + unit).all()
    assert saturate.counts == {"y": 0}


def test_corners():
    numerics, saturate = Numerics(), Saturation()
    low, high = -(1 << 19), (1 << 19) - 1
    alone = np.zeros(9, dtype=np.int64)
    alone[4] = low
    x = np.stack([np.zeros(9, dtype=np.int64), alone, np.full(9, high)])
    gains = np.full(9, 1 << 14)
    y = rmsnorm(x, gains, 1, numerics, saturate, "y")
    one = 1 << (14 + numerics.value_bits - numerics.gamma_bits)
    assert not y[0].any()  # nothing, whatever epsilon is
    assert not np.delete(y[1], 4).any()
    assert y[1, 4] == pytest.approx(-one, rel=1.5e-4)
    assert y[2] == pytest.approx(one / 3, rel=1.5e-4)
    assert saturate.counts == {"y": 0}


def test_only_the_lowest_gain_can_be_clipped():
    """A vector with one element is its gain, a root that was rounded up a little more."""
    numerics = Numerics()
    x = np.array([[-523903], [523903]])
    for gain, clipped in ((-(1 << 15), 1), (-(1 << 15) + 1, 0), ((1 << 15) - 1, 0)):
        saturate = Saturation()
        rmsnorm(x, np.array([gain]), 1, numerics, saturate, "y")
        assert saturate.counts == {"y": clipped}, gain
