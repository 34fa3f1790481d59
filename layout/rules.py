"""Rules: what a process allows on the layers that carry weights, from ``data/rules.toml``.

Stubs and ports lie on horizontal layers (M7, M9, M11), lines on vertical ones (M8, M10). A wire is drawn at
its layer's width on tracks of its layer's pitch; a via joins two neighbouring layers.

Contract (checked by ``tests/layout/test_rules.py``): every number has a source, and rules that no drawing
could meet are refused, with the file and the key.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = [
    "METALS",
    "VIAS",
    "MetalRule",
    "Rules",
    "SiliconRule",
    "ViaRule",
    "load_rules",
    "rule_sets",
]

METALS = ("M7", "M8", "M9", "M10", "M11")
#: Via layer ``VIA8`` joins M8 and M9.
VIAS = ("VIA7", "VIA8", "VIA9", "VIA10")

_DIRECTIONS = {"M7": "horizontal", "M8": "vertical", "M9": "horizontal", "M10": "vertical",
               "M11": "horizontal"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MetalRule:
    """A layer of wires.

    Attributes
    ----------
    direction : str
        ``horizontal`` or ``vertical``.
    pitch_nm, width_nm, space_nm : int
        Of tracks, of a wire, between the sides of wires.
    end_space_nm : int
        From a wire's end to the next wire on its track.
    min_area_um2 : float
    exposures : int
        Of the mask of the wires: 2 is double patterning.
    cut : bool
        Line ends have a mask of their own.
    cut_space_nm : int
        Between cuts that do not abut.
    ohm_per_um, ff_per_um : float
    """

    direction: str
    pitch_nm: int
    width_nm: int
    space_nm: int
    end_space_nm: int
    min_area_um2: float
    exposures: int
    cut: bool
    cut_space_nm: int
    ohm_per_um: float
    ff_per_um: float
    source: str
    confidence: str

    @property
    def least_length_nm(self) -> int:
        """Of a wire with the least area."""
        return ceil(self.min_area_um2 * 1e6 / self.width_nm - 1e-9)


@dataclass(frozen=True, slots=True)
class ViaRule:
    """A layer of vias between a lower and an upper metal.

    Attributes
    ----------
    size_nm, space_nm : int
        Of the square, and between two.
    lower_side_nm, lower_end_nm, upper_side_nm, upper_end_nm : int
        By how much a wire must reach beyond a via: at its sides, and along it.
    single_exposure_pitch_nm : int
        Vias whose centres are nearer need two exposures.
    ohm : float
    """

    size_nm: int
    space_nm: int
    lower_side_nm: int
    lower_end_nm: int
    upper_side_nm: int
    upper_end_nm: int
    single_exposure_pitch_nm: int
    ohm: float
    source: str
    confidence: str

    @property
    def lower_reach_nm(self) -> int:
        """From the centre to the end of a wire below that ends at the via."""
        return self.size_nm // 2 + self.lower_end_nm

    @property
    def upper_reach_nm(self) -> int:
        """From the centre to the end of a wire above that ends at the via."""
        return self.size_nm // 2 + self.upper_end_nm


@dataclass(frozen=True, slots=True)
class SiliconRule:
    """What lies below.

    Attributes
    ----------
    mtransistor_per_mm2 : float
        Logic density.
    repeater_distance_um : float
        Longest wire without a repeater.
    """

    mtransistor_per_mm2: float
    repeater_distance_um: float
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Rules:
    """One rule set.

    Attributes
    ----------
    name, title : str
    silicon : SiliconRule
    metals, vias : mapping of str to rule
        By layer.
    """

    name: str
    title: str
    silicon: SiliconRule
    metals: Mapping[str, MetalRule]
    vias: Mapping[str, ViaRule]

    @property
    def masks(self) -> tuple[str, ...]:
        """Masks from VIA7 to M11, lowest first; ``M8C`` cuts the lines of M8."""
        names = []
        for via, metal in zip(VIAS, METALS[1:], strict=True):
            names += [via, metal, *([f"{metal}C"] if self.metals[metal].cut else [])]
        return tuple(names)

    def exposures(self, mask: str) -> int:
        """Photomasks that ``mask`` takes with cuts of any arrangement on its tracks."""
        if mask in self.metals:
            return self.metals[mask].exposures
        if mask not in self.vias:
            return 1
        via = self.vias[mask]
        return 1 if _via_pitch(self, mask) >= via.single_exposure_pitch_nm else 2


def _neighbours(via: str) -> tuple[str, str]:
    n = int(via[3:])
    return f"M{n}", f"M{n + 1}"


def _via_pitch(rules: Rules, via: str) -> int:
    """Least distance of two vias; those to the top layer stand where wires ask, on landings of their own."""
    below, above = (rules.metals[layer].pitch_nm for layer in _neighbours(via))
    return above if via == VIAS[-1] else min(below, above)


@lru_cache(maxsize=1)
def _own() -> dict[str, Any]:
    path = files("hnlpu.layout") / "data" / "rules.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def rule_sets() -> tuple[str, ...]:
    """Names of the rule sets that come with the package."""
    return tuple(_own())


def load_rules(name: str, path: Path | None = None) -> Rules:
    """A rule set.

    Parameters
    ----------
    name : str
    path : Path, optional
        A file of rule sets of your own.

    Raises
    ------
    HnlpuError
        No such set, a key that is missing, unknown or not a number, or rules that contradict.
    """
    where = str(path or "rules.toml")
    if path is None:
        table = _own()
    else:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise HnlpuError("cannot read the rules", where=where, got=str(error),
                             do="give a TOML file like layout/data/rules.toml") from error  # fmt: skip
    entry = table.get(name)
    if not isinstance(entry, dict):
        raise HnlpuError("unknown rule set", where=where, got=repr(name),
                         do=f"known are {', '.join(table)}")  # fmt: skip
    unknown = set(entry) - {"title", "silicon", *METALS, *VIAS}
    if unknown:
        raise _error(where, f"{name}.{min(unknown)}", "unknown key", "it", "use layers M7 to M11")
    metals = {layer: _read(MetalRule, entry, where, name, layer) for layer in METALS}
    vias = {layer: _read(ViaRule, entry, where, name, layer) for layer in VIAS}
    silicon = _read(SiliconRule, entry, where, name, "silicon")
    rules = Rules(name, str(entry.get("title", name)), silicon, metals, vias)
    _check(rules, where)
    return rules


def _error(where: str, key: str, what: str, got: str, do: str) -> HnlpuError:
    return HnlpuError(what, where=f"{where}: {key}", got=got, do=do)


def _read(kind: Any, entry: Mapping[str, Any], where: str, name: str, layer: str) -> Any:
    given = entry.get(layer)
    if not isinstance(given, dict):
        raise _error(where, f"{name}.{layer}", "no rules of a layer", "nothing", "add the layer")
    values = {}
    for field in fields(kind):
        key = f"{name}.{layer}.{field.name}"
        if field.name not in given:
            raise _error(where, key, "rule is missing", "nothing", "add it, with its source")
        value = given[field.name]
        wanted: Any = {"int": int, "float": (int, float), "bool": bool, "str": str}[
            field.type if isinstance(field.type, str) else field.type.__name__
        ]
        if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
            raise _error(where, key, "rule of the wrong kind", repr(value), f"give {field.type}")
        if wanted is str and not value.strip():
            raise _error(where, key, "empty text", repr(value), "say it")
        if wanted is not str and wanted is not bool and value < 0:
            raise _error(where, key, "negative rule", repr(value), "give zero or more")
        values[field.name] = value
    unknown = set(given) - set(values)
    if unknown:
        raise _error(where, f"{name}.{layer}.{min(unknown)}", "unknown rule",
                     repr(given[min(unknown)]), f"known are {', '.join(values)}")  # fmt: skip
    return kind(**values)


def _check(rules: Rules, where: str) -> None:
    """Raise where no drawing could meet the rules."""

    def refuse(key: str, what: str, got: str, do: str) -> None:
        raise _error(where, f"{rules.name}.{key}", what, got, do)

    each: dict[str, MetalRule | ViaRule | SiliconRule] = {
        "silicon": rules.silicon, **rules.metals, **rules.vias,
    }  # fmt: skip
    for layer, rule in each.items():
        if rule.confidence not in ("measured", "published", "derived", "assumed"):
            refuse(f"{layer}.confidence", "unknown confidence", rule.confidence,
                   "use measured, published, derived or assumed")  # fmt: skip
    if not rules.silicon.mtransistor_per_mm2 or not rules.silicon.repeater_distance_um:
        refuse("silicon", "silicon of no size", "0", "give density and distance above zero")
    for layer, metal in rules.metals.items():
        if metal.direction != _DIRECTIONS[layer]:
            refuse(f"{layer}.direction", "direction is not the layer's", metal.direction,
                   f"{layer} runs {_DIRECTIONS[layer]}ly: neighbours must cross")  # fmt: skip
        if metal.width_nm < 1 or metal.pitch_nm < metal.width_nm + metal.space_nm:
            refuse(f"{layer}.pitch_nm", "rules contradict: tracks are too near",
                   f"pitch {metal.pitch_nm} nm for width {metal.width_nm} and space "
                   f"{metal.space_nm} nm", "raise the pitch, or lower width or space")  # fmt: skip
        if metal.end_space_nm < metal.space_nm and not metal.cut:
            refuse(f"{layer}.end_space_nm", "rules contradict: ends nearer than sides",
                   f"{metal.end_space_nm} nm for {metal.space_nm} nm", "raise it")  # fmt: skip
        if metal.exposures not in (1, 2, 3, 4):
            refuse(f"{layer}.exposures", "no such patterning", str(metal.exposures), "give 1 to 4")
    for name, via in rules.vias.items():
        if via.size_nm < 1 or via.size_nm % 2:
            refuse(f"{name}.size_nm", "via has no centre on the grid", str(via.size_nm),
                   "give an even size")  # fmt: skip
        below, above = _neighbours(name)
        for layer, side in ((below, via.lower_side_nm), (above, via.upper_side_nm)):
            if name != VIAS[-1] and rules.metals[layer].width_nm < via.size_nm + 2 * side:
                refuse(f"{name}.size_nm", "rules contradict: the via is too wide for its wire",
                       f"{via.size_nm} nm and {side} nm on both sides on a wire of "
                       f"{rules.metals[layer].width_nm} nm", f"widen {layer}")  # fmt: skip
        pitch = _via_pitch(rules, name)
        if pitch < via.size_nm + via.space_nm:
            refuse(f"{name}.space_nm", "rules contradict: vias on neighbouring tracks",
                   f"{via.size_nm + via.space_nm} nm apart at least, tracks {pitch} nm",
                   "widen the pitch")  # fmt: skip
