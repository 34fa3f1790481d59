"""The chip's part of a bundle: its Verilog, its boot image, and a description of both."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hnlpu.boot import Window, grid_windows, write_image
from hnlpu.bundle import write_json
from hnlpu.chip import Chip
from hnlpu.chip_plan import ChipPlan
from hnlpu.grid import Tile
from hnlpu.rtl.grid import system_netlist
from hnlpu.rtl.netlist import Netlist

__all__ = ["write_chip"]


def write_chip(folder: Path, plans: Mapping[Tile, ChipPlan], chip: Chip) -> dict[str, Any]:
    """Write ``rtl/chip/``, ``boot/image.hex`` and ``chip.json``.

    Parameters
    ----------
    folder : path
        The bundle; ``boot/`` and ``rtl/`` exist.
    plans : mapping of Tile to ChipPlan
        Every chip of the grid.
    chip : Chip
        The whole model; its constants are booted.

    Returns
    -------
    dict
        The chip's entry in the manifest.
    """
    plan = plans[Tile()]
    windows = grid_windows(chip, plan.partition)
    every = tuple(window for own in windows.values() for window in own)
    with (folder / "boot" / "image.hex").open("w", encoding="utf-8") as file:
        file.writelines(write_image(every))
    system = system_netlist(plans, windows)
    target = folder / "rtl" / "chip"
    target.mkdir()
    files = []
    for name, pieces in system.modules():
        path = target / f"{name}.v"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        files.append(str(path.relative_to(folder)))
    described = {
        str(tile): _describe(netlist, windows[tile]) for tile, netlist in system.chips.items()
    }
    root = described.pop(str(Tile()))
    write_json(folder / "chip.json", root | ({"others": described} if described else {}))
    return {
        "top": system.top,
        "grid": [plan.grid.rows, plan.grid.columns],
        "link": asdict(plan.link),
        "context": plan.context,
        "sampler_slots": plan.slots,
        "sequences": plan.sequences,
        "blocks": sum(len(netlist.blocks) for netlist in system.chips.values()),
        "streams": sum(len(netlist.edges) for netlist in system.chips.values()),
        "files": files,
        "boot_words": sum(len(words) for window in every for _, words in window.parts),
    }


def _describe(netlist: Netlist, windows: tuple[Window, ...]) -> dict[str, Any]:
    """Blocks, arrays, streams and boot map of a chip, for whoever draws, boots or traces it."""
    return {
        "blocks": [
            {"name": block.name, "module": block.component.module_name}
            for block in netlist.blocks.values()
        ],
        "arrays": [
            {
                "name": array.name,
                "module": array.module,
                "feed": dict(array.pins)["x"].removesuffix("__array_x"),
                "drain": dict(array.pins)["y"].removesuffix("__array_y"),
            }
            for array in netlist.others
        ],
        "streams": [asdict(edge) for edge in netlist.edges],
        "boot": [
            {
                "block": window.block,
                "base": window.base,
                "address_bits": window.address_bits,
                "parts": [
                    {"offset": offset, "words": len(words)} for offset, words in window.parts
                ],
            }
            for window in windows
        ],
    }
