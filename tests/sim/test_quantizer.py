"""Block floating point: by hand, and the properties that define it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hnlpu.sim.quantizer import quantize

VECTORS = arrays(
    np.int64, st.tuples(st.integers(1, 3), st.integers(1, 9)), elements=st.integers(-(1 << 23), 1 << 23)
)  # fmt: skip


def test_by_hand():
    values = np.array([[0, 0, 0], [7, -7, 1], [8, -8, 1], [100, -3, 9], [127, -127, 120]])
    integers, shift = quantize(values, 4)
    assert shift.tolist() == [0, 0, 1, 4, 4]
    # 9 / 16 and -3 / 16 round to 1 and 0; 127 / 16 rounds to 8, which is brought back, -127 / 16 stays.
    assert integers.tolist() == [[0, 0, 0], [7, -7, 1], [4, -4, 1], [6, 0, 1], [7, -8, 7]]


@given(VECTORS, st.integers(2, 16))
def test_shift_is_the_smallest(values, n_bits):
    integers, shift = quantize(values, n_bits)
    for row, own in zip(values, shift.tolist(), strict=True):
        largest = int(np.abs(row).max())
        assert largest < 1 << (n_bits - 1 + own)
        assert own == 0 or largest >= 1 << (n_bits - 2 + own)
    assert integers.min() >= -(1 << (n_bits - 1)) and integers.max() < 1 << (n_bits - 1)


@given(VECTORS, st.integers(2, 16))
def test_error_is_half_a_unit_but_for_what_is_brought_back(values, n_bits):
    integers, shift = quantize(values, n_bits)
    unit = np.int64(1) << shift[:, None]
    error = np.abs(integers * unit - values)
    clipped = integers == (1 << (n_bits - 1)) - 1
    assert (2 * error <= np.where(clipped, 2 * unit, unit)).all()
    assert (error[np.broadcast_to(unit == 1, error.shape)] == 0).all()


@given(VECTORS, st.integers(2, 16), st.integers(1, 20))
def test_a_power_of_two_is_only_the_exponent(values, n_bits, k):
    """Once a vector has been shifted at all, a larger one of the same form has the same integers."""
    values = values * (1 << n_bits)
    values[:, 0] = np.where(values.any(axis=-1), values[:, 0], 1 << n_bits)
    integers, shift = quantize(values, n_bits)
    again, more = quantize(values << k, n_bits)
    assert again.tolist() == integers.tolist()
    assert more.tolist() == (shift + k).tolist()
