"""Explore: what every architecture and number of phases costs on a shape, measured on its netlist.

For each point the base is emitted, synthesised and counted (``hnlpu.rtl.synthesis``); the counted netlist
of one row, wired with real or random weights, is evaluated on random vectors, which checks it against the
twin and counts its toggles (``hnlpu.verification.activity``). A point is on the Pareto front if no other
verified, wirable point is at least as good in cycles and in transistors per weight and better in one.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.alignment import AlignedMatrix, align
from hnlpu.base import ArrayPlan
from hnlpu.bundle import new_folder, write_json
from hnlpu.checkpoint import open_checkpoint
from hnlpu.errors import HnlpuError
from hnlpu.families import find_tensors
from hnlpu.formats import parse_format
from hnlpu.matrices import load_matrix
from hnlpu.metal import plan_metal
from hnlpu.progress import Progress, Silent
from hnlpu.quantization import quantize
from hnlpu.reports.pareto import pareto_chart
from hnlpu.rtl.baseline_synthesis import BaselineSilicon, count_cell, count_mac
from hnlpu.rtl.liberty import liberty_area_um2
from hnlpu.rtl.mac_array import MacPlan
from hnlpu.rtl.synthesis import count_base
from hnlpu.selection import BaseOptions, choose_base
from hnlpu.silicon import ArraySilicon
from hnlpu.sim.array import array_outputs
from hnlpu.verification.activity import row_activity
from hnlpu.verification.second_opinion import row_opinion
from hnlpu.wiring import (
    clock_tree_transistors,
    repeater_transistors,
    silicon_um2,
    strip_height_um,
    toggle_energy_fj,
    wires_um2,
)

__all__ = ["ARCHS", "ExploreOptions", "explore", "mark_pareto", "write_exploration"]

ARCHS = ("taps", "paper", "merged", "cell", "mac")
_BASELINES = ("cell", "mac")
_N_VECTORS = 16
#: MACs of the baseline: those of the paper (section 7.1), or as many whole rows as they hold.
_N_MACS = 1024
#: Rows of a Cell-Embedding that are counted, at most; the rest is taken to be like them.
_CELL_ROWS = 128


@dataclass(frozen=True, slots=True)
class ExploreOptions:
    """What is explored.

    Attributes
    ----------
    archs : sequence of str
    phases : sequence of int
        Tried with every architecture that shares ports.
    cuts : sequence of int
        Register cuts tried with ``taps``.
    activation_bits : int
    exponent_values : int or None
        None takes what the matrices need.
    fmt : str or None
        Format weights are rounded to; None takes MXFP4.
    liberty : path or None
        Also map the bases to this library, for their area.
    verify : bool
        Evaluate a row of every point; without, nothing is verified and no energy is told.
    seed : int
        Of random weights and vectors.
    """

    archs: Sequence[str] = ARCHS
    phases: Sequence[int] = (1, 2, 3, 4, 5, 6, 8)
    cuts: Sequence[int] = (0,)
    activation_bits: int = 8
    exponent_values: int | None = None
    fmt: str | None = None
    liberty: Path | None = None
    verify: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [arch for arch in self.archs if arch not in ARCHS]
        if unknown or not self.archs:
            raise HnlpuError(
                "unknown architecture",
                where="--arch",
                got=", ".join(unknown) or "none",
                do=f"choose from {', '.join(ARCHS)}",
            )


@dataclass(frozen=True, slots=True)
class _Subject:
    """Matrices of one shape."""

    matrices: Sequence[AlignedMatrix]
    magnitudes: tuple[int, ...]
    weights: str

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrices[0].n_rows, self.matrices[0].n_columns


@dataclass(frozen=True, slots=True)
class _Task:
    subject: _Subject
    options: ExploreOptions
    arch: str
    phases: int
    cuts: int = 0
    second_opinion: bool = False


def explore(
    source: str | Path | None,
    *,
    shape: tuple[int, int] | None = None,
    options: ExploreOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Walk the design space of a checkpoint's array shapes, or of one shape with Gaussian weights.

    Parameters
    ----------
    source : path or hub id, or None
    shape : (inputs K, outputs N), instead of ``source``
    options : ExploreOptions, optional
    progress : Progress, optional

    Returns
    -------
    dict
        ``points``: per point ``arch``, ``shape``, ``phases``, ``activation_bits``, ``exponent_values``,
        ``superblock``, ``cycles`` (initiation interval), ``latency_cycles``, ``transistors_per_weight``,
        ``split``, ``estimated`` (clock tree and repeaters, not in the netlist), ``logic_depth`` (two-input gates), ``adders_in_series``, ``wires_per_input``,
        ``tracks_per_row``, ``tracks_available``, ``wirable`` (None: not examined), ``toggles_per_weight``,
        ``energy_fj_per_weight``, ``verified``, ``pyrtl`` (second opinion, one point per architecture),
        ``pareto``; ``skipped``: points that do not exist, and why.

    Raises
    ------
    HnlpuError
        Neither or both of ``source`` and ``shape``, or an unsound checkpoint.
    """
    options = options or ExploreOptions()
    show = progress or Silent()
    if (source is None) == (shape is None):
        raise HnlpuError(
            "name one thing to explore",
            where="hnlpu explore",
            got="nothing" if source is None else "a checkpoint and --shape",
            do="give a checkpoint, or --shape KxN",
        )
    if shape is not None:
        subjects = [_gaussian(shape, options)]
    else:
        assert source is not None
        subjects = list(_of_checkpoint(source, options, show))
    tasks = [task for subject in subjects for task in _tasks(subject, options)]
    for arch in set(options.archs) - set(_BASELINES):  # PyRTL once per architecture
        first = next((i for i, task in enumerate(tasks) if task.arch == arch), None)
        if first is not None:
            tasks[first] = replace(tasks[first], second_opinion=True)
    points: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    with ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, len(tasks))) as pool:
        running = {pool.submit(_point, task): i for i, task in enumerate(tasks)}
        found: dict[int, dict[str, Any]] = {}
        show("explore", 0, len(tasks))
        for done in as_completed(running):
            i = running[done]
            found[i] = done.result()
            rows, columns = tasks[i].subject.shape
            show("explore", len(found), len(tasks), f"{tasks[i].arch} T={tasks[i].phases} "
                 f"{columns}x{rows}")  # fmt: skip
    for i in sorted(found):
        (skipped if "reason" in found[i] else points).append(found[i])
    mark_pareto(points)
    return {"points": points, "skipped": skipped}


