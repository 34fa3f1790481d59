"""Inputs of a sheet: quantities by name, read from a data file, changed by the user, taken at one end."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import Quantity
from hnlpu.errors import HnlpuError

__all__ = ["ENDS", "Inputs", "at", "read_inputs", "set_inputs"]

Inputs = Mapping[str, Quantity]

#: Where in its range every input is taken.
ENDS = ("low", "mid", "high")


def read_inputs(file: DataFile, units: Mapping[str, str], under: str = "") -> dict[str, Quantity]:
    """The quantities ``units`` names, each of that dimension; an unknown key is refused.

    Raises
    ------
    HnlpuError
        Missing or unknown key, wrong unit, negative value, no source; the message names file and key.
    """
    file.only(units, under)
    return {
        name: file.quantity(f"{under}.{name}" if under else name, unit)
        for name, unit in units.items()
    }


def set_inputs(inputs: Inputs, settings: Iterable[str]) -> dict[str, Quantity]:
    """Inputs with some changed by ``KEY=VALUE``, ``KEY=LOW:HIGH`` or ``KEY=LOW:VALUE:HIGH``.

    A value is in the unit of the data file; a single one has no range.

    Raises
    ------
    HnlpuError
        No such key, no number, negative, or out of order.
    """
    changed = dict(inputs)
    for setting in settings:
        key, _, text = setting.partition("=")
        key = key.strip()
        if key not in changed:
            close = get_close_matches(key, changed, n=5) + [
                name for name in changed if key and (key in name or name in key)
            ]
            raise HnlpuError(
                "no such input",
                where=f"--set {setting}",
                got=repr(key),
                do=f"known are {', '.join(sorted(set(close or changed)))}",
            )
        unit = changed[key].unit
        try:
            numbers = [float(part) for part in text.split(":")]
            low, high = numbers[0], numbers[-1]
            value = {1: low, 2: (low + high) / 2, 3: numbers[len(numbers) // 2]}[len(numbers)]
            if low < 0:
                raise ValueError("negative")
            changed[key] = replace(
                changed[key], low=low, value=value, high=high, source="set by the user",
                confidence="assumed",
            )  # fmt: skip
        except (ValueError, KeyError) as error:
            raise HnlpuError(
                "not a value of this input",
                where=f"--set {setting}",
                got=repr(text),
                do=f"give a number in {unit}, zero or more, or LOW:HIGH, or LOW:VALUE:HIGH",
            ) from error
    return changed


def at(inputs: Inputs, end: str) -> dict[str, float]:
    """Every input at one of ``ENDS``, in coherent units."""
    index = ENDS.index(end)
    return {name: item.in_coherent_units()[index] for name, item in inputs.items()}
