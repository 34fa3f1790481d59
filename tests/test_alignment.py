"""Alignment keeps every value and finds the smallest spread."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import align
from hnlpu.codebook import E2M1, Codebook
from hnlpu.errors import HnlpuError
from hnlpu.formats import FORMATS
from hnlpu.weights import BLOCK, CodedMatrix

BLOCK_FORMATS = [fmt for fmt in FORMATS.values() if fmt.block_exponents]


def random_matrix(seed: int, rows: int, columns: int, octaves: int, zeros: float) -> CodedMatrix:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (rows, columns)).astype(np.uint8)
    codes[rng.random((rows, columns)) < zeros] = 0
    n_blocks = -(-columns // BLOCK)
    exponents = rng.integers(-100, 100, (rows, 1)) + rng.integers(0, octaves + 1, (rows, n_blocks))
    return CodedMatrix("m", codes, exponents.astype(np.int16), E2M1)


def aligned_values(aligned) -> np.ndarray:
    shifts = np.repeat(aligned.block_exponents.astype(int), BLOCK, axis=1)
    exponents = shifts[:, : aligned.n_columns] + aligned.row_exponents.astype(int)[:, None]
    return aligned.multiples * 2.0**exponents


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.integers(1, 100),
    st.integers(0, 40),
    st.sampled_from([0.0, 0.5, 0.97]),
)
def test_values_are_kept(seed, rows, columns, octaves, zeros):
    matrix = random_matrix(seed, rows, columns, octaves, zeros)
    aligned = align(matrix)
    assert np.array_equal(aligned_values(aligned), matrix.values())
    assert np.array_equal(aligned.values(), matrix.values())
    units = np.ldexp(aligned.integers().astype(float), aligned.row_exponents.astype(int)[:, None])
    assert np.array_equal(units, matrix.values())
    assert np.isin(aligned.multiples, E2M1.values).all()
    assert aligned.block_exponents.min(axis=1).tolist() == [0] * rows
    assert aligned.spread <= octaves + 3  # codes alone reach over four octaves


def smallest_spread(values: list[list[float]]) -> int:
    """By trial of every row exponent and block exponent; ``values`` is one list per block."""

    def fits(block: list[float], exponent: int) -> bool:
        return all(value * 2.0**-exponent in E2M1.values for value in block)

    best = 99
    for row in range(-12, 12):
        needed = []
        for block in values:
            found = [e for e in range(row, row + 24) if fits(block, e)]
            if not found:
                break
            needed.append(found[0] - row)
        else:
            best = min(best, max(needed))
    return best


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_spread_is_minimal(seed):
    rng = np.random.default_rng(seed)
    n_blocks = int(rng.integers(1, 4))
    codes = np.zeros((1, n_blocks * BLOCK), dtype=np.uint8)
    for block in range(n_blocks):
        codes[0, block * BLOCK : block * BLOCK + 2] = rng.integers(0, 16, 2)
    exponents = rng.integers(-2, 3, (1, n_blocks)).astype(np.int16)
    matrix = CodedMatrix("m", codes, exponents, E2M1)
    values = matrix.values().reshape(n_blocks, BLOCK)[:, :2]
    assert align(matrix).spread == smallest_spread(values.tolist())


def test_one_exponent_where_codes_allow():
    """1 at scale 1 and 0.5 at scale 2 are the same number: neither block needs a shift."""
    codes = np.zeros((1, 2 * BLOCK), dtype=np.uint8)
    codes[0, 0], codes[0, BLOCK] = 2, 1
    aligned = align(CodedMatrix("m", codes, np.array([[0, 1]], dtype=np.int16), E2M1))
    assert aligned.spread == 0
    assert aligned.integers()[0, [0, BLOCK]].tolist() == [1, 1]
    assert aligned.row_exponents.tolist() == [0]


def test_zero_rows_blocks_and_minus_zero():
    codes = np.zeros((3, 2 * BLOCK), dtype=np.uint8)
    codes[1] = 8  # minus zero
    codes[2, :BLOCK] = 7
    aligned = align(CodedMatrix("m", codes, np.array([[5, -90]] * 3, dtype=np.int16), E2M1))
    assert aligned.multiples[:2].any() == np.False_
    assert aligned.row_exponents.tolist()[:2] == [0, 0]
    assert aligned.spread == 0  # the far exponent of a block of zeros costs nothing
    assert aligned_values(aligned)[2, 0] == 6 * 2.0**5


@pytest.mark.parametrize("octaves, fits", [(66, True), (67, False), (254, False)])
def test_a_spread_beyond_any_base_names_the_row(octaves, fits):
    codes = np.full((3, 2 * BLOCK), 1, dtype=np.uint8)
    exponents = np.zeros((3, 2), dtype=np.int16) - 127
    exponents[1, 1] += octaves
    matrix = CodedMatrix("some.matrix", codes, exponents, E2M1)
    if fits:
        assert align(matrix).spread == octaves - 3
        assert np.array_equal(align(matrix).values(), matrix.values())
        with pytest.raises(OverflowError, match=r"some\.matrix: spread 63"):
            align(matrix).integers()  # 8 << 63
        return
    with pytest.raises(HnlpuError, match=f"{octaves - 3} octaves") as caught:
        align(matrix)
    assert caught.value.where == "some.matrix: row 1"


def test_extreme_scales_fit_the_row_exponent_pins():
    codes = np.array([[1], [7]], dtype=np.uint8)
    exponents = np.array([[-127], [127]], dtype=np.int16)
    aligned = align(CodedMatrix("m", codes, exponents, E2M1))
    assert aligned.row_exponents.tolist() == [-128, 128]
    assert aligned.multiples.tolist() == [[1], [3]]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(BLOCK_FORMATS),
    st.integers(1, 3),
    st.integers(1, 70),
    st.booleans(),
)
def test_values_of_every_codebook_are_kept(seed, fmt, rows, columns, scaled):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(fmt.codebook.values), (rows, columns)).astype(np.uint8)
    exponents = rng.integers(-9, 9, (rows, -(-columns // fmt.block))).astype(np.int16)
    scales = rng.uniform(0.01, 100, rows) if scaled else None
    matrix = CodedMatrix("m", codes, exponents, fmt.codebook, fmt.block, scales)
    aligned = align(matrix)
    assert aligned.block == fmt.block
    assert aligned.block_exponents.shape == exponents.shape
    assert np.array_equal(aligned.values(), matrix.values())
    assert np.isin(np.abs(aligned.multiples), [0, *fmt.codebook.magnitudes]).all()
    # Integers leave the row scale out.
    units = np.ldexp(aligned.integers().astype(float), aligned.row_exponents.astype(int)[:, None])
    factors = np.ones(rows) if aligned.row_scales is None else aligned.row_scales
    assert np.array_equal(units * factors[:, None], matrix.values())


def test_values_a_power_of_two_apart_with_a_gap():
    """4 may not become 2, which is no value, on its way to 1."""
    codebook = Codebook("gap", (0, 1, 4, 5), 0)
    matrix = CodedMatrix(
        "m", np.array([[2, 1, 0, 3]], np.uint8), np.array([[2, 4]], np.int16), codebook, 2
    )
    aligned = align(matrix)
    assert np.array_equal(aligned.values(), [[16, 4, 0, 80]])
    assert aligned.multiples.tolist() == [[4, 1, 0, 5]]
    assert aligned.block_exponents.tolist() == [[0, 2]]


def test_a_row_scale_costs_no_exponents():
    codes = np.full((2, 2 * BLOCK), 1, dtype=np.uint8)
    scales = np.array([0.3, 80.0])
    exponents = np.zeros((2, 2), np.int16)
    aligned = align(CodedMatrix("m", codes, exponents, FORMATS["int4"].codebook, BLOCK, scales))
    assert aligned.spread == 0
    assert aligned.row_scales is not None
    assert np.array_equal(aligned.values()[:, 0], scales)
    assert np.array_equal(
        np.ldexp(aligned.row_scales * aligned.integers()[:, 0], aligned.row_exponents), scales
    )


def test_the_value_check_can_fail():
    matrix = random_matrix(0, 2, 40, 3, 0.0)
    aligned = align(matrix)
    row, column = next(
        place for place in product(range(2), range(40)) if aligned.multiples[place] == 1
    )
    aligned.multiples[row, column] = 2
    assert not np.array_equal(aligned_values(aligned), matrix.values())
