"""Metal of one matrix: the wires that turn a base into that matrix.

The module holds one instance of the base and nothing else: every pin of every row is connected to one
driver, and the row exponents leave as ties for the stage that scales the results. No operator, no cell;
``hnlpu.verification.readback`` checks that and reads the weights back.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hnlpu.base import ArrayPlan
from hnlpu.metal import ROW_EXPONENT_BITS, MetalPlan
from hnlpu.rtl.array import array_ports
from hnlpu.rtl.structure import Instance, Port, Structure, concat

__all__ = ["driver_names", "metal_module", "metal_ports"]

_TIES = ("tie_low", "tie_high")
_INSIDE = ("lines_", "pins_", "local_", "tie_", "constants")


def metal_ports(base: ArrayPlan) -> list[Port]:
    """Ports of a matrix: clock, the two streams, and the constant row exponents (packed)."""
    outside = [p for p in array_ports(base) if not p.name.startswith(_INSIDE)]
    return [*outside, Port("output", "row_exponents", base.n_rows * ROW_EXPONENT_BITS)]


def _wires(base: ArrayPlan) -> list[tuple[str, int]]:
    return [
        (port.name, port.n_bits)
        for port in array_ports(base)
        if port.direction == "output" and port.name.startswith(_INSIDE)
    ]


def driver_names(base: ArrayPlan, row: int) -> npt.NDArray[np.str_]:
    """What each driver is called in the metal, for the pins of ``row``."""
    names: list[str] = []
    for name, n_bits in _wires(base):
        if not name.startswith("local_") or name == f"local_{row}":
            names += [f"{name}[{i}]" for i in range(n_bits)] if n_bits > 1 else [name]
    return np.array(names)


def _pins(plan: MetalPlan) -> Iterator[tuple[str, str]]:
    shared = None if plan.base.n_local else driver_names(plan.base, 0)
    for port in array_ports(plan.base):
        kind, _, row = port.name.partition("_")
        if kind == "pins":
            names = driver_names(plan.base, int(row)) if shared is None else shared
            yield port.name, concat(names[plan.pins[int(row)]])
        else:
            yield port.name, port.name


def metal_module(name: str, title: str, plan: MetalPlan) -> Iterator[str]:
    """Verilog of one matrix in pieces.

    Parameters
    ----------
    name : str
        Module name.
    title : str
        What the matrix is, for the comment at the top.
    plan : MetalPlan
    """
    structure = Structure(
        name=name,
        comment=f"Metal of {title}: wires from lines to pins, and ties.\n"
        "A line that no weight needs stays open, by design:\n"
        "verilator lint_off UNUSEDSIGNAL",
        ports=metal_ports(plan.base),
        wires=_wires(plan.base),
        instances=[Instance(plan.base.name, "base", tuple(_pins(plan)))],
        assigns=[("row_exponents", concat(_TIES[bit] for bit in plan.row_exponent_bits.ravel()))],
    )
    return structure.render()
