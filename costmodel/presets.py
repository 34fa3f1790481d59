"""Dimensions of known models, so that a cost needs no checkpoint."""

from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from hnlpu.costmodel.loader import DataFile
from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape

__all__ = ["PAPER_MODEL", "is_paper_model", "load_models", "preset"]

#: The model that the paper hardwires.
PAPER_MODEL = "gpt-oss-120b"

_INTEGERS = (
    "n_layers",
    "hidden",
    "intermediate",
    "n_heads",
    "n_kv_heads",
    "head_dim",
    "vocab",
    "max_context",
    "sliding_window",
)


def load_models(path: Path | None = None) -> dict[str, ModelShape]:
    """Every preset of ``models.toml``, by name."""
    file = DataFile("models.toml", path)
    models = {}
    for name in file.names():
        known = {field.name for field in fields(ModelShape)} - {"name"}
        file.only(known | {"source"}, name)
        file.text(f"{name}.source")
        integers: dict[str, Any] = {key: file.integer(f"{name}.{key}") for key in _INTEGERS}
        models[name] = ModelShape(
            name=name,
            family=file.text(f"{name}.family"),
            n_experts=file.integer(f"{name}.n_experts", low=0),
            experts_per_token=file.integer(f"{name}.experts_per_token", low=0),
            tied_embedding=file.flag(f"{name}.tied_embedding"),
            **integers,
        )
    return models


@cache
def preset(name: str) -> ModelShape:
    """The preset ``name``; HnlpuError lists the known ones."""
    models = load_models()
    if name not in models:
        raise HnlpuError(
            "unknown model", where="model", got=repr(name), do=f"known are {', '.join(models)}"
        )
    return models[name]


def is_paper_model(model: ModelShape) -> bool:
    """Whether ``model`` has the dimensions of the paper's model, whatever it is called."""
    keys = ("family", "n_experts", "experts_per_token", "tied_embedding", *_INTEGERS)
    paper = preset(PAPER_MODEL)
    return all(getattr(model, key) == getattr(paper, key) for key in keys)
