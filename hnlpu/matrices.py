"""From the tensors of a checkpoint to coded matrices."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.checkpoint import Checkpoint
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.families import MatrixSource
from hnlpu.quantization import QuantizationError, quantize_mxfp4
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
    """Stored float weights of a matrix, (n_rows, n_columns)."""
    values = checkpoint.read(source.tensor, source.expert)
    if source.storage == "float_experts":
        values = values.T
    return values.astype(np.float64)


def load_matrix(checkpoint: Checkpoint, source: MatrixSource) -> LoadedMatrix:
    """Read one matrix; float weights are quantised to MXFP4, exactly where they are on its grid.

    Raises
    ------
    HnlpuError
        NaN scale (255), NaN or infinite weight.
    """
    if source.storage == "mxfp4":
        return LoadedMatrix(_read_mxfp4(checkpoint, source), "MXFP4", QuantizationError(0.0, 0))
    coded, error = quantize_mxfp4(read_values(checkpoint, source), source.name)
    return LoadedMatrix(coded, checkpoint.tensors[source.tensor].dtype, error)


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
