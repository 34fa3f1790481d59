"""Timing: how fast an array's row and lines run, by OpenSTA, and whether a clock closes.

Gates are scaled to the rules' node (``hnlpu.timing_scale``), wires are the rules'. Ideal, so left
out: the clock tree, the distribution of the sequencer's signals (each source and row has registers
beside it), coupling, variation, wires of the accumulator and of a source.

Contract (checked by ``tests/test_timing.py``): longer lines take longer, an array with more rows is
not faster, and hold violations made on purpose are found.
"""

from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.alignment import AlignedMatrix
from hnlpu.array_timer import ArrayTimer
from hnlpu.base import ArrayPlan, Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.floorplan import plan_floorplan
from hnlpu.layout.options import DrawingOptions
from hnlpu.metal import plan_metal
from hnlpu.progress import Progress, Silent
from hnlpu.rtl.liberty_cells import read_cells
from hnlpu.timing_scale import ENDS
from hnlpu.tools import find_liberty, find_sta
from hnlpu.verification.bundle_metal import BundleMetal

__all__ = ["TimingOptions", "random_pins", "time_array", "time_bundle"]


@dataclass(frozen=True)
class TimingOptions(DrawingOptions):
    """How an array is timed.

    Attributes
    ----------
    liberty : Path or None
        Library of cells; None takes Debian's.
    match : str
        Time the bases of matrices whose names hold this; all if empty.
    target_ghz : float
        Clock that is asked for.
    skew_ps : float
        By how much clock edges of two registers may differ, at the node.
    repeater : str or None
        Cell that repeats lines; None takes the library's fastest.
    """

    liberty: Path | None = None
    match: str = ""
    target_ghz: float = 1.0
    skew_ps: float = 0.0
    repeater: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.target_ghz < inf:
            raise HnlpuError("no such clock", where="--target", got=str(self.target_ghz),
                             do="give GHz above zero")  # fmt: skip
        if not 0 <= self.skew_ps < inf:
            raise HnlpuError("no such skew", where="--skew", got=str(self.skew_ps),
                             do="give ps, zero or more")  # fmt: skip


def time_bundle(
    bundle: str | Path, options: TimingOptions, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Time every base of a bundle, with the lines as its first matrix loads them.

    Returns
    -------
    dict
        ``rows``: for each base ``name`` of the matrix and what :func:`time_array` returns.

    Raises
    ------
    MissingToolError
        No OpenSTA, no library or no yosys.
    HnlpuError
        Not a bundle, another architecture, or no matrix of the name.
    """
    show = progress or Silent()
    find_sta()
    metal = BundleMetal(Path(bundle))
    first = {m["base"]: m for m in reversed(metal.matching(options.match))}
    rows = []
    for n, (name, matrix) in enumerate(first.items()):
        show("timing", n, len(first), matrix["name"])
        pins = array_pins(metal.metal(matrix))
        rows.append({"name": matrix["name"], **time_array(metal.plan(name), pins, options)})
    show("timing", len(first), len(first))
    return {"rows": rows}


def random_pins(plan: ArrayPlan, seed: int = 0) -> Pins:
    """Pins of a matrix of normal weights, 3.5 sigma being the largest value of the codebook."""
    rng = np.random.default_rng(seed)
    levels = np.array([0, *plan.magnitudes])
    drawn = rng.normal(size=(plan.n_rows, plan.n_columns)) * levels[-1] / 3.5
    values = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, np.abs(drawn))]
    exponents = rng.integers(0, plan.exponent_values, (plan.n_rows, plan.n_blocks))
    matrix = AlignedMatrix(
        "w", (values * np.sign(drawn)).astype(np.int16), exponents.astype(np.uint8),
        np.zeros(plan.n_rows, dtype=np.int16),
    )  # fmt: skip
    return array_pins(plan_metal(matrix, plan))


def time_array(plan: ArrayPlan, pins: Pins, options: TimingOptions) -> dict[str, Any]:
    """Time one array.

    Parameters
    ----------
    plan : TapsPlan
    pins : int64 array (n_rows, n_pins + row exponent bits)
        Drivers of the pins, those of the row exponents last.
    options : TimingOptions

    Returns
    -------
    dict
        ``ends``: what :meth:`ArrayTimer.time` returns at each end of the scale's ranges, with
        ``ghz``, ``slew_limit_ps``, and ``line_registers``, those that a line would need at its
        turns (None: rows alone are too slow); ``closes``, ``holds``, ``slews``: whether the target
        is met, at each end; ``repeaters``: lines by the distance of repeaters; ``scale``: what was
        taken from elsewhere, with sources.

    Raises
    ------
    MissingToolError
        No OpenSTA, no library or no yosys.
    HnlpuError
        Not a tap crossbar.
    """
    find_sta()
    rules = options.load()
    floorplan = plan_floorplan(plan, rules, layers=options.layers)
    library = read_cells(find_liberty(options.liberty))
    repeater = library.cell(options.repeater) if options.repeater else None
    timer = ArrayTimer(floorplan, pins, library, repeater)
    target_ps = 1e3 / options.target_ghz
    limits = {end: timer.scale.inputs["slew_limit"].at(end) * target_ps for end in ENDS}
    ends = {}
    for end in ENDS:
        timed = timer.time(end, options.skew_ps)
        ends[end] = {
            "ghz": 1e3 / timed["period_ps"],
            **timed,
            "slew_limit_ps": limits[end],
            "line_registers": _line_registers(timed, floorplan.n_segments, target_ps),
        }
    own = [segment for line in timer.segments.values() for segment in line]
    repeaters = [
        {**row, "slew_ok": row["slew_ps"] <= limits["value"],
         "n_repeaters": ceil(floorplan.height_nm / 1000 / row["um"])}
        for row in timer.distances()
    ]  # fmt: skip
    return {
        "base": plan.name,
        "n_rows": plan.n_rows,
        "n_columns": plan.n_columns,
        "phases": plan.phases,
        "exponent_values": plan.exponent_values,
        "cuts": plan.n_cuts,
        "latency_cycles": plan.latency_cycles,
        "adders_in_series": plan.depth,
        "rules": rules.name,
        "library": library.name,
        "library_fo4_ps": timer.fo4_ps,
        "scale": {
            "inputs": {name: tag.as_dict() for name, tag in timer.scale.inputs.items()},
            "time": dict(timer.scale.time),
            "load": dict(timer.scale.load),
        },
        "row_cells": len(timer.row.gates),
        "height_um": floorplan.height_nm / 1000,
        "segments": floorplan.n_segments,
        "segment_um": max(segment.um for segment in own),
        "most_pins": max(len(segment.pins) for segment in own),
        "repeater": timer.repeater.name,
        "target_ghz": options.target_ghz,
        "skew_ps": options.skew_ps,
        "ends": ends,
        "closes": {end: ends[end]["period_ps"] <= target_ps for end in ENDS},
        "holds": {end: ends[end]["hold_slack_ps"] >= 0 for end in ENDS},
        "slews": {end: ends[end]["line_slew_ps"] <= limits[end] for end in ENDS},
        "repeaters": repeaters,
    }


def _line_registers(timed: dict[str, Any], n_segments: int, target_ps: float) -> int | None:
    """Registers at turns with which the array would meet the target, beside one behind each source.

    From one of them a bit must come through the turns up to the next, and through any row there. An
    estimate: lines have no registers in the RTL. None where no number is enough.
    """
    along: float = target_ps - timed["launch_ps"] - timed["row_ps"]
    turns = int(along / timed["turn_ps"])
    if turns < 1 or timed["inside_ps"] > target_ps:
        return None
    return ceil(n_segments / turns) - 1
