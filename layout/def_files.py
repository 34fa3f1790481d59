"""LEF and DEF: the base as a macro with ports on M7, and the metal above it as routed nets.

Every line of a segment is a net: the line, how it meets the base at both ends, and for every weight on it the
stub, its via, and its way down to a port. Straps are special nets. Stubs that are no pins are fills.

Contract (checked by ``tests/layout/test_def_files.py``): read back by klayout, both files together are the drawn
metal and vias, shape by shape.
"""

from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np

from hnlpu.base import Pins
from hnlpu.layout.drawing import box_around, bridge_ends, wire_of_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ports import SUPPLIES, line_ports, pin_ports, strap_bridges, strap_ports, supply
from hnlpu.layout.rules import METALS, VIAS
from hnlpu.layout.stations import NO_PIN
from hnlpu.layout.turns import Landing, line_ends

__all__ = ["write_def", "write_lef"]

#: Layers that tap crossbars use.
_METALS, _VIAS = METALS[:4], VIAS[:3]


def _um(nm: int) -> str:
    return f"{nm / 1000:.3f}"


def write_lef(file: TextIO, floorplan: Floorplan) -> None:
    """Layers, and the base as a macro: a pin for every port of a row's pin and of a line."""
    rules = floorplan.rules
    file.write("VERSION 5.8 ;\nUNITS\n  DATABASE MICRONS 1000 ;\nEND UNITS\n")
    for i, layer in enumerate(_METALS):
        metal = rules.metals[layer]
        file.write(
            f"LAYER {layer}\n  TYPE ROUTING ;\n  DIRECTION {metal.direction.upper()} ;\n"
            f"  PITCH {_um(metal.pitch_nm)} ;\n  WIDTH {_um(metal.width_nm)} ;\n"
            f"  SPACING {_um(metal.space_nm)} ;\nEND {layer}\n"
        )
        if i < len(_VIAS):
            via = rules.vias[_VIAS[i]]
            file.write(
                f"LAYER {_VIAS[i]}\n  TYPE CUT ;\n  SPACING {_um(via.space_nm)} ;\n"
                f"  WIDTH {_um(via.size_nm)} ;\nEND {_VIAS[i]}\n"
            )
    name = floorplan.plan.name
    file.write(
        f"MACRO {name}\n  CLASS BLOCK ;\n  ORIGIN 0 0 ;\n"
        f"  SIZE {_um(floorplan.width_nm)} BY {_um(floorplan.height_nm)} ;\n"
    )
    size = floorplan.port_nm, rules.metals["M7"].width_nm
    for pin, direction, x, y in _macro_pins(floorplan):
        box = " ".join(map(_um, box_around(x, y, *size)))
        use = "  USE POWER ;\n  " if direction == "INOUT" else "  "
        file.write(
            f"  PIN {pin}\n    DIRECTION {direction} ;\n  {use}  PORT\n      LAYER M7 ;\n"
            f"        RECT {box} ;\n    END\n  END {pin}\n"
        )
    file.write(f"END {name}\nEND LIBRARY\n")


def _macro_pins(floorplan: Floorplan) -> Iterator[tuple[str, str, int, int]]:
    """Name, direction and centre of every port."""
    for port in line_ports(floorplan):
        kind, direction = ("o", "OUTPUT") if port.leaves else ("i", "INPUT")
        yield _line(port.segment, port.station, port.wire) + f"_{kind}", direction, port.x, port.y
    ports = pin_ports(floorplan)
    for row, pin, x, y in zip(
        *(a.tolist() for a in (ports.row, ports.pin, ports.x, ports.y)), strict=True
    ):
        yield f"pin_{row}_{pin}", "INPUT", x, y
    for strap, x, y in strap_ports(floorplan):
        yield f"strap_{strap}_{y}", "INOUT", x, y


def _line(segment: int, station: int, wire: int) -> str:
    return f"line_{segment}_{station}_{wire}"


