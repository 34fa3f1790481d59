"""The verbs of the command line: each calls one library function and prints what came of it.

A verb takes parsed arguments and a progress display, and returns the result for ``--json`` and the exit code.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnlpu
from hnlpu.errors import HnlpuError
from hnlpu.numerics import Numerics, change_numerics
from hnlpu.printing import show_line, show_table
from hnlpu.progress import Progress

__all__ = [
    "Verb",
    "defects",
    "demo",
    "doctor",
    "estimate",
    "evaluate",
    "explore",
    "generate",
    "inspect",
    "layout",
    "quantize",
    "readback",
    "report",
    "reproduce",
    "respin",
    "run",
    "simulate",
    "timing",
    "verify",
]

Verb = Callable[[argparse.Namespace, Progress], tuple[Any, int]]


def doctor(args: argparse.Namespace, _: Progress) -> tuple[Any, int]:
    from hnlpu.tools import find_tools

    tools = find_tools()
    rows = [
        {
            "tool": tool.name,
            "needed_for": tool.needed_for,
            "version": tool.version,
            "place": tool.place,
            "problem": tool.problem,
        }
        for tool in tools
    ]
    if not args.json:
        shown = [
            (
                t.name,
                t.version or "",
                t.needed_for,
                f"MISSING: {t.problem}" if t.problem else t.place,
            )
            for t in tools
        ]
        show_table(shown, ("tool", "version", "needed for", "found"))
    return {"rows": rows}, 0 if all(tool.ok for tool in tools) else 3


def inspect(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = hnlpu.inspect(args.checkpoint, progress=show)
    if not args.json:
        model, totals = result["model"], result["totals"]
        kind = f"{model['n_experts']} experts, top {model['experts_per_token']}"
        show_line(
            f"{result['checkpoint']}: {result['family']}, {model['n_layers']} layers, hidden "
            f"{model['hidden']}, {model['n_heads']}/{model['n_kv_heads']} heads of "
            f"{model['head_dim']}, vocabulary {model['vocab']}, "
            f"{kind if model['n_experts'] else 'dense'}"
        )
        heads = ("matrix", "format", "rows", "columns", "weights", "zeros", "spread", "hardwired")
        keys = ("name", "format", "n_rows", "n_columns", "n_weights", "n_zero", "exponent_spread")
        show_table([[*(m[k] for k in keys), m["hardwired"]] for m in result["matrices"]], heads)
        histogram: dict[str, int] = {}
        for matrix in result["matrices"]:
            for value, count in matrix["histogram"].items():
                histogram[value] = histogram.get(value, 0) + count
        show_line(
            "\ncodes: " + "  ".join(f"{v}: {histogram[v]:,}" for v in sorted(histogram, key=float))
        )
        show_line(f"constants in the boot image: {len(result['constants'])} tensors")
        for entry in result["off_fabric"]:
            show_line(f"off the fabric: {entry['tensor']}: {entry['reason']}")
        show_line(
            f"{totals['matrices']} matrices, {totals['weights']:,} weights: "
            f"{totals['lossless_weights']:,} hardwired without loss, "
            f"{totals['needs_quantizing']:,} need --quantize mxfp4"
        )
    return result, 0


def quantize(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = hnlpu.quantize(args.checkpoint, args.out, args.format, force=args.force, progress=show)
    if not args.json:
        rows = [(r["name"], f"{r['relative_rmse']:.4f}", r["saturated"]) for r in result["rows"]]
        show_table(rows, ("matrix", "relative RMSE", "saturated"))
        show_line(
            f"{result['totals']['changed']} of {len(rows)} matrices changed; wrote {args.out}"
        )
    return result, 0


def generate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.grid import parse_grid
    from hnlpu.link_plan import parse_link
    from hnlpu.selection import BaseOptions

    options = hnlpu.GenerateOptions(
        quantize=args.quantize,
        base=BaseOptions(
            arch=args.arch,
            phases=args.phases,
            exponent_values=args.exponent_values,
            cuts=args.cuts,
            adder=args.adder,
            slice_ports=args.slice_ports,
            failure_rate=args.failure_rate,
            target=args.target,
        ),
        requantize=args.requantize,
        numerics=_numerics(args),
        context=args.context,
        sequences=args.sequences,
        grid=parse_grid(args.grid),
        link=parse_link(args.link),
    )
    manifest = hnlpu.generate(
        args.checkpoint, args.out, options, base=args.base, force=args.force, progress=show
    )
    if not args.json:
        keys = ("name", "n_matrices", "phases", "exponent_values", "interval_cycles", "y_bits")
        heads = ("base", "matrices", "phases", "exponents", "cycles", "result bits", "tracks")
        show_table([[*(b[k] for k in keys), _tracks(b)] for b in manifest["bases"]], heads)
        if not all(base["wirable"] for base in manifest["bases"]):
            show_line(
                "'!': the adders of a row need more wires than its strip has; try more --phases"
            )
        for entry in manifest["matrices"]:
            if entry["requantised"]:
                error = entry["requantised"]
                show_line(
                    f"quantised: {entry['name']}: relative RMSE {error['relative_rmse']:.4f}, "
                    f"{error['saturated']} saturated"
                )
        totals = manifest["totals"]
        show_line(
            f"{totals['weights']:,} weights in {totals['matrices']} matrices wired in {args.out}"
        )
        chip = manifest["chip"]
        rows, columns = chip["grid"]
        what = "chip" if rows * columns == 1 else f"{rows} x {columns} chips"
        show_line(
            f"{what}: {chip['blocks']} blocks, {chip['streams']} streams, context {chip['context']}, "
            f"{chip['sequences']} at a time, {chip['boot_words']:,} boot words"
        )
    return manifest, 0


def _numerics(args: argparse.Namespace) -> Numerics:
    """Widths from ``--activation-bits``, ``--kv-bits`` and ``--set``."""
    return change_numerics(
        Numerics(),
        activation_bits=args.activation_bits,
        kv_bits=args.kv_bits,
        settings=args.set,
    )


def _tracks(entry: dict[str, Any]) -> str:
    """Wires along a strip and how many it has, marked where it has fewer."""
    if entry["tracks_per_row"] is None:
        return "-"
    shown = f"{entry['tracks_per_row']} of {entry['tracks_available']}"
    return f"{shown} !" if entry["wirable"] is False else shown


def readback(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.checkpoint import open_checkpoint
    from hnlpu.verification.mask_readback import is_layout, read_masks_back

    folder = open_checkpoint(args.checkpoint).folder
    drawn = is_layout(Path(args.bundle))
    read = read_masks_back if drawn else hnlpu.readback
    result = read(Path(args.bundle), folder, progress=show)
    faults = (
        "missing", "mismatches", "constant_mismatches", "image_mismatches", "base_cells_in_metal",
        *(["faults"] if drawn else []),
    )  # fmt: skip
    ok = not any(result[key] for key in faults) and result["weights"] == result["expected"]
    if not args.json:
        for tensor in result["tensors"]:
            if tensor["mismatches"] or tensor["missing"]:
                show_line(
                    f"{tensor['name']}: {tensor['mismatches']} wrong, {tensor['missing']} missing"
                )
                show_line(f"  first: {tensor['first_mismatch']}")
        show_line(
            f"{result['weights']:,} of {result['expected']:,} weights read back from the metal, "
            f"{result['mismatches']} wrong, {result['missing']} missing; {result['constants']} "
            f"constants, {result['constant_mismatches']} wrong; {result['image_words']:,} words of the "
            f"boot image, {result['image_mismatches']} wrong; "
            f"{result['base_cells_in_metal']} cells or operators in the metal"
        )
        if drawn:
            if result["match"]:
                show_line(
                    f"read are the matrices that were drawn: their names hold {result['match']!r}"
                )
            first = f", first: {result['first_fault']}" if result["faults"] else ""
            show_line(f"{result['faults']} shapes are not as they should be{first}")
    return result, 0 if ok else 1


def layout(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import mask_verbs

    return mask_verbs.layout(args, show)


def respin(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import mask_verbs

    return mask_verbs.respin(args, show)


def defects(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import defect_verbs

    return defect_verbs.damage(args, show)


def timing(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import timing_verbs

    return timing_verbs.timing(args, show)


def verify(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    if args.level == "chip":
        return _verify_chip(args, show)
    result = hnlpu.verify(
        args.bundle,
        n_random=args.vectors,
        seed=args.seed,
        with_mutants=not args.no_mutants,
        waves=args.waves,
        progress=show,
    )
    ok = not result["mismatches"] and result["mutants"] == result["mutants_killed"]
    if not args.json:
        keys = ("base", "arrays", "vectors", "cycles", "mismatches", "mutants", "mutants_killed")
        heads = (*keys[:-1], "killed")
        show_table([[entry[k] for k in keys] for entry in result["by_base"]], heads)
        for failure in result["failures"]:
            show_line(f"FAILED {failure['matrix']}: {failure['first_mismatch']}")
        for name in result["surviving_mutants"]:
            show_line(f"SURVIVED {name}")
        show_line(
            f"{result['arrays']} arrays, {result['vectors']:,} vectors, {result['cycles']:,} cycles on "
            f"{result['simulator']}: {result['mismatches']} mismatches; "
            f"{result['mutants_killed']} of {result['mutants']} mutants caught"
        )
    return result, 0 if ok else 1


def _verify_chip(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = hnlpu.verify_chip(
        args.bundle,
        n_sequences=args.sequences,
        n_tokens=args.tokens,
        seed=args.seed,
        full_context=args.full_context,
        prompts=Path(args.prompts) if args.prompts else None,
        mutants=args.mutants,
        progress=show,
    )
    if not args.json:
        for check in result["protocol"]:
            if not check["ok"]:
                show_line(
                    f"FAILED {check['check']}: expected {check['expected']}, got {check['got']}"
                )
        if result["first_mismatch"]:
            show_line(f"FAILED first difference: {result['first_mismatch']}")
        build = result["build"]
        show_line(
            f"{result['sequences']} sequences, {result['tokens']} tokens, {result['vectors']} vectors "
            f"of logits compared: {result['mismatches']} mismatches; {len(result['protocol'])} protocol "
            f"checks, {result['protocol_failures']} failed\n"
            f"{build['arrays']} arrays ({build['cached_arrays']} cached) and the chip built in "
            f"{build['seconds']} s; {result['cycles']:,} cycles, {result['cycles_per_s']:,} per second"
        )
        if "mutants" in result:
            _print_chip_mutants(result)
    failed = result["mismatches"] or result["protocol_failures"] or result.get("surviving_mutants")
    return result, 1 if failed else 0


def _print_chip_mutants(result: dict[str, Any]) -> None:
    rows = [
        [row["file"], row["fault"], row["by"] or ("absent" if row["caught"] is None else "SURVIVED"),
         row["detail"], row["stimulus"]]
        for row in result["mutant_rows"]
    ]  # fmt: skip
    show_table(rows, ("file", "fault", "seen in", "first difference", "constants"))
    for name in result["surviving_mutants"]:
        show_line(f"SURVIVED {name}")
    show_line(
        f"{result['mutants_killed']} of {result['mutants']} mutants caught, in {result['seconds']} s"
    )


def run(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.session import RunOptions

    streamed = sys.stdout if not args.json else None
    result = hnlpu.run(
        args.bundle,
        RunOptions(
            prompt=args.prompt,
            tokens=args.tokens,
            n_new=args.n,
            backend=args.backend,
            temperature=args.temperature,
            top_k=args.top_k,
            seed=args.seed,
            trace=Path(args.trace) if args.trace else None,
            timeline=Path(args.timeline) if args.timeline else None,
        ),
        stream=streamed,
        progress=show,
    )
    if not args.json:
        speed = f", {result['cycles']:,} cycles" if result["cycles"] else ""
        sys.stderr.write(
            f"{len(result['tokens'])} tokens in {result['seconds']} s on {result['backend']}{speed}\n"
        )
    return result, 0


def evaluate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.evaluation import EvaluateOptions, write_sweep

    if args.out is not None and not args.sweep:
        raise HnlpuError(
            "nothing to write", where="-o", got="no --sweep", do="add --sweep, or leave -o out"
        )
    options = EvaluateOptions(
        quantize=args.quantize,
        activation_bits=args.activation_bits,
        kv_bits=args.kv_bits,
        settings=args.set,
        reference=args.reference,
        text=args.text,
        context=args.context,
        sweep=args.sweep,
        transformers=args.transformers,
    )
    result = hnlpu.evaluate(args.source, options, progress=show)
    if args.out is not None:
        write_sweep(result, Path(args.out), force=args.force)
    if not args.json:
        _print_evaluation(result)
        if args.out is not None:
            show_line(f"wrote {Path(args.out) / 'evaluate.json'} and sweep.png")
    return result, 0


def _measure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _print_evaluation(result: dict[str, Any]) -> None:
    figures = ("logit_rmse", "top1_agreement", "router_agreement", "logit_rmse_same_experts")
    heads = ("sequences", "beside", "positions", "logit RMSE", "top-1", "same experts",
             "RMSE there", "numerics RMSE", "float64 RMSE")  # fmt: skip
    show_table(
        [
            (row["sequences"], row["beside"], row["n_positions"],
             *(_measure(row[key]) for key in (*figures, "numerics_rmse")), f"{row['floating_rmse']:.2g}")
            for row in result["rows"]
        ],
        heads,
    )  # fmt: skip
    for row in result["transformers"] or ():
        show_line(
            f"transformers, {row['sequences']}: logit RMSE of the twin {row['logit_rmse']:.4f}, "
            f"of float64 {row['float64_rmse']:.2g}; top-1 agreement {row['top1_agreement']:.4f}"
        )
    show_line("\nsignal to noise in dB, beside float64 with the same weights")
    layers = list(dict.fromkeys(row["layer"] for row in result["arrays"]))
    streams = dict.fromkeys(row["stream"] for row in result["arrays"])
    ratios = {(row["stream"], row["layer"]): row["snr_db"] for row in result["arrays"]}
    rows = [
        (stream, *(f"{r:.1f}" if (r := ratios.get((stream, layer))) else "" for layer in layers))
        for stream in streams
    ]
    show_table(rows, ("stream", *layers))
    small = {row["bits"]: row["snr_db"] for row in result["outlier"]["rows"]}
    shown = "  ".join(f"{bits}: {ratio:.1f}" for bits, ratio in small.items() if ratio is not None)
    show_line(f"\nbeside a channel of {result['outlier']['sigmas']:.0f} sigma, by activation bits: "
           f"{shown} dB")  # fmt: skip
    clipped = result["saturations"]
    show_line("saturated: " + (", ".join(f"{k} {v:,}" for k, v in clipped.items()) or "nothing"))
    if result["text"] is not None:
        _print_text(result["text"])
    if result["sweep"] is not None:
        show_line()
        show_table(
            [(f"{row['field']}{' *' if row['default'] else ''}", row["value"],
              *(_measure(row[key]) for key in figures)) for row in result["sweep"]],
            ("field", "value", "logit RMSE", "top-1", "same experts", "RMSE there"),
        )  # fmt: skip


def _print_text(text: dict[str, Any]) -> None:
    show_line(f"\n{text['file']}: " + (
        "problems, answered greedily" if text["kind"] == "problems" else
        f"{text['tokens']:,} tokens in windows of {text['context']}"
    ))  # fmt: skip
    for name in ("twin", "floating", "original", "transformers"):
        if name not in text:
            continue
        own = text[name]
        if text["kind"] == "problems":
            found = f"{own['exact']:,} of {own['problems']:,} exact ({100 * own['accuracy']:.2f} %)"
        else:
            found = (
                f"{own['bits_per_token']:.4f} bits per token, perplexity {own['perplexity']:.3f}, "
                f"top-1 {own['top1']:.4f}"
            )
        show_line(f"{name:<12} {found}, {own['seconds']:.2f} s")
        for wrong in own.get("wrong", ())[:3]:
            show_line(f"  wrong: {wrong['problem']}{wrong['got']} instead of {wrong['answer']}")


def estimate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import cost_verbs

    return cost_verbs.estimate(args, show)


def reproduce(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import cost_verbs

    return cost_verbs.reproduce(args, show)


def simulate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import system_verbs

    return system_verbs.simulate(args, show)


def explore(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.exploration import ExploreOptions, write_exploration

    options = ExploreOptions(
        archs=args.arch,
        phases=args.phases,
        cuts=args.cuts,
        activation_bits=args.activation_bits,
        exponent_values=args.exponent_values,
        fmt=args.format,
        liberty=args.liberty,
        verify=not args.no_verify,
        seed=args.seed,
    )
    result = hnlpu.explore(args.checkpoint, shape=args.shape, options=options, progress=show)
    if args.out is not None:
        write_exploration(result, Path(args.out), force=args.force)
    if not args.json:
        heads = ("shape", "arch", "T", "cuts", "cycles", "latency", "T/weight", "gates deep",
                 "wires/input", "tracks", "fJ/weight", "verified", "")  # fmt: skip
        show_table([_point(point) for point in result["points"]], heads)
        for point in result["points"]:
            if point["pyrtl"]:
                second = point["pyrtl"]
                show_line(
                    f"PyRTL: {point['arch']} T={point['phases']} on {point['shape']}: "
                    f"{second['mismatches']} mismatches in {second['vectors']} vectors, longest path "
                    f"{second['critical_path_ps'] / 1000:.1f} ns in its 130 nm gate model"
                )
        for point in result["skipped"]:
            show_line(f"skipped: {point['arch']} T={point['phases']} on {point['shape']}: "
                   f"{point['reason']}")  # fmt: skip
        if args.out is not None:
            show_line(f"wrote {Path(args.out) / 'explore.json'} and explore.png")
    wrong = [point for point in result["points"] if point["verified"] is False]
    return result, 1 if wrong else 0


def _point(point: dict[str, Any]) -> list[Any]:
    """A row of the table of points."""

    def shown(value: Any, digits: int = 0) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    verified = {True: "yes", False: "WRONG", None: "-"}[point["verified"]]
    return [
        point["shape"],
        point["arch"],
        point["phases"],
        point["cuts"],
        point["cycles"],
        point["latency_cycles"],
        f"{point['transistors_per_weight']:.2f}",
        shown(point["logic_depth"]),
        shown(point["wires_per_input"], 2),
        _tracks(point),
        shown(point["energy_fj_per_weight"], 1),
        verified,
        "pareto" if point["pareto"] else "",
    ]


def report(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu import cost_verbs

    return cost_verbs.report(args, show)


def demo(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.cost_verbs import print_costs

    result = hnlpu.demo(args.out, force=args.force, progress=show)
    if not args.json:
        read, verified, figures = result["readback"], result["verify"], result["estimate"]
        wrong = read["mismatches"] + read["missing"] + verified["mismatches"]
        show_line(
            f"\nweights hardwired       {read['weights']:,} (each read back from the Verilog)"
        )
        show_line(
            f"mismatches              {wrong} in {verified['vectors']:,} vectors on "
            f"{verified['arrays']} arrays; {verified['mutants_killed']} of {verified['mutants']} "
            "mutants caught"
        )
        intervals = sorted({entry["interval_cycles"] for entry in verified["by_base"]})
        cycles = " / ".join(map(str, intervals))
        show_line(f"cycles                  {cycles} per vector, {verified['cycles']:,} simulated")
        print_costs(figures)
        show_line(
            f"\n{'all checks passed' if result['ok'] else 'A CHECK FAILED'} in {result['seconds']} s"
        )
        show_line(f"page    {result['page']}\nbundle  {result['bundle']}")
    return result, 0 if result["ok"] else 1
