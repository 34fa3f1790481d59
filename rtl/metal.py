"""Metal of one matrix: the wires that turn a base into that matrix.

The module holds one instance of the base and nothing else: every stub of every row is connected to one
line of its bundle, every exponent pin to a tie, and the row exponents leave as ties for the stage that
scales the results. No operator, no cell; ``hnlpu.verification.readback`` checks that and reads the
weights back.
"""

from collections.abc import Iterator

import numpy as np

from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.metal import ROW_EXPONENT_BITS, MetalPlan
from hnlpu.rtl.array import array_ports
from hnlpu.rtl.structure import Instance, Port, Structure, concat

__all__ = ["metal_module", "metal_ports"]

_TIES = ("tie_low", "tie_high")


def metal_ports(base: BasePlan) -> list[Port]:
    """Ports of a matrix: clock, the two streams, and the constant row exponents (packed)."""
    outside = [p for p in array_ports(base) if not p.name.startswith(("lines_", "taps_"))]
    ports = [p for p in outside if not p.name.startswith(("tie_", "exponents_"))]
    return [*ports, Port("output", "row_exponents", base.n_rows * ROW_EXPONENT_BITS)]


def _pins(plan: MetalPlan) -> Iterator[tuple[str, str]]:
    base = plan.base
    lines = np.array(
        [
            [f"lines_{port}[{line}]" for line in range(len(LINE_MULTIPLES))]
            for port in range(base.n_ports)
        ]
    )
    bundle = np.tile(np.arange(base.n_ports), base.phases)
    for port in array_ports(base):
        kind, _, row = port.name.partition("_")
        if kind == "taps":
            yield port.name, concat(lines[bundle, plan.taps[int(row)]])
        elif kind == "exponents":
            yield port.name, concat(_TIES[pin] for pin in plan.exponent_pins[int(row)])
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
    bits = (plan.row_exponents.astype(np.int64)[:, None] >> np.arange(ROW_EXPONENT_BITS)) & 1
    structure = Structure(
        name=name,
        comment=f"Metal of {title}: wires from lines to stubs, one tap per weight, and ties.\n"
        "A line that no weight needs stays open, by design:\n"
        "verilator lint_off UNUSEDSIGNAL",
        ports=metal_ports(plan.base),
        wires=[
            *((tie, 1) for tie in _TIES),
            *((f"lines_{port}", len(LINE_MULTIPLES)) for port in range(plan.base.n_ports)),
        ],
        instances=[Instance(plan.base.name, "base", tuple(_pins(plan)))],
        assigns=[("row_exponents", concat(_TIES[bit] for bit in bits.ravel()))],
    )
    return structure.render()
