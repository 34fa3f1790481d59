"""Wiring: the strip of a neuron, how high it is, and how many wires may run along it.

Lines run vertically on M8 and M10, a neuron is a strip across them. Its stubs lie one above the other (M9);
below them are its transistors, and above those the base may use every track of the horizontal layers M3,
M5 and M7 that fits into the strip's height. The height is what the stubs ask for, or what the transistors
ask for where that is more. Numbers with their sources are in ``data/process.toml``.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = [
    "clock_tree_transistors",
    "repeater_transistors",
    "silicon_um2",
    "strip_height_um",
    "toggle_energy_fj",
    "tracks_available",
    "wires_um2",
]

_LAYERS = ("m3_pitch_nm", "m5_pitch_nm", "m7_pitch_nm")


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    path = files("hnlpu") / "data" / "process.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _value(name: str) -> float:
    return float(_table()[name]["value"])


def silicon_um2(transistors: float) -> float:
    """Area of transistors at the process's logic density."""
    return transistors / _value("logic_density")


def wires_um2(n_lines: int, n_stubs: int) -> float:
    """Area where ``n_lines`` lines cross ``n_stubs`` stubs."""
    return n_lines * _value("line_pitch_nm") * n_stubs * _value("stub_pitch_nm") * 1e-6


def strip_height_um(n_lines: int, n_stubs: int, transistors: float) -> float:
    """Height of a strip that has ``n_stubs`` stubs and ``transistors`` below each bundle of lines."""
    width = n_lines * _value("line_pitch_nm") * 1e-3
    return max(n_stubs * _value("stub_pitch_nm") * 1e-3, silicon_um2(transistors) / width)


def tracks_available(height_um: float, *, pessimistic: bool = False) -> int:
    """Horizontal tracks of a strip.

    Parameters
    ----------
    height_um : float
    pessimistic : bool
        Widest pitches instead of the likely ones.
    """
    key = "high" if pessimistic else "value"
    table = _table()
    return sum(int(height_um * 1e3 + 1e-6) // int(table[layer][key]) for layer in _LAYERS)


def clock_tree_transistors(n_flip_flops: int) -> float:
    """Estimate of the clock gates and buffers behind so many flip-flops."""
    return n_flip_flops * _value("clock_tree_per_flip_flop")


def repeater_transistors(n_lines: int, length_um: float) -> float:
    """Estimate of the repeaters of so many lines of a length."""
    repeaters = int(length_um / _value("repeater_distance_um"))
    return n_lines * repeaters * _value("repeater_transistors")


def toggle_energy_fj() -> tuple[float, float, float]:
    """Energy of one change of a gate's output: low, likely, high."""
    entry = _table()["toggle_energy_fj"]
    return float(entry["low"]), float(entry["value"]), float(entry["high"])
