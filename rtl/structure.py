"""Structural Verilog: modules that hold nothing but ports, wires and instances.

Array tops and metal are written with it instead of Amaranth for two reasons: Amaranth's netlist ends at
65,536 input bits per module (a 2,880 x 2,880 array has 8.3 million taps), and a writer that has no
operators cannot put one into the metal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["Instance", "Port", "Structure", "concat"]


@dataclass(frozen=True, slots=True)
class Port:
    """A module port: ``direction`` is ``input`` or ``output``; width in bits."""

    direction: str
    name: str
    n_bits: int = 1


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of ``module``; ``pins`` are ``(port, expression)`` in the module's port order."""

    module: str
    name: str
    pins: tuple[tuple[str, str], ...]


def concat(bits: Iterable[str]) -> str:
    """Concatenation of expressions given least significant first."""
    return "{" + ", ".join(reversed(list(bits))) + "}"


def _declare(kind: str, name: str, n_bits: int) -> str:
    return f"  {kind} {f'[{n_bits - 1}:0] ' if n_bits > 1 else ''}{name};\n"


@dataclass(slots=True)
class Structure:
    """One structural module, rendered piece by piece so that size costs no memory.

    Attributes
    ----------
    name : str
    comment : str
        First lines of the file.
    ports : list of Port
    wires : list of (name, width in bits)
    instances : iterable of Instance
        May be a generator; it is consumed once.
    assigns : list of (left side, expression)
    """

    name: str
    comment: str
    ports: list[Port]
    wires: list[tuple[str, int]] = field(default_factory=list)
    instances: Iterable[Instance] = ()
    assigns: list[tuple[str, str]] = field(default_factory=list)

    def render(self) -> Iterator[str]:
        """Yield the Verilog text in pieces."""
        yield "".join(f"// {line}\n" for line in self.comment.splitlines())
        yield f"module {self.name}(" + ", ".join(port.name for port in self.ports) + ");\n"
        for port in self.ports:
            yield _declare(port.direction, port.name, port.n_bits)
        for name, n_bits in self.wires:
            yield _declare("wire", name, n_bits)
        for instance in self.instances:
            yield f"  {instance.module} {instance.name} (\n"
            yield ",\n".join(f"    .{pin}({expression})" for pin, expression in instance.pins)
            yield "\n  );\n"
        for left, expression in self.assigns:
            yield f"  assign {left} = {expression};\n"
        yield "endmodule\n"
