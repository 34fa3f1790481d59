"""Quantising to any format, and recognising what already is in it.

Elements go to the nearest value, ties to the even code, and saturate at the largest. What is left to
choose are scales:

* **Block exponents**: the power of two of the OCP MX specification (section 6.3: that which brings the
  largest weight of the block into the octave of the codebook's largest value), or twice that where the
  squared error is smaller. Where a format has several grids (NVFP4: mantissas of the block scale), the
  one with the smallest error.
* **Row scales**: first the row is taken to be in the format already. Its largest weight is then one of the
  codebook's values times the scale: each is tried, and one that gives all weights back exactly is kept.
  Otherwise a row without block exponents gets the scale with the smallest squared error that a search
  finds: half octaves from clipping nothing to clipping nearly all, then finer steps around the best,
  improved by least squares and new codes in turn (Lloyd's algorithm with one free parameter). Such
  scales are rounded to 16 bits, fewer for large codebook values, so that weights are exact in F32. A row
  with block exponents gets the scale 1.

Weights that are on the grid come back exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import exponent_range
from hnlpu.codebook import Codebook
from hnlpu.formats import MXFP4, Format
from hnlpu.weights import BLOCK, CodedMatrix

__all__ = ["QuantizationError", "limit_spread", "quantize", "recognise"]

_MIN_EXPONENT, _MAX_EXPONENT = -127, 127
#: Significant bits of a row scale that the search finds, and of its product with any codebook value.
_SCALE_BITS, _PRODUCT_BITS = 16, 24
#: Row scales tried, relative to the smallest that clips nothing.
_COARSE, _FINE = np.exp2(-np.arange(-1, 17) / 2), np.exp2(np.arange(-16, 17) / 32)
_LLOYD_STEPS = 3
#: Relative to a row's largest weight, what rounding in 64 bits may explain.
_ROUNDING = 1e-12
#: Weights that are worked on at once: bounds memory, not the result.
_CHUNK = 1 << 21

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuantizationError:
    """What quantising did to a matrix.

    Attributes
    ----------
    relative_rmse : float
        Root of summed squared error over summed squared weights; 1 where zeros became others.
    saturated : int
        Weights beyond the largest (or below the smallest) value of their block or row.
    """

    relative_rmse: float
    saturated: int

    @property
    def lossless(self) -> bool:
        return self.relative_rmse == 0.0

    def as_dict(self) -> dict[str, float | int]:
        return {"relative_rmse": self.relative_rmse, "saturated": self.saturated}


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Values that a weight may take, ascending, and where each one's interval ends.

    A number belongs to the first value whose limit is not below it.
    """

    values: _Floats
    limits: _Floats
    codes: npt.NDArray[np.uint8]

    def nearest(self, numbers: _Floats) -> npt.NDArray[np.intp]:
        """Index of the nearest value."""
        return np.searchsorted(self.limits, numbers, side="left")

    def beyond(self, numbers: _Floats) -> npt.NDArray[np.bool_]:
        """Numbers outside all values, by more than rounding."""
        less = numbers * (1 - _ROUNDING)
        return np.asarray((less > self.values[-1]) | (less < self.values[0]))


@lru_cache(maxsize=256)
def _grid(codebook: Codebook, choice: tuple[int, ...]) -> _Grid:
    """The grid of values ``choice``, whose order says which are even."""
    position = {value: choice.index(value) for value in choice}
    ordered = sorted(position)
    limits = []
    for low, high in pairwise(ordered):
        middle = (low + high) / 2
        odd = [position[value] % 2 for value in (low, high)]
        keeps_tie = odd[0] < odd[1] if odd[0] != odd[1] else abs(low) < abs(high)
        limits.append(middle if keeps_tie else np.nextafter(middle, -np.inf))
    codes = [codebook.values.index(value) for value in ordered]
    return _Grid(
        np.asarray(ordered, dtype=np.float64), np.asarray(limits), np.asarray(codes, dtype=np.uint8)
    )


def _grids(fmt: Format) -> tuple[_Grid, ...]:
    return tuple(_grid(fmt.codebook, choice) for choice in fmt.grids or (fmt.codebook.values,))


def _encode(
    numbers: _Floats, exponents: npt.NDArray[np.int64], grid: _Grid, unit: int
) -> tuple[npt.NDArray[np.uint8], _Floats]:
    """Codes and squared error per block at given exponents; ``numbers`` is (..., inputs)."""
    shift = (exponents + unit)[..., None]
    scaled = np.ldexp(numbers, -shift)
    index = grid.nearest(scaled)
    error = np.ldexp(scaled - grid.values[index], shift)
    return grid.codes[index], (error**2).sum(axis=-1)


def _per_block(numbers: _Floats, block: int) -> _Floats:
    """(n_rows, n_columns) to (n_rows, n_blocks, block), the last block filled with zeros."""
    padded = np.pad(numbers, ((0, 0), (0, -numbers.shape[1] % block)))
    return padded.reshape(numbers.shape[0], -1, block)


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """Codes and exponents of some rows, and how many weights saturated."""

    codes: npt.NDArray[np.uint8]
    exponents: npt.NDArray[np.int64]
    saturated: int

    def matrix(self, fmt: Format, name: str, scales: _Floats | None) -> CodedMatrix:
        exponents = self.exponents.astype(np.int16)
        return CodedMatrix(name, self.codes, exponents, fmt.codebook, fmt.block or BLOCK, scales)


