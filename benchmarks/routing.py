"""Strips of region bases as low as they can be routed.

    python benchmarks/routing.py [--rows N] [--columns K] [--points merged:3 ...] [--landings N ...]
    python benchmarks/routing.py --techniques

Gaussian weights in MXFP4, A = 8. The area per weight is the largest of three: what the transistors ask
for (without accumulators), what the wires on M8-M11 ask for, what the base's own wires on M3, M5 and M7 ask for. The second table
leaves out one technique after another.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from unittest import mock

import numpy as np
from tables import PAPER_UM2, memory_gb

from hnlpu import matching, merged, regions
from hnlpu.alignment import AlignedMatrix, align
from hnlpu.base import Pins
from hnlpu.formats import parse_format
from hnlpu.layout.region_floorplan import RegionFloorplan, region_rules
from hnlpu.layout.router import cut_density, nets_of
from hnlpu.layout.routing_check import check_routing
from hnlpu.layout.routing_height import lowest_strips
from hnlpu.layout.rules import load_rules
from hnlpu.quantization import quantize
from hnlpu.regions import RegionPlan
from hnlpu.selection import BaseOptions, choose_base

_POINTS = ("merged:3", "merged:4", "merged:5", "paper:1", "paper:4", "paper:5")
_HEADS = ("base", "M11", "width um", "density mean / peak", "M9 tracks", "M11 tracks", "M9 / M11 used",
          "spilled", "borrowed", "strip um", "wires", "silicon", "base wires", "um2/weight", "limit",
          "wire s", "route s", "GB")  # fmt: skip


def gaussian_matrix(rows: int, columns: int) -> tuple[AlignedMatrix, tuple[int, ...]]:
    values = np.random.default_rng(0).normal(size=(rows, columns))
    coded, _ = quantize(values, "gaussian", parse_format("mxfp4"))
    return align(coded), coded.codebook.magnitudes


def gaussian_base(matrix: AlignedMatrix, magnitudes: tuple[int, ...], point: str) -> RegionPlan:
    arch, phases, *rest = point.split(":")
    options = BaseOptions(arch=arch, phases=int(phases), slice_ports=int(rest[0]) if rest else 7)
    plan = choose_base([matrix], magnitudes, options)
    assert isinstance(plan, RegionPlan)
    return plan


def _row(point: str, plan: RegionPlan, pins: Pins, every: int, wire_s: float) -> str:
    floorplan = RegionFloorplan(plan, region_rules(load_rules("n5"), every))
    started = time.monotonic()
    routing = lowest_strips(floorplan, pins)
    seconds = time.monotonic() - started
    wrong = check_routing(routing, pins)
    if wrong:
        raise SystemExit("\n".join(wrong))
    s = routing.statistics()
    height = floorplan.height_um(routing.n_tracks)
    areas = {
        "wires": floorplan.um2_per_weight(height),
        "silicon": floorplan.um2_per_weight(floorplan.silicon_height_um),
        "base wires": floorplan.um2_per_weight(floorplan.base_height_um),
    }
    limit = max(areas, key=lambda name: areas[name])
    cells = (
        point, f"1/{every}" if every else "no", f"{floorplan.width_nm / 1000:.1f}",
        f"{s['density_mean']:.1f} / {s['density_peak']:.0f}", routing.n_tracks, routing.n_high,
        f"{s['used_m9']:.0%} / {s['used_m11']:.0%}", f"{s['spilled']:.2%}", s["borrowed"],
        f"{height:.2f}", *(f"{area:.4f}" for area in areas.values()),
        f"{areas[limit]:.4f} ({areas[limit] / PAPER_UM2:.2f}x)", limit, f"{wire_s:.0f}",
        f"{seconds:.0f}", f"{memory_gb():.1f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _peaks(matrix: AlignedMatrix, plan: RegionPlan) -> Iterator[str]:
    """Densities of cuts with one technique after another, in tracks: mean, and peak of the worst row."""

    def told(name: str) -> str:
        floorplan = RegionFloorplan(plan, region_rules(load_rules("n5"), 0))
        density = cut_density(nets_of(floorplan, plan.wire(matrix)), floorplan.width_nm)
        peaks = density.max(axis=1)
        return f"{name}: {density.mean():.1f} / {peaks.mean():.1f} / {peaks.max()}"

    def in_order(demand: matching.Demand, price: object = None) -> np.ndarray:
        n = np.maximum(1, demand.n_sources)[:, None]
        i = np.minimum(np.arange(demand.sources.shape[1]), n - 1)
        return i * demand.n_targets[:, None] // n

    def evenly(seen: np.ndarray, needed: np.ndarray, *_: object) -> np.ndarray:
        """Slices of a region evenly along the strip, whatever stands there."""
        result = np.full((len(needed), len(seen)), -1)
        for row, counts in zip(result, needed, strict=True):
            places = [((i + 0.5) / n, r) for r, n in enumerate(counts) for i in range(n)]
            row[: len(places)] = [region for _, region in sorted(places)]
        return result

    def one_round(demands: object, n_rows: int, rounds: int = 1) -> list[np.ndarray]:
        return priced(demands, n_rows, 1)

    priced = matching.match_priced
    with mock.patch.object(regions, "match_priced", one_round):
        with mock.patch.object(matching, "match", in_order):
            with mock.patch.object(merged, "divide_slices", evenly):
                yield told("even slices, i-th of n to i/n-th")
            yield told("error-diffused slices")
        yield told("and matched")
    yield told("and priced")


def main() -> int:
    """Run everything and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2880)
    parser.add_argument("--columns", type=int, default=2880)
    parser.add_argument("--points", nargs="+", default=_POINTS, metavar="ARCH:T[:PORTS]")
    parser.add_argument("--landings", nargs="+", type=int, default=[0, 16], metavar="N")
    parser.add_argument("--techniques", action="store_true", help="what each one gains")
    options = parser.parse_args()
    matrix, magnitudes = gaussian_matrix(options.rows, options.columns)
    if options.techniques:
        for point in options.points:
            print(f"\n{point}: mean / mean of peaks / worst peak")
            for line in _peaks(matrix, gaussian_base(matrix, magnitudes, point)):
                print("*", line, flush=True)
        return 0
    print("| " + " | ".join(_HEADS) + " |")
    print("|" + "---|" * len(_HEADS))
    for point in options.points:
        plan = gaussian_base(matrix, magnitudes, point)
        started = time.monotonic()
        pins = plan.wire(matrix)
        wire_s = time.monotonic() - started
        for every in options.landings:
            print(_row(point, plan, pins, every, wire_s), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
