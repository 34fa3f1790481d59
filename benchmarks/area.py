"""Transistors per weight beside their targets: the tables of docs/area.md.

    python benchmarks/area.py [--quick] [--checkpoints DIR ...] [-o DIR]

Every base is emitted, synthesised and counted; a row of its counted netlist, wired with the weights of the
workload, is evaluated on 16 vectors against the twin, and for one point per architecture also by PyRTL. All
at A = 8. About 25 minutes on two cores; ``--quick`` leaves out what is not beside a target.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.alignment import align
from hnlpu.exploration import ExploreOptions, explore
from hnlpu.formats import parse_format
from hnlpu.metal import plan_metal
from hnlpu.progress import Progress
from hnlpu.quantization import quantize
from hnlpu.rtl.baseline_synthesis import count_cell
from hnlpu.selection import BaseOptions, choose_base
from hnlpu.sim.array import array_outputs
from hnlpu.verification.second_opinion import row_opinion

_HEADS = ("arch", "T", "cuts", "E", "cycles", "latency", "T/weight", "split", "gates", "adders",
          "wires/input", "tracks", "fJ/weight", "verified")  # fmt: skip
_SHORT = {"compressors": "compress", "accumulator": "acc", "constants": "const"}


def _row(point: dict[str, Any]) -> str:
    split = ", ".join(
        f"{_SHORT.get(k, k)} {v:.2f}" for k, v in point["split"].items() if v >= 0.005
    )

    def shown(value: Any, form: str = "") -> str:
        return "" if value is None else f"{value:{form}}"

    tracks = ""
    if point["tracks_per_row"] is not None:
        tracks = f"{point['tracks_per_row']} of {point['tracks_available']}"
    cells = (
        point["arch"], point["phases"], point["cuts"], point["exponent_values"], point["cycles"],
        point["latency_cycles"], f"{point['transistors_per_weight']:.2f}", split,
        shown(point["logic_depth"]), shown(point["adders_in_series"]),
        shown(point["wires_per_input"], ".2f"), tracks + (" (!)" if point["wirable"] is False else ""),
        shown(point["energy_fj_per_weight"], ".1f"),
        {True: "yes", False: "NO", None: "counted"}[point["verified"]],
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _table(title: str, points: Sequence[dict[str, Any]]) -> None:
    print(f"\n### {title}\n")
    print("| " + " | ".join(_HEADS) + " |")
    print("|" + "---|" * len(_HEADS))
    for point in points:
        print(_row(point), flush=True)


def _best(points: Sequence[dict[str, Any]], most_cycles: int) -> dict[str, Any]:
    fitting = [
        p for p in points
        if p["cycles"] <= most_cycles and p["wirable"] and p["verified"] and p["arch"] == "taps"
    ]  # fmt: skip
    return min(fitting, key=lambda p: p["transistors_per_weight"])


def _target(name: str, point: dict[str, Any], target: float, aim: float) -> None:
    value = point["transistors_per_weight"]
    print(
        f"| {name} | {value:.2f} at {point['cycles']} cycles (T={point['phases']}, "
        f"{point['cuts']} cuts) | {target:g}: {'met' if value <= target else 'MISSED'} | "
        f"{aim:g}: {'met' if value <= aim else f'missed by {value - aim:.2f}'} |"
    )


def _second_opinions(shape: tuple[int, int]) -> None:
    """One point per architecture through PyRTL."""
    n_columns, n_rows = shape
    values = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    coded, _ = quantize(values, "gaussian", parse_format("fp4"))
    aligned = align(coded)
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (6, n_columns))
    x[0], x[1] = -128, 127
    wanted = array_outputs(aligned.integers().astype(float) * 2.0 ** aligned.row_exponents[:, None],
                           aligned.row_exponents, x)  # fmt: skip
    print("\n### PyRTL, one row of 1024x128\n")
    print("| arch | T | vectors | mismatches | gates | critical path (130 nm model) |")
    print("|---|---|---|---|---|---|")
    for arch, phases in (("taps", 3), ("merged", 4), ("paper", 1)):
        options = BaseOptions(arch=arch, phases=phases)
        plan = choose_base([aligned], coded.codebook.magnitudes, options)
        found = row_opinion(plan_metal(aligned, plan), 7, x)
        wrong = int((np.asarray(found.y) != wanted[:, 7]).sum())
        print(f"| {arch} | {phases} | {len(x)} | {wrong} | {found.n_gates:,} | "
              f"{found.critical_path_ps / 1000:.1f} ns |", flush=True)  # fmt: skip


def main() -> int:
    """Run everything and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only what is beside a target")
    parser.add_argument("--checkpoints", nargs="*", default=[], metavar="DIR")
    parser.add_argument("-o", "--out", type=Path, help="also write the points as JSON")
    options = parser.parse_args()
    started, show = time.monotonic(), Progress()
    found: dict[str, list[dict[str, Any]]] = {}

    def run(name: str, shape: tuple[int, int], **choice: Any) -> list[dict[str, Any]]:
        result = explore(None, shape=shape, options=ExploreOptions(**choice), progress=show)
        found[name] = result["points"]
        _table(name, result["points"])
        for point in result["skipped"]:
            print(f"\nskipped {point['arch']} T={point['phases']}: {point['reason']}")
        return result["points"]

    quick = options.quick
    large = run("2880x2880, fp4 (row scales)", (2880, 2880), fmt="fp4",
                archs=("taps",) if quick else ("taps", "merged"),
                phases=(3,) if quick else (3, 4, 5, 6, 8),
                cuts=(0, 4) if quick else (0, 2, 4, 8))  # fmt: skip
    block = run("2880x2880, mxfp4, 4 exponent values", (2880, 2880), fmt="mxfp4",
                exponent_values=4, archs=("taps",),
                phases=(3, 5) if quick else (3, 4, 5, 6, 8),
                cuts=(0,) if quick else (0, 2))  # fmt: skip
    small = run("1024x128, fp4 (row scales): the paper's array", (1024, 128), fmt="fp4",
                archs=("taps", "cell", "mac") if quick else ("taps", "merged", "paper", "cell", "mac"),
                phases=(3,) if quick else (1, 2, 3, 4, 5),
                cuts=(0,) if quick else (0, 2))  # fmt: skip

    _second_opinions((1024, 128))
    print("\n### Targets\n")
    print("| workload | best wirable, verified | target | aim beyond |")
    print("|---|---|---|---|")
    _target("fp4, 2880x2880, <= 36 cycles", _best(large, 36), 12.0, 10.5)
    _target("mxfp4 E=4, 2880x2880, <= 60 cycles", _best(block, 60), 10.0, 8.5)
    me = _best(small, 36)
    _target("1024x128, <= 36 cycles", me, 16.0, 12.0)
    values = np.random.default_rng(0).normal(size=(128, 1024))
    aligned = align(quantize(values, "gaussian", parse_format("fp4"))[0])
    for label, shared in (("no sharing", False), ("multiples of an input shared", True)):
        cell = count_cell(aligned, 8, shared=shared)
        ratio = cell.transistors_per_weight / me["transistors_per_weight"]
        print(f"| CE / ME, 1024x128, CE {label} | {cell.transistors_per_weight:.1f} / "
              f"{me['transistors_per_weight']:.2f} = {ratio:.1f} | "
              f"{'15: ' + ('met' if ratio >= 15 else 'MISSED') if not shared else ''} | |")  # fmt: skip
    for folder in options.checkpoints:
        name = Path(folder).name
        result = explore(
            folder,
            options=ExploreOptions(archs=("taps", "merged"), phases=(3,), fmt="mxfp4"),
            progress=show,
        )
        found[name] = result["points"]
        _table(f"{name}, mxfp4 (shapes inputs x outputs: {', '.join(p['shape'] for p in result['points'])})",
               result["points"])  # fmt: skip
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "area.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{time.monotonic() - started:.0f} s", file=sys.stderr)
    wrong = [p for points in found.values() for p in points if p["verified"] is False]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
