"""Estimate: count the silicon of every array of a model and hand it to the cost model."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hnlpu.alignment import align
from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.bundle import read_manifest, write_json
from hnlpu.checkpoint import open_checkpoint
from hnlpu.codebook import E2M1
from hnlpu.costmodel.estimate import estimate as cost
from hnlpu.costmodel.presets import preset
from hnlpu.families import find_tensors
from hnlpu.matrices import load_matrix
from hnlpu.model import ModelShape, model_from_dict, read_model_shape
from hnlpu.progress import Progress, Silent
from hnlpu.rtl.synthesis import count_base
from hnlpu.selection import BaseOptions, taps_base
from hnlpu.weights import BLOCK

__all__ = ["estimate", "estimate_preset"]

#: Exponent values per row where no weights are at hand: the base of DESIGN.md's MXFP4 figures.
_EXPONENT_VALUES = 4


def estimate(
    source: str | Path,
    *,
    activation_bits: int = 8,
    phases: int = 3,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Estimate a bundle, a checkpoint, or a folder (or file) with a ``config.json`` alone.

    A bundle is estimated with its own bases, and ``estimate.json`` is written into it. A checkpoint gets
    the bases ``generate`` would choose; a bare configuration, bases with 4 exponent values per row.

    Raises
    ------
    HnlpuError
        Neither of these, or unsound.
    """
    path = Path(source)
    show = progress or Silent()
    if (path / "manifest.json").is_file():
        manifest = read_manifest(path)
        plans = [plan_from_dict(base["parameters"]) for base in manifest["bases"]]
        shape = model_from_dict(manifest["model"])
        result = _estimate(shape, plans, show)
        write_json(path / "estimate.json", result)
        return result
    options = BaseOptions(activation_bits=activation_bits, phases=phases)
    config = path if path.is_file() else path / "config.json"
    if config.is_file() and not list(config.parent.glob("*.safetensors")):
        shape = read_model_shape(config)
        return _estimate(shape, _bases(shape, options), show)
    checkpoint = open_checkpoint(path if path.exists() else source)
    spreads: dict[tuple[int, int], int] = {}
    matrices = find_tensors(checkpoint).matrices
    for i, matrix in enumerate(matrices):
        show("read", i, len(matrices), matrix.name)
        size = (matrix.n_rows, matrix.n_columns)
        spread = align(load_matrix(checkpoint, matrix).coded).spread
        spreads[size] = max(spread, spreads.get(size, 0))
    show("read", len(matrices), len(matrices))
    values = {size: 1 << spread.bit_length() for size, spread in spreads.items()}
    return _estimate(checkpoint.shape, _bases(checkpoint.shape, options, values), show)


def estimate_preset(
    name: str, *, activation_bits: int = 8, phases: int = 3, progress: Progress | None = None
) -> dict[str, Any]:
    """Estimate a named model, with 4 exponent values per row.

    Raises
    ------
    HnlpuError
        Unknown name; the message lists the known ones.
    """
    shape = preset(name)
    options = BaseOptions(activation_bits=activation_bits, phases=phases)
    return _estimate(shape, _bases(shape, options), progress or Silent())


def _bases(
    shape: ModelShape,
    options: BaseOptions,
    exponent_values: Mapping[tuple[int, int], int] | None = None,
) -> list[ArrayPlan]:
    """A base for every array shape of a model."""
    known = exponent_values or {}
    return [
        taps_base(
            size,
            options,
            exponent_values=known.get(size, _EXPONENT_VALUES),
            magnitudes=E2M1.magnitudes,
            block=BLOCK,
        )
        for size in sorted({(linear.n_rows, linear.n_columns) for linear in shape.linears()})
    ]


def _estimate(shape: ModelShape, plans: Iterable[ArrayPlan], show: Progress) -> dict[str, Any]:
    arrays = {}
    todo = list(plans)
    for i, plan in enumerate(todo):
        show("count cells", i, len(todo), plan.name)
        arrays[plan.n_rows, plan.n_columns] = count_base(plan)
    show("count cells", len(todo), len(todo))
    result = cost(shape, arrays).as_dict()
    result["bases"] = [plan.as_dict() for plan in todo]
    return result
