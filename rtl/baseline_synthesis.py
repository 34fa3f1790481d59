"""Transistors of the two baselines, counted with the cells and the mapping of ``hnlpu.rtl.synthesis``.

Cell array: rows differ, and there are many adders, so the adders of every row are counted on its
compression plan, which is what is emitted, cell by cell; only the control is mapped by yosys. With
``sample_rows`` that many rows of the matrix, evenly spaced, stand for all of them.

MAC array: everything but the SRAMs is mapped by yosys; an SRAM is its bits times six transistors and a share
of the periphery. A transistor of a bit cell takes another area than one of logic: compare areas, not
transistors, where the SRAM matters.

Contract (checked by ``tests/rtl/test_cell_array.py`` and ``tests/rtl/test_mac_array.py``): the count of a plan
equals the count of the netlist that yosys makes of the emitted Verilog.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.errors import HnlpuError
from hnlpu.rtl.cell_array import CellControl, CellPlan, SumPlan, cell_modules
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.mac_array import MacPlan, mac_modules
from hnlpu.rtl.synthesis import LEAVES, Synthesis, load_cells, synthesise, transistors_of
from hnlpu.silicon import ArraySilicon

__all__ = [
    "CELL_PARTS",
    "MAC_PARTS",
    "BaselineSilicon",
    "count_cell",
    "count_cell_netlist",
    "count_mac",
    "sum_cells",
]

#: ``source``: odd multiples and complements of the inputs; ``accumulator``: registers of the results.
CELL_PARTS = ("source", "compressors", "accumulator", "control")
#: ``source``: selection of the inputs; ``compressors``: multipliers and adders of the MACs; ``tree``: sums
#: of a row's MACs; ``pipeline``: results of earlier groups of rows.
MAC_PARTS = (
    "memory",
    "source",
    "compressors",
    "shifters",
    "accumulator",
    "tree",
    "pipeline",
    "control",
)
_SRAM = re.compile(r"hn_sram_(\d+)x(\d+)")
_REGISTERS = ("DFF", "hn_clock_gate")
_PARALLEL_WEIGHTS = 1 << 14  # below, processes cost more than they save


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSilicon(ArraySilicon):
    """Cell count of a baseline.

    Attributes
    ----------
    cells : mapping of str to int
        Cells by type, those of rows that were not counted estimated; SRAMs as macros.
    n_rows_counted : int
        Rows that were counted; fewer than ``n_rows`` where a sample stands for all.
    depth : int
        Adders in series between registers, most of a row that was counted; 0 where not known.
    """

    cells: Mapping[str, int]
    n_rows_counted: int
    depth: int


@dataclass(frozen=True, slots=True)
class _Row:
    cells: Counter[str]
    n_registers: int
    depth: int
    complements: npt.NDArray[np.int64]  # wires whose complement is used


def sum_cells(plan: SumPlan) -> Counter[str]:
    """Cells of a sum's adders by type."""
    cells: Counter[str] = Counter()
    for adder in plan.compression.adders:
        full = "hn_full_adder_n" if adder.inverting else "hn_full_adder"
        cells[full if len(adder.inputs) == 3 else "hn_half_adder"] += 1
    cells["INV"] += plan.compression.n_inverters
    return +cells


def _count_row(plan: CellPlan, row: int) -> _Row:
    made = plan.row_plan(row)
    used = [
        bit
        for bit, complemented in zip(made.bits, made.complemented, strict=True)
        if bit is not None and complemented
    ]
    complements = np.array([(b.column, b.odd, b.bit) for b in used], dtype=np.int64).reshape(-1, 3)
    return _Row(
        sum_cells(made), made.n_registers, made.compression.depth, np.unique(complements, axis=0)
    )


def _count_rows(plan: CellPlan, rows: list[int]) -> list[_Row]:
    n_jobs = min(len(rows), len(os.sched_getaffinity(0)))
    if n_jobs > 1 and len(rows) * plan.matrix.n_columns > _PARALLEL_WEIGHTS:
        with ProcessPoolExecutor(n_jobs) as pool:
            return list(pool.map(partial(_count_row, plan), rows, chunksize=1))
    return [_count_row(plan, row) for row in rows]


def _transistors(cells: Mapping[str, int]) -> int:
    return sum(n * transistors_of(kind) for kind, n in cells.items())


