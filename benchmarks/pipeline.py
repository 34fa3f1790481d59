"""How full the layers of a chip are, and how fast it is, with more and more sequences at a time.

    python benchmarks/pipeline.py BUNDLE

From the model of a chip's cycles (``hnlpu.sim.cycle_chip``), which equals the RTL's. Sixteen jobs of random length for
each sequence; experts are drawn at random.
"""

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from cycles import workload

from hnlpu.bundle import read_manifest
from hnlpu.chip_plan import ChipPlan, plans_from_manifest
from hnlpu.sim.cycle_chip import build, chip_layout
from hnlpu.verification.chip import batch_step
from hnlpu.verification.cycle_bench import bench_driver

_SEQUENCES = (1, 2, 4, 8, 16, 32)


def _inside(entered: np.ndarray, left: np.ndarray) -> tuple[int, float]:
    """Most vectors between two streams at once, and their mean while any is."""
    changes = np.concatenate([entered, left + 1])
    steps = np.concatenate([np.ones(len(entered), int), -np.ones(len(left), int)])
    order = np.argsort(changes, kind="stable")
    level, cycles = np.cumsum(steps[order])[:-1], np.diff(changes[order])
    return int(level.max()), float((level * cycles).sum() / cycles[level > 0].sum())


def _measure(plan: ChipPlan) -> str:
    chip = build(chip_layout(plan), stalls=False)
    jobs = batch_step(plan.shape.vocab, plan.context, 16 * plan.sequences, 14, seed=0)
    chip.run(bench_driver([jobs], 0), workload(plan))
    cycles = {name: np.asarray(each) for name, each in chip.cycles().items()}
    hidden, layers = plan.shape.hidden, range(plan.shape.n_layers)
    outs = ["embedding", *(f"layer_{i}_mlp_residual" for i in layers)]
    inside = [_inside(cycles[a][::hidden], cycles[b][hidden - 1 :: hidden])
              for a, b in pairwise(outs)]  # fmt: skip
    tokens, last = len(cycles["sampled"]), chip.network.latest()
    most, mean = max(each[0] for each in inside), np.mean([each[1] for each in inside])
    return f"| {plan.sequences} | {tokens} | {last / tokens:,.0f} | {most} | {mean:.2f} |"


def main() -> None:
    """Print a row for each number of sequences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    plan = next(iter(plans_from_manifest(read_manifest(parser.parse_args().bundle)).values()))
    print("| sequences | tokens | cycles per token | most in a layer | mean |")
    print("|---:|---:|---:|---:|---:|")
    for n in _SEQUENCES:
        print(_measure(replace(plan, sequences=n)))


if __name__ == "__main__":
    main()
