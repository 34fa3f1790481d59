"""Second opinion: a counted row netlist, simulated and timed by PyRTL, which shares no code with ours.

The netlist whose cells are counted (``hnlpu.rtl.synthesis``) is wired as the metal would wire one row,
flattened, and handed to PyRTL as BLIF. The bits on its lines come from ``hnlpu.sim.source``, the results
are compared with ``hnlpu.sim.array``: no code of the RTL takes part on either side.

PyRTL's delays are those of its own gate model at 130 nm; they rank designs and are no promise.
"""

import io
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.base import ArrayPlan
from hnlpu.errors import MissingToolError
from hnlpu.metal import MetalPlan
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.rows import row_component
from hnlpu.rtl.structure import Instance, Port, Structure, concat
from hnlpu.rtl.synthesis import LEAVES, cell_models, mapped_netlist, run_yosys
from hnlpu.sim.source import source_lines

__all__ = ["RowOpinion", "row_control", "row_drivers", "row_opinion", "write_flat_row"]

_TOP = "hn_second_opinion"


@dataclass(frozen=True, slots=True)
class RowOpinion:
    """What PyRTL says of one row.

    Attributes
    ----------
    y : tuple of int
        Results of the vectors, one after the other.
    n_gates : int
        Two-input gates of the flat netlist.
    critical_path_ps : float
        Longest path between registers, in PyRTL's gate model (130 nm).
    """

    y: tuple[int, ...]
    n_gates: int
    critical_path_ps: float


def row_opinion(
    metal: MetalPlan, row: int, x: npt.NDArray[np.int64], *, models: str | None = None
) -> RowOpinion:
    """Simulate and time the counted netlist of one row.

    Parameters
    ----------
    metal : MetalPlan
    row : int
    x : int64 array (n_vectors, n_columns)
    models : str, optional
        Verilog of the logic cells, for a test that a wrong one is seen.

    Raises
    ------
    MissingToolError
        No PyRTL, or no yosys.
    """
    try:
        import pyrtl
    except ImportError as error:
        raise MissingToolError(
            "PyRTL is missing",
            where="second opinion",
            got="no Python package pyrtl",
            do="pip install pyrtl; everything but explore works without it",
        ) from error
    plan = metal.base
    pyrtl.reset_working_block()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyrtl.input_from_blif(io.StringIO(_flat_blif(metal, row, models or cell_models())))
        timing = pyrtl.TimingAnalysis().max_length()
    simulation = pyrtl.FastSimulation(tracer=None)
    y = tuple(_result(simulation, plan, vector) for vector in x)
    n_gates = len([net for net in pyrtl.working_block().logic if net.op in "&|^n~"])
    return RowOpinion(y, n_gates, float(timing))


def _flat_blif(metal: MetalPlan, row: int, models: str) -> str:
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as folder_name:
        folder = Path(folder_name)
        write_flat_row(metal, row, folder, models=models)
        return (folder / "flat.blif").read_text(encoding="utf-8")


def write_flat_row(metal: MetalPlan, row: int, folder: Path, *, models: str | None = None) -> None:
    """Write the counted netlist of one row, wired and flat: ``flat.blif`` and ``flat.json``.

    Gates are two-input AND, OR and XOR, and inverters; registers are plain flip-flops, their enables
    in gates before them. Inputs are those of the row module, with ``drivers`` (the base's drivers, as
    ``hnlpu.base`` numbers them) in the place of its pins.
    """
    plan = metal.base
    component = Library().prototype(*row_component(plan))
    shared = plan.n_drivers - plan.n_local
    names = [f"drivers[{i}]" for i in range(shared)] + (
        [f"locals[{i}]" for i in range(plan.n_local)] if plan.n_local > 1 else ["locals"]
    )
    pins = concat(names[pin] for pin in metal.pins[row])
    ports = [Port("input", name) for name in component.clock_ports] + [
        Port("input", "drivers", shared)
    ]
    connections = [(name, name) for name in component.clock_ports]
    for name, member in component.signature.members.items():
        connections.append((name, pins if name == "pins" else name))
        if name not in ("pins", "locals"):
            direction = "output" if name == "y" else "input"
            ports.append(Port(direction, name, member.shape))
    top = Structure(
        _TOP,
        "One row as its metal wires it.",
        ports,
        wires=[("locals", plan.n_local)] if plan.n_local else [],
        instances=[Instance(component.module_name, "row", tuple(connections))],
    )
    leaves = ["".join(text) for name, text in base_modules(plan) if name.startswith(LEAVES)]
    text = [*top.render(), mapped_netlist(plan), models or cell_models(), *leaves]
    (folder / "all.v").write_text("\n".join(text), encoding="utf-8")
    run_yosys(
        f"read_verilog all.v\nhierarchy -check -top {_TOP}\n"
        "proc\nflatten\nopt\ntechmap\ndfflegalize -cell $_DFF_P_ x\n"
        "abc -g AND,OR,XOR\nopt_clean -purge\nwrite_blif flat.blif\nwrite_json flat.json\n",
        folder,
    )


def row_drivers(plan: ArrayPlan, vector: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Bits of all drivers but a row's own, cycle by cycle; segments later by their delay."""
    n_cycles = plan.interval_cycles + plan.n_cuts
    drivers = np.zeros((n_cycles, plan.n_drivers - plan.n_local), dtype=np.uint8)
    drivers[:, 1] = 1
    for bundle in range(plan.n_bundles):
        columns = [plan.column(phase, bundle) for phase in range(plan.phases)]
        inputs = np.array([0 if c is None else vector[c] for c in columns])
        bits = source_lines(inputs, plan.lines.multiples, plan.product_bits)
        late, first = plan.bundle_segment(bundle), plan.bundle_line(bundle, 0)
        drivers[late : late + len(bits), first : first + bits.shape[1]] = bits
    for bit_time in range(plan.product_bits - 1):
        start = plan.constant_segment + bit_time * plan.phases
        pair, odd = divmod(bit_time, 2)
        for value in (1, 2, 3):
            if value >> odd & 1:
                drivers[start : start + plan.phases, plan.constant_line(pair, value)] = 1
    return drivers


def row_control(plan: ArrayPlan, cycle: int) -> dict[str, int]:
    """Control inputs of a row in cycle ``cycle`` of a vector."""
    own = cycle - plan.n_cuts
    phase, bit_time = own % plan.phases, own // plan.phases
    last_phase, sign = phase == plan.phases - 1, bit_time == plan.product_bits - 1
    control = {f"phase_{j}": 1 << (cycle - j) % plan.phases for j in range(plan.n_segments)}
    control |= {
        "first": int(own == 0),
        "shift": int(last_phase and not sign),
        "stay": int(not last_phase or sign),
        "sign": int(sign),
        "enable": int(own >= 0),
    }
    return control | ({"advance": 1} if plan.n_cuts else {})


def _result(simulation: Any, plan: ArrayPlan, vector: npt.NDArray[np.int64]) -> int:
    drivers = row_drivers(plan, vector)
    weights = 1 << np.arange(drivers.shape[1]).astype(object)
    step: dict[str, int] = {}
    for cycle, bits in enumerate(drivers):
        step = {"drivers": int(bits.astype(object) @ weights), **row_control(plan, cycle)}
        if cycle == 2:  # a stall
            simulation.step({**step, "enable": 0} | ({"advance": 0} if plan.n_cuts else {}))
        simulation.step(step)
    simulation.step({**step, "enable": 0})
    y = int(simulation.inspect("y"))
    return y - (y >> (plan.y_bits - 1) << plan.y_bits)
