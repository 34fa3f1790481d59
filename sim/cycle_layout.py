"""What the models of cycles are joined from: blocks and streams by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Edge", "Layout", "Placed"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A block: its kind, its name, and what its cycles depend on."""

    kind: str
    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Edge:
    """A stream from ``source.output`` to ``target.port``; of the streams of the RTL of ``chip`` if ``traced``."""

    name: str
    source: str
    output: str
    target: str
    port: str
    traced: bool = True
    chip: int = 0


@dataclass(slots=True)
class Layout:
    """Blocks and streams; those of a chip in the RTL's order, which is that of the bits that let them go."""

    blocks: dict[str, Placed] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, kind: str, name: str, **parameters: Any) -> str:
        """Place a block; its name."""
        assert name not in self.blocks, name
        self.blocks[name] = Placed(kind, name, parameters)
        return name

    def join(self, source: str, output: str, target: str, port: str, name: str) -> None:
        """A stream of the RTL."""
        self.edges.append(Edge(name, source, output, target, port))

    def wire(self, source: str, output: str, target: str, port: str) -> None:
        """A handshake of the RTL that is no stream, and never pauses."""
        name = f"{source}.{output}"
        self.edges.append(Edge(name, source, output, target, port, traced=False))

    def include(self, other: "Layout", prefix: str, chip: int) -> None:
        """All of another chip, its names behind ``prefix``."""
        for placed in other.blocks.values():
            self.add(placed.kind, prefix + placed.name, **placed.parameters)
        for edge in other.edges:
            source, target = prefix + edge.source, prefix + edge.target
            self.edges.append(
                replace(edge, name=prefix + edge.name, source=source, target=target, chip=chip)
            )
