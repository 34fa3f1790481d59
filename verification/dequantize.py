"""Dequantiser: what a checkpoint says its weights are, told without any code of the pipeline.

The reading side of the check must not share a mistake with the writing side, so this module knows
neither codebooks nor alignments: it turns bytes into float64 with the published formulas.

    MXFP4     value = sign * E2M1[low three bits] * 2**(scale - 127), low nibble first
    others    the number itself

Sources: OCP Microscaling Formats (MX) Specification v1.0, section 5.3.3 (E2M1) and 5.4.1 (E8M0); layout
of gpt-oss: ``_blocks`` [E, out, in/32, 16], ``_scales`` [E, out, in/32] (openai/gpt-oss, ``weights.py``).

Contract (checked by ``tests/verification/test_dequantize.py`` against values computed by hand).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  numpy, and through it safetensors, learns bfloat16
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from hnlpu.errors import HnlpuError

__all__ = ["Tensors", "dequantize", "hardwired_size", "is_hardwired"]

_E2M1 = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
_E2M1_SIGNED = np.concatenate([_E2M1, -_E2M1])
_SCALE_BIAS = 127
_SCALE_NAN = 255
_BLOCK = 32

_FLOATS = ("F16", "BF16", "F32", "F64")
_EXPERTS = (".mlp.experts.gate_up_proj", ".mlp.experts.down_proj")
_HEAD, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


class Tensors:
    """The tensors of a safetensors file, or of the folder of a checkpoint.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a folder with ``model.safetensors`` or
        ``model.safetensors.index.json``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file_of: dict[str, Path] = {}
        self._open: dict[Path, Any] = {}  # safe_open is not typed
        for file in self._files():
            try:
                self._open[file] = safe_open(file, framework="np")
            except (OSError, SafetensorError) as error:
                raise HnlpuError("cannot read tensors", where=str(file), got=str(error),
                                 do="check the file, or download it again") from error  # fmt: skip
            self._file_of.update(dict.fromkeys(self._open[file].keys(), file))

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        index = self.path / "model.safetensors.index.json"
        if not index.is_file():
            return [self.path / "model.safetensors"]
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return [self.path / shard for shard in sorted(shards)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise HnlpuError("cannot read the list of shards", where=str(index), got=repr(error),
                             do="download the file again") from error  # fmt: skip

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._file_of))

    def _file(self, name: str) -> Any:
        if name not in self._file_of:
            raise HnlpuError("no such tensor", where=str(self.path), got=name,
                             do="give the checkpoint that the bundle was generated from")  # fmt: skip
        return self._open[self._file_of[name]]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._file(name).get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """Element type as safetensors calls it: ``BF16``, ``U8``."""
        return str(self._file(name).get_slice(name).get_dtype())

    def read(self, name: str, index: int | None = None) -> npt.NDArray[Any]:
        """The tensor, or entry ``index`` of its first dimension, as stored."""
        file = self._file(name)
        if index is None:
            whole: npt.NDArray[Any] = file.get_tensor(name)
            return whole
        n = self.shape(name)[0] if self.shape(name) else 0
        if not 0 <= index < n:
            raise HnlpuError("no such expert", where=f"{self.path}: {name}", got=str(index),
                             do=f"the tensor has {n}")  # fmt: skip
        part: npt.NDArray[Any] = file.get_slice(name)[index : index + 1]
        return part.reshape(part.shape[1:])

    def same_bits(self, name: str, other: "Tensors") -> bool:
        """Both have the tensor with equal type, shape and bytes."""
        if name not in self or name not in other:
            return False
        if (self.dtype(name), self.shape(name)) != (other.dtype(name), other.shape(name)):
            return False
        return self.read(name).tobytes() == other.read(name).tobytes()


def _stem(tensor: str) -> str:
    """Name of an expert tensor without what MXFP4 appends."""
    return tensor.removesuffix("_blocks").removesuffix("_scales")


