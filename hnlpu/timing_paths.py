"""Timing paths: what their time is spent on, and where they begin and end."""

from typing import Any

from hnlpu.rtl.liberty_cells import CellLibrary
from hnlpu.rtl.mapping import Gate, Netlist
from hnlpu.sta import TimingPath

__all__ = ["PARTS", "gate_of", "path_ends", "path_parts"]

#: In the order in which a bit passes them.
PARTS = (
    "launch", "source", "repeaters", "line wires", "ports", "shifters", "adders", "inverters",
    "row wires", "accumulator", "setup",
)  # fmt: skip
#: Part of a cell by the beginning of its place.
_BEGINNINGS = (
    ("launch", ("launch",)),
    ("source", ("source",)),
    ("repeaters", ("repeater_", "end_")),
    ("line wires", ("pin_",)),
    ("row wires", ("wire_",)),
    ("ports", ("port_", "constant_")),
    ("shifters", ("shift_", "exponent_")),
    ("adders", ("count_", "tree_")),
    ("accumulator", ("accumulator",)),
)


def gate_of(pin: str, netlist: Netlist) -> Gate | None:
    """The cell of ``instance/pin``; None for a port."""
    instance, slash, _ = pin.partition("/")
    return netlist.gates[int(instance[1:])] if slash else None


def _part(gate: Gate, library: CellLibrary) -> str:
    place = gate.name
    if place.startswith("superblock_"):
        place = place.partition(".")[2]
    if library.cells[gate.kind].is_register and not place.startswith("accumulator"):
        return "launch"
    fitting = (part for part, beginnings in _BEGINNINGS if place.startswith(beginnings))
    return next(fitting, "inverters")


def path_parts(
    path: TimingPath, netlist: Netlist, library: CellLibrary, until_ns: float | None = None
) -> dict[str, float]:
    """Time in ns that a path spends on each of :data:`PARTS`.

    Parameters
    ----------
    until_ns : float, optional
        Arrival after which it is not followed; the setup time is left out then.
    """
    found = dict.fromkeys(PARTS, 0.0)
    for stage in path.stages:
        if until_ns is not None and stage.arrival_ns > until_ns:
            break
        gate = gate_of(stage.pin, netlist)
        if gate is None:
            continue
        part = _part(gate, library)
        # The delay to an input is that of the wire before it.
        if stage.pin.rpartition("/")[2] in library.cells[gate.kind].loads_ff:
            part = "line wires" if part in ("repeaters", "line wires") else "row wires"
        found[part] += stage.delay_ns
    if until_ns is None:
        found["setup"] = path.check_ns
    return found


def path_ends(path: TimingPath, netlist: Netlist) -> dict[str, Any]:
    """Where a path begins and ends, and through how many cells it leads."""

    def place(pin: str) -> str:
        gate = gate_of(pin, netlist)
        return pin if gate is None else gate.name or "row"

    cells = {stage.pin.partition("/")[0] for stage in path.stages if "/" in stage.pin}
    return {
        "from": place(path.stages[0].pin),
        "to": place(path.stages[-1].pin),
        "cells": len(cells),
    }