def _encode_rows(numbers: _Floats, fmt: Format) -> _Coded:
    """Best codes of rows that are divided by their scales."""
    n_rows, n_columns = numbers.shape
    unit = fmt.codebook.unit_exponent
    if fmt.block is None:
        (grid,) = _grids(fmt)
        exponents = np.zeros((n_rows, -(-n_columns // BLOCK)), dtype=np.int64)
        codes, _ = _encode(numbers, exponents[:, 0], grid, unit)
        return _Coded(codes, exponents, int(grid.beyond(np.ldexp(numbers, -unit)).sum()))
    blocks = _per_block(numbers, fmt.block)
    largest = np.abs(blocks).max(axis=2)
    _, octave = np.frexp(largest)  # largest = m * 2**octave, m in [.5, 1)
    best = np.full(largest.shape, np.inf)
    chosen = np.zeros(largest.shape, dtype=np.int64)
    codes = np.zeros(blocks.shape, dtype=np.uint8)
    grids = _grids(fmt)
    picked = np.zeros(largest.shape, dtype=np.int64)
    for i, grid in enumerate(grids):
        top = float(np.abs(grid.values).max())
        plain = octave.astype(np.int64) - int(top).bit_length() - unit
        plain = np.where(largest == 0, 0, np.clip(plain, _MIN_EXPONENT, _MAX_EXPONENT))
        for exponents in (plain, np.minimum(plain + 1, _MAX_EXPONENT)):
            new_codes, error = _encode(blocks, exponents, grid, unit)
            take = (error < best) | np.isinf(best)
            best = np.where(take, error, best)
            chosen = np.where(take, exponents, chosen)
            codes = np.where(take[..., None], new_codes, codes)
            picked = np.where(take, i, picked)
    scaled = np.ldexp(blocks, -(chosen + unit)[..., None])
    saturated = sum(int(grid.beyond(scaled[picked == i]).sum()) for i, grid in enumerate(grids))
    return _Coded(codes.reshape(n_rows, -1)[:, :n_columns], chosen, saturated)


def quantize(
    values: npt.NDArray[np.floating], name: str, fmt: Format = MXFP4
) -> tuple[CodedMatrix, QuantizationError]:
    """Nearest matrix in a format and its error.

    Parameters
    ----------
    values : float array (n_rows, n_columns)
        Finite; columns need not be a multiple of the block.
    name : str
    fmt : Format
    """
    exact = np.asarray(values, dtype=np.float64)
    parts: list[_Coded] = []
    scales: list[_Floats] = []
    for rows in _chunks(exact):
        part, part_scales = _quantize_rows(rows, fmt)
        parts.append(part)
        scales.append(part_scales)
    whole = _Coded(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.exponents for part in parts]),
        sum(part.saturated for part in parts),
    )
    matrix = whole.matrix(fmt, name, np.concatenate(scales) if fmt.row_scales else None)
    return matrix, _error(matrix.values(), exact, whole.saturated)


def _chunks(values: _Floats) -> Iterator[_Floats]:
    step = max(1, _CHUNK // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _quantize_rows(values: _Floats, fmt: Format) -> tuple[_Coded, _Floats]:
    """Codes and scales of rows."""
    scales = np.ones(len(values))
    if fmt.row_scales:
        scales = recognise(values, fmt)
        (unknown,) = np.nonzero(np.isnan(scales))
        scales[unknown] = 1.0
        if not fmt.block_exponents:
            (grid,) = _grids(fmt)
            for row in unknown:
                scales[row] = _best_scale(np.ldexp(values[row], -fmt.codebook.unit_exponent), grid)
    return _encode_rows(values / scales[:, None], fmt), scales


def _best_scale(row: _Floats, grid: _Grid) -> float:
    """Scale of small squared error for one row.

    Sorted, the weights of one code are a stretch of the row; with sums up to every weight, the error
    of a scale costs a look-up per code, however long the row.
    """
    ordered = np.sort(row)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    squares = grid.values**2

    def fit(scales: _Floats) -> tuple[_Floats, _Floats]:
        """Sum of weight times value, and of squared value, with the codes that each scale gives."""
        limits = scales[:, None] * grid.limits
        ends = np.searchsorted(ordered, limits.ravel(), side="right").reshape(limits.shape)
        edges = np.pad(ends, ((0, 0), (1, 1)), constant_values=((0, 0), (0, len(row))))
        return np.diff(sums[edges]) @ grid.values, np.diff(edges) @ squares

    def best(scales: _Floats) -> float:
        dots, powers = fit(scales)
        return float(scales[np.argmin(scales * (scales * powers - 2 * dots))])

    low, high = float(grid.values[0]), float(grid.values[-1])
    above = ordered[-1] / high if high > 0 else 0.0
    below = ordered[0] / low if low < 0 else 0.0
    reach = max(above, below)  # clips nothing
    if reach <= 0:  # no weight has the sign of any value
        reach = np.abs(row).max() / max(-low, high)
    if reach == 0:
        return 1.0 if 0 in grid.values else 2.0**_MIN_EXPONENT
    scales = best(reach * _COARSE) * _FINE
    for _ in range(_LLOYD_STEPS):
        dots, powers = fit(scales)
        useful = (dots > 0) & (powers > 0)
        scales = np.where(useful, dots / np.where(useful, powers, 1.0), scales)
    bits = min(_SCALE_BITS, _PRODUCT_BITS - int(max(-low, high)).bit_length())
    mantissas, exponents = np.frexp(scales)
    return best(np.ldexp(np.rint(np.ldexp(mantissas, bits)), exponents - bits))


def recognise(values: npt.NDArray[np.floating], fmt: Format) -> _Floats:
    """Scales with which rows are in the format exactly, (n_rows,); NaN where there is none.

    A power of two is preferred: such rows stay integers.
    """
    exact = np.asarray(values, dtype=np.float64)
    found = np.full(len(exact), np.nan)
    largest = exact[np.arange(len(exact)), np.abs(exact).argmax(axis=1)]
    candidates = [np.ones(len(exact))]
    if fmt.row_scales:
        candidates += [_scales_of(largest, value, fmt) for value in _references(fmt)]
    for power_of_two in (True, False):
        for scales in candidates:
            usable = np.isnan(found) & (scales > 0)
            usable &= (np.frexp(scales)[0] == 0.5) == power_of_two
            (rows,) = np.nonzero(usable)
            if rows.size:
                found[rows] = _tried(exact[rows], scales[rows], fmt)
    return found


def _references(fmt: Format) -> list[int]:
    """Values that a row's largest weight may have; without powers of two where blocks have theirs."""
    values = {value for value in fmt.codebook.values if value}
    if fmt.block_exponents:
        values = {value // (value & -value) for value in values}
    return sorted(values, key=lambda value: (-abs(value), value))


def _scales_of(largest: _Floats, value: int, fmt: Format) -> _Floats:
    scales = np.ldexp(largest / value, -fmt.codebook.unit_exponent)
    return 2 * np.frexp(scales)[0] if fmt.block_exponents else scales


def _tried(values: _Floats, scales: _Floats, fmt: Format) -> _Floats:
    """Scales, or one of their neighbours, with which rows are exact; NaN where none is."""

    def decoded(rows: npt.NDArray[np.intp], tried: _Floats, n: int) -> _Floats:
        coded = _encode_rows(values[rows, :n] / tried[:, None], fmt)
        return coded.matrix(fmt, "", tried).values()

    found = np.full(len(values), np.nan)
    n_probe = fmt.block or BLOCK  # a few weights tell most rows that are not in the format
    distance = np.abs(decoded(np.arange(len(values)), scales, n_probe) - values[:, :n_probe])
    rough = distance.max(axis=1) <= _ROUNDING * np.abs(values).max(axis=1)
    for tried in (scales, np.nextafter(scales, np.inf), np.nextafter(scales, 0.0)):
        (rows,) = np.nonzero(rough & np.isnan(found))
        if rows.size:
            same = (decoded(rows, tried[rows], values.shape[1]) == values[rows]).all(axis=1)
            found[rows[same]] = tried[rows[same]]
    return found


def _error(got: _Floats, wanted: _Floats, saturated: int) -> QuantizationError:
    if np.array_equal(got, wanted):
        return QuantizationError(0.0, saturated)
    power = float((wanted**2).sum())
    if power == 0:
        return QuantizationError(1.0, saturated)
    return QuantizationError(float(np.sqrt(((got - wanted) ** 2).sum() / power)), saturated)


def limit_spread(
    matrix: CodedMatrix, exponent_values: int
) -> tuple[CodedMatrix, QuantizationError]:
    """Raise the smallest block exponents of each row until its spread fits a base.

    A block whose exponent must be more than ``exponent_values - 1`` below the row's largest is rounded
    to the nearest codebook values at that exponent. Rows that fit stay as they are (in value).
    """
    low, _ = exponent_range(matrix)
    floor = low.max(axis=1, keepdims=True) - (exponent_values - 1)
    exponents = np.maximum(matrix.exponents, floor).astype(np.int64)
    numbers = np.ldexp(matrix.units().astype(np.float64), matrix.weight_exponents())
    grid = _grid(matrix.codebook, matrix.codebook.values)
    blocks = _per_block(numbers, matrix.block)
    codes, _ = _encode(blocks, exponents, grid, matrix.codebook.unit_exponent)
    limited = CodedMatrix(
        matrix.name,
        codes.reshape(matrix.n_rows, -1)[:, : matrix.n_columns].copy(),
        exponents.astype(np.int16),
        matrix.codebook,
        matrix.block,
        matrix.row_scales,
    )
    return limited, _error(limited.values(), matrix.values(), 0)
