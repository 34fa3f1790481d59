"""Where a chip's weights and constants come from: a bundle on disk, or a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from hnlpu.alignment import align
from hnlpu.bundle import read_manifest
from hnlpu.checkpoint import Checkpoint
from hnlpu.chip import Chip, MatrixWeights, build_chip
from hnlpu.errors import HnlpuError
from hnlpu.families import find_tensors
from hnlpu.formats import parse_format
from hnlpu.matrices import load_matrix
from hnlpu.model import model_from_dict
from hnlpu.numerics import Numerics
from hnlpu.progress import Progress, Silent

__all__ = ["chip_from_bundle", "chip_from_checkpoint"]


def chip_from_checkpoint(
    checkpoint: Checkpoint,
    numerics: Numerics,
    quantize: str | None = None,
    progress: Progress | None = None,
) -> Chip:
    """The chip that ``generate`` would make of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
    numerics : Numerics
    quantize : str, optional
        Format the weights are rounded to; without it they must be on the MXFP4 grid.
    progress : Progress, optional

    Raises
    ------
    HnlpuError
        Weights off the grid without ``quantize``, or an unsound checkpoint.
    """
    show = progress or Silent()
    tensors = find_tensors(checkpoint)
    fmt = parse_format(quantize or "mxfp4")
    matrices: dict[str, MatrixWeights] = {}
    for i, source in enumerate(tensors.matrices):
        show("read", i, len(tensors.matrices), source.name)
        loaded = load_matrix(checkpoint, source, fmt)
        if quantize is None and not loaded.error.lossless:
            raise HnlpuError(
                "weights are not on the MXFP4 grid",
                where=f"{checkpoint.folder}: {source.name}",
                got=loaded.source_format,
                do="allow rounding with --quantize mxfp4",
            )
        aligned = align(loaded.coded)
        values = replace(aligned, row_scales=None).values()
        matrices[source.name] = MatrixWeights(values, aligned.row_exponents, aligned.row_scales)
    show("read", len(tensors.matrices), len(tensors.matrices))
    constants = {name: checkpoint.read(name) for name in tensors.constants}
    return build_chip(checkpoint.shape, numerics, constants, matrices)


def chip_from_bundle(bundle: str | Path, numerics: Numerics | None = None) -> Chip:
    """The chip that a bundle holds, from its manifest, reference weights and boot image.

    Parameters
    ----------
    bundle : path
    numerics : Numerics, optional
        Instead of the bundle's own.

    Raises
    ------
    HnlpuError
        Not a bundle, or a damaged one.
    """
    folder = Path(bundle)
    manifest = read_manifest(folder)
    try:
        shape = model_from_dict(manifest["model"])
        own = numerics or Numerics.from_dict(manifest["numerics"])
        reference = load_file(folder / "reference.safetensors")
        boot: dict[str, Any] = load_file(folder / "boot.safetensors")
        matrices = {
            entry["name"]: MatrixWeights(
                reference[f"{entry['name']}.weights"],
                reference[f"{entry['name']}.row_exponents"],
                boot.get(f"{entry['name']}.row_scales"),
            )
            for entry in manifest["matrices"]
        }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise HnlpuError(
            "bundle is damaged, or of another version",
            where=str(folder),
            got=f"{type(error).__name__}: {error}",
            do="generate the bundle again",
        ) from error
    return build_chip(shape, own, boot, matrices)
