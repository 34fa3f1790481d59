"""Quantising to MXFP4, and recognising what already is.

Every block of 32 inputs gets the power-of-two scale of the OCP MX specification (section 6.3: the
largest exponent of the block minus 2), or twice that where the squared error is smaller; elements are
rounded to the nearest E2M1 value, ties to the even code, and saturate at 6. Weights that are on the
MXFP4 grid come back exactly.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.codebook import E2M1
from hnlpu.weights import BLOCK, CodedMatrix

__all__ = ["QuantizationError", "limit_spread", "quantize_mxfp4"]

_MAGNITUDES = np.asarray(E2M1.values[:8], dtype=np.float64)
_MIDPOINTS = (_MAGNITUDES[:-1] + _MAGNITUDES[1:]) / 2
#: Upper end of each code's interval; a tie goes to the even code.
_LIMITS = np.where(np.arange(7) % 2 == 0, _MIDPOINTS, np.nextafter(_MIDPOINTS, 0.0))
_MIN_EXPONENT, _MAX_EXPONENT = -127, 127


@dataclass(frozen=True, slots=True)
class QuantizationError:
    """What quantising did to a matrix.

    Attributes
    ----------
    relative_rmse : float
        Root of summed squared error over summed squared weights.
    saturated : int
        Weights beyond the largest value of their block.
    """

    relative_rmse: float
    saturated: int

    @property
    def lossless(self) -> bool:
        return self.relative_rmse == 0.0

    def as_dict(self) -> dict[str, float | int]:
        return {"relative_rmse": self.relative_rmse, "saturated": self.saturated}


def _encode(
    blocks: npt.NDArray[np.float64], exponents: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Codes and squared error per block at given exponents; ``blocks`` is (..., BLOCK)."""
    shift = (exponents + E2M1.unit_exponent)[..., None]
    scaled = np.ldexp(blocks, -shift)
    magnitudes = np.searchsorted(_LIMITS, np.abs(scaled), side="left").astype(np.uint8)
    error = np.ldexp(np.abs(scaled) - _MAGNITUDES[magnitudes], shift)
    negative = (scaled < 0) & (magnitudes > 0)
    return np.where(negative, magnitudes | 8, magnitudes).astype(np.uint8), (error**2).sum(axis=-1)


def quantize_mxfp4(
    values: npt.NDArray[np.floating], name: str
) -> tuple[CodedMatrix, QuantizationError]:
    """Nearest MXFP4 matrix and its error.

    Parameters
    ----------
    values : float array (n_rows, n_columns)
        Finite; columns need not be a multiple of 32.
    name : str
    """
    exact = np.asarray(values, dtype=np.float64)
    n_rows, n_columns = exact.shape
    padded = np.pad(exact, ((0, 0), (0, -n_columns % BLOCK)))
    blocks = padded.reshape(n_rows, -1, BLOCK)
    largest = np.abs(blocks).max(axis=2)
    _, exponent = np.frexp(largest)  # largest = m * 2**exponent, m in [.5, 1)
    ocp = np.clip(exponent.astype(np.int64) - 1 - 2, _MIN_EXPONENT, _MAX_EXPONENT)
    ocp = np.where(largest == 0, 0, ocp)
    above = np.minimum(ocp + 1, _MAX_EXPONENT)
    codes, error = _encode(blocks, ocp)
    codes_above, error_above = _encode(blocks, above)
    take = error_above < error
    chosen = np.where(take, above, ocp)
    codes = np.where(take[..., None], codes_above, codes)
    matrix = CodedMatrix(
        name, codes.reshape(n_rows, -1)[:, :n_columns].copy(), chosen.astype(np.int16), E2M1
    )
    limit = np.ldexp(_MAGNITUDES[-1], chosen + E2M1.unit_exponent)
    saturated = int((np.abs(blocks) > limit[..., None]).sum())
    return matrix, _error(matrix.values(), exact, saturated)


def _error(
    got: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], saturated: int
) -> QuantizationError:
    if np.array_equal(got, wanted):
        return QuantizationError(0.0, saturated)
    power = float((wanted**2).sum())
    return QuantizationError(float(np.sqrt(((got - wanted) ** 2).sum() / power)), saturated)


def limit_spread(
    matrix: CodedMatrix, exponent_values: int
) -> tuple[CodedMatrix, QuantizationError]:
    """Raise the smallest block exponents of each row until its spread fits a base.

    A block whose exponent is more than ``exponent_values - 1`` below the row's largest is rounded to
    the nearest value at that exponent. Rows that fit stay as they are (in value).
    """
    values = matrix.values()
    n_rows, n_columns = values.shape
    padded = np.pad(values, ((0, 0), (0, -n_columns % BLOCK)))
    blocks = padded.reshape(n_rows, -1, BLOCK)
    # The smallest exponent at which a block's largest weight still has a code: exact for this block.
    largest = np.abs(blocks).max(axis=2)
    _, exponent = np.frexp(largest)
    lowest = exponent.astype(np.int64) - 1 - 2
    lowest = np.where(largest == 0, np.iinfo(np.int32).min, lowest)
    floor = lowest.max(axis=1, keepdims=True) - (exponent_values - 1)
    exponents = np.clip(np.maximum(lowest, floor), _MIN_EXPONENT, _MAX_EXPONENT)
    codes, _ = _encode(blocks, exponents)
    limited = CodedMatrix(
        matrix.name,
        codes.reshape(n_rows, -1)[:, :n_columns].copy(),
        exponents.astype(np.int16),
        E2M1,
    )
    return limited, _error(limited.values(), values, 0)
