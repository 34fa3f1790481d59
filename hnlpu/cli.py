"""The command line: each verb parses, calls one library function, prints."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hnlpu
from hnlpu.errors import HnlpuError
from hnlpu.formats import format_names
from hnlpu.numerics import Numerics, change_numerics
from hnlpu.progress import Progress, Silent

__all__ = ["main"]

_DESCRIPTION = """\
hnlpu hardwires a language model: it reads quantised weights, writes the RTL of arrays in which a weight
is not stored but wired, proves by simulation that they compute what the checkpoint says, and tells what
the chip would cost beside a GPU."""

_EPILOG = """\
typical use:
  hnlpu demo -o out                            everything below, on the model that comes with hnlpu
  hnlpu inspect CKPT                           what is in a checkpoint, what can be hardwired
  hnlpu generate CKPT -o DIR                   base and metal Verilog (add --quantize mxfp4 if asked to)
  hnlpu readback DIR CKPT                      weights read back from the Verilog, compared
  hnlpu verify DIR                             every array on Verilator against the integer twin
  hnlpu verify DIR --level chip                the whole chip, token by token
  hnlpu run DIR --prompt TEXT -n 40            the chip goes on from a prompt, on Verilator
  hnlpu evaluate CKPT | DIR                    distance to floating point, text, exact answers
  hnlpu explore CKPT | --shape 1024x128        architectures side by side, the Pareto front
  hnlpu estimate DIR | --model gpt-oss-120b    transistors, area, masks, speed, energy
  hnlpu report DIR -o OUT                      one HTML page of it all

