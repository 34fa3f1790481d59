"""Read the boot image back: every word stands for a constant of the model, to half a unit of its grid.

The road is another one than that of ``hnlpu.boot``: addresses from ``chip.json``, constants as numbers from
``boot.safetensors`` (which ``hnlpu.verification.readback`` compares with the checkpoint bit for bit).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hnlpu.errors import HnlpuError
from hnlpu.grid import Tile
from hnlpu.verification.chip_sources import chips_of

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
        chips = chips_of(json.loads((bundle / "chip.json").read_text()))
        stored = load_file(bundle / "boot.safetensors")
        wrong, known = 0, 0
        held_by = {tile: _Held.of(manifest, tile) for tile in chips}
        for held, window in ((held_by[t], w) for t, chip in chips.items() for w in chip["boot"]):
            octaves = image.get(window["base"] + window["parts"][-1]["offset"], 0)
            for part in window["parts"]:
                values, unit = _expected(window["block"], part, octaves, manifest, stored, held)
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


@dataclass(frozen=True, slots=True)
class _Held:
    """What a chip has: rows of every matrix (first, number, of how many), and its experts."""

    rows: Mapping[str, tuple[int, int, int]]
    experts: tuple[int, ...]

    @staticmethod
    def of(manifest: Mapping[str, Any], tile: Tile) -> "_Held":
        own = [m for m in manifest["matrices"] if m["chip"] == [tile.row, tile.column]]
        experts = {m["expert"] for m in own if m["expert"] is not None}
        return _Held({m["name"]: (*m["rows"], m["n_rows"]) for m in own}, tuple(sorted(experts)))

    def cut(self, matrix: str, values: Numbers, fill: float = 0.0) -> Numbers:
        """The chip's rows of ``values``, one for each row of the matrix.

        Infinite, which no word stands for, if the manifest knows of none.
        """
        if matrix not in self.rows:
            return np.full(len(values), math.inf)
        first, n, total = self.rows[matrix]
        kept = values[first : min(first + n, total)]
        return np.concatenate([kept, np.full(n - len(kept), fill)])


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
    held: _Held,
) -> tuple[Numbers, float]:
    """The numbers a part of a block's window stands for, and what one of its words is worth."""
    numerics, model = manifest["numerics"], manifest["model"]
    residual, value = (2.0 ** -numerics[f"{x}_fraction"] for x in ("residual", "value"))
    offset = part["offset"]

    def tensor(name: str, index: int | None = None) -> Numbers:
        numbers = stored[name].astype(np.float64)
        return (numbers if index is None else numbers[index]).ravel()

    if block == "embedding":
        return tensor("model.embed_tokens.weight"), residual
    if block == "head_logits":
        return _rows(offset, "lm_head", None, value, stored, held)
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
        first, n, _ = held.rows[f"{stem}.self_attn.q_proj"]
        heads = slice(first // model["head_dim"], (first + n) // model["head_dim"])
        return tensor(f"{stem}.self_attn.sinks")[heads] * math.log2(math.e), unit
    unit = residual if kind == "o" or kind.endswith("down") else value
    if kind.startswith("expert_"):
        _, place, role = kind.split("_", 2)
        expert = held.experts[int(place)]
        bias = tensor(f"{stem}.mlp.experts.{role}_proj_bias", expert)
        name = f"{stem}.mlp.experts.{expert}.{role}_proj"
        return _rows(offset, name, bias, unit, stored, held)
    name = f"{stem}.self_attn.{kind}_proj" if kind in "qkvo" else f"{stem}.mlp.{kind}_proj"
    name = f"{stem}.mlp.router" if kind == "router" else name
    own_bias = tensor(f"{name}.bias") if f"{name}.bias" in stored else None
    return _rows(offset, name, own_bias, unit, stored, held)


def _rows(
    offset: int,
    matrix: str,
    bias: Numbers | None,
    unit: float,
    stored: Mapping[str, npt.NDArray[Any]],
    held: _Held,
) -> tuple[Numbers, float]:
    """Biases first, then the row scales of a matrix that has some (the largest word is short of 2)."""
    if not offset:
        none = np.zeros(held.rows[matrix][2] if matrix in held.rows else 1)
        return held.cut(matrix, none if bias is None else bias), unit
    scales = np.minimum(stored[f"{matrix}.row_scales"], 2 - 2.0**-15)
    return held.cut(matrix, scales, 1.0), 2.0**-15


def _gains(
    gains: Numbers, octaves: int, offset: int, numerics: Mapping[str, Any]
) -> tuple[Numbers, float]:
    """Gains times the root of their number; then the octaves, which must hold the largest."""
    scaled = gains * math.sqrt(len(gains))
    if offset:
        fits = np.abs(scaled).max() <= 2.0**octaves
        return np.array([octaves if fits else math.inf]), 1.0
    return scaled, 2.0 ** (octaves + 1 - numerics["gamma_bits"])
