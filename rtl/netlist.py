"""Netlist: blocks connected by streams, as structural Verilog.

Blocks are shared components; a stream is its payload, valid and ready wires. Everything a picture of the
design needs (which block feeds which, under which name) is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from amaranth.lib import wiring

from hnlpu.rtl.hierarchy import Library, SharedComponent
from hnlpu.rtl.stall import Stall
from hnlpu.rtl.structure import Instance, Port, Structure

__all__ = ["Block", "Edge", "Netlist", "stream_bits"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """An instance: its name, its component, and what its pins are connected to so far."""

    name: str
    component: SharedComponent
    pins: dict[str, str]

    def ports(self) -> dict[str, tuple[wiring.Flow, int]]:
        """Flow and width of every port of the module, streams flattened."""
        found: dict[str, tuple[wiring.Flow, int]] = {}
        signature = self.component.signature
        for path, member, value in signature.flatten(self.component):
            found["__".join(map(str, path))] = member.flow, len(wiring.Value.cast(value))
        return found


@dataclass(frozen=True, slots=True)
class Edge:
    """A stream between two blocks (``block.port``), and the layout of its payload."""

    name: str
    source: str
    target: str
    n_bits: int
    layout: dict[str, tuple[int, int, bool]]


def stream_bits(block: Block, port: str) -> int:
    """Width of a stream's payload."""
    return block.ports()[f"{port}__payload"][1]


@dataclass(slots=True)
class Netlist:
    """A module made of blocks.

    Attributes
    ----------
    name : str
    library : Library
        Writes the blocks' modules.
    ports : list of Port
    blocks : dict of Block by name
    edges : list of Edge
    others : list of Instance
        Instances of modules that are no shared components.
    stalls : bool
        Every stream passes a ``Stall``, whose ``go`` is still to be connected.
    """

    name: str
    library: Library
    ports: list[Port] = field(default_factory=list)
    blocks: dict[str, Block] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    others: list[Instance] = field(default_factory=list)
    wires: list[tuple[str, int]] = field(default_factory=list)
    assigns: list[tuple[str, str]] = field(default_factory=list)
    stalls: bool = False

    def add(self, name: str, kind: type[SharedComponent], *parameters: Any) -> Block:
        """Place a component."""
        component = self.library.prototype(kind, *parameters)
        block = Block(name, component, {clock: clock for clock in component.clock_ports})
        assert name not in self.blocks, name
        self.blocks[name] = block
        return block

    def wire(self, name: str, n_bits: int) -> str:
        """Declare a wire."""
        self.wires.append((name, n_bits))
        return name

    def output(self, block: Block, port: str) -> str:
        """The wire of an output that is no stream; declared when first asked for."""
        if port not in block.pins:
            block.pins[port] = self.wire(f"{block.name}__{port}", block.ports()[port][1])
        return block.pins[port]

    def join(
        self,
        source: Block,
        output: str,
        target: Block,
        port: str,
        name: str,
        *,
        first: int | None = None,
    ) -> None:
        """A stream called ``name`` from ``source.output`` to ``target.port``.

        With ``first`` the target takes a part of the payload, from this bit on.
        """
        n_bits, taken = stream_bits(source, output), stream_bits(target, port)
        fits = n_bits == taken if first is None else n_bits >= first + taken
        assert fits, f"{name}: {n_bits} to {taken} bits"
        self.edges.append(
            Edge(name, f"{source.name}.{output}", f"{target.name}.{port}", n_bits,
                 _layout(source.component, output))
        )  # fmt: skip
        self._connect(source, output, name)
        if self.stalls:
            stall = self.add(f"{name}_stall", Stall, n_bits)
            self._connect(stall, "x", name, declare=False)
            source, output, name = stall, "y", f"{name}_stalled"
            self._connect(source, output, name)
        self._connect(target, port, name, declare=False)
        if taken < n_bits:
            low = first or 0
            target.pins[f"{port}__payload"] += f"[{low + taken - 1}:{low}]"

    def _connect(self, block: Block, end: str, name: str, *, declare: bool = True) -> None:
        """Connect a stream's end; the wires are declared once."""
        widths = {"payload": stream_bits(block, end), "valid": 1, "ready": 1}
        for part, n_bits in widths.items():
            assert f"{end}__{part}" not in block.pins, f"{block.name}.{end} twice"
            if declare:
                self.wire(f"{name}__{part}", n_bits)
            block.pins[f"{end}__{part}"] = f"{name}__{part}"

    def structure(self, comment: str) -> Structure:
        """The module.

        Raises
        ------
        ValueError
            An input that nothing drives.
        """
        return Structure(
            self.name, comment, self.ports, self.wires, list(self._instances()), self.assigns
        )

    def _instances(self) -> Iterator[Instance]:
        for block in self.blocks.values():
            pins = [(clock, clock) for clock in block.component.clock_ports]
            for port, (flow, _) in block.ports().items():
                if port in block.pins:
                    pins.append((port, block.pins[port]))
                elif flow == wiring.In:
                    raise ValueError(f"{block.name}.{port} is not driven")
                else:
                    pins.append((port, ""))
            yield Instance(block.component.module_name, block.name, tuple(pins))
        yield from self.others


def _layout(component: SharedComponent, port: str) -> dict[str, tuple[int, int, bool]]:
    """First bit, width and signedness of every field of a stream's payload."""
    shape = getattr(component, port).payload.shape()
    if not hasattr(shape, "members"):
        return {"value": (0, len(wiring.Value.cast(getattr(component, port).payload)), False)}
    found: dict[str, tuple[int, int, bool]] = {}
    for name, entry in shape:
        signed = bool(getattr(entry.shape, "signed", False))
        found[name] = entry.offset, entry.width, signed
    return found
