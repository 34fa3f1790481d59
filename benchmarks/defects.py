"""Chips with random defects: yield and answers of a bundle, with and without spare rows, and what large arrays would give.

    python benchmarks/defects.py BUNDLE CKPT --spare-rows 1 --trials 300    # minutes
    python benchmarks/defects.py --arrays                                   # critical areas of larger arrays: a minute

Asks sums of two numbers of two digits, drawn at random, as the adder checkpoints were trained on. Prints Markdown.
"""

import argparse
import sys
import tempfile
from math import exp
from pathlib import Path

import numpy as np
from tables import table

from hnlpu.defects import DENSITIES, DefectOptions, damage_chips, load_model
from hnlpu.layout.critical import mean_critical_area_um2
from hnlpu.layout.defects import MECHANISMS, least_size_nm
from hnlpu.layout.floorplan import plan_floorplan
from hnlpu.layout.pieces import metal_pieces
from hnlpu.layout.rules import load_rules
from hnlpu.layout.stations import NO_PIN
from hnlpu.reports.defects import defects_chart
from hnlpu.taps import TapsPlan

#: Densities of faults in the metal, per cm2, that large arrays are given: the cost model's for a whole 5 nm process is 0.11.
FAULTS_PER_CM2 = (0.01, 0.03, 0.11)
#: What the paper's chip holds.
PAPER_WEIGHTS = 7.3e9


def sums(n: int, path: Path) -> Path:
    rng = np.random.default_rng(0)
    pairs = rng.integers(10, 100, (n, 2)).tolist()
    path.write_text("".join(f"{a}+{b}={a + b}\n" for a, b in pairs))
    return path


def curve(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = DefectOptions(
            densities=tuple(args.density), trials=args.trials, spare_rows=args.spare_rows,
            text=sums(args.problems, Path(folder) / "sums"),
        )  # fmt: skip
        result = damage_chips(args.bundle, args.checkpoint, options)
    if args.png:
        args.png.write_bytes(defects_chart(result).png)
    ends = ("no_effect", "as_intact", "accuracy")
    keys = [*ends, *(f"repaired_{key}" for key in ends if args.spare_rows)]
    heads = ["defects per cm2", "faults per chip", "A D", "no fault", "Poisson", "Murphy", "rows wrong",
             "weights wrong", "no pin wrong", "answers as intact", "right"]  # fmt: skip
    if args.spare_rows:
        heads += ["spare rows: no pin wrong", "answers as intact", "right"]
    table(heads, [
        [f"{r['per_cm2']:.0e}", f"{r['faults']:.3f}", f"{r['expected_faults']:.3f}",
         f"{r['no_fault']:.3f} ± {r['no_fault_error']:.3f}", f"{r['poisson']:.3f}", f"{r['murphy']:.3f}",
         f"{r['rows_wrong']:.1f}", f"{r['weights_wrong']:.1f}", *(f"{r[key]:.3f}" for key in keys)]
        for r in result["rows"]
    ])  # fmt: skip
    table(["mechanism", "mean critical area, um2", "faults of all, %"], [
        [c["mechanism"], f"{c['mean_um2']:.1f}", f"{100 * c['effective_um2'] / result['critical_um2']:.1f}"]
        for c in result["critical"]
    ])  # fmt: skip
    print(f"{result['weights']:,} weights, {result['metal_um2']:.0f} um2 of metal, critical area "
          f"{result['critical_um2']:.2f} um2; {result['questions']['n']} sums, "
          f"{result['intact_accuracy']:.3f} right on the intact chip")  # fmt: skip


def arrays() -> None:
    """Critical area per weight of arrays of many columns, and what it means for a chip."""
    rules = load_rules("n5")
    model = load_model(rules)
    rows = []
    for phases, exponents in ((3, 1), (5, 4)):
        # A turn with rows on both sides; critical area per weight hardly depends on more of them.
        plan = TapsPlan(256, 320, phases=phases, exponent_values=exponents)
        floorplan = plan_floorplan(plan, rules)
        pins = np.zeros((plan.n_rows, floorplan.n_row_pins), dtype=np.int64)
        rng = np.random.default_rng(0)
        stations = floorplan.stations
        for station, own in enumerate(stations.pins):
            kind = stations.kinds[stations.kind[station]]
            drivers = [stations.driver(station, wire) for wire in range(kind.n_wires)]
            used = own[own != NO_PIN]
            pins[:, used] = rng.choice(drivers, (plan.n_rows, len(used)))
        pieces = metal_pieces(floorplan, pins)
        area = sum(
            model.shares[m] * mean_critical_area_um2(pieces, m, model.law, least_size_nm(rules, m))
            for m in MECHANISMS
        )
        metal = stations.width_nm * floorplan.height_nm * 1e-6
        weights = plan.n_rows * plan.n_columns
        for faults in FAULTS_PER_CM2:
            mean = faults * metal / weights * PAPER_WEIGHTS * 1e-8
            rows.append([f"{phases}", f"{exponents}", f"{metal / weights:.4f}", f"{area / metal:.4f}",
                         f"{faults:g}", f"{faults * metal / area:.2f}", f"{mean:.3f}",
                         f"{exp(-mean):.3f}"])  # fmt: skip
    table(["T", "E", "um2 of metal a weight", "critical share", "faults per cm2", "defects per cm2",
           "faults a chip", "chips without a fault"], rows)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("checkpoint", nargs="?", type=Path)
    parser.add_argument("--arrays", action="store_true")
    parser.add_argument("--density", type=float, nargs="+", default=list(DENSITIES))
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--spare-rows", type=int, default=1)
    parser.add_argument("--png", type=Path)
    args = parser.parse_args()
    if args.arrays:
        arrays()
    elif args.bundle is None or args.checkpoint is None:
        sys.exit("give a bundle and its checkpoint, or --arrays")
    else:
        curve(args)


if __name__ == "__main__":
    main()
