"""Arrays of region bases: routed, drawn as mask files, read back.

    python benchmarks/region_masks.py [--rows N] [--columns K] [--points paper:5 merged:5 ...] [-o DIR]

Gaussian weights in MXFP4, A = 8, rules n5. Rails, turns, sources and accumulators are in "whole array". The jogs'
resistance reaches from the driver to the pin's port; their capacitance is that of their wire.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

from routing import gaussian_base, gaussian_matrix
from tables import PAPER_FF, PAPER_OHM, PAPER_UM2, memory_gb, table

from hnlpu.layout.arrays import Weights, place_weights, plan_ground, read_array
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.masks import MaskFile, read_mask, write_base, write_weights
from hnlpu.layout.rules import load_rules
from hnlpu.layout.strip_parasitics import jog_nets
from hnlpu.layout.strips import Strips
from hnlpu.metal import plan_metal

POINTS = ["paper:1", "paper:4", "paper:5", "merged:3", "merged:4", "merged:5"]


def point(name: str, rows: int, columns: int, folder: Path) -> tuple[list[str], list[str]]:
    """An array's row of each table."""
    matrix, magnitudes = gaussian_matrix(rows, columns)
    plan = gaussian_base(matrix, magnitudes, name)
    times = [time.perf_counter()]
    pins = array_pins(plan_metal(matrix, plan))
    times.append(time.perf_counter())
    strips = plan_ground(plan, load_rules("n5"), matrices=[pins])
    assert isinstance(strips, Strips)
    times.append(time.perf_counter())
    weights = place_weights(strips, pins)
    times.append(time.perf_counter())
    folder.mkdir(parents=True, exist_ok=True)
    files = [*write_base(strips, folder), *write_weights(weights, folder)]
    times.append(time.perf_counter())
    told = jogs(name, weights)
    del weights
    drawn = memory_gb()
    times.append(time.perf_counter())
    paths = {file.mask: file.path for file in files}
    reading = read_array(strips, lambda mask: read_mask(paths[mask], mask))
    times.append(time.perf_counter())
    wrong = int((reading.pins != pins).sum())
    took = [f"{b - a:.0f}" for a, b in pairwise(times)]
    del took[4]  # the table of jogs
    n = rows * columns
    areas = strips.silicon_um2_per_weight, strips.wires_um2_per_weight, strips.um2_per_weight
    return [
        name, f"{n:,}", f"{strips.n_tracks} of {strips.row_tracks}",
        *(f"{area:.4f}" for area in areas), f"{areas[-1] / PAPER_UM2:.2f}", *took[:4],
        f"{drawn:.1f}", *sizes(files, n), took[4], f"{memory_gb():.1f}", f"{reading.n_faults}",
        f"{wrong}",
    ], told  # fmt: skip


def sizes(files: list[MaskFile], n_weights: int) -> list[str]:
    shapes = sum(file.n_weights for file in files)
    n_bytes = sum(file.path.stat().st_size for file in files)
    return [f"{shapes / n_weights:.2f}", f"{n_bytes / n_weights:.2f}"]


def jogs(name: str, weights: Weights) -> list[str]:
    assert weights.routing is not None and isinstance(weights.ground, Strips)
    nets = jog_nets(weights.ground, weights.routing)
    high = nets.m11_um > 0
    return [
        name, f"{len(nets.ohm):,}", f"{high.mean():.1%}",
        f"{nets.m9_um.mean():.2f}, {nets.m9_um.max():.1f}", f"{nets.m8_um.mean():.2f}",
        f"{nets.ohm.mean():.0f}, {nets.ohm.max():.0f}", f"{nets.ff.mean():.2f}, {nets.ff.max():.1f}",
    ]  # fmt: skip


def main() -> None:
    """Run everything and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--rows", type=int, default=2880)
    parser.add_argument("--columns", type=int, default=2880)
    parser.add_argument("--points", nargs="+", default=["paper:5", "merged:5"], metavar="ARCH:T")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/region_masks"))
    args = parser.parse_args()
    tables(args.points, args.rows, args.columns, args.out)


def tables(points: list[str], n_rows: int, n_columns: int, out: Path) -> None:
    """Both tables of some points."""
    rows, nets = [], []
    for name in points:
        row, told = point(name, n_rows, n_columns, out / name.replace(":", "_"))
        rows.append(row)
        nets.append(told)
    heads = ["base", "weights", "M9 tracks", "silicon", "wires", "whole array", "of the paper's",
             "matched in s", "height in s", "routed in s", "drawn in s", "GB", "shapes a weight",
             "bytes a weight", "read in s", "GB", "faults", "pins wrong"]  # fmt: skip
    table(heads, rows)
    nets.append(["the paper's average", "", "", "", "", f"{PAPER_OHM}", f"{PAPER_FF}"])
    table(["base", "jogs", "on M11", "M9 um: mean, most", "M8 um", "ohm: mean, most",
           "fF: mean, most"], nets)  # fmt: skip


if __name__ == "__main__":
    main()
