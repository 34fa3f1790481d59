"""How many beats a second the model of cycles of a chip, or of a grid of chips, does.

    python benchmarks/cycles.py BUNDLE

It works on sixteen jobs for each of its sequences, without pauses and with them; experts are drawn at random.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from hnlpu.bundle import read_manifest
from hnlpu.chip_plan import ChipPlan, plans_from_manifest
from hnlpu.grid import Tile
from hnlpu.sim.cycle_chip import build, grid_layout
from hnlpu.sim.cycle_tokens import GivenText, GivenWorkload, Token
from hnlpu.verification.chip import batch_step
from hnlpu.verification.cycle_bench import bench_driver


def workload(plan: ChipPlan) -> GivenWorkload:
    """Experts at random for every token."""
    shape, rng = plan.shape, np.random.default_rng(0)
    layers = range(shape.n_layers if shape.is_moe else 0)

    def token() -> Token:
        order = (rng.permutation(shape.n_experts).tolist() for _ in layers)
        return Token(tuple(tuple(experts[: shape.experts_per_token]) for experts in order))

    return GivenWorkload(lambda _: GivenText(token() for _ in range(plan.context)))


def _measure(plans: dict[Tile, ChipPlan], *, pauses: bool) -> str:
    plan, chip = plans[Tile()], build(grid_layout(plans), stalls=pauses)
    jobs = batch_step(plan.shape.vocab, plan.context, 16 * plan.sequences, 14, seed=0)
    steps = [{"kind": "stall", "on": pauses}, jobs]
    started = time.process_time()
    chip.run(bench_driver(steps, 0), workload(plan))
    seconds = time.process_time() - started
    beats, tokens, cycles = chip.network.beats(), len(chip.passage.tokens), chip.network.latest()
    return (
        f"{'pauses' if pauses else 'no pauses'}: {tokens} tokens, {cycles:,} cycles, {beats:,} beats, "
        f"{seconds:.1f} CPU s, {beats / seconds:,.0f} beats/s, {cycles / seconds:,.0f} cycles/s"
    )


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    plans = plans_from_manifest(read_manifest(parser.parse_args().bundle))
    for pauses in (False, True):
        print(_measure(plans, pauses=pauses))


if __name__ == "__main__":
    main()
