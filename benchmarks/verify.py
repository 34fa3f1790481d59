"""How the time of a verify grows with the number of weights.

    python benchmarks/verify.py [--copies 2 4 8]

Simulates bundles of 2, 4, 8 seeded random 64 x 64 matrices, one Verilator build each, in one run, and prints
seconds, and seconds per weight beside the first.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from hnlpu.alignment import align
from hnlpu.codebook import E2M1
from hnlpu.metal import plan_metal
from hnlpu.progress import Silent
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.sim.array import array_outputs
from hnlpu.taps import TapsPlan
from hnlpu.tools import find_verilator
from hnlpu.verification.cosim import ArrayJob, simulate
from hnlpu.verification.vectors import input_vectors
from hnlpu.weights import BLOCK, CodedMatrix

_SIZE = 64


def _job(index: int, plan: TapsPlan) -> ArrayJob:
    rng = np.random.default_rng(index)
    codes = rng.integers(0, 16, (_SIZE, _SIZE)).astype(np.uint8)
    exponents = rng.integers(-4, 0, (_SIZE, _SIZE // BLOCK)).astype(np.int16)
    matrix = CodedMatrix(f"random_{index}", codes, exponents, E2M1)
    aligned = align(matrix)
    text = "".join(metal_module(matrix.name, "random weights", plan_metal(aligned, plan)))
    x = input_vectors(_SIZE, plan.activation_bits, 16, index)
    y = array_outputs(matrix.values(), aligned.row_exponents, x)
    return ArrayJob(matrix.name, matrix.name, text, plan, x, y, aligned.row_exponents)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, nargs="+", default=[2, 4, 8])
    args = parser.parse_args()
    plan = TapsPlan(_SIZE, _SIZE, phases=2, exponent_values=4)
    verilator, version = find_verilator()
    print(f"Verilator {version}, {plan.name}")
    print("matrices   weights   seconds   seconds/weight beside the first")
    first = None
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, pieces in base_modules(plan):
            files.append(Path(folder) / f"{name}.v")
            files[-1].write_text("".join(pieces))
        for copies in args.copies:
            jobs = [_job(i, plan) for i in range(copies)]
            started = time.monotonic()
            found = simulate(
                jobs, files, verilator, seed=0, n_stalled=8, waves=None, progress=Silent()
            )
            seconds = time.monotonic() - started
            assert not any(entry.mismatches for entry in found.values())
            weights = copies * _SIZE * _SIZE
            first = first or seconds / weights
            ratio = seconds / weights / first
            print(f"{copies:8}  {weights:8,}  {seconds:8.1f}  {ratio:8.2f}")


if __name__ == "__main__":
    main()
