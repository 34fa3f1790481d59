"""The verb that damages chips."""

import argparse
from pathlib import Path
from typing import Any

from hnlpu.defects import DENSITIES, DefectOptions, damage_chips
from hnlpu.errors import HnlpuError
from hnlpu.printing import show_line, show_table
from hnlpu.progress import Progress

__all__ = ["damage"]


def damage(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    options = DefectOptions(
        densities=tuple(args.density) or DENSITIES,
        rules=args.rules,
        rules_file=args.rules_file,
        layers=args.layers,
        trials=args.trials,
        seed=args.seed,
        spare_rows=args.spare_rows,
        behaviour=args.behaviour,
        text=args.text,
    )
    result = damage_chips(args.bundle, args.checkpoint, options, progress=show)
    if args.png:
        _picture(result, args.png)
    if not args.json:
        _print(result, options)
        if args.png:
            show_line(f"picture: {args.png}")
    return result, 0


def _picture(result: dict[str, Any], path: Path) -> None:
    from hnlpu.reports.defects import defects_chart

    chart = defects_chart(result)
    try:
        path.write_bytes(chart.svg.encode() if path.suffix == ".svg" else chart.png)
    except OSError as error:
        raise HnlpuError("cannot write the picture", where=str(path), got=error.strerror or str(error),
                         do="name a file") from error  # fmt: skip


def _print(result: dict[str, Any], options: DefectOptions) -> None:
    what = result["questions"]["kind"]
    sets = [("", "")] + ([("repaired_", "repaired: ")] if options.spare_rows else [])
    keys = [(f"{start}{key}", f"{name}{head}") for start, name in sets
            for key, head in (("no_effect", "no effect"), ("as_intact", f"{what} as intact"),
                              ("accuracy", f"{what} right"))]  # fmt: skip
    show_table(
        [
            [f"{row['per_cm2']:g}", f"{row['faults']:.3f}", f"{row['expected_faults']:.3f}",
             f"{row['no_fault']:.3f}", f"{row['poisson']:.3f}", f"{row['murphy']:.3f}",
             f"{row['rows_wrong']:.2f}", f"{row['weights_wrong']:.1f}",
             *(f"{row[key]:.3f}" for key, _ in keys)]
            for row in result["rows"]
        ],
        ("defects/cm2", "faults", "expected", "no fault", "Poisson", "Murphy", "rows wrong",
         "weights wrong", *(head for _, head in keys)),
    )  # fmt: skip
    show_table(
        [[c["mechanism"], f"{c['share']:.3f}", f"{c['mean_um2']:.2f}", f"{c['effective_um2']:.3f}"]
         for c in result["critical"]],
        ("mechanism", "share", "critical area, um2", "x share"),
    )  # fmt: skip
    n, intact = result["questions"]["n"], result["intact_accuracy"]
    show_line(
        f"{result['arrays']} arrays, {result['weights']:,} weights, {result['metal_um2']:.0f} um2 of metal; critical "
        f"area {result['critical_um2']:.2f} um2; {n:,} {what}, {intact:.3f} right on the intact chip; "
        f"{options.trials} chips of each density, nets without one driver: {options.behaviour}"
    )