class _Net:
    """Pieces of a net as DEF writes them."""

    def __init__(self, floorplan: Floorplan) -> None:
        self._half = {layer: floorplan.rules.metals[layer].width_nm // 2 for layer in _METALS}
        self._pad = floorplan.pad_nm
        self.pieces: list[str] = []

    def across(self, layer: str, x0: int, x1: int, y: int) -> None:
        half = self._half[layer]
        self.pieces.append(f"{layer} ( {x0 + half} {y} ) ( {x1 - half} {y} )")

    def up(self, layer: str, x: int, y0: int, y1: int) -> None:
        half = self._half[layer]
        self.pieces.append(f"{layer} ( {x} {y0 + half} ) ( {x} {y1 - half} )")

    def via(self, name: str, x: int, y: int) -> None:
        self.pieces.append(f"M{name[3:]} ( {x} {y} ) {name}")

    def pad(self, x: int, y: int) -> None:
        """From M9 down to a port."""
        self.up("M8", x, y - self._pad // 2, y + self._pad // 2)
        self.via("VIA8", x, y)
        self.via("VIA7", x, y)

    def bridge(self, floorplan: Floorplan, x0: int, landing: Landing, y: int) -> None:
        left, right = bridge_ends(floorplan, landing)
        self.via("VIA9", x0 + landing.x, y)
        self.across("M9", x0 + left, x0 + right, y)
        self.pad(x0 + landing.m8_x, y)

    def text(self) -> str:
        return "\n      NEW ".join(self.pieces)


def write_def(file: TextIO, floorplan: Floorplan, pins: Pins) -> None:
    """The metal of an array whose pins are ``pins`` (n_rows, n_pins + row exponent bits)."""
    name = floorplan.plan.name
    file.write(
        f'VERSION 5.8 ;\nDIVIDERCHAR "/" ;\nBUSBITCHARS "[]" ;\nDESIGN {name}_metal ;\n'
        f"UNITS DISTANCE MICRONS 1000 ;\n"
        f"DIEAREA ( 0 0 ) ( {floorplan.width_nm} {floorplan.height_nm} ) ;\n"
    )
    file.write(f"VIAS {len(_VIAS)} ;\n")
    for i, via in enumerate(_VIAS):
        half = floorplan.rules.vias[via].size_nm // 2
        box = f"( {-half} {-half} ) ( {half} {half} )"
        file.write(f"  - {via} + RECT {_METALS[i]} {box} + RECT {via} {box} + RECT "
                   f"{_METALS[i + 1]} {box} ;\n")  # fmt: skip
    file.write(f"END VIAS\nCOMPONENTS 1 ;\n  - base {name} + FIXED ( 0 0 ) N ;\nEND COMPONENTS\n")
    _section(file, "SPECIALNETS", _straps(floorplan))
    _section(file, "NETS", _nets(floorplan, pins))
    _section(file, "FILLS", _fills(floorplan))
    file.write("END DESIGN\n")


def _section(file: TextIO, name: str, entries: Iterable[str]) -> None:
    """A section that begins with the number of its entries."""
    kept = list(entries)
    file.write(f"{name} {len(kept)} ;\n")
    file.writelines(f"  - {entry} ;\n" for entry in kept)
    file.write(f"END {name}\n")


def _straps(floorplan: Floorplan) -> Iterator[str]:
    """Straps of the supply, VDD and VSS in turn."""
    supplies = _Net(floorplan), _Net(floorplan)
    metals = floorplan.rules.metals

    def width(layer: str) -> str:
        return f" {metals[layer].width_nm}"

    for station, kind, x0 in floorplan.stations.each():
        for x in kind.straps:
            supplies[supply(station)].pieces.append(
                f"M10{width('M10')} ( {x0 + x} 0 ) ( {x0 + x} {floorplan.height_nm} )"
            )
    for station, x0, landing, y in strap_bridges(floorplan):
        net = supplies[supply(station)]
        left, right = bridge_ends(floorplan, landing)
        pad = floorplan.pad_nm // 2
        x = x0 + landing.m8_x
        net.pieces += [
            f"M9{width('M9')} ( {x0 + left} {y} ) ( {x0 + right} {y} )",
            f"M8{width('M8')} ( {x} {y - pad} ) ( {x} {y + pad} )",
            f"M9{width('M9')} ( {x0 + landing.x} {y} ) VIA9",
            f"M8{width('M8')} ( {x} {y} ) VIA8",
            f"M7{width('M7')} ( {x} {y} ) VIA7",
        ]
    for name, use, net in zip(SUPPLIES, ("POWER", "GROUND"), supplies, strict=True):
        if net.pieces:
            yield f"{name}\n    + ROUTED {net.text()}\n    + USE {use}"


def _nets(floorplan: Floorplan, pins: Pins) -> Iterator[str]:
    nets: dict[tuple[int, int, int], _Net] = {}
    names: dict[tuple[int, int, int], list[str]] = {}
    for station, kind, x0 in floorplan.stations.each():
        for wire, (layer, x) in enumerate(kind.wires):
            for segment, (low, high) in enumerate(line_ends(floorplan, kind, layer, x)):
                net = nets[segment, station, wire] = _Net(floorplan)
                names[segment, station, wire] = []
                net.up(layer, x0 + x, low, high)
    for port in line_ports(floorplan):
        key = port.segment, port.station, port.wire
        names[key].append(f"( base {_line(*key)}_{'o' if port.leaves else 'i'} )")
        kind = floorplan.stations.kinds[floorplan.stations.kind[port.station]]
        layer, x = kind.wires[port.wire]
        if layer == "M8":
            nets[key].via("VIA7", port.x, port.y)
        else:
            x0 = int(floorplan.stations.x_nm[port.station])
            nets[key].bridge(floorplan, x0, Landing(x, port.x - x0, 0), port.y)
    ports = pin_ports(floorplan)
    wires = wire_of_pins(floorplan, pins)
    for row, pin, station, segment, px, y, wire in zip(
        *(a.tolist() for a in (ports.row, ports.pin, ports.station, ports.segment, ports.x, ports.y)),
        wires.ravel().tolist(), strict=True,
    ):  # fmt: skip
        kind = floorplan.stations.kinds[floorplan.stations.kind[station]]
        x0 = int(floorplan.stations.x_nm[station])
        net, (layer, x) = nets[segment, station, wire], kind.wires[wire]
        names[segment, station, wire].append(f"( base pin_{row}_{pin} )")
        net.across("M9", x0 + kind.stub[0], x0 + kind.stub[1], y)
        net.via("VIA8" if layer == "M8" else "VIA9", x0 + x, y)
        net.pad(px, y)
    for key, net in nets.items():
        yield f"{_line(*key)} {' '.join(names[key])}\n    + ROUTED {net.text()}"


def _fills(floorplan: Floorplan) -> Iterator[str]:
    """Stubs that are no pins, with their pads."""
    rules = floorplan.rules
    rows = np.arange(floorplan.plan.n_rows)
    heights = floorplan.stub_y_nm(rows)
    boxes: dict[str, list[tuple[int, int, int, int]]] = {}
    for station, kind, x0 in floorplan.stations.each():
        columns = floorplan.pad_column(rows, kind)
        for stub in np.flatnonzero(floorplan.stations.pins[station] == NO_PIN).tolist():
            for row in rows.tolist():
                y, x = int(heights[row, stub]), x0 + kind.pads[columns[row, stub]]
                width = rules.metals["M9"].width_nm
                low = y - width // 2
                boxes.setdefault("M9", []).append(
                    (x0 + kind.stub[0], low, x0 + kind.stub[1], low + width)
                )
                sizes = {
                    "M8": (rules.metals["M8"].width_nm, floorplan.pad_nm),
                    "M7": (floorplan.port_nm, rules.metals["M7"].width_nm),
                    "VIA7": (rules.vias["VIA7"].size_nm,) * 2,
                    "VIA8": (rules.vias["VIA8"].size_nm,) * 2,
                }
                for layer, size in sizes.items():
                    boxes.setdefault(layer, []).append(box_around(x, y, *size))
    for layer, own in boxes.items():
        for x0, y0, x1, y1 in own:
            yield f"LAYER {layer} RECT ( {x0} {y0} ) ( {x1} {y1} )"
