"""Read the boot image back: every word stands for a constant of the model, to half a unit of its grid.

The road is another one than that of ``hnlpu.boot``: addresses from ``chip.json``, constants as numbers from
``boot.safetensors`` (which ``hnlpu.verification.readback`` compares with the checkpoint bit for bit).
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hnlpu.errors import HnlpuError

__all__ = ["read_boot_image"]

Numbers = npt.NDArray[np.float64]


def read_boot_image(bundle: Path, manifest: Mapping[str, Any]) -> tuple[int, int]:
    """Words of the boot image, and how many of them are wrong, missing or too many.

    Parameters
    ----------
    bundle : path
    manifest : mapping
        Of the bundle; one without a chip has no image.

    Raises
    ------
    HnlpuError
        Files that cannot be read.
    """
    if "chip" not in manifest:
        return 0, 0
    try:
        image = _words((bundle / "boot" / "image.hex").read_text())
        windows = json.loads((bundle / "chip.json").read_text())["boot"]
        stored = load_file(bundle / "boot.safetensors")
        wrong, known = 0, 0
        for window in windows:
            octaves = image.get(window["base"] + window["parts"][-1]["offset"], 0)
            for part in window["parts"]:
                values, unit = _expected(window["block"], part, octaves, manifest, stored)
                first = window["base"] + part["offset"]
                known += len(values)
                for i, value in enumerate(values.tolist()):
                    word = image.get(first + i)
                    wrong += word is None or abs(word * unit - value) > unit / 2 * (1 + 1e-9)
        return len(image), wrong + max(0, len(image) - known)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise HnlpuError(
            "boot image cannot be read",
            where=str(bundle),
            got=f"{type(error).__name__}: {error}",
            do="generate the bundle again",
        ) from error


def _words(text: str) -> dict[int, int]:
    """Signed words by address."""
    found = {}
    for line in text.splitlines():
        word = int(line[8:16], 16)
        found[int(line[:8], 16)] = word - (word >> 31 << 32)
    return found


def _expected(
    block: str,
    part: Mapping[str, int],
    octaves: int,
    manifest: Mapping[str, Any],
    stored: Mapping[str, npt.NDArray[Any]],
) -> tuple[Numbers, float]:
    """The numbers a part of a block's window stands for, and what one of its words is worth."""
    numerics, model = manifest["numerics"], manifest["model"]
    residual, value = (2.0 ** -numerics[f"{x}_fraction"] for x in ("residual", "value"))
    n_words, offset = part["words"], part["offset"]

    def tensor(name: str, index: int | None = None) -> Numbers:
        numbers = stored[name].astype(np.float64)
        return (numbers if index is None else numbers[index]).ravel()

    if block == "embedding":
        return tensor("model.embed_tokens.weight"), residual
    if block == "head_logits":
        return _rows(n_words, offset, "lm_head", np.zeros(n_words), value, stored)
    if block == "head_norm":
        return _gains(tensor("model.norm.weight"), octaves, offset, numerics)
    _, number, kind = block.split("_", 2)
    stem = f"model.layers.{number}"
    if kind in ("attention_norm", "mlp_norm"):
        norm = "input" if kind == "attention_norm" else "post_attention"
        return _gains(tensor(f"{stem}.{norm}_layernorm.weight"), octaves, offset, numerics)
    if kind == "attention":
        if offset:
            return np.array([model["windows"][int(number)] or 0.0]), 1.0
        unit = 2.0 ** -numerics["exp_table_bits"]
        return tensor(f"{stem}.self_attn.sinks") * math.log2(math.e), unit
    unit = residual if kind == "o" or kind.endswith("down") else value
    if kind.startswith("expert_"):
        _, expert, role = kind.split("_", 2)
        bias = tensor(f"{stem}.mlp.experts.{role}_proj_bias", int(expert))
        return _rows(
            n_words, offset, f"{stem}.mlp.experts.{expert}.{role}_proj", bias, unit, stored
        )
    name = f"{stem}.self_attn.{kind}_proj" if kind in "qkvo" else f"{stem}.mlp.{kind}_proj"
    name = f"{stem}.mlp.router" if kind == "router" else name
    bias = tensor(f"{name}.bias") if f"{name}.bias" in stored else np.zeros(n_words)
    return _rows(n_words, offset, name, bias, unit, stored)


def _rows(
    n_words: int,
    offset: int,
    matrix: str,
    bias: Numbers,
    unit: float,
    stored: Mapping[str, npt.NDArray[Any]],
) -> tuple[Numbers, float]:
    """Biases first, then the row scales of a matrix that has some (the largest word is short of 2)."""
    if not offset:
        return bias[:n_words], unit
    return np.minimum(stored[f"{matrix}.row_scales"], 2 - 2.0**-15), 2.0**-15


def _gains(
    gains: Numbers, octaves: int, offset: int, numerics: Mapping[str, Any]
) -> tuple[Numbers, float]:
    """Gains times the root of their number; then the octaves, which must hold the largest."""
    scaled = gains * math.sqrt(len(gains))
    if offset:
        fits = np.abs(scaled).max() <= 2.0**octaves
        return np.array([octaves if fits else math.inf]), 1.0
    return scaled, 2.0 ** (octaves + 1 - numerics["gamma_bits"])
