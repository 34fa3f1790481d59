"""Quantise a checkpoint: a Hugging Face folder whose linear weights are all in one format."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from hnlpu.bundle import new_folder, write_json
from hnlpu.checkpoint import open_checkpoint
from hnlpu.errors import HnlpuError
from hnlpu.families import MatrixSource, find_tensors
from hnlpu.formats import MXFP4, Format, parse_format
from hnlpu.matrices import load_matrix
from hnlpu.progress import Progress, Silent

__all__ = ["quantize"]


def quantize(
    source: str | Path,
    out: str | Path,
    fmt: str | Format = "mxfp4",
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a copy of a checkpoint with every linear weight rounded to a format.

    Weights keep their names and are stored as numbers, BF16 where a tensor is exact in it and else F32,
    so the folder loads wherever the original does. Packed MXFP4 experts stay packed for MXFP4; for
    another format they are stored as transformers writes them dequantised. A tied head is untied: the
    embedding keeps its source precision. A tensor that is in the format already keeps its values.

    Parameters
    ----------
    source : path or hub repository id
    out : path
    fmt : Format, or its name (see :func:`hnlpu.formats.parse_format`)
    force : bool
        Replace what is in ``out``.
    progress : Progress, optional

    Returns
    -------
    dict
        ``format``; ``rows``: per matrix ``name``, ``relative_rmse``, ``saturated``; ``totals``.

    Raises
    ------
    HnlpuError
        Unknown format, unsound checkpoint, or ``out`` is not empty and ``force`` is not set.
    """
    fmt = parse_format(fmt) if isinstance(fmt, str) else fmt
    show = progress or Silent()
    checkpoint = open_checkpoint(source)
    tensors = find_tensors(checkpoint)
    replaced: dict[str, npt.NDArray[Any]] = {}
    unpacked: set[str] = set()
    rows: list[dict[str, Any]] = []
    with new_folder(Path(out), force=force) as folder:
        for i, matrix in enumerate(tensors.matrices):
            show("quantize", i, len(tensors.matrices), matrix.name)
            loaded = load_matrix(checkpoint, matrix, fmt)
            rows.append({"name": matrix.name, **loaded.error.as_dict()})
            if matrix.storage != "mxfp4":
                _store(replaced, matrix, loaded.coded.values(), checkpoint.shape.n_experts)
            elif fmt != MXFP4:
                unpacked |= {f"{matrix.tensor}_blocks", f"{matrix.tensor}_scales"}
                _store(replaced, matrix, loaded.coded.values(), checkpoint.shape.n_experts)
        show("quantize", len(tensors.matrices), len(tensors.matrices))
        left = [n for n in checkpoint.tensors if n not in replaced and n not in unpacked]
        written = {n: checkpoint.read(n) for n in left} | {
            n: _narrowest(array) for n, array in replaced.items()
        }
        save_file(written, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
        if unpacked:
            config.pop("quantization_config", None)
        if "lm_head.weight" in replaced:
            config["tie_word_embeddings"] = False
        write_json(folder / "config.json", config)
        for path in sorted(checkpoint.folder.glob("*.json")):
            if path.name != "config.json" and not path.name.endswith(".index.json"):
                (folder / path.name).write_bytes(path.read_bytes())
    changed = [row for row in rows if row["relative_rmse"]]
    return {
        "format": fmt.name,
        "rows": rows,
        "totals": {
            "matrices": len(rows),
            "changed": len(changed),
            "largest_relative_rmse": max((row["relative_rmse"] for row in rows), default=0.0),
            "saturated": sum(row["saturated"] for row in rows),
        },
    }


def _store(
    replaced: dict[str, npt.NDArray[Any]],
    matrix: MatrixSource,
    values: npt.NDArray[np.float64],
    n_experts: int,
) -> None:
    """Put a matrix, or one expert of a stack, among the tensors to write."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if not np.array_equal(single, values):
        row, column = np.argwhere(single != values)[0]
        raise HnlpuError(
            "weight is no F32 number",
            where=f"{matrix.name}[{row}, {column}]",
            got=repr(float(values[row, column])),
            do="scale the checkpoint, or choose another format",
        )
    if matrix.expert is None:
        tied = matrix.role == "unembedding" and matrix.tensor != "lm_head.weight"
        replaced["lm_head.weight" if tied else matrix.tensor] = single
        return
    shape = (n_experts, matrix.n_columns, matrix.n_rows)
    stack = replaced.setdefault(matrix.tensor, np.zeros(shape, dtype=np.float32))
    stack[matrix.expert] = single.T


def _narrowest(array: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """BF16 where that keeps every number."""
    narrow: npt.NDArray[Any] = array.astype(ml_dtypes.bfloat16)
    return narrow if np.array_equal(narrow.astype(np.float32), array) else array
