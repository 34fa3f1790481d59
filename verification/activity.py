"""Activity: what toggles in a row while it works, and how deep its logic is.

The counted netlist of a row, wired and flat (``hnlpu.verification.second_opinion``), is evaluated gate by
gate, all vectors at once: a wire's value is an integer with one bit per vector. Delays are zero, so
glitches are not seen and toggles are a lower bound. Results are compared with the twin on the way.

Contract (checked by ``tests/verification/test_activity.py``): results equal the twin; toggles of small
netlists equal a count by hand.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.metal import MetalPlan
from hnlpu.verification.second_opinion import row_control, row_drivers, write_flat_row

__all__ = ["Activity", "FlatNetlist", "row_activity"]


@dataclass(frozen=True, slots=True)
class Activity:
    """A row at work.

    Attributes
    ----------
    y : int64 array (n_vectors,)
    toggles : float
        Changes of gate and register outputs per vector, mean over vectors.
    n_gates, n_registers : int
    depth : int
        Two-input gates in series between registers, most; inverters not counted.
    """

    y: npt.NDArray[np.int64]
    toggles: float
    n_gates: int
    n_registers: int
    depth: int


class FlatNetlist:
    """A flat netlist of two-input gates and flip-flops, as yosys writes it.

    Parameters
    ----------
    module : mapping
        One module of ``write_json``.

    Raises
    ------
    HnlpuError
        A cell that is no gate, or a loop of gates.
    """

    def __init__(self, module: Mapping[str, Any]) -> None:
        self.ports: dict[str, list[int | str]] = {
            name: port["bits"] for name, port in module["ports"].items()
        }
        self.registers: list[tuple[int, int | str]] = []
        gates: dict[int, tuple[str, list[int | str]]] = {}
        for name, cell in module["cells"].items():
            kind, pins = cell["type"], {pin: bits[0] for pin, bits in cell["connections"].items()}
            if kind == "$_DFF_P_":
                self.registers.append((pins["Q"], pins["D"]))
            elif kind in ("$_AND_", "$_OR_", "$_XOR_"):
                gates[pins["Y"]] = (kind, [pins["A"], pins["B"]])
            elif kind == "$_NOT_":
                gates[pins["Y"]] = (kind, [pins["A"]])
            else:
                raise HnlpuError(
                    "cell is no two-input gate",
                    where=f"flat netlist: {name}",
                    got=kind,
                    do="this is a fault of hnlpu; please report it",
                )
        self.order = self._sorted(gates)
        self.depth = self._depth(gates)
        self.n_gates = len(gates)

    @staticmethod
    def _sorted(
        gates: Mapping[int, tuple[str, list[int | str]]],
    ) -> list[tuple[int, str, list[int | str]]]:
        order: list[tuple[int, str, list[int | str]]] = []
        state: dict[int, int] = {}
        for root in gates:
            stack = [root]
            while stack:
                net = stack[-1]
                if state.get(net) == 2:
                    stack.pop()
                    continue
                waiting = [
                    n for n in gates[net][1]
                    if isinstance(n, int) and n in gates and state.get(n) != 2
                ]  # fmt: skip
                if not waiting:
                    state[net] = 2
                    order.append((net, *gates[net]))
                    stack.pop()
                elif state.get(net) == 1 and any(state.get(n) == 1 for n in waiting):
                    raise HnlpuError(
                        "gates form a loop",
                        where="flat netlist",
                        got=f"net {net}",
                        do="this is a fault of hnlpu; please report it",
                    )
                else:
                    state[net] = 1
                    stack += waiting
        return order

    def _depth(self, gates: Mapping[int, tuple[str, list[int | str]]]) -> int:
        level: dict[int | str, int] = {}
        for net, kind, inputs in self.order:
            level[net] = max(level.get(n, 0) for n in inputs) + (kind != "$_NOT_")
        return max(level.values(), default=0)

    def evaluate(self, values: dict[int | str, int], mask: int) -> None:
        """Set every gate's output from the ports and registers in ``values``."""
        for net, kind, inputs in self.order:
            a = values[inputs[0]]
            if kind == "$_NOT_":
                values[net] = a ^ mask
            elif kind == "$_AND_":
                values[net] = a & values[inputs[1]]
            elif kind == "$_OR_":
                values[net] = a | values[inputs[1]]
            else:
                values[net] = a ^ values[inputs[1]]

    def clock(self, values: dict[int | str, int]) -> None:
        """Take the registers' inputs."""
        following = [values[d] for _, d in self.registers]
        for (q, _), value in zip(self.registers, following, strict=True):
            values[q] = value


def row_activity(metal: MetalPlan, row: int, x: npt.NDArray[np.int64]) -> Activity:
    """Run every vector of ``x`` through one row and count what toggles.

    Parameters
    ----------
    metal : MetalPlan
    row : int
    x : int64 array (n_vectors, n_columns)
    """
    plan = metal.base
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as folder_name:
        folder = Path(folder_name)
        write_flat_row(metal, row, folder)
        modules = json.loads((folder / "flat.json").read_text(encoding="utf-8"))["modules"]
    (module,) = modules.values()
    netlist = FlatNetlist(module)
    n, mask = len(x), (1 << len(x)) - 1
    drivers = np.stack(
        [row_drivers(plan, vector) for vector in x], axis=-1
    )  # cycle, driver, vector
    lanes = 1 << np.arange(n).astype(object)
    values: dict[int | str, int] = {"0": 0, "1": mask, "x": 0}
    values |= dict.fromkeys((q for q, _ in netlist.registers), 0)
    own = [net for net, _, _ in netlist.order] + [q for q, _ in netlist.registers]
    toggles = 0
    before: list[int] | None = None
    for cycle in range(len(drivers)):
        packed = (drivers[cycle].astype(object) @ lanes).tolist()
        for net, value in zip(netlist.ports["drivers"], packed, strict=True):
            values[net] = int(value)
        for name, control in row_control(plan, cycle).items():
            for i, net in enumerate(netlist.ports[name]):
                values[net] = mask if control >> i & 1 else 0
        netlist.evaluate(values, mask)
        now = [values[net] for net in own]
        if before is not None:
            toggles += sum((a ^ b).bit_count() for a, b in zip(before, now, strict=True))
        before = now
        netlist.clock(values)
    netlist.evaluate(values, mask)
    y = np.zeros(n, dtype=object)
    for i, net in enumerate(netlist.ports["y"]):
        bits = np.array([values[net] >> lane & 1 for lane in range(n)], dtype=object)
        y += bits << i
    y -= (y >> (plan.y_bits - 1)) << plan.y_bits
    return Activity(
        y.astype(np.int64),
        toggles / n,
        netlist.n_gates,
        len(netlist.registers),
        netlist.depth,
    )
