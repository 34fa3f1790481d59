"""Codebooks and the weights made of them."""

import ml_dtypes
import numpy as np
import pytest

from hnlpu.codebook import E2M1, Codebook, minifloat
from hnlpu.errors import HnlpuError
from hnlpu.weights import CodedMatrix


@pytest.mark.parametrize(
    "exponent_bits, mantissa_bits, dtype",
    [
        (2, 1, ml_dtypes.float4_e2m1fn),
        (2, 3, ml_dtypes.float6_e2m3fn),
        (3, 2, ml_dtypes.float6_e3m2fn),
    ],
)
def test_minifloats_are_those_of_ml_dtypes(exponent_bits, mantissa_bits, dtype):
    codebook = minifloat("x", exponent_bits, mantissa_bits)
    codes = np.arange(len(codebook.values), dtype=np.uint8)
    expected = codes.view(dtype).astype(float)
    assert np.array_equal(np.ldexp(codebook.values, codebook.unit_exponent), expected)


def test_e2m1_in_half_units():
    assert E2M1.values[:8] == (0, 1, 2, 3, 4, 6, 8, 12)
    assert E2M1.values[8:] == (0, -1, -2, -3, -4, -6, -8, -12)
    assert E2M1.magnitudes == (1, 2, 3, 4, 6, 8, 12)
    assert E2M1.unit_exponent == -1


@pytest.mark.parametrize(
    "values, message",
    [
        ((1,), "2 to 256 values"),
        ((0, 1, 40000), "out of range"),
        ((0, 3, 3), "twice"),
        ((0, 0), "nothing but zero"),
    ],
)
def test_unsound_codebooks_are_refused(values, message):
    with pytest.raises(HnlpuError, match=message):
        Codebook("c", values, 0)


def coded(scales, block: int = 2) -> CodedMatrix:
    codes = np.array([[2, 4, 7], [1, 9, 15]], dtype=np.uint8)
    exponents = np.array([[0, 3], [-1, 5]], dtype=np.int16)
    return CodedMatrix("some.matrix", codes, exponents, E2M1, block, scales)


def test_values_by_hand():
    expected = np.array([[1, 2, 6 * 8], [0.25, -0.25, -6 * 32]])
    assert np.array_equal(coded(None).values(), expected)
    scales = np.array([0.3, 5.0])
    assert np.array_equal(coded(scales).values(), expected * scales[:, None])


def test_powers_of_two_leave_the_row_scales():
    matrix = coded(np.array([0.25, 8.0]))
    assert matrix.row_scales is None
    assert matrix.exponents.tolist() == [[-2, 1], [2, 8]]
    matrix = coded(np.array([0.25, 12.0], dtype=np.float32))
    assert matrix.row_scales is not None
    assert matrix.row_scales.tolist() == [1.0, 1.5]
    assert matrix.exponents.tolist() == [[-2, 1], [2, 8]]


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_row_scale_must_be_positive(scale):
    with pytest.raises(HnlpuError, match="not a positive number") as caught:
        coded(np.array([1.0, scale]))
    assert caught.value.where == "some.matrix: row 1"


def test_shapes_must_fit():
    with pytest.raises(HnlpuError, match="row scales do not fit"):
        coded(np.ones(3))
    with pytest.raises(HnlpuError, match="block exponents do not fit") as caught:
        coded(None, block=3)
    assert "per 3 inputs" in caught.value.do
    with pytest.raises(HnlpuError, match="a block needs inputs"):
        coded(None, block=0)


def test_histogram_is_of_codebook_values():
    assert coded(np.array([0.3, 1.0])).histogram() == {
        "-6": 1, "-0.5": 1, "0.5": 1, "1": 1, "2": 1, "6": 1,
    }  # fmt: skip
