"""Reading the data files: every number is checked at the door, errors name the file and the key."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from hnlpu.costmodel.quantity import CONFIDENCES, Quantity
from hnlpu.costmodel.units import is_unit, same_dimension
from hnlpu.errors import HnlpuError

__all__ = ["DataFile"]

_FIELDS = ("value", "unit", "low", "high", "source", "confidence")


class DataFile:
    """One TOML file of the cost model.

    Parameters
    ----------
    name : str
        File of the package's ``data`` folder, used unless ``path`` is given.
    path : Path, optional
        A user's own file of the same layout.
    """

    def __init__(self, name: str, path: Path | None = None) -> None:
        self.name = str(path) if path is not None else name
        try:
            if path is not None:
                text = path.read_text(encoding="utf-8")
            else:
                text = (files(__package__) / "data" / name).read_text(encoding="utf-8")
            self._entries: Mapping[str, Any] = tomllib.loads(text)
        except OSError as error:
            raise HnlpuError(
                "cannot read the data file",
                where=self.name,
                got=error.strerror or str(error),
                do="name an existing TOML file",
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise HnlpuError(
                "not valid TOML", where=self.name, got=str(error), do="correct the file"
            ) from error

    def only(self, keys: Iterable[str], under: str = "") -> None:
        """Refuse keys that nothing reads: most likely a misspelling."""
        table = self.table(under) if under else self._entries
        unknown = sorted(set(table) - set(keys))
        if unknown:
            raise self.error(
                f"{under}.{unknown[0]}" if under else unknown[0],
                "unknown key",
                "a key that nothing reads",
                f"known keys are {', '.join(sorted(keys))}",
            )

    def names(self, under: str = "") -> tuple[str, ...]:
        return tuple(self.table(under) if under else self._entries)

    def get(self, key: str) -> Any:
        """Entry at a dotted key."""
        found: Any = self._entries
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise self.error(key, "missing entry", "nothing", "add the entry")
            found = found[part]
        return found

    def table(self, key: str) -> Mapping[str, Any]:
        found = self.get(key)
        if not isinstance(found, Mapping):
            raise self.error(key, "not a table", repr(found), f"write it as [{key}]")
        return found

    def text(self, key: str) -> str:
        found = self.get(key)
        if not isinstance(found, str) or not found.strip():
            raise self.error(key, "not a text", repr(found), "write a non-empty string")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.get(key)
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self.error(key, "not a list of texts", repr(found), "write a list of strings")
        return tuple(found)

    def integer(self, key: str, *, low: int = 1) -> int:
        found = self.get(key)
        if not isinstance(found, int) or isinstance(found, bool) or found < low:
            raise self.error(key, "missing or impossible value", repr(found),
                             f"expected an integer of at least {low}")  # fmt: skip
        return found

    def flag(self, key: str) -> bool:
        found = self.get(key)
        if not isinstance(found, bool):
            raise self.error(key, "not true or false", repr(found), "write true or false")
        return found

    def quantity(self, key: str, unit: str) -> Quantity:
        """The number at ``key``: its unit measures what ``unit`` does, and it has a range, a source and a
        confidence. It keeps the unit it is written in; no number of this model is negative."""
        table = self.table(key)
        for field in _FIELDS:
            if field not in table:
                raise self.error(f"{key}.{field}", f"a number without its {field}", "nothing",
                                 f"give every number {', '.join(_FIELDS)}")  # fmt: skip
        self.only(_FIELDS, key)
        for field in ("value", "low", "high"):
            if not isinstance(table[field], int | float) or isinstance(table[field], bool):
                raise self.error(f"{key}.{field}", "not a number", repr(table[field]),
                                 "write a number")  # fmt: skip
            if table[field] < 0:
                raise self.error(f"{key}.{field}", "a negative number", repr(table[field]),
                                 "every number of this file is zero or more")  # fmt: skip
        for field in ("unit", "source", "confidence"):
            self.text(f"{key}.{field}")
        if not is_unit(table["unit"]):
            raise self.error(f"{key}.unit", "unknown unit", repr(table["unit"]),
                             f"use {unit!r}")  # fmt: skip
        if not same_dimension(table["unit"], unit):
            raise self.error(f"{key}.unit", "wrong unit", repr(table["unit"]),
                             f"use {unit!r} or a multiple of it")  # fmt: skip
        if table["confidence"] not in CONFIDENCES:
            raise self.error(f"{key}.confidence", "unknown confidence", repr(table["confidence"]),
                             f"use one of {', '.join(CONFIDENCES)}")  # fmt: skip
        try:
            return Quantity(
                value=float(table["value"]),
                unit=table["unit"],
                low=float(table["low"]),
                high=float(table["high"]),
                source=table["source"],
                confidence=table["confidence"],
            )
        except ValueError as error:
            raise self.error(key, "impossible number", str(error), "correct it") from error

    def error(self, key: str, what: str, got: str, do: str) -> HnlpuError:
        return HnlpuError(what, where=f"{self.name}: {key}", got=got, do=do)