def count_cell(
    matrix: AlignedMatrix,
    activation_bits: int,
    *,
    shared: bool = False,
    settle_cycles: int = 1,
    adder: int = 24,
    sample_rows: int | None = None,
) -> BaselineSilicon:
    """Transistors of a Cell-Embedding of ``matrix``.

    Parameters
    ----------
    matrix, activation_bits, shared, settle_cycles, adder
        As ``CellPlan`` has them.
    sample_rows : int, optional
        Rows to count, evenly spaced; all of them if absent.

    Raises
    ------
    HnlpuError
        No rows to count, or yosys failed on the control.
    """
    plan = CellPlan(
        matrix, activation_bits, shared=shared, settle_cycles=settle_cycles, adder=adder
    )
    n_rows = matrix.n_rows
    n_counted = n_rows if sample_rows is None else min(sample_rows, n_rows)
    if n_counted < 1:
        raise HnlpuError(
            "no rows to count",
            where=f"cell array of {matrix.name}",
            got=f"sample_rows = {sample_rows}",
            do="count one row or more",
        )
    rows = _count_rows(plan, [i * n_rows // n_counted for i in range(n_counted)])

    def whole(n: int) -> int:
        """Of the rows counted to all rows, rounded to the nearest."""
        return (2 * n * n_rows + n_counted) // (2 * n_counted)

    adders: Counter[str] = sum((row.cells for row in rows), Counter())
    # Complements are made once for all rows: with a sample, those that the sample needs.
    wires = np.concatenate([row.complements for row in rows])
    source = Counter({"INV": len(np.unique(wires, axis=0))})
    for multiple in plan.multiples:
        made = sum_cells(multiple.plan)
        source += Counter({kind: len(multiple.columns) * n for kind, n in made.items()})
    source["INV"] += _source_complements(plan, wires)
    parts = {
        "source": source,
        "compressors": Counter({kind: whole(n) for kind, n in adders.items()}),
        "accumulator": Counter(
            {"DFF": whole(sum(row.n_registers for row in rows)), "hn_clock_gate": 1}
        ),
        "control": _control_cells(settle_cycles),
    }
    cells = sum(parts.values(), Counter())
    return BaselineSilicon(
        n_rows=n_rows,
        n_columns=matrix.n_columns,
        transistors_by_part={part: _transistors(parts[part]) for part in CELL_PARTS},
        interval_cycles=plan.interval_cycles,
        latency_cycles=plan.latency_cycles,
        cells=dict(sorted(cells.items())),
        n_rows_counted=n_counted,
        depth=max(row.depth for row in rows)
        + sum(multiple.plan.compression.depth for multiple in plan.multiples),
    )


def _source_complements(plan: CellPlan, wires: npt.NDArray[np.int64]) -> int:
    """Complements that the adders of multiples need beyond ``wires``."""
    known = {tuple(wire) for wire in wires.tolist()}
    wanted = {
        (column, bit.odd, bit.bit)
        for multiple in plan.multiples
        for bit, complemented in zip(multiple.plan.bits, multiple.plan.complemented, strict=True)
        if bit is not None and complemented
        for column in multiple.columns
    }
    return len(wanted - known)


def _synthesise(modules: Mapping[str, str]) -> Synthesis:
    leaves = {name for name in modules if name.startswith((*LEAVES, "hn_sram_"))}
    return synthesise(
        {name: text for name, text in modules.items() if name not in leaves},
        {name: modules[name] for name in leaves},
    )


@lru_cache(maxsize=64)
def _control_cells(settle_cycles: int) -> Counter[str]:
    library = Library()
    library.prototype(CellControl, settle_cycles)
    (cells,) = _synthesise(dict(library.modules())).cells.values()
    return Counter(kind for _, kind in cells)


def _all_cells(synthesis: Synthesis, module: str) -> Counter[str]:
    """Cells of a module by type, those of the modules in it included."""
    cells: Counter[str] = Counter()
    for kind, n in Counter(kind for _, kind in synthesis.cells[module]).items():
        if kind in synthesis.cells:
            inside = _all_cells(synthesis, kind)
            cells.update({inner: n * m for inner, m in inside.items()})
        else:
            cells[kind] += n
    return cells


def count_cell_netlist(
    matrix: AlignedMatrix,
    activation_bits: int,
    *,
    shared: bool = False,
    settle_cycles: int = 1,
    adder: int = 24,
) -> dict[str, int]:
    """Cells of the emitted Verilog of a cell array by type, as yosys maps it; for small matrices."""
    modules = dict(cell_modules(matrix, activation_bits, shared, settle_cycles, adder))
    top = next(iter(modules))
    return dict(sorted(_all_cells(_synthesise(modules), top).items()))


_MAC_PART_OF = (
    ("hn_mac_control", "control"),
    ("hn_mac_select", "source"),
    ("hn_mac_shift", "shifters"),
    ("hn_mac_array", "pipeline"),
    ("hn_cell_sum", "tree"),
    ("hn_mac_", "compressors"),
)


def count_mac(plan: MacPlan) -> BaselineSilicon:
    """Transistors of a MAC array; they do not depend on the weights.

    Raises
    ------
    MissingToolError
        No yosys.
    HnlpuError
        Yosys failed, or left a cell that ``rtl/data/cells.toml`` does not hold.
    """
    modules = dict(mac_modules(plan))
    synthesis = _synthesise(modules)
    parts: Counter[str] = Counter({part: 0 for part in MAC_PARTS})
    _add_mac_parts(synthesis, plan.name, 1, parts)
    return BaselineSilicon(
        n_rows=plan.n_rows,
        n_columns=plan.n_columns,
        transistors_by_part={part: parts[part] for part in MAC_PARTS},
        interval_cycles=plan.interval_cycles,
        latency_cycles=plan.latency_cycles,
        cells=dict(sorted(_all_cells(synthesis, plan.name).items())),
        n_rows_counted=plan.n_rows,
        depth=0,
    )


def _add_mac_parts(synthesis: Synthesis, module: str, times: int, parts: Counter[str]) -> None:
    for kind, n in Counter(kind for _, kind in synthesis.cells[module]).items():
        if kind in synthesis.cells:
            _add_mac_parts(synthesis, kind, n * times, parts)
        elif match := _SRAM.fullmatch(kind):
            bits = int(match[1]) * int(match[2])
            parts["memory"] += n * times * bits * _sram_transistors()
        else:
            part = next(part for prefix, part in _MAC_PART_OF if module.startswith(prefix))
            if part == "compressors" and kind in _REGISTERS:
                part = "accumulator"
            if part == "pipeline" and kind not in _REGISTERS:
                part = "tree"  # complements of the MACs' sums
            parts[part] += n * times * transistors_of(kind)


def _sram_transistors() -> int:
    """Transistors of a bit with its share of the periphery."""
    cells = load_cells()
    return cells["sram_bit"].transistors + cells["sram_periphery"].transistors