def write_exploration(result: Mapping[str, Any], out: Path, *, force: bool = False) -> None:
    """Write ``explore.json`` and the Pareto chart as ``explore.png`` and ``explore.svg``."""
    chart = pareto_chart(result["points"])
    with new_folder(out, force=force) as folder:
        write_json(folder / "explore.json", dict(result))
        (folder / "explore.png").write_bytes(chart.png)
        (folder / "explore.svg").write_text(chart.svg, encoding="utf-8")


def mark_pareto(points: list[dict[str, Any]]) -> None:
    """Set ``pareto`` of every point, within its shape."""

    def counts(point: Mapping[str, Any]) -> bool:
        return point["wirable"] is not False and point["verified"] is not False

    def beats(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
        keys = ("cycles", "transistors_per_weight")
        return all(a[k] <= b[k] for k in keys) and any(a[k] < b[k] for k in keys)

    for point in points:
        rivals = [p for p in points if p["shape"] == point["shape"] and counts(p)]
        point["pareto"] = counts(point) and not any(beats(rival, point) for rival in rivals)


def _gaussian(shape: tuple[int, int], options: ExploreOptions) -> _Subject:
    n_columns, n_rows = shape
    if not (1 <= n_columns <= 1 << 16 and 1 <= n_rows <= 1 << 16):
        raise HnlpuError(
            "shape is out of range",
            where="--shape",
            got=f"{n_columns}x{n_rows}",
            do="give inputs x outputs, each from 1 to 65536",
        )
    fmt = parse_format(options.fmt or "mxfp4")
    values = np.random.default_rng(options.seed).normal(size=(n_rows, n_columns))
    coded, _ = quantize(values, "gaussian", fmt)
    return _Subject([align(coded)], coded.codebook.magnitudes, f"Gaussian, seed {options.seed}")


def _of_checkpoint(
    source: str | Path, options: ExploreOptions, show: Progress
) -> Iterator[_Subject]:
    checkpoint = open_checkpoint(source)
    matrices = find_tensors(checkpoint).matrices
    fmt = parse_format(options.fmt or "mxfp4")
    by_shape: dict[tuple[int, int], list[AlignedMatrix]] = {}
    magnitudes: tuple[int, ...] = ()
    for i, matrix in enumerate(matrices):
        show("read", i, len(matrices), matrix.name)
        coded = load_matrix(checkpoint, matrix, fmt).coded
        magnitudes = coded.codebook.magnitudes
        by_shape.setdefault((matrix.n_rows, matrix.n_columns), []).append(align(coded))
    show("read", len(matrices), len(matrices))
    for _, aligned in sorted(by_shape.items()):
        yield _Subject(aligned, magnitudes, checkpoint.shape.name)


def _tasks(subject: _Subject, options: ExploreOptions) -> Iterator[_Task]:
    n_columns = subject.shape[1]
    for arch in options.archs:
        if arch in _BASELINES:
            yield _Task(subject, options, arch, 1)
            continue
        for phases in options.phases:
            if phases <= n_columns:
                for cuts in options.cuts if arch == "taps" else (0,):
                    yield _Task(subject, options, arch, phases, cuts)


def _point(task: _Task) -> dict[str, Any]:
    """Measure one point (in a process of its own)."""
    rows, columns = task.subject.shape
    place = {"arch": task.arch, "shape": f"{columns}x{rows}", "phases": task.phases}
    try:
        if task.arch in _BASELINES:
            return place | _baseline(task)
        base = BaseOptions(
            arch=task.arch,
            activation_bits=task.options.activation_bits,
            phases=task.phases,
            exponent_values=task.options.exponent_values,
            cuts=task.cuts,
        )
        plan = choose_base(task.subject.matrices, task.subject.magnitudes, base)
        if plan.phases != task.phases or (task.cuts and plan.n_cuts != task.cuts):
            return place | {"reason": "the row is too short for it"}
        return place | _measure(task, plan)
    except HnlpuError as error:
        return place | {"reason": str(error)}


def _common(task: _Task, silicon: ArraySilicon, exponent_values: int) -> dict[str, Any]:
    split = {
        part: count / silicon.n_weights
        for part, count in silicon.transistors_by_part.items()
        if count
    }
    return {
        "activation_bits": task.options.activation_bits,
        "exponent_values": exponent_values,
        "weights": task.subject.weights,
        "cycles": silicon.interval_cycles,
        "latency_cycles": silicon.latency_cycles,
        "transistors_per_weight": silicon.transistors_per_weight,
        "split": split,
    }


def _measure(task: _Task, plan: ArrayPlan) -> dict[str, Any]:
    options = task.options
    silicon = count_base(plan)
    point = _common(task, silicon, plan.exponent_values) | {
        "cuts": plan.n_cuts,
        "superblock": plan.block if plan.exponent_values > 1 else None,
        "adders_in_series": plan.depth,
        "silicon_um2_per_weight": silicon_um2(silicon.transistors_per_weight),
        "estimated": _estimates(plan, silicon),
        "wires_um2_per_weight": wires_um2(plan.lines.n_lines, plan.lines.n_taps)
        if plan.arch == "taps"
        else None,
        "wires_per_input": plan.lines.n_lines / plan.phases,
        "tracks_per_row": plan.tracks,
        "tracks_available": plan.tracks_available,
        "wirable": plan.tracks <= plan.tracks_available,
        "logic_depth": None,
        "toggles_per_weight": None,
        "energy_fj_per_weight": None,
        "verified": None,
        "pyrtl": None,
    }
    if options.liberty is not None:
        area = liberty_area_um2(plan, options.liberty)
        point["area_um2_per_weight"] = area / (plan.n_rows * plan.n_columns)
    if options.verify:
        matrix = task.subject.matrices[0]
        rng = np.random.default_rng(options.seed)
        row = int(rng.integers(plan.n_rows))
        top = 1 << (plan.activation_bits - 1)
        x = rng.integers(-top, top, (_N_VECTORS, plan.n_columns))
        x[0], x[1] = -top, top - 1
        metal = plan_metal(matrix, plan)
        found = row_activity(metal, row, x)
        one_row = replace(matrix, row_scales=None)
        wanted = array_outputs(one_row.values(), matrix.row_exponents, x)[:, row]
        toggles = found.toggles / plan.n_columns
        point |= {
            "logic_depth": found.depth,
            "toggles_per_weight": toggles,
            "energy_fj_per_weight": toggles * toggle_energy_fj()[1],
            "verified": bool((found.y == wanted).all()),
        }
        if task.second_opinion:
            opinion = row_opinion(metal, row, x)
            wrong = int((np.asarray(opinion.y) != wanted).sum())
            point["pyrtl"] = {
                "vectors": len(x),
                "mismatches": wrong,
                "gates": opinion.n_gates,
                "critical_path_ps": opinion.critical_path_ps,
            }
            point["verified"] = point["verified"] and not wrong
    return point


def _estimates(plan: ArrayPlan, silicon: ArraySilicon) -> dict[str, float]:
    """Transistors per weight that are not in the netlist: clock tree, repeaters of the lines."""
    per_bundle = silicon.transistors / plan.n_rows / plan.n_bundles
    stubs = plan.phases * plan.lines.n_taps
    height = strip_height_um(plan.lines.n_lines, stubs, per_bundle)
    repeaters = repeater_transistors(plan.n_lines, height * plan.n_rows)
    return {
        "clock_tree": clock_tree_transistors(silicon.n_flip_flops) / silicon.n_weights,
        "repeaters": repeaters / silicon.n_weights,
    }


def _baseline(task: _Task) -> dict[str, Any]:
    matrix, bits = task.subject.matrices[0], task.options.activation_bits
    silicon: BaselineSilicon
    if task.arch == "cell":
        sample = min(matrix.n_rows, _CELL_ROWS)
        silicon = count_cell(matrix, bits, sample_rows=sample)
    else:
        rows = matrix.n_rows
        n_macs = max(1, _N_MACS // rows) * rows if rows <= _N_MACS else _N_MACS
        n_macs = min(n_macs, rows * -(-matrix.n_columns // matrix.block))
        silicon = count_mac(MacPlan.of(matrix, bits, n_macs, task.subject.magnitudes))
    return _common(task, silicon, matrix.spread + 1) | {
        "cuts": 0,
        "superblock": None,
        "adders_in_series": silicon.depth or None,
        "estimated": {
            "clock_tree": clock_tree_transistors(silicon.cells.get("DFF", 0)) / silicon.n_weights
        },
        "silicon_um2_per_weight": silicon_um2(silicon.transistors_per_weight),
        "wires_um2_per_weight": None,
        "wires_per_input": float(bits),
        "tracks_per_row": None,
        "tracks_available": None,
        "wirable": None,
        "logic_depth": None,
        "toggles_per_weight": None,
        "energy_fj_per_weight": None,
        "verified": None,
        "pyrtl": None,
    }