def is_hardwired(tensor: str) -> bool:
    """A stored tensor with this name holds weights of matrices, not a bias, gain or sink.

    Judged by the name alone; the embedding and the norms, also called ``.weight``, are told apart.
    """
    if _stem(tensor).endswith(_EXPERTS):
        return True
    words = tensor.split(".")
    return words[-1] == "weight" and not any("norm" in word or "embed" in word for word in words)


def hardwired_size(tensors: Tensors, tensor: str) -> int:
    """Weights in a stored tensor that :func:`is_hardwired`; scales hold none."""
    if tensor.endswith("_scales"):
        return 0
    size = int(np.prod(tensors.shape(tensor), dtype=np.int64))
    return 2 * size if tensor.endswith("_blocks") else size


def _floats(tensors: Tensors, tensor: str, index: int | None) -> npt.NDArray[np.float64]:
    kind = tensors.dtype(tensor)
    if kind not in _FLOATS:
        raise HnlpuError("not a tensor of floating-point numbers",
                         where=f"{tensors.path}: {tensor}", got=kind,
                         do=f"supported are MXFP4 experts and {', '.join(_FLOATS)}")  # fmt: skip
    return tensors.read(tensor, index).astype(np.float64)


def _mxfp4(tensors: Tensors, stem: str, expert: int | None) -> npt.NDArray[np.float64]:
    packed = tensors.read(f"{stem}_blocks", expert)
    scales = tensors.read(f"{stem}_scales", expert)
    if packed.dtype != np.uint8 or scales.dtype != np.uint8 or packed.shape[:-1] != scales.shape:
        raise HnlpuError(
            "blocks and scales do not fit each other",
            where=f"{tensors.path}: {stem}",
            got=f"{packed.dtype}{list(packed.shape)} and {scales.dtype}{list(scales.shape)}",
            do="expected u8 blocks with one u8 scale each",
        )
    if (scales == _SCALE_NAN).any():
        raise HnlpuError("a block scale is not a number", where=f"{tensors.path}: {stem}_scales",
                         got=str(_SCALE_NAN), do="check the checkpoint")  # fmt: skip
    codes = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
    codes = codes.reshape(*scales.shape, -1)
    exponents = scales.astype(np.int32)[..., None] - _SCALE_BIAS
    values: npt.NDArray[np.float64] = np.ldexp(_E2M1_SIGNED[codes], exponents)
    return values.reshape(*scales.shape[:-1], -1)


def dequantize(
    tensors: Tensors, tensor: str, expert: int | None = None, n_columns: int | None = None
) -> npt.NDArray[np.float64]:
    """Values of one matrix, outputs by inputs.

    Parameters
    ----------
    tensors : Tensors
        The checkpoint.
    tensor : str
        ``model.layers.0.self_attn.q_proj.weight``; for experts ``...mlp.experts.down_proj``, with or
        without ``_blocks``. A ``lm_head.weight`` that is absent is the embedding.
    expert : int, optional
        Which expert; needed for, and only for, expert tensors.
    n_columns : int, optional
        Inputs, where the last block of an MXFP4 row may be partial; more than that block is not cut.

    Raises
    ------
    HnlpuError
        No such tensor or expert, not a matrix, or not numbers.
    """
    stem = _stem(tensor)
    if stem.endswith(_EXPERTS):
        if expert is None:
            raise HnlpuError("a matrix of an expert needs the expert's number", where=tensor,
                             got="none", do="name the expert")  # fmt: skip
        if f"{stem}_blocks" in tensors:
            values = _mxfp4(tensors, stem, expert)
            if n_columns is not None and 0 <= values.shape[-1] - n_columns < _BLOCK:
                values = values[..., :n_columns]
        else:
            values = _floats(tensors, stem, expert).T  # stored inputs by outputs
    else:
        if tensor == _HEAD and tensor not in tensors:
            tensor = _EMBEDDING
        values = _floats(tensors, tensor, expert)
    if values.ndim != 2:
        raise HnlpuError("not a matrix", where=f"{tensors.path}: {tensor}",
                         got=f"{values.ndim} dimensions", do="check the checkpoint")  # fmt: skip
    return values
