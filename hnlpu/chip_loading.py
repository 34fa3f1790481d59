"""Where a chip's weights and constants come from: a bundle on disk, or a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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
from hnlpu.model import ModelShape, model_from_dict
from hnlpu.numerics import Numerics
from hnlpu.progress import Progress, Silent

__all__ = [
    "ModelWeights",
    "bundle_numerics",
    "chip_from_bundle",
    "chip_from_checkpoint",
    "weights_from_bundle",
    "weights_from_checkpoint",
]


@dataclass(frozen=True, slots=True, eq=False)
class ModelWeights:
    """What is hardwired and what is booted, before any grid of the numerics.

    Attributes
    ----------
    shape : ModelShape
    constants : mapping of str to array
        Tensors by their names in the checkpoint, in their stored precision.
    matrices : mapping of str to MatrixWeights
    """

    shape: ModelShape
    constants: Mapping[str, npt.NDArray[np.generic]]
    matrices: Mapping[str, MatrixWeights]

    def chip(self, numerics: Numerics) -> Chip:
        """The weights on the grids of ``numerics``."""
        return build_chip(self.shape, numerics, self.constants, self.matrices)


def weights_from_checkpoint(
    checkpoint: Checkpoint, quantize: str | None = None, progress: Progress | None = None
) -> ModelWeights:
    """The weights that ``generate`` would wire.

    Parameters
    ----------
    checkpoint : Checkpoint
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
    return ModelWeights(checkpoint.shape, constants, matrices)


def weights_from_bundle(bundle: str | Path) -> ModelWeights:
    """The weights of a bundle, from its manifest, reference weights and boot image.

    Raises
    ------
    HnlpuError
        Not a bundle, or a damaged one.
    """
    folder = Path(bundle)
    manifest = read_manifest(folder)
    try:
        shape = model_from_dict(manifest["model"])
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
        raise _damaged(folder, error) from error
    return ModelWeights(shape, boot, matrices)


def chip_from_checkpoint(
    checkpoint: Checkpoint,
    numerics: Numerics,
    quantize: str | None = None,
    progress: Progress | None = None,
) -> Chip:
    """The chip that ``generate`` would make of a checkpoint; see :func:`weights_from_checkpoint`."""
    return weights_from_checkpoint(checkpoint, quantize, progress).chip(numerics)


def chip_from_bundle(bundle: str | Path, numerics: Numerics | None = None) -> Chip:
    """The chip that a bundle holds.

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
    weights = weights_from_bundle(bundle)
    return weights.chip(numerics or bundle_numerics(bundle))


def bundle_numerics(bundle: str | Path) -> Numerics:
    """Numerics that a bundle was generated with.

    Raises
    ------
    HnlpuError
        Not a bundle, or a damaged one.
    """
    folder = Path(bundle)
    try:
        return Numerics.from_dict(read_manifest(folder)["numerics"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> HnlpuError:
    return HnlpuError(
        "bundle is damaged, or of another version",
        where=str(folder),
        got=f"{type(error).__name__}: {error}",
        do="generate the bundle again",
    )