CKPT is a Hugging Face folder, or with the extra [hub] a repository id. Every verb has --json and --help.
exit codes: 0 fine, 1 a check failed, 2 bad input, 3 a tool is missing, 130 interrupted"""


def _print(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _table(rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> None:
    """Print columns, numbers right-aligned."""
    cells = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in cells), 0) for i, head in enumerate(heads)]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(heads))]
    for line in ([*heads], *cells):
        fields = (
            f"{cell:>{width}}" if r else f"{cell:<{width}}"
            for cell, width, r in zip(line, widths, right, strict=True)
        )
        _print("  ".join(fields).rstrip())


def _number(value: float) -> str:
    """Four significant digits, thousands separated; powers of ten only for what is tiny."""
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def _figure(figure: dict[str, Any]) -> str:
    low, mid, high = (_number(figure[key]) for key in ("low", "mid", "high"))
    span = f" ({low} .. {high})" if low != high else ""
    return f"{mid}{span} {figure['unit']} [{figure['tag']}]"


def _doctor(args: argparse.Namespace, _: Progress) -> tuple[Any, int]:
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
        _table(shown, ("tool", "version", "needed for", "found"))
    return {"rows": rows}, 0 if all(tool.ok for tool in tools) else 3


def _inspect(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = hnlpu.inspect(args.checkpoint, progress=show)
    if not args.json:
        model, totals = result["model"], result["totals"]
        kind = f"{model['n_experts']} experts, top {model['experts_per_token']}"
        _print(
            f"{result['checkpoint']}: {result['family']}, {model['n_layers']} layers, hidden "
            f"{model['hidden']}, {model['n_heads']}/{model['n_kv_heads']} heads of "
            f"{model['head_dim']}, vocabulary {model['vocab']}, "
            f"{kind if model['n_experts'] else 'dense'}"
        )
        heads = ("matrix", "format", "rows", "columns", "weights", "zeros", "spread", "hardwired")
        keys = ("name", "format", "n_rows", "n_columns", "n_weights", "n_zero", "exponent_spread")
        _table([[*(m[k] for k in keys), m["hardwired"]] for m in result["matrices"]], heads)
        histogram: dict[str, int] = {}
        for matrix in result["matrices"]:
            for value, count in matrix["histogram"].items():
                histogram[value] = histogram.get(value, 0) + count
        _print(
            "\ncodes: " + "  ".join(f"{v}: {histogram[v]:,}" for v in sorted(histogram, key=float))
        )
        _print(f"constants in the boot image: {len(result['constants'])} tensors")
        for entry in result["off_fabric"]:
            _print(f"off the fabric: {entry['tensor']}: {entry['reason']}")
        _print(
            f"{totals['matrices']} matrices, {totals['weights']:,} weights: "
            f"{totals['lossless_weights']:,} hardwired without loss, "
            f"{totals['needs_quantizing']:,} need --quantize mxfp4"
        )
    return result, 0


def _quantize(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = hnlpu.quantize(args.checkpoint, args.out, args.format, force=args.force, progress=show)
    if not args.json:
        rows = [(r["name"], f"{r['relative_rmse']:.4f}", r["saturated"]) for r in result["rows"]]
        _table(rows, ("matrix", "relative RMSE", "saturated"))
        _print(f"{result['totals']['changed']} of {len(rows)} matrices changed; wrote {args.out}")
    return result, 0


def _generate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
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
    )
    manifest = hnlpu.generate(
        args.checkpoint, args.out, options, base=args.base, force=args.force, progress=show
    )
    if not args.json:
        keys = ("name", "n_matrices", "phases", "exponent_values", "interval_cycles", "y_bits")
        heads = ("base", "matrices", "phases", "exponents", "cycles", "result bits", "tracks")
        _table([[*(b[k] for k in keys), _tracks(b)] for b in manifest["bases"]], heads)
        if not all(base["wirable"] for base in manifest["bases"]):
            _print("'!': the adders of a row need more wires than its strip has; try more --phases")
        for entry in manifest["matrices"]:
            if entry["requantised"]:
                error = entry["requantised"]
                _print(
                    f"quantised: {entry['name']}: relative RMSE {error['relative_rmse']:.4f}, "
                    f"{error['saturated']} saturated"
                )
        totals = manifest["totals"]
        _print(
            f"{totals['weights']:,} weights in {totals['matrices']} matrices wired in {args.out}"
        )
        chip = manifest["chip"]
        _print(
            f"chip: {chip['blocks']} blocks, {chip['streams']} streams, context {chip['context']}, "
            f"{chip['boot_words']:,} boot words"
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


def _readback(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.checkpoint import open_checkpoint

    folder = open_checkpoint(args.checkpoint).folder
    result = hnlpu.readback(Path(args.bundle), folder, progress=show)
    faults = (
        "missing", "mismatches", "constant_mismatches", "image_mismatches", "base_cells_in_metal"
    )  # fmt: skip
    ok = not any(result[key] for key in faults) and result["weights"] == result["expected"]
    if not args.json:
        for tensor in result["tensors"]:
            if tensor["mismatches"] or tensor["missing"]:
                _print(
                    f"{tensor['name']}: {tensor['mismatches']} wrong, {tensor['missing']} missing"
                )
                _print(f"  first: {tensor['first_mismatch']}")
        _print(
            f"{result['weights']:,} of {result['expected']:,} weights read back from the metal, "
            f"{result['mismatches']} wrong, {result['missing']} missing; {result['constants']} "
            f"constants, {result['constant_mismatches']} wrong; {result['image_words']:,} words of the "
            f"boot image, {result['image_mismatches']} wrong; "
            f"{result['base_cells_in_metal']} cells or operators in the metal"
        )
    return result, 0 if ok else 1


def _verify(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
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
        _table([[entry[k] for k in keys] for entry in result["by_base"]], heads)
        for failure in result["failures"]:
            _print(f"FAILED {failure['matrix']}: {failure['first_mismatch']}")
        for name in result["surviving_mutants"]:
            _print(f"SURVIVED {name}")
        _print(
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
                _print(f"FAILED {check['check']}: expected {check['expected']}, got {check['got']}")
        if result["first_mismatch"]:
            _print(f"FAILED first difference: {result['first_mismatch']}")
        build = result["build"]
        _print(
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
    _table(rows, ("file", "fault", "seen in", "first difference", "constants"))
    for name in result["surviving_mutants"]:
        _print(f"SURVIVED {name}")
    _print(
        f"{result['mutants_killed']} of {result['mutants']} mutants caught, in {result['seconds']} s"
    )


def _run(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
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


def _evaluate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
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
        reference=Path(args.reference) if args.reference else None,
        text=Path(args.text) if args.text else None,
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
            _print(f"wrote {Path(args.out) / 'evaluate.json'} and sweep.png")
    return result, 0


def _measure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _print_evaluation(result: dict[str, Any]) -> None:
    figures = ("logit_rmse", "top1_agreement", "router_agreement", "logit_rmse_same_experts")
    heads = ("sequences", "beside", "positions", "logit RMSE", "top-1", "same experts",
             "RMSE there", "numerics RMSE", "float64 RMSE")  # fmt: skip
    _table(
        [
            (row["sequences"], row["beside"], row["n_positions"],
             *(_measure(row[key]) for key in (*figures, "numerics_rmse")), f"{row['floating_rmse']:.2g}")
            for row in result["rows"]
        ],
        heads,
    )  # fmt: skip
    for row in result["transformers"] or ():
        _print(
            f"transformers, {row['sequences']}: logit RMSE of the twin {row['logit_rmse']:.4f}, "
            f"of float64 {row['float64_rmse']:.2g}; top-1 agreement {row['top1_agreement']:.4f}"
        )
    _print("\nsignal to noise in dB, beside float64 with the same weights")
    layers = list(dict.fromkeys(row["layer"] for row in result["arrays"]))
    streams = dict.fromkeys(row["stream"] for row in result["arrays"])
    ratios = {(row["stream"], row["layer"]): row["snr_db"] for row in result["arrays"]}
    rows = [
        (stream, *(f"{r:.1f}" if (r := ratios.get((stream, layer))) else "" for layer in layers))
        for stream in streams
    ]
    _table(rows, ("stream", *layers))
    small = {row["bits"]: row["snr_db"] for row in result["outlier"]["rows"]}
    shown = "  ".join(f"{bits}: {ratio:.1f}" for bits, ratio in small.items() if ratio is not None)
    _print(f"\nbeside a channel of {result['outlier']['sigmas']:.0f} sigma, by activation bits: "
           f"{shown} dB")  # fmt: skip
    clipped = result["saturations"]
    _print("saturated: " + (", ".join(f"{k} {v:,}" for k, v in clipped.items()) or "nothing"))
    if result["text"] is not None:
        _print_text(result["text"])
    if result["sweep"] is not None:
        _print()
        _table(
            [(f"{row['field']}{' *' if row['default'] else ''}", row["value"],
              *(_measure(row[key]) for key in figures)) for row in result["sweep"]],
            ("field", "value", "logit RMSE", "top-1", "same experts", "RMSE there"),
        )  # fmt: skip


def _print_text(text: dict[str, Any]) -> None:
    _print(f"\n{text['file']}: " + (
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
        _print(f"{name:<12} {found}, {own['seconds']:.2f} s")
        for wrong in own.get("wrong", ())[:3]:
            _print(f"  wrong: {wrong['problem']}{wrong['got']} instead of {wrong['answer']}")


def _token_list(text: str) -> list[int]:
    """``1,2,3`` as tokens."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of tokens, such as 1,403,407"
        ) from None


