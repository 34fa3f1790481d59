"""Quantising against brute force over every code, and over scales."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import align
from hnlpu.codebook import E2M1, Codebook
from hnlpu.formats import FORMATS, Format, parse_format
from hnlpu.quantization import limit_spread, quantize, recognise
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
    coded, error = quantize(values, "m")
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
    coded, _ = quantize(values, "m")
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
    coded, error = quantize(row[None], "m")
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
    coded, _ = quantize(values[None], "m")
    plain = int(np.floor(np.log2(np.abs(values).max()))) - 2
    got = float(((coded.values()[0] - values) ** 2).sum())
    assert got <= min(squared_error(values, plain), squared_error(values, plain + 1)) * (1 + 1e-12)
    assert int(coded.exponents[0, 0]) in (plain, plain + 1)


def test_the_second_scale_is_taken_where_it_helps():
    coded, error = quantize(np.array([[7.9, 0.0]]), "m")
    assert coded.values().tolist() == [[8.0, 0.0]]
    assert error.saturated == 0


def test_saturated_weights_are_counted():
    """7 beside thirty 0.5: doubling the scale would cost the many."""
    row = np.full((1, BLOCK), 0.5)
    row[0, 3], row[0, 9] = 7.0, -6.5
    coded, error = quantize(row, "m")
    assert coded.values()[0, [3, 9]].tolist() == [6.0, -6.0]
    assert error.saturated == 2


def test_relative_rmse_by_hand():
    coded, error = quantize(np.array([[4.0, 2.5, 1.25]]), "m")
    assert coded.values().tolist() == [[4.0, 2.0, 1.0]]
    expected = np.sqrt((0.5**2 + 0.25**2) / (4.0**2 + 2.5**2 + 1.25**2))
    assert error.relative_rmse == pytest.approx(expected, rel=1e-12)
    assert error.as_dict() == {"relative_rmse": error.relative_rmse, "saturated": 0}


def test_beyond_the_scales():
    tiny, error = quantize(np.array([[2.0**-140, 0.0]]), "m")
    assert not tiny.values().any()
    assert error.relative_rmse == 1.0
    huge, error = quantize(np.array([[2.0**131]]), "m")
    assert huge.values().tolist() == [[6 * 2.0**127]]
    assert error.saturated == 1


def test_zeros_have_no_error():
    coded, error = quantize(np.zeros((2, 40)), "m")
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


ROW_FORMATS = [fmt for fmt in FORMATS.values() if not fmt.block_exponents]
BLOCK_FORMATS = [fmt for fmt in FORMATS.values() if fmt.block_exponents]


def in_format(rng: np.random.Generator, fmt: Format, rows: int, columns: int) -> np.ndarray:
    """Weights of a format before row scales, every grid of it in turn."""
    unit = 2.0**fmt.codebook.unit_exponent
    if not fmt.block_exponents:
        return rng.choice(fmt.codebook.values, (rows, columns)) * unit
    n_blocks = -(-columns // fmt.block)
    blocks = [
        [
            rng.choice(fmt.grids[rng.integers(len(fmt.grids))] if fmt.grids else fmt.codebook.values,
                       fmt.block)
            * 2.0 ** rng.integers(-5, 5)
            for _ in range(n_blocks)
        ]
        for _ in range(rows)
    ]  # fmt: skip
    return np.array(blocks).reshape(rows, -1)[:, :columns] * unit


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 2**32),
    st.sampled_from(list(FORMATS.values())),
    st.integers(1, 3),
    st.integers(1, 70),
    st.sampled_from(["none", "powers", "bf16", "float32", "float64"]),
)
def test_weights_of_every_format_come_back(seed, fmt, rows, columns, kind):
    rng = np.random.default_rng(seed)
    scales = {
        "none": np.ones(rows),
        "powers": 2.0 ** rng.integers(-20, 20, rows),
        "bf16": rng.lognormal(-4, 2, rows).astype(ml_dtypes.bfloat16).astype(float),
        "float32": rng.lognormal(-4, 2, rows).astype(np.float32).astype(float),
        "float64": rng.lognormal(-4, 2, rows),
    }[kind]
    if not fmt.row_scales:
        scales = 2.0 ** np.round(np.log2(scales))
    values = in_format(rng, fmt, rows, columns) * scales[:, None]
    coded, error = quantize(values, "m", fmt)
    assert np.array_equal(coded.values(), values)
    assert error.lossless and error.saturated == 0
    assert not np.isnan(recognise(values, fmt)).any()
    if kind in ("none", "powers"):
        assert coded.row_scales is None
    assert np.array_equal(align(coded).values(), values)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_noise_is_not_recognised(fmt):
    values = np.random.default_rng(0).normal(size=(3, 200))
    values[1] = in_format(np.random.default_rng(1), fmt, 1, 200)
    values[1, 150] *= 1 + 1e-9  # beyond the first weights, which are looked at first
    if not values[1, 150]:
        values[1, 150] = 1e-9
    assert np.isnan(recognise(values, fmt)).all()
    _, error = quantize(values, "m", fmt)
    assert error.relative_rmse > 0


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(list(FORMATS.values())),
    st.integers(1, 60),
    st.booleans(),
)
def test_every_weight_is_at_the_nearest_value(seed, fmt, columns, on_ties):
    """Whatever scales were chosen: no other value of the block's grid is nearer."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-30, 31, (2, columns)) / 4 if on_ties else rng.normal(size=(2, columns))
    coded, error = quantize(values, "m", fmt)
    factor = np.ldexp(1.0, coded.weight_exponents())
    if coded.row_scales is not None:
        factor = factor * coded.row_scales[:, None]
    got = np.abs(coded.values() - values)
    for start in range(0, columns, coded.block):
        part = np.s_[:, start : start + coded.block]
        for row in range(2):
            units = values[part][row] / factor[part][row]
            distances = [
                np.abs(units[:, None] - np.array(grid)).min(axis=1)
                for grid in fmt.grids or (fmt.codebook.values,)
            ]
            own = got[part][row] / factor[part][row]
            assert any(np.allclose(own, d, rtol=1e-9, atol=1e-9) for d in distances)
    wanted = np.sqrt((got**2).sum() / (values**2).sum()) if values.any() else 0.0
    if values.any():
        assert error.relative_rmse == pytest.approx(wanted, rel=1e-9)


