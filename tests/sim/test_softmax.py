"""Terms and reciprocals against float64, and by hand."""

import numpy as np
import pytest

from hnlpu.numerics import Numerics
from hnlpu.sim.softmax import exp2_terms, reciprocal
from hnlpu.tables import EXP_BITS, RECIPROCAL_BITS

ONE = 1 << (EXP_BITS - 1)


def test_terms_by_hand():
    n = Numerics(exp_table_bits=8)
    below = np.array([0, 256, 512, 128, 15 * 256, 16 * 256, 17 * 256, 40 * 256])
    # 2**-16 is half a unit and rounds up; half an octave is 2**-0.5.
    assert exp2_terms(below, n).tolist() == [32768, 16384, 8192, 23170, 1, 1, 0, 0]


@pytest.mark.parametrize("table_bits", [2, 8, 12])
def test_terms_are_within_a_unit(table_bits):
    n = Numerics(exp_table_bits=table_bits)
    below = np.arange(20 << table_bits)
    terms = exp2_terms(below, n)
    exact = np.exp2(-below / (1 << table_bits)) * ONE
    # The table is rounded, then what is shifted out.
    assert np.abs(terms - exact).max() <= 0.75
    assert (np.diff(terms) <= 0).all()


def test_reciprocal_by_hand():
    factor, shift = reciprocal(np.array([1, 2, 3, 32768, 65536, 98304, 98305]))
    # 3 becomes 49152, the 16 bits from its highest on; the last total loses its lowest bit.
    assert factor.tolist() == [65536, 65536, 43690, 65536, 65536, 43690, 43690]
    assert shift.tolist() == [16, 17, 17, 31, 32, 32, 32]


def test_reciprocal_is_close():
    rng = np.random.default_rng(0)
    totals = np.unique(np.exp2(rng.uniform(0, 44, 5000)).astype(np.int64))
    factor, shift = reciprocal(totals)
    error = factor * np.exp2(-shift) * totals - 1
    # Cutting the total makes it larger, cutting the quotient smaller.
    assert error.max() < 2.0 ** -(RECIPROCAL_BITS - 1)
    assert error.min() > -(2.0 ** -(RECIPROCAL_BITS - 1))
    assert factor.min() >= 1 << (RECIPROCAL_BITS - 1)
    assert factor.max() <= 1 << RECIPROCAL_BITS
