"""Formats by name, and codebooks from files."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.errors import HnlpuError
from hnlpu.formats import FORMATS, MXFP4, parse_format
from hnlpu.quantization import quantize


@pytest.mark.parametrize("name", FORMATS)
def test_names_are_their_formats(name):
    fmt = parse_format(name)
    assert fmt.name == name
    assert fmt.block_exponents == (fmt.block is not None)
    assert fmt.block_exponents or fmt.row_scales


@pytest.mark.parametrize("name", ["", "int8", "MXFP4", "codebook"])
def test_unknown_names_list_the_known(name):
    with pytest.raises(HnlpuError, match="unknown weight format") as caught:
        parse_format(name)
    assert "mxfp4, fp4, nvfp4, int2" in caught.value.do and "codebook:FILE.json" in caught.value.do


@pytest.mark.parametrize("bits", range(2, 7))
def test_integers_are_twos_complement(bits):
    codebook = FORMATS[f"int{bits}"].codebook
    half = 2 ** (bits - 1)
    assert sorted(codebook.values) == list(range(-half, half))
    assert [value % 2**bits for value in codebook.values] == list(range(2**bits))


def test_small_codebooks():
    assert set(FORMATS["ternary"].codebook.values) == {-1, 0, 1}
    assert set(FORMATS["binary"].codebook.values) == {-1, 1}
    assert FORMATS["fp4"].codebook == MXFP4.codebook


def test_the_grids_of_nvfp4():
    fmt = FORMATS["nvfp4"]
    assert len(fmt.grids) == 8 and fmt.block == 16
    assert set().union(*fmt.grids) == set(fmt.codebook.values)
    # 6 times the scale 15/8 of the largest E4M3 mantissa.
    assert max(fmt.codebook.values) * 2.0**fmt.codebook.unit_exponent == 6 * 15 / 8


def written(tmp_path, text: str):
    (tmp_path / "c.json").write_text(text)
    return parse_format(f"codebook:{tmp_path}/c.json")


@pytest.mark.parametrize(
    "text, values",
    [
        ("[-3, 0, 1, 7]", (-3, 0, 1, 7)),
        ("[2, 4, -6]", (2, 4, -6)),
        ("[-0.5, 0, 0.25, 1.0]", (-2, 0, 1, 4)),
        ("[0.1, 0.2, 0.3, -0.7]", (1, 2, 3, -7)),
        ("[1e-3, 32.767]", (1, 32767)),
        ("[1.5, -3]", (1, -2)),
    ],
)
def test_codebook_files(tmp_path, text, values):
    fmt = written(tmp_path, text)
    assert fmt.codebook.values == values
    assert fmt.name == f"codebook:{tmp_path}/c.json"
    assert fmt.codebook.name == "c.json"
    assert fmt.row_scales and not fmt.block_exponents
    # The row scale takes the factor: weights as in the file come back.
    weights = np.array([json.loads(text)], dtype=np.float64)
    coded, error = quantize(weights, "m", fmt)
    assert np.allclose(coded.values(), weights, rtol=2.0**-16)
    assert error.relative_rmse < 2.0**-16


@settings(deadline=None)
@given(
    st.lists(st.integers(-32767, 32767), min_size=2, max_size=64, unique=True),
    st.integers(0, 6),
)
def test_decimals_become_their_integers(tmp_path_factory, integers, places):
    if not any(integers):
        return
    text = ", ".join(f"{i}e-{places}" for i in integers)
    fmt = written(tmp_path_factory.mktemp("c"), f"[{text}]")
    divisor = int(np.gcd.reduce(integers))
    assert fmt.codebook.values == tuple(i // divisor for i in integers)


@pytest.mark.parametrize(
    "text, message, where",
    [
        ("[1, 2", "cannot read a codebook", ""),
        ('{"values": [1, 2]}', "a list of numbers", ""),
        ("[1]", "a list of numbers", ""),
        (json.dumps(list(range(65))), "a list of numbers", ""),
        ("[1, NaN]", "not a finite number", ""),
        ("[1, -Infinity]", "not a finite number", ""),
        ("[1, true]", "not a number", "[1]"),
        ('[1, "2"]', "not a number", "[1]"),
        ("[1, [2]]", "not a number", "[1]"),
        ("[1, [0.5]]", "not a number", "[1]"),
        ("[1, null]", "not a number", "[1]"),
        ("[1, 2, 1]", "twice", "[2]"),
        ("[0.5, 0, 0.50]", "twice", "[2]"),
        ("[0, 1, -0.0]", "twice", "[2]"),
        ("[1, 40000]", "common factor", ""),
        ("[0.123456, 0.654321]", "common factor", ""),
        ("[1, 1e999999]", "out of range", "[1]"),
        ("[1, 1e-999999]", "out of range", "[1]"),
        (f"[1, {'9' * 400}]", "common factor", ""),
        (f"[1, {'9' * 5000}]", "cannot read a codebook", ""),
        ("[" * 100000, "cannot read a codebook", ""),
    ],
)
def test_unsound_files_are_refused(tmp_path, text, message, where):
    with pytest.raises(HnlpuError, match=message) as caught:
        written(tmp_path, text)
    assert caught.value.where == f"{tmp_path}/c.json{where}"


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(HnlpuError, match="cannot read a codebook") as caught:
        parse_format(f"codebook:{tmp_path}/none.json")
    assert "No such file" in caught.value.got
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HnlpuError, match="cannot read a codebook"):
        parse_format(f"codebook:{tmp_path}/b.json")
