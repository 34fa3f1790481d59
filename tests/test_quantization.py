"""Quantising to MXFP4 against brute force over every code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import align
from hnlpu.codebook import E2M1
from hnlpu.quantization import limit_spread, quantize_mxfp4
from hnlpu.weights import BLOCK, CodedMatrix

GRID = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def random_coded(seed: int, rows: int, columns: int, low: int, high: int) -> CodedMatrix:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (rows, columns)).astype(np.uint8)
    exponents = rng.integers(low, high + 1, (rows, -(-columns // BLOCK))).astype(np.int16)
    return CodedMatrix("m", codes, exponents, E2M1)


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.integers(1, 100),
    st.sampled_from([(-127, 127), (-127, -120), (120, 127), (-3, 3), (0, 0)]),
)
def test_weights_on_the_grid_come_back(seed, rows, columns, exponents):
    values = random_coded(seed, rows, columns, *exponents).values()
    coded, error = quantize_mxfp4(values, "m")
    assert np.array_equal(coded.values(), values)
    assert error.lossless and error.saturated == 0


def nearest_codes(values: np.ndarray, exponent: int) -> list[int]:
    """Per value the code of the nearest grid value; of two, the even one."""
    codes = []
    for value in np.abs(values) / 2.0**exponent:
        distance = np.abs(GRID - value)
        best = np.flatnonzero(distance == distance.min())
        codes.append(int(next((c for c in best if c % 2 == 0), best[0])))
    return codes


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(-20, 20), st.booleans())
def test_rounds_to_the_nearest(seed, columns, scale, on_ties):
    rng = np.random.default_rng(seed)
    # Multiples of a quarter meet every tie of the grid; normal numbers meet none.
    raw = rng.integers(-28, 29, columns) / 4 if on_ties else rng.normal(size=columns)
    values = np.ldexp(raw, scale)[None]
    coded, _ = quantize_mxfp4(values, "m")
    for block in range(coded.exponents.shape[1]):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        expected = nearest_codes(values[0, part], int(coded.exponents[0, block]))
        assert (coded.codes[0, part] & 7).tolist() == expected
    signs = np.sign(coded.values()) * np.sign(values)
    assert (signs >= 0).all()


@pytest.mark.parametrize(
    "value, rounded",
    [(0.25, 0), (0.75, 1), (1.25, 1), (1.75, 2), (2.5, 2), (3.5, 4), (5.0, 4)],
)
def test_ties_go_to_the_even_code(value, rounded):
    """Beside eights and sixes, which leave the block its scale."""
    row = np.full(BLOCK, 6.0)
    row[0], row[1] = value, -value
    coded, error = quantize_mxfp4(row[None], "m")
    assert coded.exponents.tolist() == [[0]]
    assert coded.values()[0, :2].tolist() == [rounded, -rounded]
    assert not error.lossless


def squared_error(block: np.ndarray, exponent: int) -> float:
    scaled = np.abs(block) / 2.0**exponent
    nearest = np.abs(scaled[:, None] - GRID).min(axis=1)
    return float(((nearest * 2.0**exponent) ** 2).sum())


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 32), st.sampled_from(["normal", "uniform", "heavy"]))
def test_never_worse_than_the_plain_rule(seed, columns, kind):
    """The plain rule of OCP MX 6.3: the largest exponent of the block minus 2."""
    rng = np.random.default_rng(seed)
    draw = {
        "normal": rng.normal,
        "uniform": lambda size: rng.uniform(-1, 1, size),
        "heavy": lambda size: rng.standard_t(2, size),
    }
    values = draw[kind](size=columns)
    coded, _ = quantize_mxfp4(values[None], "m")
    plain = int(np.floor(np.log2(np.abs(values).max()))) - 2
    got = float(((coded.values()[0] - values) ** 2).sum())
    assert got <= min(squared_error(values, plain), squared_error(values, plain + 1)) * (1 + 1e-12)
    assert int(coded.exponents[0, 0]) in (plain, plain + 1)


def test_the_second_scale_is_taken_where_it_helps():
    coded, error = quantize_mxfp4(np.array([[7.9, 0.0]]), "m")
    assert coded.values().tolist() == [[8.0, 0.0]]
    assert error.saturated == 0


def test_saturated_weights_are_counted():
    """7 beside thirty 0.5: doubling the scale would cost the many."""
    row = np.full((1, BLOCK), 0.5)
    row[0, 3], row[0, 9] = 7.0, -6.5
    coded, error = quantize_mxfp4(row, "m")
    assert coded.values()[0, [3, 9]].tolist() == [6.0, -6.0]
    assert error.saturated == 2


def test_relative_rmse_by_hand():
    coded, error = quantize_mxfp4(np.array([[4.0, 2.5, 1.25]]), "m")
    assert coded.values().tolist() == [[4.0, 2.0, 1.0]]
    expected = np.sqrt((0.5**2 + 0.25**2) / (4.0**2 + 2.5**2 + 1.25**2))
    assert error.relative_rmse == pytest.approx(expected, rel=1e-12)
    assert error.as_dict() == {"relative_rmse": error.relative_rmse, "saturated": 0}


def test_beyond_the_scales():
    tiny, error = quantize_mxfp4(np.array([[2.0**-140, 0.0]]), "m")
    assert not tiny.values().any()
    assert error.relative_rmse == 1.0
    huge, error = quantize_mxfp4(np.array([[2.0**131]]), "m")
    assert huge.values().tolist() == [[6 * 2.0**127]]
    assert error.saturated == 1


def test_zeros_have_no_error():
    coded, error = quantize_mxfp4(np.zeros((2, 40)), "m")
    assert error.lossless and not coded.values().any()


@settings(deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 100), st.integers(0, 30), st.sampled_from([1, 2, 4, 8])
)
def test_limit_spread_fits_and_tells_its_error(seed, columns, octaves, exponent_values):
    matrix = random_coded(seed, 2, columns, -20, -20 + octaves)
    limited, error = limit_spread(matrix, exponent_values)
    assert align(limited).spread < exponent_values
    before, after = matrix.values(), limited.values()
    if np.array_equal(before, after):
        assert error.lossless
    else:
        expected = np.sqrt(((after - before) ** 2).sum() / (before**2).sum())
        assert error.relative_rmse == pytest.approx(expected, rel=1e-12)
    if align(matrix).spread < exponent_values:
        assert error.lossless
    for row, block in np.ndindex(*limited.exponents.shape):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        expected_codes = nearest_codes(before[row, part], int(limited.exponents[row, block]))
        assert (limited.codes[row, part] & 7).tolist() == expected_codes


def test_limit_spread_touches_only_rows_that_need_it():
    codes = np.full((2, 2 * BLOCK), 3, dtype=np.uint8)  # 1.5
    matrix = CodedMatrix("m", codes, np.array([[0, 1], [0, 9]], dtype=np.int16), E2M1)
    limited, error = limit_spread(matrix, 4)
    assert np.array_equal(limited.values()[0], matrix.values()[0])
    assert not limited.values()[1, :BLOCK].any()  # nine octaves below: rounded away
    assert np.array_equal(limited.values()[1, BLOCK:], matrix.values()[1, BLOCK:])
    assert 0 < error.relative_rmse < 0.01
