"""The verbs that draw masks, compare them and read them back."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hnlpu.errors import HnlpuError
from hnlpu.masks import LayoutOptions, draw_masks
from hnlpu.printing import show_line, show_table
from hnlpu.progress import Progress
from hnlpu.respinning import RespinOptions
from hnlpu.respinning import respin as compare

__all__ = ["layout", "respin"]


def layout(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    options = LayoutOptions(
        rules=args.rules,
        rules_file=args.rules_file,
        layers=args.layers,
        tracks=args.tracks,
        match=args.match,
        also=tuple(args.also),
    )
    result = draw_masks(args.bundle, args.out, options, force=args.force, progress=show)
    pictures, violations = [], []
    if args.png:
        from hnlpu.reports.mask_picture import draw_pictures

        pictures = draw_pictures(Path(args.out))
    if args.check:
        from hnlpu.verification.mask_check import check_layout

        violations = check_layout(Path(args.out), whole=args.check == "whole", progress=show)
    result |= {"pictures": [str(path) for path in pictures], "violations": violations}
    if not args.json:
        keys = ("um2_per_weight", "wires_um2_per_weight", "silicon_um2_per_weight")
        heads = ("base", "bundle um", "row um", "um2/weight", "wires", "silicon", "tracks")
        show_table(
            [
                [b["name"], f"{b['bundle_um']:.2f}", f"{b['row_um']:.2f}", *(f"{b[k]:.4f}" for k in keys),
                 f"{b['tracks']} of {b['tracks_available']}"]
                for b in result["bases"]
            ],
            heads,
        )  # fmt: skip
        totals = result["totals"]
        show_line(
            f"{totals['arrays']} arrays, {totals['weights']:,} weights: {totals['shapes']:,} shapes "
            f"on {', '.join(totals['weight_masks'])}, {totals['area_mm2']:.4f} mm2, {totals['bytes_per_weight']:.2f} bytes a weight; "
            f"wrote {args.out}"
        )
        for path in pictures:
            show_line(f"picture: {path}")
        if args.check:
            for violation in violations[:10]:
                show_line(f"VIOLATION {violation['array']}: {violation['rule']} on {violation['layer']} "
                          f"at {violation['box']}")  # fmt: skip
            show_line(
                f"design rules, and metal followed ({args.check}): {len(violations)} violations"
            )
    return result, 1 if violations else 0


def respin(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    options = RespinOptions(
        rules=args.rules,
        rules_file=args.rules_file,
        node=args.node,
        layers=args.layers,
        tracks=args.tracks,
    )
    with ExitStack() as stack:
        eco = None
        if args.eco:
            try:
                eco = stack.enter_context(Path(args.eco).open("w", encoding="utf-8"))
            except OSError as error:
                raise HnlpuError("cannot write the script", where=args.eco,
                                 got=error.strerror or str(error), do="name a file") from error  # fmt: skip
        result = compare(args.old, args.new, options, eco=eco, progress=show)
    if not args.json:
        changed = [row for row in result["rows"] if row["change"] != "none"]
        show_table(
            [
                [row["name"], row["change"], row["weights"], row["changed_pins"],
                 sum(row["removed"].values()), sum(row["added"].values())]
                for row in changed
            ],
            ("matrix", "change", "weights", "pins changed", "shapes removed", "shapes added"),
        )  # fmt: skip
        show_table(
            [
                [m["mask"], m["removed"], m["added"], m["exposures"],
                 "made anew" if m["remade"] else "stays"]
                for m in result["masks"]
            ],
            ("mask", "removed", "added", "exposures", ""),
        )  # fmt: skip
        tiles, usd = result["tiles"], result["usd"]
        show_line(
            f"{len(changed)} of {len(result['rows'])} matrices change, {result['changed_pins']:,} of "
            f"{result['pins']:,} pins; {tiles['untouched']:,} of {tiles['total']:,} tiles are untouched"
        )
        show_line(
            f"{result['photomasks']} photomasks on {result['chips']} chips: {usd['low'] / 1e6:.2f} to "
            f"{usd['high'] / 1e6:.2f} M USD ({usd['mid'] / 1e6:.2f}); the paper's ten masks a chip: "
            f"{result['paper_usd']['mid'] / 1e6:.2f}"
        )
        written = result["direct_write"]
        if written is not None:
            hours, wafer, wafers = written["hours"], written["usd"], written["wafers"]
            show_line(
                f"written by electron beams instead: {hours['mid']:.1f} hours and {wafer['mid']:,.0f} USD a wafer "
                f"({wafer['low']:,.0f} to {wafer['high']:,.0f}; assumed), cheaper than a chip's photomasks up to "
                f"{wafers['mid']:,.0f} wafers of it ({wafers['low']:,.0f} to {wafers['high']:,.0f})"
            )
    return result, 0
