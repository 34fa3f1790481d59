"""Speed of a simulated system for the cost model: run once at the middle of every input, kept in the cache folder."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

from hnlpu.cache import cache_folder
from hnlpu.costmodel.consistent import Design, consistent_inputs, consistent_sheet
from hnlpu.costmodel.inputs import Inputs, at
from hnlpu.costmodel.measured import load_measured
from hnlpu.costmodel.quantity import Quantity
from hnlpu.costmodel.system_hardware import system_hardware
from hnlpu.costmodel.workload import Workload
from hnlpu.errors import HnlpuError
from hnlpu.grid import Grid
from hnlpu.grid_mapping import STAGES_PER_LAYER, plan_system
from hnlpu.outline import ModelOutline
from hnlpu.progress import Progress
from hnlpu.silicon import ArraySilicon
from hnlpu.sim.measurement import measure
from hnlpu.system_plan import SystemPlan

__all__ = ["THROUGHPUTS", "simulated_speed"]

#: Where the cost model's speed comes from.
THROUGHPUTS = ("analytic", "simulated")
#: Of the simulator's laws: another number forgets what was kept.
_VERSION = 1


def simulated_speed(
    model: ModelOutline,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    work: Workload,
    design: Design,
    grid: Grid,
    *,
    settings: Iterable[str] = (),
    show: Progress,
) -> Inputs:
    """Ratios of a simulated system's interval and token path to the analytic ones, with the same inputs on the same chips.

    Every slot is full of sequences that write at the workload's mean context.

    Raises
    ------
    HnlpuError
        See :func:`hnlpu.grid_mapping.plan_system`.
    """
    settings = tuple(settings)
    analytic = replace(design, chips=grid.n_chips, throughput="analytic")
    inputs = consistent_inputs(
        model, arrays, work, analytic, toggles=load_measured().toggles, settings=settings
    )
    mid = consistent_sheet(analytic).evaluate(at(inputs, "mid"))
    hardware = system_hardware(model, arrays, work, analytic, settings=settings)
    context = max(1, round(float(mid["mean_context_tokens"])))
    batch = min(int(mid["slots"]), STAGES_PER_LAYER * model.n_layers)
    plan = plan_system(model, grid, hardware, context=context, batch=batch)
    show("simulate the system", 0, 1, str(grid))
    rate = _rate(plan)
    show("simulate the system", 1, 1)
    where = f"simulated on {grid} chips, {batch} sequences of {context:,} positions, over the analytic figure"
    ratios = {
        "simulated_interval_ratio": 1 / rate / float(mid["interval_limit"]),
        "simulated_path_ratio": plan.path_cycles / hardware.clock_hz / float(mid["token_path_s"]),
    }
    return {
        name: Quantity(value, "1", value, value, where, "derived") for name, value in ratios.items()
    }


def _rate(plan: SystemPlan) -> float:
    """Tokens per second of a plan, from the cache folder if it was simulated before."""
    folder = cache_folder() / "systems"
    path = folder / f"{sha256(repr((_VERSION, plan)).encode()).hexdigest()}.json"
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["tokens_per_s"])
    except (OSError, ValueError, KeyError):
        pass
    result = measure(plan)
    if not result.is_steady:
        raise HnlpuError(
            "the simulated system does not become steady", where="--throughput simulated",
            got=f"rates that differ by {result.spread:.1%}", do="use --throughput analytic",
        )  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"tokens_per_s": result.tokens_per_s}), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written costs the seconds of the next run
    return result.tokens_per_s