def best_by_trial(row: np.ndarray, codebook: Codebook) -> float:
    """Squared error of the best of many scales."""
    values = np.array(codebook.values, dtype=float)
    reach = np.abs(row).max() / min(v for v in (values.max(), -values.min()) if v > 0)
    errors = []
    for scale in reach * np.geomspace(1 / 40, 1.5, 800):
        nearest = np.abs(row[:, None] / scale - values).min(axis=1) * scale
        errors.append(float((nearest**2).sum()))
    return min(errors)


@pytest.mark.parametrize("fmt", ROW_FORMATS, ids=[fmt.name for fmt in ROW_FORMATS])
@pytest.mark.parametrize("kind", ["normal", "heavy", "outlier", "skewed"])
def test_row_scales_are_near_the_best(fmt, kind):
    rng = np.random.default_rng(3)
    rows = {
        "normal": rng.normal(size=(4, 300)),
        "heavy": rng.standard_t(3, size=(4, 300)),
        "outlier": np.where(np.arange(300) == 7, 30.0, rng.normal(size=(4, 300))),
        "skewed": rng.exponential(size=(4, 300)) - 0.5,
    }[kind]
    coded, _ = quantize(rows, "m", fmt)
    for row, got in zip(rows, coded.values(), strict=True):
        assert ((got - row) ** 2).sum() <= 1.03 * best_by_trial(row, fmt.codebook)


@pytest.mark.parametrize(
    "name, rmse",
    [("binary", 0.6028), ("ternary", 0.4360), ("int4", 0.1074), ("int5", 0.0591)],
)
def test_normal_weights_reach_the_known_optimum(name, rmse):
    """Max, Quantizing for minimum distortion (1960): equal steps; 2, 3, 16, 32 levels."""
    values = np.random.default_rng(0).normal(size=(4, 1 << 15))
    _, error = quantize(values, "m", FORMATS[name])
    assert error.relative_rmse == pytest.approx(rmse, rel=0.02)


@pytest.mark.parametrize("fmt", ROW_FORMATS, ids=[fmt.name for fmt in ROW_FORMATS])
def test_rounded_weights_are_exact_in_f32(fmt):
    values = np.random.default_rng(0).normal(size=(8, 100)) * 0.02
    rounded = quantize(values, "m", fmt)[0].values()
    assert np.array_equal(rounded.astype(np.float32), rounded)
    again, error = quantize(rounded, "m", fmt)
    assert error.lossless and np.array_equal(again.values(), rounded)


