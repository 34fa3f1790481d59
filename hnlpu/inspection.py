"""Inspect: what a checkpoint holds and what would become of each tensor."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hnlpu.alignment import align
from hnlpu.checkpoint import Checkpoint, open_checkpoint
from hnlpu.families import MatrixSource, find_tensors
from hnlpu.matrices import load_matrix
from hnlpu.progress import Progress, Silent

__all__ = ["inspect"]


def inspect(source: str | Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Describe a checkpoint.

    Returns
    -------
    dict
        ``checkpoint``, ``family``, ``model`` (dimensions), ``matrices`` (per matrix: format, weights,
        histogram of codebook values, exponent spread, ``hardwired``: ``lossless`` or ``needs
        --quantize mxfp4``, the error that would make), ``constants``, ``off_fabric``, ``totals``.

    Raises
    ------
    HnlpuError
        The checkpoint is unsound.
    """
    show = progress or Silent()
    checkpoint = open_checkpoint(source)
    tensors = find_tensors(checkpoint)
    matrices = []
    for i, matrix in enumerate(tensors.matrices):
        show("inspect", i, len(tensors.matrices), matrix.name)
        matrices.append(_describe(checkpoint, matrix))
    show("inspect", len(tensors.matrices), len(tensors.matrices))
    shape = checkpoint.shape
    constants = [
        {
            "name": name,
            "format": checkpoint.tensors[name].dtype,
            "shape": list(checkpoint.tensors[name].shape),
            "held_in": "boot image",
        }
        for name in tensors.constants
    ]
    lossless = sum(m["n_weights"] for m in matrices if m["hardwired"] == "lossless")
    weights = sum(m["n_weights"] for m in matrices)
    return {
        "checkpoint": str(checkpoint.folder),
        "family": shape.family,
        "model": asdict(shape),
        "matrices": matrices,
        "constants": constants,
        "off_fabric": [{"tensor": name, "reason": why} for name, why in tensors.off_fabric],
        "totals": {
            "matrices": len(matrices),
            "weights": weights,
            "zero_weights": sum(m["n_zero"] for m in matrices),
            "lossless_weights": lossless,
            "needs_quantizing": weights - lossless,
        },
    }


def _describe(checkpoint: Checkpoint, source: MatrixSource) -> dict[str, Any]:
    loaded = load_matrix(checkpoint, source)
    coded = loaded.coded
    histogram = coded.histogram()
    lossless = loaded.error.lossless
    return {
        "name": source.name,
        "role": source.role,
        "format": loaded.source_format,
        "n_rows": source.n_rows,
        "n_columns": source.n_columns,
        "n_weights": coded.n_weights,
        "n_zero": histogram.get("0", 0),
        "histogram": histogram,
        "exponent_spread": align(coded).spread,
        "hardwired": "lossless" if lossless else "needs --quantize mxfp4",
        "quantization_error": loaded.error.as_dict(),
    }
