"""Verilog of a bundle's chips with a pause in every stream, emitted anew: what verification simulates."""

from collections.abc import Mapping
from typing import Any

from hnlpu.boot import Window
from hnlpu.chip_plan import plans_from_manifest
from hnlpu.grid import Tile
from hnlpu.rtl.grid import system_netlist

__all__ = ["chips_of", "stalling_sources"]


def chips_of(description: Mapping[str, Any]) -> dict[Tile, Mapping[str, Any]]:
    """Every chip of a ``chip.json`` by its place, the one with the host port first."""
    others = description.get("others", {})
    return {Tile(): description} | {
        Tile(*map(int, name[1:].split("c"))): chip for name, chip in others.items()
    }


def stalling_sources(manifest: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, str]:
    """Text by file name.

    Parameters
    ----------
    manifest : mapping
    description : mapping
        What ``chip.json`` holds.
    """
    windows = {
        tile: tuple(Window(w["block"], w["base"], w["address_bits"], ()) for w in chip["boot"])
        for tile, chip in chips_of(description).items()
    }
    system = system_netlist(plans_from_manifest(manifest), windows, stalls=True)
    return {f"{name}.v": "".join(pieces) for name, pieces in system.modules()}
