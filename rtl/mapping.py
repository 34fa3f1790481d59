"""Mapping: a base's row or source as a flat netlist of a real library's cells.

Leaf cells and modules are mapped each by itself with ``abc``, so that the adders stay where the
plan has put them; then the netlist is flattened. Registers with an enable become plain ones behind
a clock gate, as they are counted (``hnlpu.rtl.synthesis``); the gate is taken as part of the clock
tree, which is ideal here.

Contract (checked by ``tests/rtl/test_mapping.py``): cells compute what the leaf cells do; a row has
every register, on the clock, and every net one driver.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hnlpu.rtl.liberty_cells import CellLibrary
from hnlpu.rtl.synthesis import run_yosys

__all__ = ["Gate", "Netlist", "map_module"]

_CLOCK_GATE = "hn_clock_gate"


@dataclass(frozen=True, slots=True)
class Gate:
    """A cell of a netlist.

    Attributes
    ----------
    name : str
        Where it stands in the hierarchy.
    kind : str
        Cell of the library.
    pins : mapping of str to str
        Net of each pin; unconnected ones are left out.
    """

    name: str
    kind: str
    pins: Mapping[str, str]


@dataclass(slots=True)
class Netlist:
    """Cells and nets. In its Verilog a cell is called ``u`` and its number.

    Attributes
    ----------
    name : str
    gates : list of Gate
    inputs, outputs : dict of str to str
        Net of each port.
    aliases : mapping of str to list of str
        Nets of each named wire of the module, lowest bit first.
    """

    name: str
    gates: list[Gate] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    aliases: Mapping[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, kind: str, **pins: str) -> str:
        """Add a cell; what it is called in the Verilog."""
        self.gates.append(Gate(name, kind, pins))
        return f"u{len(self.gates) - 1}"

    def connect(self, instance: str, pin: str, net: str) -> None:
        """Move a pin to another net."""
        i = int(instance[1:])
        gate = self.gates[i]
        self.gates[i] = replace(gate, pins={**gate.pins, pin: net})

    def loads(self) -> dict[str, list[tuple[str, str, str]]]:
        """``(instance, pin, cell)`` of every pin on a net."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for i, gate in enumerate(self.gates):
            for pin, net in gate.pins.items():
                found.setdefault(net, []).append((f"u{i}", pin, gate.kind))
        return found

    def verilog(self) -> str:
        """Structural Verilog."""
        ports = [*self.inputs, *self.outputs]
        lines = [f"module {self.name}({', '.join(ports)});"]
        lines += [f"input {port};" for port in self.inputs]
        lines += [f"output {port};" for port in self.outputs]
        nets = dict.fromkeys(net for gate in self.gates for net in gate.pins.values())
        lines += [f"wire {net};" for net in nets if "'" not in net and net not in ports]
        for i, gate in enumerate(self.gates):
            pins = ", ".join(f".{pin}({net})" for pin, net in gate.pins.items())
            lines.append(f"{gate.kind} u{i} ({pins});")
        for port, net in self.outputs.items():
            if port != net:
                lines.append(f"assign {port} = {net};")
        return "\n".join([*lines, "endmodule", ""])


def map_module(modules: Iterable[str], top: str, library: CellLibrary) -> Netlist:
    """Map ``top`` and all below it.

    Parameters
    ----------
    modules : iterable of str
        Verilog texts.
    top : str
        Module that becomes the netlist.
    library : CellLibrary

    Raises
    ------
    MissingToolError, HnlpuError
        No yosys, or it cannot use the library.
    """
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as folder_name:
        folder = Path(folder_name)
        (folder / "modules.v").write_text("\n".join(modules), encoding="utf-8")
        (folder / "cells.lib").write_bytes(library.path.read_bytes())
        run_yosys(
            f"read_verilog modules.v\nhierarchy -check -top {top}\nproc\nopt -nosdff\ntechmap\n"
            "dfflegalize -cell $_DFF_P_ x -cell $_DFFE_PP_ x\nopt -nosdff\n"
            f"clockgate -pos {_CLOCK_GATE} ce:clk:gclk\ndfflibmap -liberty cells.lib\n"
            "abc -liberty cells.lib\nflatten -noscopeinfo\nopt_clean\nwrite_json mapped.json\n",
            folder,
        )
        module = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"][top]
    return _netlist(top, module)


def _place(name: str) -> str:
    """Where a cell stands, without what yosys adds; empty at the top."""
    path = name.removeprefix("$flatten").replace("\\", "")
    return path.partition("$")[0].rstrip(".")


def _netlist(top: str, module: Mapping[str, Any]) -> Netlist:
    """From yosys' JSON: bits are numbers, or texts where they are constant."""
    cells = module["cells"].items()
    gates = [cell["connections"] for _, cell in cells if cell["type"] == _CLOCK_GATE]
    ungated = {pins["gclk"][0]: pins["clk"][0] for pins in gates}
    netlist = Netlist(top)
    names: dict[int, str] = {}
    for name, port in module["ports"].items():
        if port["direction"] == "input":
            for text, bit in zip(_bits(name, len(port["bits"])), port["bits"], strict=True):
                names[bit] = netlist.inputs[text] = text

    def net(bit: int | str) -> str:
        bit = ungated.get(bit, bit)
        if isinstance(bit, str):
            return f"1'b{'1' if bit == '1' else '0'}"
        return names.get(bit, f"n{bit}")

    for name, port in module["ports"].items():
        if port["direction"] == "output":
            own = map(net, port["bits"])
            netlist.outputs |= zip(_bits(name, len(port["bits"])), own, strict=True)
    for name, cell in cells:
        if cell["type"] != _CLOCK_GATE:
            pins = {pin: net(bits[0]) for pin, bits in cell["connections"].items() if bits}
            netlist.gates.append(Gate(_place(name), cell["type"], pins))
    netlist.aliases = {
        name: [net(bit) for bit in wire["bits"]] for name, wire in module["netnames"].items()
    }
    return netlist


def _bits(port: str, n: int) -> list[str]:
    """Ports of one bit each."""
    return [port] if n == 1 else [f"{port}_{i}" for i in range(n)]
