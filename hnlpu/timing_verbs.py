"""The verb that times arrays."""

import argparse
from typing import Any

from hnlpu.errors import HnlpuError
from hnlpu.printing import show_line, show_table
from hnlpu.progress import Progress
from hnlpu.taps import TapsPlan
from hnlpu.timing import TimingOptions, random_pins, time_array, time_bundle
from hnlpu.timing_paths import PARTS
from hnlpu.timing_scale import ENDS

__all__ = ["timing"]

_TIMES = (
    ("period", "period_ps"),
    ("line to the last row", "line_ps"),
    ("row alone", "row_alone_ps"),
    ("hold slack", "hold_slack_ps"),
    ("slew on lines", "line_slew_ps"),
    ("limit of slew", "slew_limit_ps"),
)
#: What must be so in the middle of the ranges.
_CHECKS = ("closes", "holds", "slews")


def timing(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    if (args.bundle is None) == (args.shape is None):
        raise HnlpuError("name one thing to time", where="hnlpu timing",
                         got="nothing" if args.bundle is None else "a bundle and --shape",
                         do="give a bundle, or --shape KxN")  # fmt: skip
    options = TimingOptions(
        rules=args.rules,
        rules_file=args.rules_file,
        layers=args.layers,
        liberty=args.liberty,
        match=args.match,
        target_ghz=args.target,
        skew_ps=args.skew,
        repeater=args.repeater,
    )
    if args.shape is not None:
        inputs, outputs = args.shape
        plan = TapsPlan(outputs, inputs, args.activation_bits, args.phases, args.exponent_values,
                        cuts=args.cuts)  # fmt: skip
        timed = time_array(plan, random_pins(plan, args.seed), options)
        result = {"rows": [{"name": f"{inputs}x{outputs}", **timed}]}
    else:
        result = time_bundle(args.bundle, options, progress=show)
    if not args.json:
        for row in result["rows"]:
            _print(row)
    good = all(row[check]["value"] for row in result["rows"] for check in _CHECKS)
    return result, 0 if good else 1


def _print(row: dict[str, Any]) -> None:
    ends = row["ends"]
    show_line(
        f"{row['name']}: {row['n_rows']} x {row['n_columns']}, T={row['phases']}, E={row['exponent_values']}, "
        f"{row['cuts']} cuts, {row['adders_in_series']} adders in series; {row['library']}, FO4 "
        f"{row['library_fo4_ps']:.1f} ps, lines repeated by {row['repeater']} in {row['segments']} segments of "
        f"{row['segment_um']:.1f} um"
    )
    rows = [[name, *(f"{ends[end][key]:,.1f}" for end in ENDS)] for name, key in _TIMES]
    rows += [
        [f"  of it {part}", *(f"{ends[end]['parts'].get(part, 0.0):,.1f}" for end in ENDS)]
        for part in PARTS
        if any(part in ends[end]["parts"] for end in ENDS)
    ]
    show_table(rows, ("ps", *ENDS))
    path, hold = ends["value"]["setup_path"], ends["value"]["hold_path"]
    show_line(f"slowest: {path['from']} to {path['to']}, {path['cells']} cells in the row; "
              f"fastest: {hold['from']} to {hold['to']}, {hold['cells']} cells")  # fmt: skip
    show_table(
        [[r["layer"], r["um"], r["n_repeaters"], f"{r['delay_ps']:.1f}", f"{r['slew_ps']:.1f}",
          "fits" if r["slew_ok"] else "too slow"] for r in row["repeaters"]],
        ("line on", "repeaters each um", "of a line", "ps each", "slew ps", "slew"),
    )  # fmt: skip
    for name, tag in row["scale"]["inputs"].items():
        show_line(f"{tag['confidence']}: {name} = {tag['value']} ({tag['low']} to {tag['high']}) {tag['unit']}: "
                  f"{tag['source']}")  # fmt: skip
    ghz = {end: ends[end]["ghz"] for end in ENDS}
    verdict = "closes" if row["closes"]["value"] else "does not close"
    show_line(
        f"{row['target_ghz']:g} GHz {verdict}: {ghz['value']:.2f} GHz, {ghz['high']:.2f} to {ghz['low']:.2f}; "
        f"hold {'is kept' if row['holds']['value'] else 'is VIOLATED'}; "
        f"slews {'fit' if row['slews']['value'] else 'EXCEED the limit'}"
    )