def test_large_codebook_values_leave_scales_fewer_bits(tmp_path):
    (tmp_path / "c.json").write_text("[-32767, -1, 0, 1, 12345]")
    fmt = parse_format(f"codebook:{tmp_path}/c.json")
    values = np.random.default_rng(0).normal(size=(8, 100))
    rounded = quantize(values, "m", fmt)[0].values()
    assert np.array_equal(rounded.astype(np.float32), rounded)


def test_nvfp4_holds_every_group_scale():
    """All 126 finite positive E4M3 scales, subnormal ones too, a tensor scale, and a partial group."""
    scales = np.arange(1, 127, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(float)
    assert scales.min() == 2.0**-9 and scales.max() == 448
    rng = np.random.default_rng(0)
    elements = rng.choice(np.concatenate([GRID, -GRID]), (3, len(scales) * 16))
    values = elements * np.repeat(scales, 16)
    values *= np.array([[1.0], [0.25], [np.float32(0.00123)]], dtype=float)
    values = values[:, :-5]
    coded, error = quantize(values, "m", FORMATS["nvfp4"])
    assert error.lossless and np.array_equal(coded.values(), values)
    assert coded.block == 16
    assert coded.row_scales is not None and coded.row_scales[:2].tolist() == [1.0, 1.0]
    assert np.array_equal(align(coded).values(), values)


@pytest.mark.parametrize("name", ["nvfp4", "mxfp6_e2m3", "mxfp6_e3m2"])
def test_formats_that_hold_mxfp4(name):
    values = random_coded(5, 4, 100, -10, 3).values()
    coded, error = quantize(values, "m", FORMATS[name])
    assert error.lossless and np.array_equal(coded.values(), values)
    assert coded.row_scales is None


def test_group_scales_of_any_value_are_rounded_and_told():
    """GPTQ, AWQ, GGUF: a float scale per group is no power of two; more grids, less error."""
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.01, 0.02, (8, 4))
    values = rng.integers(-8, 8, (8, 128)) * np.repeat(scales, 32, axis=1)
    errors = {name: quantize(values, "m", fmt)[1] for name, fmt in FORMATS.items()}
    assert all(error.relative_rmse > 0.01 for error in errors.values())
    assert errors["nvfp4"].relative_rmse < errors["mxfp4"].relative_rmse
    assert errors["mxfp6_e2m3"].relative_rmse < errors["nvfp4"].relative_rmse


def test_saturated_counts_both_ends():
    row = np.array([[3.0, 2.0, -4.0, -3.0, 1.0, 0.0] * 6 + [3.6, -5.5, 3.4]])
    coded, error = quantize(row, "m", FORMATS["int3"])
    top = coded.values().max()
    assert error.saturated == (row > top).sum() + (row < coded.values().min()).sum() > 0


def test_rows_that_a_codebook_cannot_reach():
    """No zero for zeros, no negative value for negative weights: rounded and told."""
    zeros, error = quantize(np.zeros((2, 5)), "m", FORMATS["binary"])
    assert error.relative_rmse == 1.0 and 0 < np.abs(zeros.values()).max() < 1e-30
    positive = Format("p", Codebook("p", (1, 2), 0), row_scales=True)
    coded, error = quantize(-np.ones((1, 4)), "m", positive)
    assert (coded.values() > 0).all() and error.relative_rmse >= 1


def test_chunks_do_not_show(monkeypatch):
    values = np.random.default_rng(0).normal(size=(7, 50))
    values[3] = in_format(np.random.default_rng(0), FORMATS["int4"], 1, 50) * 0.3
    whole = quantize(values, "m", FORMATS["int4"])
    monkeypatch.setattr("hnlpu.quantization._CHUNK", 100)
    parts = quantize(values, "m", FORMATS["int4"])
    assert np.array_equal(whole[0].values(), parts[0].values())
    assert whole[1] == parts[1]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from(BLOCK_FORMATS), st.sampled_from([1, 2, 4]))
def test_limit_spread_of_every_format(seed, fmt, exponent_values):
    rng = np.random.default_rng(seed)
    values = in_format(rng, fmt, 2, 3 * fmt.block) * rng.uniform(0.1, 1, (2, 1))
    matrix, _ = quantize(values, "m", fmt)
    limited, error = limit_spread(matrix, exponent_values)
    assert align(limited).spread < exponent_values
    assert limited.block == matrix.block
    assert error.lossless == np.array_equal(limited.values(), matrix.values())
    if align(matrix).spread < exponent_values:
        assert error.lossless
