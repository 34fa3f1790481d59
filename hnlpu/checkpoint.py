"""A Hugging Face checkpoint folder: checked at the door, read lazily.

``model.safetensors`` or the shards of ``model.safetensors.index.json`` are opened through the
``safetensors`` library, which memory-maps them; a tensor is read when it is asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.model import ModelShape, read_model_shape

__all__ = ["Checkpoint", "TensorInfo", "open_checkpoint"]

_FLOATS = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
_DTYPES: dict[str, Any] = {**_FLOATS, "U8": np.uint8}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What the header of a safetensors file says of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str


class Checkpoint:
    """An opened checkpoint folder.

    Parameters
    ----------
    folder : Path
        Holds ``config.json`` and the safetensors files.

    Attributes
    ----------
    shape : ModelShape
    tensors : mapping of str to TensorInfo
        Every tensor of every file, in name order.

    Raises
    ------
    HnlpuError
        Missing or damaged file, shard outside the folder, unsupported architecture.
    """

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        if not folder.is_dir():
            raise HnlpuError(
                "no such checkpoint folder",
                where=str(folder),
                got="a file" if folder.exists() else "nothing",
                do="name a Hugging Face folder with config.json and model.safetensors",
            )
        self.folder = folder
        self.shape: ModelShape = read_model_shape(folder / "config.json", name=name)
        self._files: dict[str, Any] = {}
        self.tensors: Mapping[str, TensorInfo] = self._read_headers()

    @cached_property
    def files(self) -> list[str]:
        """Names of the safetensors files, sorted."""
        return sorted(self._files)

    def _read_headers(self) -> dict[str, TensorInfo]:
        index = self.folder / "model.safetensors.index.json"
        single = self.folder / "model.safetensors"
        weight_map = _read_index(index) if index.is_file() and not single.is_file() else None
        names = sorted(set(weight_map.values())) if weight_map else [single.name]
        found: dict[str, TensorInfo] = {}
        for name in names:
            handle = self._files[name] = _open(self.folder / name)
            for tensor in handle.keys():  # noqa: SIM118 - not a mapping
                part = handle.get_slice(tensor)
                info = TensorInfo(tensor, part.get_dtype(), tuple(part.get_shape()), name)
                if tensor in found:
                    raise HnlpuError(
                        "tensor stored twice",
                        where=f"{self.folder / name}: {tensor}",
                        got=f"also in {found[tensor].file}",
                        do="download the checkpoint again",
                    )
                found[tensor] = info
        for tensor, file in sorted((weight_map or {}).items()):
            if tensor not in found or found[tensor].file != file:
                raise HnlpuError(
                    "tensor is not in the shard that the index names",
                    where=f"{index}: {tensor}",
                    got=file,
                    do="download the checkpoint again",
                )
        return dict(sorted(found.items()))

    def info(self, name: str, shape: tuple[int, ...], dtypes: tuple[str, ...]) -> TensorInfo:
        """Header entry of a tensor that the family needs, checked.

        Raises
        ------
        HnlpuError
            Missing tensor, other shape or dtype than ``shape`` and ``dtypes``.
        """
        where = f"{self.folder}: {name}"
        if name not in self.tensors:
            raise HnlpuError(
                "tensor is missing",
                where=where,
                got="no such name in the safetensors files",
                do=f"a {self.shape.family} checkpoint needs it with shape {list(shape)}",
            )
        info = self.tensors[name]
        if info.dtype not in dtypes:
            raise HnlpuError(
                "wrong dtype", where=where, got=info.dtype, do=f"expected {' or '.join(dtypes)}"
            )
        if info.shape != shape:
            raise HnlpuError(
                "wrong shape",
                where=where,
                got=str(list(info.shape)),
                do=f"config.json says {list(shape)}",
            )
        return info

    def read(self, name: str, index: int | None = None) -> npt.NDArray[Any]:
        """A tensor in its stored dtype, or slice ``index`` of its first axis.

        Raises
        ------
        HnlpuError
            Unsupported dtype; NaN or infinity in a float tensor.
        """
        info = self.tensors[name]
        where = f"{self.folder / info.file}: {name}"
        if info.dtype not in _DTYPES:
            raise HnlpuError(
                "unsupported dtype",
                where=where,
                got=info.dtype,
                do=f"supported are {', '.join(_DTYPES)}",
            )
        handle = self._files[info.file]
        array = handle.get_tensor(name) if index is None else handle.get_slice(name)[index]
        result: npt.NDArray[Any] = np.asarray(array)
        if info.dtype in _FLOATS and not np.isfinite(result.astype(np.float32)).all():
            place = np.argwhere(~np.isfinite(result.astype(np.float32)))[0].tolist()
            position = place if index is None else [index, *place]
            raise HnlpuError(
                "not a finite number",
                where=f"{where}{position}",
                got=str(result[tuple(place)]),
                do="a weight must be finite; repair the checkpoint",
            )
        return result


def _open(path: Path) -> Any:
    if not path.is_file():
        raise HnlpuError(
            "file is missing", where=str(path), got="nothing", do="download the checkpoint again"
        )
    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError) as error:
        raise HnlpuError(
            "not a sound safetensors file",
            where=str(path),
            got=f"{str(error) or type(error).__name__}, {path.stat().st_size:,} bytes",
            do="the file is cut short or damaged; download it again",
        ) from error


def _read_index(path: Path) -> dict[str, str]:
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        pairs = {str(tensor): str(file) for tensor, file in weight_map.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HnlpuError(
            "not a safetensors index",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            do="it must hold an object with a weight_map; download it again",
        ) from error
    for tensor, file in pairs.items():
        if Path(file).name != file or "\\" in file or file in ("", ".", ".."):
            raise HnlpuError(
                "shard lies outside the checkpoint folder",
                where=f"{path}: {tensor}",
                got=repr(file),
                do="shards must be plain file names beside the index",
            )
    return pairs


def open_checkpoint(source: str | Path) -> Checkpoint:
    """Open a folder, or a hub repository id (``owner/name``) through the optional extra ``[hub]``.

    Raises
    ------
    HnlpuError
        See :class:`Checkpoint`.
    MissingToolError
        A repository id without the extra.
    """
    path = Path(source)
    text = str(source)
    if path.exists() or text.count("/") != 1 or text.startswith((".", "/", "~")):
        return Checkpoint(path)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingToolError(
            "no such folder, and hub repositories need huggingface_hub",
            where=text,
            got="package not installed",
            do="name a local folder, or pip install 'hnlpu[hub]'",
        ) from error
    try:
        folder = snapshot_download(text, allow_patterns=["*.json", "*.safetensors"])
    except Exception as error:  # the hub library raises many unrelated types
        raise HnlpuError(
            "no such folder, and the hub gave no such repository",
            where=text,
            got=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            do="check the name and the network, or download it and name the folder",
        ) from error
    return Checkpoint(Path(folder), name=text.rpartition("/")[2])
