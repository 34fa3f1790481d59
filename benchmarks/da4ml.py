"""What Cell-Embedding costs when everything that can be shared is, beside Metal-Embedding.

    pip install -e '.[bench]'
    python benchmarks/da4ml.py [--rows 128] [--columns 1024] [--block 128] [--macs 1024]

A seeded Gaussian matrix, rows quantised to E2M1 with one scale per row, is embedded

    by da4ml          a network of two-input adders in which rows share common subexpressions
    by our own CE     every row for itself, and with the multiples of the inputs shared
    by our own MA     MACs and an SRAM, which holds the weights as data
    by our own ME     the tap crossbar (``TapsPlan`` with T = 3), counted on its emitted base

da4ml's time grows with about the cube of the inputs (128 x 128: 6 s, 256 x 128: 54 s), so it gets
``--block`` inputs at a time; the partial sums of a row are added by a tree of adders. Its adders are counted as ripples of full adders, one for each bit of
the result that is not passed through, in the same 24 transistors; inverters of its subtractions are
left out. CE has the registers of its results, da4ml and its tree have none.

da4ml (LGPL-3.0) is a yardstick only: nothing of this project imports it.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import log2
from pathlib import Path

import numpy as np

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.rtl.baseline_synthesis import count_cell, count_mac
from hnlpu.rtl.mac_array import MacPlan
from hnlpu.rtl.synthesis import count_base, transistors_of
from hnlpu.silicon import ArraySilicon
from hnlpu.taps import TapsPlan
from hnlpu.weights import BLOCK

_SEED = 0
#: Python looks for modules beside the script first, where it would find this one under da4ml's name.
_HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry).resolve() != _HERE]


def gaussian_matrix(n_rows: int, n_columns: int, seed: int = _SEED) -> AlignedMatrix:
    """N(0, 1) weights, every row scaled so that its largest is E2M1's, then rounded to the nearest."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_rows, n_columns))
    scaled = weights * (max(E2M1.magnitudes) / np.abs(weights).max(axis=1, keepdims=True))
    levels = np.array([0, *E2M1.magnitudes])
    nearest = levels[np.abs(np.abs(scaled)[..., None] - levels).argmin(axis=-1)]
    multiples = np.where(scaled < 0, -nearest, nearest).astype(np.int16)
    exponents = np.zeros((n_rows, -(-n_columns // BLOCK)), dtype=np.uint8)
    return AlignedMatrix("gaussian", multiples, exponents, np.zeros(n_rows, dtype=np.int16))


def _width(low: float, high: float, step: float) -> int:
    """Bits of a signed number of this range, in units of ``step``."""
    largest, smallest = round(high / step), round(low / step)
    if not largest and not smallest:
        return 0
    return max(largest.bit_length(), (-smallest - 1).bit_length() if smallest < 0 else 0) + (
        smallest < 0
    )


def solve_block(multiples: np.ndarray, activation_bits: int) -> tuple[int, int, list[int]]:
    """Adders and full adders of one block by da4ml, and the width of every row's partial sum.

    The solution is checked on random inputs before it is counted.
    """
    from da4ml.cmvm import solve

    top = 1 << (activation_bits - 1)
    n_columns = multiples.shape[1]
    kernel = np.ascontiguousarray(multiples.T.astype(np.float32))
    pipeline = solve(kernel, decompose_dc=-1, search_all_decompose_dc=False,
                     qintervals=[(-float(top), top - 1.0, 1.0)] * n_columns)  # fmt: skip
    x = np.random.default_rng(_SEED).integers(-top, top, (4, n_columns))
    for vector in x:
        y = vector.astype(np.float64)
        for stage in pipeline.solutions:
            y = np.asarray(stage(y), dtype=np.float64)
        if not np.array_equal(y, multiples.astype(np.int64) @ vector):
            raise SystemExit("da4ml's adders do not compute the matrix")
    n_adders = n_full = 0
    for stage in pipeline.solutions:
        for op in stage.ops:
            if op.opcode not in (0, 1):
                continue
            a, b = stage.ops[op.id0].qint, stage.ops[op.id1].qint
            step_b = b.step * 2.0**op.data
            # Low bits of one operand below the other's lowest go past the adder, unless subtracted.
            past = int(log2(max(a.step, step_b) / min(a.step, step_b)))
            if op.opcode == 1 and step_b < a.step:
                past = 0
            n_adders += 1
            n_full += max(0, _width(*op.qint) - past)
    widths = []
    for row in multiples.astype(np.int64):
        most = int(np.abs(row).sum()) * top
        widths.append(most.bit_length() + 1)
    return n_adders, n_full, widths


def count_da4ml(matrix: AlignedMatrix, activation_bits: int, block: int) -> tuple[int, int]:
    """Adders and full adders, those of the tree that adds blocks included."""
    starts = range(0, matrix.n_columns, block)
    blocks = [matrix.multiples[:, start : start + block] for start in starts]
    with ProcessPoolExecutor() as pool:
        solved = list(pool.map(partial(solve_block, activation_bits=activation_bits), blocks))
    n_adders = sum(adders for adders, _, _ in solved)
    n_full = sum(full for _, full, _ in solved)
    for row in range(matrix.n_rows):
        widths = [widths[row] for _, _, widths in solved]
        while len(widths) > 1:
            pairs = [widths[i : i + 2] for i in range(0, len(widths), 2)]
            made = [max(pair) + 1 if len(pair) == 2 else pair[0] for pair in pairs]
            n_adders += sum(len(pair) == 2 for pair in pairs)
            n_full += sum(m for m, pair in zip(made, pairs, strict=True) if len(pair) == 2)
            widths = made
    return n_adders, n_full


def table(
    n_rows: int, n_columns: int, activation_bits: int, block: int, n_macs: int
) -> Iterator[str]:
    """Lines of the table."""
    matrix = gaussian_matrix(n_rows, n_columns)
    n_weights = n_rows * n_columns
    full_adder = transistors_of("hn_full_adder_n")
    metal = count_base(TapsPlan(n_rows, n_columns, activation_bits, 3))
    yield f"{n_columns} inputs x {n_rows} rows, E2M1, INT{activation_bits}, seed {_SEED}; "
    yield f"full adder {full_adder} transistors; da4ml on {min(block, n_columns)} inputs at a time."
    yield ""
    yield "| design | adders | full adders | transistors | T/weight | to ME | depth | cycles | s |"
    yield "|---|---|---|---|---|---|---|---|---|"

    def line(name: str, adders: str, full: int | None, count: float, rest: str) -> str:
        per_weight = count / n_weights
        ratio = per_weight / metal.transistors_per_weight
        fulls = "" if full is None else f"{full:,}"
        return (
            f"| {name} | {adders} | {fulls} | {count:,} | {per_weight:.2f} | {ratio:.2f} | {rest} |"
        )

    for name, shared in (("CE, nothing shared", False), ("CE, multiples shared", True)):
        started = time.monotonic()
        ours = count_cell(matrix, activation_bits, shared=shared)
        full = ours.cells["hn_full_adder_n"]
        seconds = time.monotonic() - started
        rest = f"{ours.depth} | {ours.interval_cycles} | {seconds:.0f}"
        yield line(name, "", full, ours.transistors, rest)
    started = time.monotonic()
    adders, full = count_da4ml(matrix, activation_bits, block)
    seconds = time.monotonic() - started
    rest = f"| 1 | {seconds:.0f}"
    yield line("CE by da4ml, adders only", f"{adders:,}", full, full * full_adder, rest)
    array = count_mac(MacPlan(n_rows, n_columns, activation_bits, n_macs))
    memory = array.transistors_by_part["memory"]
    yield line(f"MA, {n_macs} MACs", "", None, array.transistors, _cycles(array))
    yield line("MA, its SRAM alone", "", None, memory, "| | ")
    yield line("ME, taps, T = 3", "", None, metal.transistors, _cycles(metal))


def _cycles(array: ArraySilicon) -> str:
    return f"| {array.interval_cycles} | "


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--activation-bits", type=int, default=8)
    parser.add_argument("--block", type=int, default=128, help="inputs that da4ml gets at a time")
    parser.add_argument("--macs", type=int, default=1024, help="MACs of the MAC array")
    args = parser.parse_args()
    for text in table(args.rows, args.columns, args.activation_bits, args.block, args.macs):
        print(text, flush=True)


if __name__ == "__main__":
    main()
