"""The chip's part of a bundle: its Verilog, its boot image, and a description of both."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hnlpu.boot import Window, boot_windows, write_image
from hnlpu.bundle import write_json
from hnlpu.chip import Chip
from hnlpu.chip_plan import ChipPlan
from hnlpu.rtl.chip import chip_modules
from hnlpu.rtl.netlist import Netlist

__all__ = ["write_chip"]


def write_chip(folder: Path, plan: ChipPlan, chip: Chip) -> dict[str, Any]:
    """Write ``rtl/chip/``, ``boot/image.hex`` and ``chip.json``.

    Parameters
    ----------
    folder : path
        The bundle; ``boot/`` and ``rtl/`` exist.
    plan : ChipPlan
    chip : Chip
        Its constants are booted.

    Returns
    -------
    dict
        The chip's entry in the manifest.
    """
    windows = boot_windows(chip)
    with (folder / "boot" / "image.hex").open("w", encoding="utf-8") as file:
        file.writelines(write_image(windows))
    netlist, modules = chip_modules(plan, windows)
    target = folder / "rtl" / "chip"
    target.mkdir()
    files = []
    for name, pieces in modules:
        path = target / f"{name}.v"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        files.append(str(path.relative_to(folder)))
    write_json(folder / "chip.json", _describe(netlist, windows))
    return {
        "top": netlist.name,
        "context": plan.context,
        "sampler_slots": plan.slots,
        "sequences": plan.sequences,
        "blocks": len(netlist.blocks),
        "streams": len(netlist.edges),
        "files": files,
        "boot_words": sum(len(words) for window in windows for _, words in window.parts),
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
