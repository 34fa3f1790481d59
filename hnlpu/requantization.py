"""Quantise a checkpoint: a Hugging Face folder whose linear weights are all on the MXFP4 grid."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from hnlpu.bundle import new_folder, write_json
from hnlpu.checkpoint import Checkpoint, open_checkpoint
from hnlpu.families import MatrixSource, find_tensors
from hnlpu.matrices import load_matrix
from hnlpu.progress import Progress, Silent

__all__ = ["quantize"]


def quantize(
    source: str | Path, out: str | Path, *, force: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Write a copy of a checkpoint with every linear weight rounded to MXFP4.

    Experts that are stored packed stay packed; all other weights keep their names and are stored as
    BF16 numbers on the grid (exact: E2M1 has two mantissa bits), so the folder loads wherever the
    original does. A tied head is untied: the embedding keeps its source precision. A tensor that is on
    the grid already keeps its values.

    Returns
    -------
    dict
        ``rows``: per matrix ``name``, ``relative_rmse``, ``saturated``; ``totals``.

    Raises
    ------
    HnlpuError
        Unsound checkpoint, or ``out`` is not empty and ``force`` is not set.
    """
    show = progress or Silent()
    checkpoint = open_checkpoint(source)
    tensors = find_tensors(checkpoint)
    replaced: dict[str, npt.NDArray[Any]] = {}
    rows: list[dict[str, Any]] = []
    with new_folder(Path(out), force=force) as folder:
        for i, matrix in enumerate(tensors.matrices):
            show("quantize", i, len(tensors.matrices), matrix.name)
            loaded = load_matrix(checkpoint, matrix)
            rows.append({"name": matrix.name, **loaded.error.as_dict()})
            if matrix.storage != "mxfp4":
                _store(replaced, checkpoint, matrix, loaded.coded.values())
        show("quantize", len(tensors.matrices), len(tensors.matrices))
        kept = {n: checkpoint.read(n) for n in checkpoint.tensors if n not in replaced}
        save_file({**kept, **replaced}, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
        if "lm_head.weight" in replaced:
            config["tie_word_embeddings"] = False
        write_json(folder / "config.json", config)
        for path in sorted(checkpoint.folder.glob("*.json")):
            if path.name != "config.json" and not path.name.endswith(".index.json"):
                (folder / path.name).write_bytes(path.read_bytes())
    changed = [row for row in rows if row["relative_rmse"]]
    return {
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
    checkpoint: Checkpoint,
    matrix: MatrixSource,
    values: npt.NDArray[np.float64],
) -> None:
    narrow = values.astype(ml_dtypes.bfloat16)
    if matrix.storage == "float":
        tied = matrix.role == "unembedding" and matrix.tensor != "lm_head.weight"
        replaced["lm_head.weight" if tied else matrix.tensor] = narrow
        return
    shape = checkpoint.tensors[matrix.tensor].shape
    stack = replaced.setdefault(matrix.tensor, np.zeros(shape, dtype=ml_dtypes.bfloat16))
    stack[matrix.expert] = narrow.T
