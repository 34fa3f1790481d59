"""Scale: from the gates of a real library to those of a node, by a change of units.

The library stays as it is. If a node's gates switch ``time`` times as slowly as the library's and
have ``load`` times their capacitance, then a wire of the node is to its gates what a wire of

    R x load / time  and  C / load

is to the library's, and every time that comes out is multiplied by ``time``. Gates are scaled,
wires are not.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = ["ENDS", "Tagged", "TimingScale", "load_scale"]

#: Ends of a range.
ENDS = ("low", "value", "high")
_UNITS = {
    "fo4": "ps",
    "gate_capacitance": "fF",
    "tree_resistance": "ohm/um",
    "tree_capacitance": "fF/um",
    "slew_limit": "period",
}
_CONFIDENCES = ("measured", "published", "derived", "assumed")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A number with its range and source."""

    value: float
    low: float
    high: float
    unit: str
    source: str
    confidence: str

    def at(self, end: str) -> float:
        """``low``, ``value`` or ``high``."""
        found: float = getattr(self, end)
        return found

    def as_dict(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in self.__slots__}


@dataclass(frozen=True, slots=True)
class TimingScale:
    """A node's gates beside a library's.

    Attributes
    ----------
    inputs : mapping of str to Tagged
        What is taken from elsewhere.
    time, load : mapping of str to float
        Factors at each of :data:`ENDS`; 1 where the node's gates are the library's.
    """

    inputs: Mapping[str, Tagged]
    time: Mapping[str, float]
    load: Mapping[str, float]

    @property
    def scaled(self) -> bool:
        return "fo4" in self.inputs

    def wire(self, end: str) -> tuple[float, float]:
        """Factors of a wire's ohm and fF."""
        return self.load[end] / self.time[end], 1 / self.load[end]


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, dict[str, Any]]]:
    path = files("hnlpu") / "data" / "timing.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def read_tagged(table: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, Tagged]:
    """Numbers of one rule set.

    Raises
    ------
    HnlpuError
        An unknown key or unit, a missing source, a range that does not hold its value.
    """
    found = {}
    for key, entry in table.items():
        try:
            tagged = found[key] = Tagged(**entry)
        except TypeError as error:
            raise _error(where, key, "incomplete number", str(error)) from error
        if _UNITS.get(key) != tagged.unit:
            raise _error(where, key, "unknown number or unit", tagged.unit)
        if not tagged.source.strip() or tagged.confidence not in _CONFIDENCES:
            raise _error(where, key, "number without a source", tagged.confidence)
        if not 0 < tagged.low <= tagged.value <= tagged.high:
            raise _error(where, key, "range does not hold the value",
                         f"{tagged.low} to {tagged.high} for {tagged.value}")  # fmt: skip
    return found


def _error(where: str, key: str, what: str, got: str) -> HnlpuError:
    return HnlpuError(what, where=f"{where}: {key}", got=got,
                      do="give value, low, high, unit, source and confidence")  # fmt: skip


def load_scale(rules: str, fo4_ps: float, gate_ff: float) -> TimingScale:
    """The scale of a rule set.

    Parameters
    ----------
    rules : str
        A set of its own file is timed with the wires of ``n5`` inside a row, and the library's
        gates.
    fo4_ps, gate_ff : float
        Of the library: an inverter that drives four, and its input.
    """
    table = _table()
    known = table.get(rules)
    entries = known if known is not None else {
        key: entry for key, entry in table["n5"].items() if key not in ("fo4", "gate_capacitance")
    }  # fmt: skip
    inputs = read_tagged(entries, f"timing.toml: {rules}")
    time = dict.fromkeys(ENDS, 1.0)
    load = dict.fromkeys(ENDS, 1.0)
    if "fo4" in inputs:
        time = {end: inputs["fo4"].at(end) / fo4_ps for end in ENDS}
        load = {end: inputs["gate_capacitance"].at(end) / gate_ff for end in ENDS}
    return TimingScale(inputs, time, load)