def _estimate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    widths = {"activation_bits": args.activation_bits, "phases": args.phases}
    if (args.source is None) == (args.model is None):
        raise HnlpuError(
            "name one model",
            where="hnlpu estimate",
            got="nothing" if args.model is None else "a folder and --model",
            do="give a bundle, checkpoint or config.json, or --model gpt-oss-120b",
        )
    if args.model is not None:
        result = hnlpu.estimate_preset(args.model, **widths, progress=show)
    else:
        result = hnlpu.estimate(args.source, **widths, progress=show)
    if not args.json:
        _print_estimate(result, details=args.all)
    return result, 0


#: Parts of an estimate that only ``--all`` prints.
_DETAILS = ("area_blocks_mm2", "power_blocks_w", "bottleneck", "paper", "baselines.wse3")


def _print_estimate(result: dict[str, Any], *, details: bool) -> None:
    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and {"low", "mid", "high", "unit", "tag"} <= value.keys():
            _print(f"{path:<44} {_figure(value)}")
        elif isinstance(value, dict):
            for key, inner in value.items():
                place = f"{path}.{key}" if path else key
                if details or place not in _DETAILS:
                    walk(inner, place)

    walk({key: value for key, value in result.items() if key not in ("notes", "bases")}, "")
    limits = result["bottleneck"]
    _print(f"bottleneck: {limits['pipelined']} pipelined, {limits['batch_1']} for one sequence")
    for note in result["notes"]:
        _print(f"note: {note}")
    for entry in result["contradictions"] if details else ():
        _print(f"the paper contradicts itself: {entry['text']} ({entry['source']})")


