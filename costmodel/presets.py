"""Known models, so that a cost needs no checkpoint: public configurations and the sizes published for them."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hnlpu.costmodel.loader import DataFile
from hnlpu.errors import HnlpuError
from hnlpu.outline import ModelOutline, outline_from_config

__all__ = [
    "PAPER_MODEL",
    "Preset",
    "is_paper_outline",
    "load_outlines",
    "load_presets",
    "outline_preset",
]

#: The model that the paper hardwires.
PAPER_MODEL = "gpt-oss-120b"

_NUMBERS = ("published_parameters", "published_active_parameters", "published_tolerance")


@dataclass(frozen=True, slots=True)
class Preset:
    """One known model.

    Attributes
    ----------
    outline : ModelOutline
    published_parameters, published_active_parameters : float
        What the model's publisher says.
    active_counts_embedding : bool
        Whether the published active parameters include the embedding table.
    published_tolerance : float
        Relative distance that the digits of the published numbers allow.
    published_source : str
    """

    outline: ModelOutline
    published_parameters: float
    published_active_parameters: float
    active_counts_embedding: bool
    published_tolerance: float
    published_source: str


def load_presets(path: Path | None = None) -> dict[str, Preset]:
    """Every preset of ``models.toml``, by name.

    Raises
    ------
    HnlpuError
        Unknown, missing or impossible entry; the message names file and key.
    """
    file = DataFile("models.toml", path)
    presets = {}
    for name in file.names():
        text = ("source", "published_source")
        file.only((*text, *_NUMBERS, "active_counts_embedding", "config"), name)
        source, published_source = (file.text(f"{name}.{key}") for key in text)
        numbers = {key: _positive(file, f"{name}.{key}") for key in _NUMBERS}
        config, where = file.table(f"{name}.config"), f"{file.name}: {name}.config"
        outline = outline_from_config(config, name=name, where=where, source=source)
        presets[name] = Preset(
            outline=outline,
            active_counts_embedding=file.flag(f"{name}.active_counts_embedding"),
            published_source=published_source,
            **numbers,
        )
    return presets


def load_outlines(path: Path | None = None) -> dict[str, ModelOutline]:
    """Outlines of all presets, by name."""
    return {name: item.outline for name, item in load_presets(path).items()}


@cache
def outline_preset(name: str) -> ModelOutline:
    """The outline of the preset ``name``; HnlpuError lists the known ones."""
    models = load_outlines()
    if name not in models:
        raise HnlpuError(
            "unknown model", where="model", got=repr(name), do=f"known are {', '.join(models)}"
        )
    return models[name]


def is_paper_outline(model: ModelOutline) -> bool:
    """Whether ``model`` has the counts of the paper's model, whatever it is called."""
    paper = outline_preset(PAPER_MODEL)
    return replace(model, name=paper.name, source=paper.source) == paper


def _positive(file: DataFile, key: str) -> float:
    value: Any = file.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise file.error(
            key, "missing or impossible value", repr(value), "expected a positive number"
        )
    return float(value)
