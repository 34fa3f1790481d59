"""From the tensors of a checkpoint to coded matrices."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.checkpoint import Checkpoint
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.families import MatrixSource
from hnlpu.formats import MXFP4, Format
from hnlpu.quantization import QuantizationError, quantize
from hnlpu.weights import CodedMatrix

__all__ = ["LoadedMatrix", "load_matrix", "read_values"]


@dataclass(frozen=True, slots=True)
class LoadedMatrix:
    """A matrix as stored or as quantised.

    Attributes
    ----------
    coded : CodedMatrix
    source_format : str
        ``MXFP4``, or the float dtype.
    error : QuantizationError
        All zero where the stored values were kept exactly.
    """

    coded: CodedMatrix
    source_format: str
    error: QuantizationError


def read_values(checkpoint: Checkpoint, source: MatrixSource) -> npt.NDArray[np.float64]:
    """Stored weights of a matrix as numbers, (n_rows, n_columns)."""
    if source.storage == "mxfp4":
        return _read_mxfp4(checkpoint, source).values()
    values = checkpoint.read(source.tensor, source.expert)
    if source.storage == "float_experts":
        values = values.T
    return values.astype(np.float64)


def load_matrix(
    checkpoint: Checkpoint, source: MatrixSource, fmt: Format | None = None
) -> LoadedMatrix:
    """Read one matrix in a format; weights that are in it come exactly, others are rounded.

    Parameters
    ----------
    checkpoint : Checkpoint
    source : MatrixSource
    fmt : Format, optional
        MXFP4 if not given. Packed experts are read as they are for MXFP4, else re-quantised.

    Raises
    ------
    HnlpuError
        NaN scale (255), NaN or infinite weight.
    """
    packed = source.storage == "mxfp4"
    source_format = "MXFP4" if packed else checkpoint.tensors[source.tensor].dtype
    if packed and fmt in (None, MXFP4):
        return LoadedMatrix(
            _read_mxfp4(checkpoint, source), source_format, QuantizationError(0.0, 0)
        )
    coded, error = quantize(read_values(checkpoint, source), source.name, fmt or MXFP4)
    return LoadedMatrix(coded, source_format, error)


def _read_mxfp4(checkpoint: Checkpoint, source: MatrixSource) -> CodedMatrix:
    blocks = checkpoint.read(f"{source.tensor}_blocks", source.expert)
    scales = checkpoint.read(f"{source.tensor}_scales", source.expert)
    if (scales == 255).any():
        row, block = np.argwhere(scales == 255)[0]
        raise HnlpuError(
            "block scale is NaN",
            where=f"{checkpoint.folder}: {source.tensor}_scales[{source.expert}, {row}, {block}]",
            got="255",
            do="an MX scale of 255 stands for NaN; repair the checkpoint",
        )
    codes = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(source.n_rows, -1)
    exponents = scales.astype(np.int16) - 127
    return CodedMatrix(source.name, codes[:, : source.n_columns].copy(), exponents, E2M1)