def _explore(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    from hnlpu.exploration import ExploreOptions, write_exploration

    options = ExploreOptions(
        archs=args.arch,
        phases=args.phases,
        cuts=args.cuts,
        activation_bits=args.activation_bits,
        exponent_values=args.exponent_values,
        fmt=args.format,
        liberty=Path(args.liberty) if args.liberty else None,
        verify=not args.no_verify,
        seed=args.seed,
    )
    result = hnlpu.explore(args.checkpoint, shape=args.shape, options=options, progress=show)
    if args.out is not None:
        write_exploration(result, Path(args.out), force=args.force)
    if not args.json:
        heads = ("shape", "arch", "T", "cuts", "cycles", "latency", "T/weight", "gates deep",
                 "wires/input", "tracks", "fJ/weight", "verified", "")  # fmt: skip
        _table([_point(point) for point in result["points"]], heads)
        for point in result["points"]:
            if point["pyrtl"]:
                second = point["pyrtl"]
                _print(
                    f"PyRTL: {point['arch']} T={point['phases']} on {point['shape']}: "
                    f"{second['mismatches']} mismatches in {second['vectors']} vectors, longest path "
                    f"{second['critical_path_ps'] / 1000:.1f} ns in its 130 nm gate model"
                )
        for point in result["skipped"]:
            _print(f"skipped: {point['arch']} T={point['phases']} on {point['shape']}: "
                   f"{point['reason']}")  # fmt: skip
        if args.out is not None:
            _print(f"wrote {Path(args.out) / 'explore.json'} and explore.png")
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


def _report(args: argparse.Namespace, _: Progress) -> tuple[Any, int]:
    result = hnlpu.write_report(Path(args.bundle), Path(args.out))
    if not args.json:
        _print(f"wrote {Path(args.out) / 'index.html'}")
    return result, 0


def _demo(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = hnlpu.demo(args.out, force=args.force, progress=show)
    if not args.json:
        read, verified, figures = result["readback"], result["verify"], result["estimate"]
        wrong = read["mismatches"] + read["missing"] + verified["mismatches"]
        h100 = figures["baselines"]["h100"]
        _print(f"\nweights hardwired       {read['weights']:,} (each read back from the Verilog)")
        _print(
            f"mismatches              {wrong} in {verified['vectors']:,} vectors on "
            f"{verified['arrays']} arrays; {verified['mutants_killed']} of {verified['mutants']} "
            "mutants caught"
        )
        intervals = sorted({entry["interval_cycles"] for entry in verified["by_base"]})
        cycles = " / ".join(map(str, intervals))
        _print(f"cycles                  {cycles} per vector, {verified['cycles']:,} simulated")
        _print(f"transistors per weight  {_figure(figures['transistors_per_weight']['total'])}")
        _print(f"die area                {_figure(figures['die_area_mm2']['counted'])}")
        _print(f"mask NRE                {_figure(figures['mask_nre_usd']['taps']['total'])}")
        for mode in ("batch_1", "pipelined"):
            _print(f"tokens/s, {mode:<13} {_figure(figures['tokens_per_s'][mode])}")
            _print(f"tokens/J, {mode:<13} {_figure(figures['tokens_per_j'][mode])}")
        for name, work in h100["workloads"].items():
            for key, unit in (("tokens_per_s", "tokens/s"), ("tokens_per_j", "tokens/J")):
                if key in work:
                    _print(f"H100 {unit}, {name:<18} {_figure(work[key])}")
        _print(
            f"\n{'all checks passed' if result['ok'] else 'A CHECK FAILED'} in {result['seconds']} s"
        )
        _print(f"page    {result['page']}\nbundle  {result['bundle']}")
    return result, 0 if result["ok"] else 1


def _shape(text: str) -> tuple[int, int]:
    """``KxN`` as (inputs, outputs)."""
    try:
        inputs, outputs = text.lower().split("x")
        return int(inputs), int(outputs)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not KxN, such as 1024x128") from None


_Handler = Callable[[argparse.Namespace, Progress], tuple[Any, int]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hnlpu",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hnlpu {hnlpu.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, handler: _Handler, text: str, more: str = "") -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}")
        sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
        sub.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
        sub.set_defaults(handler=handler)
        return sub

    def checkpoint(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("checkpoint", help="Hugging Face folder, or hub repository id")

    def out(sub: argparse.ArgumentParser, text: str) -> None:
        sub.add_argument("-o", "--out", required=True, metavar="DIR", help=text)
        sub.add_argument("--force", action="store_true", help="replace what is in DIR")

    def widths(sub: argparse.ArgumentParser, phases: int | None = 3) -> None:
        sub.add_argument(
            "--activation-bits", type=int, default=8, metavar="A", help="width of an input (8)"
        )
        sub.add_argument(
            "--phases", type=int, default=phases, metavar="T", help="inputs that share a port (3)"
        )

    def numerics(sub: argparse.ArgumentParser, *, own: bool = False) -> None:
        """``own``: what is not given is the bundle's."""
        default = "the bundle's, or 8" if own else "8"
        sub.add_argument(
            "--activation-bits", default=None if own else "8", metavar="A",
            help=f"width of array inputs ({default}), and of single ones: 8,down=10,o=9",
        )  # fmt: skip
        sub.add_argument(
            "--kv-bits", type=int, default=None if own else 8, metavar="B",
            help=f"width of keys and values ({default})",
        )  # fmt: skip
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=N",
            help="another width (docs/numerics.md)",
        )

    demo = verb(
        "demo",
        _demo,
        "the main job end to end on the model that comes with hnlpu",
        "Inspects, generates, reads back, verifies, estimates and reports; some minutes.",
    )
    out(demo, "receives bundle/ and report/")
    verb("doctor", _doctor, "list the tools found, their versions, and what each is needed for")
    checkpoint(verb("inspect", _inspect, "describe a checkpoint and what becomes of each tensor"))
    quantize = verb(
        "quantize",
        _quantize,
        "write a copy of a checkpoint with every linear weight rounded to a format",
        "Reports the error of each matrix; a matrix that is on the grid already is not changed.",
    )
    checkpoint(quantize)
    out(quantize, "receives the quantised checkpoint")
    quantize.add_argument(
        "--format", default="mxfp4", metavar="FORMAT", help=f"{format_names()} (mxfp4)"
    )
    generate = verb(
        "generate",
        _generate,
        "write base and metal RTL of every linear of a checkpoint",
        "One base per array shape, equal for all weights; one metal file per matrix, wires only.",
    )
    checkpoint(generate)
    out(generate, "receives the bundle")
    numerics(generate)
    generate.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="positions of the KV cache (the model's, up to 4096)",
    )
    generate.add_argument("--phases", type=int, metavar="T", help="inputs that share a port (3)")
    generate.add_argument(
        "--quantize",
        metavar="FORMAT",
        help=f"allow rounding of weights that are not on the grid: {format_names()}",
    )
    generate.add_argument(
        "--arch",
        default="taps",
        help="neuron architecture: taps (default; any weights fit), paper, merged",
    )
    generate.add_argument(
        "--target",
        choices=["area", "latency", "balanced"],
        help="choose the phases for fewest transistors, fewest cycles, or the product of both",
    )
    generate.add_argument(
        "--cuts", type=int, default=0, metavar="C", help="register cuts of a row's adders (0)"
    )
    generate.add_argument(
        "--adder",
        type=int,
        default=24,
        choices=[24, 28],
        help="transistors of the full adder: 24 (inverting, default) or 28",
    )
    generate.add_argument(
        "--slice-ports", type=int, default=7, metavar="P", help="ports of a slice of merged (7)"
    )
    generate.add_argument(
        "--failure-rate",
        type=float,
        default=1e-6,
        metavar="RATE",
        help="slack of paper and merged: chance that a row of other weights does not fit (1e-6)",
    )
    generate.add_argument(
        "--exponent-values",
        type=int,
        metavar="E",
        help="block exponents a row can hold (default: what the widest row of a shape needs)",
    )
    generate.add_argument(
        "--requantize", action="store_true", help="allow rounding of rows that spread beyond E"
    )
    generate.add_argument("--base", metavar="DIR", help="use the bases of this bundle unchanged")
    readback = verb(
        "readback",
        _readback,
        "read every weight back from the emitted Verilog and compare it with the checkpoint",
    )
    readback.add_argument("bundle", help="folder written by generate")
    checkpoint(readback)
    verify = verb(
        "verify",
        _verify,
        "simulate every array on Verilator against the twin, and catch mutants",
        "Corner, one-hot and random vectors, at full speed and with random stalls.",
    )
    verify.add_argument("bundle", help="folder written by generate")
    verify.add_argument(
        "--level", choices=["array", "chip"], default="array",
        help="every array by itself (default), or the whole chip through its host port",
    )  # fmt: skip
    verify.add_argument(
        "--sequences", type=int, default=6, metavar="N", help="chip: random prompts (6)"
    )
    verify.add_argument(
        "--tokens", type=int, default=12, metavar="N", help="chip: tokens of the longest (12)"
    )
    verify.add_argument(
        "--prompts", metavar="FILE",
        help="chip: prompts, a line each with \\n for a line's end, instead of random tokens",
    )  # fmt: skip
    verify.add_argument(
        "--full-context", action="store_true", help="chip: also fill the whole context"
    )
    verify.add_argument("--vectors", type=int, default=16, metavar="N", help="random vectors (16)")
    verify.add_argument("--seed", type=int, default=0, help="of vectors, stalls and mutants (0)")
    verify.add_argument(
        "--mutants", action="store_true",
        help="chip: also make faults in blocks, boot image and twin, which must be caught",
    )  # fmt: skip
    verify.add_argument("--no-mutants", action="store_true", help="leave the mutants out")
    verify.add_argument(
        "--waves",
        action="store_true",
        help="write waves (VCD; FST with the lz4 headers); slow on large arrays",
    )
    run = verb(
        "run",
        _run,
        "let a chip go on from a prompt, on its RTL or on the twin",
        "Tokens appear as they come. The first RTL run compiles every array (kept in the cache folder, "
        "$HNLPU_CACHE), later ones only what changed.",
    )
    run.add_argument("bundle", help="folder written by generate")
    given = run.add_mutually_exclusive_group(required=True)
    given.add_argument("--prompt", metavar="TEXT", help="text; needs the model's tokenizer")
    given.add_argument("--tokens", type=_token_list, metavar="IDS", help="tokens: 1,403,407")
    run.add_argument("-n", type=int, default=32, metavar="N", help="tokens to generate (32)")
    run.add_argument(
        "--backend", choices=["rtl", "sim"], default="rtl",
        help="rtl: the emitted Verilog on Verilator (default); sim: the integer twin",
    )  # fmt: skip
    run.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 takes the likeliest (0)"
    )
    run.add_argument("--top-k", type=int, default=0, metavar="K", help="of the K likeliest; 0: all")
    run.add_argument("--seed", type=int, default=1, help="of the sampler (1)")
    run.add_argument(
        "--trace", metavar="DIR", help="write every stream of every token there, as trace.npz"
    )
    run.add_argument(
        "--timeline", metavar="DIR",
        help="write the timeline of the last token and the block diagram there (rtl only)",
    )  # fmt: skip
    evaluate = verb(
        "evaluate",
        _evaluate,
        "how far the chip's integers are from floating point",
        "Logits, every array, expert routing, saturations, and a planted outlier; with --text also "
        "perplexity, or exact answers. The twin computes what the chip does, bit for bit.",
    )
    evaluate.add_argument("source", help="checkpoint, or a bundle with its own numerics")
    evaluate.add_argument(
        "--quantize",
        metavar="FORMAT",
        help=f"allow rounding of weights that are not on the grid: {format_names()}",
    )
    numerics(evaluate, own=True)
    evaluate.add_argument(
        "--reference", metavar="NPZ",
        help="ids, logits, answer_mask or lengths, and the same with _short (reference.npz of the "
        "checkpoint, else what the model itself writes)",
    )  # fmt: skip
    evaluate.add_argument(
        "--text", metavar="FILE",
        help="a text: bits per token; or lines of problem=answer: exact answers",
    )  # fmt: skip
    evaluate.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="tokens of a window of text (the model's, up to 512)",
    )
    evaluate.add_argument(
        "--sweep",
        action="store_true",
        help="activation bits, KV bits and table sizes, one at a time",
    )
    evaluate.add_argument(
        "--transformers", action="store_true",
        help="also beside transformers itself; needs the extra [reference]",
    )  # fmt: skip
    evaluate.add_argument(
        "-o", "--out", metavar="DIR", help="write the sweep there, with its chart"
    )
    evaluate.add_argument("--force", action="store_true", help="replace what is in DIR")
    explore = verb(
        "explore",
        _explore,
        "cycles, transistors, wires and energy of every architecture, and the Pareto front",
        "Each point is emitted, synthesised and counted; a row of it is evaluated against the twin. "
        "A '!' marks rows whose adders need more wires than the strip has.",
    )
    explore.add_argument("checkpoint", nargs="?", help="Hugging Face folder, or hub repository id")
    explore.add_argument(
        "--shape", type=_shape, metavar="KxN", help="inputs x outputs, with Gaussian weights"
    )
    explore.add_argument(
        "--format", metavar="FORMAT", help=f"format of the weights: {format_names()} (mxfp4)"
    )
    explore.add_argument(
        "--arch", nargs="+", default=["taps", "paper", "merged", "cell", "mac"], metavar="ARCH",
        help="taps, paper, merged, and the baselines cell and mac (all)",
    )  # fmt: skip
    explore.add_argument(
        "--phases", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 8], metavar="T",
        help="inputs that share a port (1 2 3 4 5 6 8)",
    )  # fmt: skip
    explore.add_argument(
        "--cuts", type=int, nargs="+", default=[0], metavar="C", help="register cuts of taps (0)"
    )
    explore.add_argument(
        "--activation-bits", type=int, default=8, metavar="A", help="width of an input (8)"
    )
    explore.add_argument(
        "--exponent-values", type=int, metavar="E", help="block exponents a row can hold"
    )
    explore.add_argument("--liberty", metavar="FILE", help="also map to this library, for the area")
    explore.add_argument("--no-verify", action="store_true", help="count only; no energy")
    explore.add_argument("--seed", type=int, default=0, help="of weights and vectors (0)")
    explore.add_argument("-o", "--out", metavar="DIR", help="also write explore.json and a chart")
    explore.add_argument("--force", action="store_true", help="replace what is in DIR")
    estimate = verb(
        "estimate",
        _estimate,
        "transistors, area, masks, speed and energy, beside GPUs",
        "Counts the cells of the bases with Yosys; every figure with its range and tag.",
    )
    estimate.add_argument("source", nargs="?", help="bundle, checkpoint folder, or config.json")
    estimate.add_argument("--model", metavar="NAME", help="a named model, e.g. gpt-oss-120b")
    widths(estimate)
    estimate.add_argument("--all", action="store_true", help="every figure, not the headline only")
    report = verb("report", _report, "write one HTML page, with JSON, CSV and PNG, of a bundle")
    report.add_argument("bundle", help="folder written by generate")
    report.add_argument("-o", "--out", required=True, metavar="OUT", help="folder for the page")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = _parser().parse_args(argv)
    show = Silent() if args.quiet else Progress()
    handler: _Handler = args.handler
    try:
        result, code = handler(args, show)
    except HnlpuError as error:
        if args.json:
            _print(json.dumps({"error": error.as_dict()}))
        else:
            sys.stderr.write(f"hnlpu {args.verb}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing was left behind\n")
        return 130
    except BrokenPipeError:
        return 0
    if args.json:
        _print(json.dumps(result, indent=1))
    return code


if __name__ == "__main__":
    sys.exit(main())
