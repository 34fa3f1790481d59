"""A Hugging Face ``config.json``: values are checked as they are read, errors name the file and the key."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = ["Config", "layer_windows", "read_config"]


def read_config(path: Path) -> Any:
    """The JSON of ``path``.

    Raises
    ------
    HnlpuError
        Unreadable file, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HnlpuError(
            "cannot read the model's configuration",
            where=str(path),
            got=error.strerror or str(error),
            do="name a Hugging Face folder that holds config.json",
        ) from error
    except ValueError as error:
        raise HnlpuError(
            "not valid JSON", where=str(path), got=str(error), do="download config.json again"
        ) from error


class Config:
    """One configuration.

    Parameters
    ----------
    values : mapping
        What the file holds; anything else is refused.
    where : str
        The file, for errors.
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, Mapping):
            raise HnlpuError("not a model configuration", where=where, got=type(values).__name__,
                             do="config.json must hold one object")  # fmt: skip
        self.values: Mapping[str, Any] = values
        self.where = where

    def get(self, key: str, default: Any = None) -> Any:
        """Value of ``key``, unchecked."""
        return self.values.get(key, default)

    def family(self, known: Collection[str]) -> str:
        """``model_type``, which must be one of ``known``."""
        model_type = self.get("model_type")
        if not isinstance(model_type, str) or model_type not in known:
            raise self.error("model_type", "unknown architecture", repr(model_type),
                             f"supported are {', '.join(known)}")  # fmt: skip
        return model_type

    def integer(self, key: str, default: int | None = None, *, low: int = 1) -> int:
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < 1 << 32:
            raise self.error(key, "missing or impossible value", repr(value),
                             f"expected an integer of at least {low}")  # fmt: skip
        return value

    def number(self, key: str, default: float) -> float:
        value = self.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise self.error(key, "missing or impossible value", repr(value),
                             "expected a positive number")  # fmt: skip
        return float(value)

    def fit(self, small: int, large: int, keys: str, *, divides: bool = False) -> None:
        """Refuse a ``small`` above ``large``, or one that does not divide it where it must."""
        if small > large or (divides and large % small):
            raise self.error(keys, "values do not fit each other", f"{small} and {large}",
                             "correct config.json")  # fmt: skip

    def error(self, key: str, what: str, got: str, do: str) -> HnlpuError:
        return HnlpuError(what, where=f"{self.where}: {key}", got=got, do=do)


def layer_windows(
    config: Config, n_layers: int, window: int | None, habit: Sequence[str]
) -> tuple[int | None, ...]:
    """Positions that each layer's attention sees, None for all of them.

    Parameters
    ----------
    habit : sequence of str
        Kinds of layers of the family, repeated; used where the file has no ``layer_types``.
    """
    kinds = {"sliding_attention": window, "full_attention": None}
    types = config.get("layer_types")
    if types is None:
        types = [habit[layer % len(habit)] for layer in range(n_layers)]
    bad = (
        [kind for kind in types if kind not in tuple(kinds)] if isinstance(types, list) else [types]
    )
    if bad or len(types) != n_layers or (window is None and "sliding_attention" in types):
        raise config.error(
            "layer_types",
            "layer types do not fit the model",
            repr(bad[0]) if bad else f"{len(types)} for {n_layers} layers, window {window}",
            "one of sliding_attention (with sliding_window) or full_attention per layer",
        )
    return tuple(kinds[kind] for kind in types)
