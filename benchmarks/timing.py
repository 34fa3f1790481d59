"""Timing of 2,880 x 2,880 arrays: the tables of docs/timing.md.

    python benchmarks/timing.py [--size N] [--point T:E:CUTS ...]        # about a minute a point

Needs OpenSTA and a Liberty file (Debian: opensta, qflow-tech-osu018). Weights are normal. Prints
Markdown.
"""

import argparse
import sys
import time

from tables import table

from hnlpu.repeater_timing import fo4_ps
from hnlpu.rtl.liberty_cells import read_cells
from hnlpu.rtl.mapping import Netlist
from hnlpu.sta import Constraints, analyse
from hnlpu.taps import TapsPlan
from hnlpu.timing import TimingOptions, random_pins, time_array
from hnlpu.timing_paths import PARTS
from hnlpu.tools import find_liberty

_POINTS = (
    "3:1:0",
    "3:1:4",
    "3:1:8",
    "3:1:16",
    "3:1:36",
    "5:1:0",
    "5:1:4",
    "5:4:0",
    "5:4:4",
    "5:4:9",
)


def own_adder(output: str) -> float:
    """Delay of the library's own full adder in a chain, in FO4 (osu018's FAX1)."""
    library = read_cells(find_liberty())
    netlist = Netlist("chain", inputs={port: port for port in ("clk", "a", "b", "c")})
    net = "a"
    for i in range(12):
        netlist.add(f"adder_{i}", "FAX1", A="b", B="c", C=net, YS=f"s{i}", YC=f"k{i}")
        net = f"{'s' if output == 'YS' else 'k'}{i}"
    netlist.outputs["y"] = net
    constraints = Constraints(
        input_max_ns=dict.fromkeys("abc", 0.0), input_slew_ns=0.1, outputs=("y",)
    )
    asked = ["-path_delay max -from [get_ports a]"]
    (path,) = analyse(library.path, netlist.verilog(), "chain", constraints, asked)
    assert path is not None
    delays = [stage.delay_ns for stage in path.stages if stage.pin.endswith(f"/{output}")]
    return sum(delays[-6:]) / 6 * 1e3 / fo4_ps(library)


def _three(result: dict, key: str, digits: int = 0) -> str:
    low, value, high = (result["ends"][end][key] for end in ("low", "value", "high"))
    return f"{value:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def _or_none(n: int | None) -> str:
    return "none" if n is None else str(n)


def _name(result: dict) -> str:
    return f"{result['phases']} | {result['exponent_values']} | {result['cuts']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--size", type=int, default=2880, metavar="N")
    parser.add_argument("--rules", default="n5")
    parser.add_argument("--point", nargs="+", default=_POINTS, metavar="T:E:CUTS")
    options = parser.parse_args()
    results = []
    for point in options.point:
        phases, exponents, cuts = map(int, point.split(":"))
        plan = TapsPlan(
            options.size, options.size, phases=phases, exponent_values=exponents, cuts=cuts
        )
        started = time.perf_counter()
        result = time_array(plan, random_pins(plan), TimingOptions(rules=options.rules))
        result["seconds"] = time.perf_counter() - started
        results.append(result)
        print(f"{point}: {result['seconds']:.0f} s", file=sys.stderr, flush=True)
    first = results[0]
    print(f"{options.size} x {options.size}, {first['rules']}, {first['library']}, whose FO4 is "
          f"{first['library_fo4_ps']:.1f} ps\n")  # fmt: skip
    table(
        ["T", "E", "cuts", "latency", "adders", "cells", "period, ps", "GHz", "line, ps", "row alone, ps",
         "hold slack, ps", "line registers", "s"],
        [[_name(r), f"{r['latency_cycles']}", f"{r['adders_in_series']}", f"{r['row_cells']:,}",
          _three(r, "period_ps"), _three(r, "ghz", 2), _three(r, "line_ps"), _three(r, "row_alone_ps"),
          _three(r, "hold_slack_ps", 1),
          ", ".join(_or_none(r["ends"][end]["line_registers"]) for end in ("low", "value", "high")),
          f"{r['seconds']:.0f}"] for r in results],
    )  # fmt: skip
    table(
        ["T", "E", "cuts", *PARTS],
        [[_name(r), *(f"{r['ends']['value']['parts'].get(part, 0):.0f}" for part in PARTS)]
         for r in results],
    )  # fmt: skip
    table(
        ["T", "E", "cuts", "height, um", "segments", "repeater", "most pins", "ps a turn",
         "slew on lines, ps", "limit, ps"],
        [[_name(r), f"{r['height_um']:.0f}", f"{r['segments']}", r["repeater"], f"{r['most_pins']}",
          _three(r, "turn_ps"), _three(r, "line_slew_ps"), _three(r, "slew_limit_ps")] for r in results],
    )  # fmt: skip
    table(
        ["line on", "repeaters each, um", "of a line", "load, fF/um", "ps each", "ps/mm", "slew, ps", "slew"],
        [[d["layer"], f"{d['um']:g}", f"{d['n_repeaters']}", f"{d['load_ff_per_um']:.2f}",
          f"{d['delay_ps']:.0f}", f"{d['ps_per_mm']:,.0f}", f"{d['slew_ps']:.0f}",
          "fits" if d["slew_ok"] else "too slow"] for d in first["repeaters"]],
    )  # fmt: skip
    if first["library"] == "osu018_stdcells":
        print(f"FAX1 in a chain: sum {own_adder('YS'):.2f} FO4, carry {own_adder('YC'):.2f} FO4")
    return 0


if __name__ == "__main__":
    sys.exit(main())
