"""The metal of a 2,880 x 2,880 array: area per weight, drawing it whole, reading it back, R and C.

    python benchmarks/metal.py                   # floorplans: seconds
    python benchmarks/metal.py --draw -o DIR     # also draws, reads and loads two arrays: minutes
    python benchmarks/metal.py --respin          # what changed weights change: a minute
    python benchmarks/metal.py --all             # everything, and region bases: half an hour

Weights are random; every via stands where some weight would have it. Prints Markdown.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import region_masks
from tables import PAPER_FF, PAPER_OHM, PAPER_UM2, memory_gb, table

from hnlpu.alignment import AlignedMatrix
from hnlpu.costmodel.direct_write import price_direct_write
from hnlpu.layout.arrays import place_metal
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.floorplan import Floorplan, plan_floorplan
from hnlpu.layout.masks import MaskFile, read_mask, write_base, write_weights
from hnlpu.layout.parasitics import line_nets
from hnlpu.layout.reading import read_masks
from hnlpu.layout.respin import compare_weights
from hnlpu.layout.rules import load_rules
from hnlpu.layout.stations import LAYERS
from hnlpu.metal import MetalPlan, plan_metal
from hnlpu.respinning import mask_usd, wafer_mm
from hnlpu.taps import TapsPlan

SIZE = 2880


def areas(rules_name: str) -> None:
    rules = load_rules(rules_name)
    rows = []
    for exponents, phases in ((1, (3, 4, 5, 6)), (4, (3, 4, 5, 6))):
        for t in phases:
            for layers in LAYERS:
                plan = TapsPlan(SIZE, SIZE, phases=t, exponent_values=exponents)
                f = plan_floorplan(plan, rules, layers=layers)
                fits = plan.tracks <= plan.tracks_available
                rows.append([
                    f"{t}", f"{exponents}", "M8, M10" if layers == "both" else "M8",
                    f"{f.stations.kinds[0].width_nm / 1000:.2f} x {f.row_nm / 1000:.2f}",
                    f"{f.silicon_um2_per_weight:.4f}", f"{f.wires_um2_per_weight:.4f}",
                    f"{f.um2_per_weight:.4f}", f"{f.um2_per_weight / PAPER_UM2:.2f}",
                    f"{plan.tracks} of {plan.tracks_available}" + ("" if fits else " (!)"),
                ])  # fmt: skip
    heads = ["T", "E", "lines on", "bundle x row, um", "silicon", "wires", "whole array",
             "of the paper's", "adder wires"]  # fmt: skip
    print(f"um2 per weight, {SIZE} x {SIZE}, rules {rules_name}; the paper's {PAPER_UM2:.4f}\n")
    table(heads, rows)


def random_metal(plan: TapsPlan, seed: int = 0) -> MetalPlan:
    rng = np.random.default_rng(seed)
    shape = plan.n_rows, plan.n_columns
    values = rng.choice([0, *plan.magnitudes], shape) * rng.choice([-1, 1], shape)
    exponents = rng.integers(0, plan.exponent_values, (plan.n_rows, plan.n_blocks))
    rows = np.zeros(plan.n_rows, dtype=np.int16)
    return plan_metal(
        AlignedMatrix("w", values.astype(np.int16), exponents.astype(np.uint8), rows), plan
    )


def draw(plan: TapsPlan, folder: Path) -> None:
    floorplan = plan_floorplan(plan, load_rules("n5"))
    metal = random_metal(plan)
    folder.mkdir(parents=True, exist_ok=True)
    before, started = memory_gb(), time.perf_counter()
    weights = place_metal(floorplan, metal)
    files = [*write_base(floorplan, folder), *write_weights(weights, folder)]
    drawn, after = time.perf_counter() - started, memory_gb()
    shapes(floorplan, files)
    started = time.perf_counter()
    paths = {file.mask: file.path for file in files}
    reading = read_masks(floorplan, lambda mask: read_mask(paths[mask], mask))
    read = time.perf_counter() - started
    wiring = plan.read(reading.pins[:, : plan.n_pins])
    wrong = int((reading.pins != array_pins(metal)).sum())
    n_weights = plan.n_rows * plan.n_columns
    n_bytes = sum(path.stat().st_size for path in paths.values())
    table(
        ["weights", "drawn in s", "GB before, after", "bytes a weight", "read in s", "GB",
         "faults", "pins wrong", "weights missing"],
        [[f"{n_weights:,}", f"{drawn:.1f}", f"{before:.2f}, {after:.2f}", f"{n_bytes / n_weights:.2f}",
          f"{read:.1f}", f"{memory_gb():.2f}", f"{reading.n_faults}", f"{wrong}",
          f"{int(wiring.missing.sum()) + int(wiring.errors.sum())}"]],
    )  # fmt: skip
    loads(floorplan, metal)


def shapes(floorplan: Floorplan, files: list[MaskFile]) -> None:
    area = floorplan.stations.width_nm * floorplan.height_nm
    rows = []
    for file in files:
        boxes = read_mask(file.path, file.mask)
        share = float((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum()) / area
        rows.append([file.mask, f"{file.n_base:,}", f"{file.n_weights:,}",
                     f"{file.path.stat().st_size:,}", f"{share:.1%}"])  # fmt: skip
    table(["mask", "shapes of the base", "of the weights", "bytes", "area"], rows)


def loads(floorplan: Floorplan, metal: MetalPlan) -> None:
    nets = line_nets(floorplan, array_pins(metal))
    bundles = np.array([kind.name == "bundle" for kind in floorplan.stations.kinds])
    own = bundles[floorplan.stations.kind[nets.station]] & (nets.n_pins > 0)
    rows = []
    for name, chosen in (("M8", own & ~nets.on_m10), ("M10", own & nets.on_m10), ("all", own)):
        rows.append([
            name, f"{int(chosen.sum()):,}", f"{nets.length_um[chosen].mean():.1f}",
            f"{nets.n_pins[chosen].mean():.1f}, {nets.n_pins[chosen].max()}",
            f"{nets.path_ohm[chosen].mean():.0f}", f"{nets.total_ff[chosen].mean():.1f}",
            f"{nets.total_ff[chosen].max():.1f}", f"{nets.elmore_ps[chosen].max():.1f}",
        ])  # fmt: skip
    rows.append(["the paper's average", "", "", "", f"{PAPER_OHM}", f"{PAPER_FF}", "", ""])
    table(["line on", "nets", "um long", "pins: mean, most", "ohm to a pin", "fF", "most fF",
           "slowest, ps"], rows)  # fmt: skip


def respins(plan: TapsPlan) -> None:
    """A share of the weights gets other values."""
    floorplan = plan_floorplan(plan, load_rules("n5"))
    old = random_metal(plan)
    values = plan.read(old.pins).values
    exponents = np.zeros((plan.n_rows, plan.n_blocks), dtype=np.uint8)
    rows = []
    for share in (0.001, 0.01, 1.0):
        rng = np.random.default_rng(1)
        changed = values.copy()
        hit = rng.random(values.shape) < share
        other = rng.choice(plan.magnitudes, values.shape) * rng.choice([-1, 1], values.shape)
        changed[hit] = np.where(other == values, -other, other)[hit]
        matrix = AlignedMatrix("w", changed.astype(np.int16), exponents, old.row_exponents)
        new = plan_metal(matrix, plan)
        change = compare_weights(place_metal(floorplan, old), place_metal(floorplan, new))
        counts = [f"{len(side[mask]):,}" for mask in change.removed
                  for side in (change.removed, change.added)]  # fmt: skip
        untouched = 1 - change.n_changed_tiles / change.n_tiles
        rows.append([f"{hit.mean():.1%}", f"{change.n_changed_pins:,}", *counts,
                     ", ".join(change.changed_masks), f"{untouched:.1%}"])  # fmt: skip
        shares = {m: area / floorplan.area_um2 for m, area in change.exposed_um2.items()}
    table(["weights changed", "pins", "VIA8 off", "VIA8 on", "VIA9 off", "VIA9 on", "masks made anew",
           "tiles untouched"], rows)  # fmt: skip
    exposures = sum(floorplan.exposures(mask) for mask in shares)
    masks = [value * exposures for value in mask_usd("5nm").values()]
    written = price_direct_write(shares, (masks[0], masks[1], masks[2]), wafer_mm("5nm"))
    table(
        ["", "low", "mid", "high"],
        [["photomasks of a chip, USD", *(f"{value:,.0f}" for value in masks)],
         ["area that beams write", "", ", ".join(f"{m} {s:.1%}" for m, s in shares.items()), ""],
         ["hours a wafer", *(f"{value:.1f}" for value in written.hours)],
         ["USD a wafer", *(f"{value:,.0f}" for value in written.usd_per_wafer)],
         ["cheaper up to so many wafers of a chip", *(f"{value:,.0f}" for value in written.wafers)]],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--draw", action="store_true", help="also draw and read two arrays")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/metal"))
    parser.add_argument("--respin", action="store_true", help="only what changed weights change")
    parser.add_argument("--all", action="store_true", help="everything, and region bases")
    args = parser.parse_args()
    if args.respin:
        respins(TapsPlan(SIZE, SIZE, phases=3))
        return
    areas("n5")
    areas("sky130")
    if args.draw or args.all:
        for phases, exponents in ((3, 1), (5, 4)):
            print(f"T={phases}, E={exponents}\n")
            plan = TapsPlan(SIZE, SIZE, phases=phases, exponent_values=exponents)
            draw(plan, args.out / f"t{phases}_e{exponents}")
    if args.all:
        respins(TapsPlan(SIZE, SIZE, phases=3))
        region_masks.tables(["paper:5"], SIZE, SIZE, args.out)
        region_masks.tables(region_masks.POINTS, 64, SIZE, args.out)


if __name__ == "__main__":
    main()
