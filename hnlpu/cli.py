"""The command line: what the verbs take, and what becomes of errors. The verbs are in ``hnlpu.verbs``."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import hnlpu
from hnlpu import verbs
from hnlpu.errors import HnlpuError
from hnlpu.formats import format_names
from hnlpu.printing import show_line
from hnlpu.progress import Progress, Silent
from hnlpu.system_points import BATCHES, CONTEXTS

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
  hnlpu layout DIR -o OUT                      the metal as mask files, drawn, checked, read back
  hnlpu timing DIR | --shape 2880x2880         period, hold and slews by OpenSTA, at 5 nm
  hnlpu respin OLD NEW                         which masks new weights change, and what they cost
  hnlpu defects DIR CKPT                       random defects of the metal: yield and answers
  hnlpu estimate DIR | --model gpt-oss-120b    area, cost, speed, energy, carbon, beside GPUs
  hnlpu simulate --model gpt-oss-120b          tokens per second on a grid of chips, token by token
  hnlpu reproduce                              the paper's numbers, published and recomputed
  hnlpu report DIR | --model NAME -o OUT       one HTML page of it all

CKPT is a Hugging Face folder, or with the extra [hub] a repository id. Every verb has --json and --help.
exit codes: 0 fine, 1 a check failed, 2 bad input, 3 a tool is missing, 130 interrupted"""


def _token_list(text: str) -> list[int]:
    """``1,2,3`` as tokens."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of tokens, such as 1,403,407"
        ) from None


def _shape(text: str) -> tuple[int, int]:
    """``KxN`` as (inputs, outputs)."""
    try:
        inputs, outputs = text.lower().split("x")
        return int(inputs), int(outputs)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not KxN, such as 1024x128") from None


def _integers(text: str) -> list[int]:
    """``1,2,3`` or ``2K,512K``, K being 1,024."""
    try:
        return [
            int(part[:-1]) * 1024 if part[-1] in "kK" else int(part)
            for part in text.replace(",", " ").split()
        ]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 2K,8K,131072") from None


def _integer(text: str) -> int:
    """``2048`` or ``2K``."""
    found = _integers(text)
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number such as 2048 or 2K")
    return found[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hnlpu",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hnlpu {hnlpu.__version__}")
    choices = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(
        name: str, handler: verbs.Verb, text: str, more: str = "", example: str = ""
    ) -> argparse.ArgumentParser:
        about = f"{text[0].upper()}{text[1:]}. {more}"
        if example:
            sub = choices.add_parser(
                name, help=text, description=fill(about, 96), epilog=example,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )  # fmt: skip
        else:
            sub = choices.add_parser(name, help=text, description=about)
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

    def costs(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("source", nargs="?", help="bundle, checkpoint folder, or config.json")
        sub.add_argument("--model", metavar="NAME", help="a named model, e.g. gpt-oss-120b")
        sub.add_argument(
            "--node", default="5nm", metavar="N", help="130nm, 28nm, 16nm, 7nm, 5nm (default), 3nm"
        )
        sub.add_argument("--volume", type=int, metavar="N", help="systems that are built (50)")
        sub.add_argument(
            "--workload", metavar="W",
            help="full (default), serving, single, long; or PROMPT,OUTPUT,CONCURRENCY",
        )  # fmt: skip
        sub.add_argument("--chips", type=int, metavar="N", help="chips of a system, not the fewest")
        sub.add_argument(
            "--yield", dest="yield_model", default="murphy", metavar="LAW",
            help="murphy (default), poisson, negative-binomial",
        )  # fmt: skip
        sub.add_argument(
            "--accelerator", default="h100", metavar="NAME",
            help="what cost and carbon are compared with (h100)",
        )  # fmt: skip
        sub.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE",
            help="another value of an input, in its unit; KEY=LOW:HIGH or LOW:VALUE:HIGH for a range",
        )  # fmt: skip
        widths(sub)
        sub.add_argument(
            "--throughput", choices=("analytic", "simulated"), default="analytic",
            help="speed of consistent mode: by rule (default), or of a simulated system (seconds, kept)",
        )  # fmt: skip
        sub.add_argument(
            "--grid", default="4x4", metavar="RxC", help="chips that are simulated (4x4)"
        )
        sub.add_argument("--draws", type=int, default=2000, metavar="N", help="Monte Carlo (2000)")
        sub.add_argument("--seed", type=int, default=0, help="of the draws (0)")

    def rules(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--rules", default="n5", metavar="SET", help="design rules: n5 (default), sky130"
        )
        sub.add_argument(
            "--rules-file", type=Path, metavar="FILE", help="a TOML file with rule sets of your own"
        )
        sub.add_argument(
            "--layers", default="both", metavar="L",
            help="of taps; both: lines on M8 and M10; M8: on M8 alone, so that one via mask holds the weights",
        )  # fmt: skip

    def tracks(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--tracks", type=int, default=0, metavar="N",
            help="of merged and paper: tracks of M9 in a strip (as few as all matrices need)",
        )  # fmt: skip

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
        verbs.demo,
        "the main job end to end on the model that comes with hnlpu",
        "Inspects, generates, reads back, verifies, estimates and reports; some minutes.",
    )
    out(demo, "receives bundle/ and report/")
    verb(
        "doctor", verbs.doctor, "list the tools found, their versions, and what each is needed for"
    )
    checkpoint(
        verb("inspect", verbs.inspect, "describe a checkpoint and what becomes of each tensor")
    )
    quantize = verb(
        "quantize",
        verbs.quantize,
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
        verbs.generate,
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
    generate.add_argument(
        "--sequences", type=int, default=1, metavar="N",
        help="sequences the chip works on at a time, each with a KV cache (1)",
    )  # fmt: skip
    generate.add_argument(
        "--grid", default="1x1", metavar="RxC",
        help="chips that the model is spread over, rows x columns, as 2x2 (1x1)",
    )  # fmt: skip
    generate.add_argument(
        "--link", action="append", default=[], metavar="KEY=VALUE",
        help="links between chips: width=N data wires (a beat's), latency=N cycles (1), depth=N words that a "
        "receiver stores (full rate), channel_depth=N beats of each channel (8), crc=1 detects errors and "
        "repairs them",
    )  # fmt: skip
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
        verbs.readback,
        "read every weight back from the emitted Verilog or masks and compare it with the checkpoint",
    )
    readback.add_argument(
        "bundle", help="folder written by generate, or by layout: then from the masks"
    )
    checkpoint(readback)
    verify = verb(
        "verify",
        verbs.verify,
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
        verbs.run,
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
        verbs.evaluate,
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
        "--reference", type=Path, metavar="NPZ",
        help="ids, logits, answer_mask or lengths, and the same with _short (reference.npz of the "
        "checkpoint, else what the model itself writes)",
    )  # fmt: skip
    evaluate.add_argument(
        "--text", type=Path, metavar="FILE",
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
        verbs.explore,
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
    explore.add_argument(
        "--liberty", type=Path, metavar="FILE", help="also map to this library, for the area"
    )
    explore.add_argument("--no-verify", action="store_true", help="count only; no energy")
    explore.add_argument("--seed", type=int, default=0, help="of weights and vectors (0)")
    explore.add_argument("-o", "--out", metavar="DIR", help="also write explore.json and a chart")
    explore.add_argument("--force", action="store_true", help="replace what is in DIR")
    reproduce = verb(
        "reproduce",
        verbs.reproduce,
        "every number of the HNLPU paper beside the one its own formulas give",
        "Exit code 1 if a number that should reproduce does not; not with --set.",
    )
    reproduce.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="another value of an input, in its unit; KEY=LOW:HIGH for the ends of a range",
    )  # fmt: skip
    reproduce.add_argument("--csv", action="store_true", help="CSV on stdout")
    reproduce.add_argument("--inputs", action="store_true", help="list the inputs instead")
    estimate = verb(
        "estimate",
        verbs.estimate,
        "area, cost, speed, energy and carbon, in paper and consistent mode, beside GPUs",
        "Every figure with its range (5th to 95th percentile) and tag. --set changes any input; --json lists them all.",
    )
    costs(estimate)
    estimate.add_argument(
        "--mode", choices=("both", "paper", "consistent"), default="both",
        help="whose assumptions: the paper's, one consistent set, or both (default)",
    )  # fmt: skip
    estimate.add_argument("--all", action="store_true", help="every figure, not the headline only")
    simulate = verb(
        "simulate",
        verbs.simulate,
        "run a model on a grid of chips, token by token and cycle by cycle, from its configuration alone",
        "Every layer is six stages of a token each; all layers share a chip's VEX, KV memory and links. Either requests of "
        "a workload, or (--context, --batch) sequences that write at one context.",
        """example:
  hnlpu simulate --model gpt-oss-120b --grid 4x4 --context 2K --batch 216 --trace trace.json
  hnlpu simulate --model gpt-oss-120b --context 2K --batch 216 --sweep -o out

The first prints tokens per second, latency, what limits them and where a token's time goes, and writes a trace that
ui.perfetto.dev opens; the second sweeps contexts of 2K to 512K and batches of 1 to 216 into tables and charts.""",
    )
    simulate.add_argument("source", nargs="?", help="config.json or its folder")
    simulate.add_argument("--model", metavar="NAME", help="a named model, e.g. gpt-oss-120b")
    simulate.add_argument(
        "--grid", default="4x4", metavar="RxC", help="rows x columns of chips (4x4)"
    )
    simulate.add_argument(
        "--workload", metavar="W",
        help="full (default), serving, single, long; or PROMPT,OUTPUT,SEQUENCES",
    )  # fmt: skip
    simulate.add_argument(
        "--context", type=_integer, metavar="N", help="every token sees N positions, e.g. 2K"
    )
    simulate.add_argument("--batch", type=int, metavar="N", help="sequences at a time")
    simulate.add_argument("--node", default="5nm", metavar="N", help="as of estimate (5nm)")
    simulate.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="another value of an input, in its unit: link_bandwidth=256, vex_lanes=4096, ..",
    )  # fmt: skip
    simulate.add_argument(
        "--collective", default="whole", metavar="HOW",
        help="add up whole vectors (default), or pieces: more messages, fewer bytes; exact: integers as the RTL "
        "sends them; exact-pieces: the same, all in pieces",
    )  # fmt: skip
    simulate.add_argument(
        "--link-credits", type=int, metavar="BYTES",
        help="room of a link's receiver (enough for full rate)",
    )  # fmt: skip
    widths(simulate)
    simulate.add_argument("--seed", type=int, default=0, help="of the choice of experts (0)")
    simulate.add_argument(
        "--sweep", action="store_true", help="also every context with every batch"
    )
    simulate.add_argument(
        "--contexts", type=_integers, default=list(CONTEXTS), metavar="LIST",
        help="of the sweep (2K,4K,..,512K)",
    )  # fmt: skip
    simulate.add_argument(
        "--batches", type=_integers, default=list(BATCHES), metavar="LIST",
        help="of the sweep (1,8,27,54,108,162,216; those above the slots are left out)",
    )  # fmt: skip
    simulate.add_argument(
        "--executor", default="local", metavar="WHERE",
        help="who runs the sweep: local (all cores, default), or dask://HOST:PORT",
    )  # fmt: skip
    simulate.add_argument("--workers", type=int, metavar="N", help="local processes (one a core)")
    simulate.add_argument(
        "--needs", type=float, nargs="+", default=[], metavar="RATE",
        help="find the links, VEX and buffer that a rate in tokens/s would need (minutes)",
    )  # fmt: skip
    simulate.add_argument(
        "--network", action="store_true", help="also check queues and collectives against theory"
    )
    simulate.add_argument(
        "--trace", metavar="FILE", help="write a Chrome trace, which ui.perfetto.dev opens"
    )
    simulate.add_argument(
        "--trace-tokens", type=int, default=8, metavar="N", help="tokens of the trace (8)"
    )
    simulate.add_argument("-o", "--out", metavar="DIR", help="write tables, JSON and charts there")
    simulate.add_argument("--force", action="store_true", help="replace what is in DIR")
    layout = verb(
        "layout",
        verbs.layout,
        "draw the metal of a bundle as mask files",
        "OASIS, a file per mask. A base is drawn once; of taps VIA8 and VIA9 hold the weights, of merged and paper six "
        "masks from the cuts of M8 to M11. readback OUT CKPT reads them.",
        example="""\
examples:
  hnlpu layout DIR -o out --png --check
  hnlpu layout DIR -o out --rules sky130
  hnlpu readback out CKPT""",
    )
    layout.add_argument("bundle", help="folder written by generate")
    out(layout, "receives the masks")
    rules(layout)
    tracks(layout)
    layout.add_argument(
        "--match", default="", metavar="TEXT", help="only matrices whose names hold this"
    )
    layout.add_argument(
        "--also", nargs="+", default=[], metavar="FILE",
        help="other files of each array: def (with the LEF of its base), spef, gds (extra [layout])",
    )  # fmt: skip
    layout.add_argument("--png", action="store_true", help="also pictures of a corner of each base")
    layout.add_argument(
        "--check", nargs="?", const="samples", choices=("samples", "whole"),
        help="also check design rules and follow the metal (extra [layout]): in samples of large arrays, or whole",
    )  # fmt: skip
    timing = verb(
        "timing",
        verbs.timing,
        "time lines and rows of arrays by static timing analysis",
        "Maps a row to a real library, writes the wires' parasitics and runs OpenSTA; gates are scaled to the rules' node. "
        "Exit code 1 if the target does not close, a hold time is violated or slews are too slow.",
        example="""\
examples:
  hnlpu timing DIR --match q_proj
  hnlpu timing --shape 2880x2880 --phases 3 --cuts 8
needs: OpenSTA and a Liberty file (Debian: opensta, qflow-tech-osu018)""",
    )
    timing.add_argument(
        "bundle", nargs="?", help="folder written by generate, of the taps architecture"
    )
    timing.add_argument(
        "--shape", type=_shape, metavar="KxN", help="inputs x outputs, with normal weights, instead"
    )
    rules(timing)
    timing.add_argument(
        "--match", default="", metavar="TEXT", help="only bases of matrices whose names hold this"
    )
    timing.add_argument(
        "--liberty", type=Path, metavar="FILE", help="cells (Debian's qflow-tech-osu018, 180 nm)"
    )
    timing.add_argument(
        "--target", type=float, default=1.0, metavar="GHZ", help="clock asked for (1)"
    )
    timing.add_argument(
        "--skew", type=float, default=0.0, metavar="PS", help="uncertainty of the clock's edges (0)"
    )
    timing.add_argument(
        "--repeater", metavar="CELL", help="buffer that repeats lines (the fastest of the library)"
    )
    widths(timing)
    timing.add_argument(
        "--exponent-values",
        type=int,
        default=1,
        metavar="E",
        help="of --shape: block exponents (1)",
    )
    timing.add_argument(
        "--cuts", type=int, default=0, metavar="C", help="of --shape: register cuts (0)"
    )
    timing.add_argument("--seed", type=int, default=0, help="of the weights of --shape (0)")
    respin = verb(
        "respin",
        verbs.respin,
        "tell which masks change from one bundle to another, and what that costs",
        "Counts shapes that go and come per mask, photomasks that must be made anew, tiles that stay.",
    )
    respin.add_argument("old", help="folder written by generate")
    respin.add_argument("new", help="the same model with other weights")
    rules(respin)
    tracks(respin)
    respin.add_argument("--node", default="5nm", metavar="N", help="whose masks are priced (5nm)")
    respin.add_argument("--eco", metavar="FILE", help="write a Tcl script: a call for each shape")
    defects = verb(
        "defects",
        verbs.defects,
        "damage the metal of many chips at random, and see what they answer",
        "Opens, shorts and missing vias on M8 to M10 at each density: the share of chips without a fault beside the law of "
        "Poisson, of chips that answer as the intact one, and what spare rows save.",
        """example:
  hnlpu defects DIR CKPT --density 1e5 1e6 --trials 200 --spare-rows 1 --png yield.png""",
    )
    defects.add_argument("bundle", help="folder written by generate, of the taps architecture")
    checkpoint(defects)
    rules(defects)
    defects.add_argument(
        "--density", type=float, nargs="+", default=[], metavar="D",
        help="defects of all kinds and sizes per cm2 (1e5 2e5 5e5 1e6 2e6 5e6)",
    )  # fmt: skip
    defects.add_argument(
        "--trials", type=int, default=100, metavar="N", help="chips of each density (100)"
    )
    defects.add_argument("--seed", type=int, default=0, help="of the defects (0)")
    defects.add_argument(
        "--spare-rows", type=int, default=0, metavar="K",
        help="rows more in each array, which replace rows with a break of their own (0)",
    )  # fmt: skip
    defects.add_argument(
        "--behaviour", default="worst", metavar="HOW",
        help="nets that float, or join lines: low, high, or the worse of both (worst)",
    )  # fmt: skip
    defects.add_argument(
        "--text", type=Path, metavar="FILE",
        help="lines of problem=answer (else reference.npz of the checkpoint, or what the model writes)",
    )  # fmt: skip
    defects.add_argument(
        "--png", type=Path, metavar="FILE", help="draw the curves there; SVG if named so"
    )
    report = verb(
        "report",
        verbs.report,
        "write one HTML page of a bundle, or the cost page of any model",
        "A bundle's page says what was hardwired, what was verified and what it would cost. The cost page recomputes its "
        "figures while you change node, volume, prices and workload; beside it Markdown, CSV, JSON, PNG and SVG.",
    )
    costs(report)
    report.add_argument(
        "--beside", metavar="MODEL", help="another model, checkpoint or config.json to compare with"
    )
    report.add_argument("-o", "--out", required=True, metavar="OUT", help="folder for the page")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = _parser().parse_args(argv)
    show = Silent() if args.quiet else Progress()
    handler: verbs.Verb = args.handler
    try:
        result, code = handler(args, show)
    except HnlpuError as error:
        if args.json:
            show_line(json.dumps({"error": error.as_dict()}))
        else:
            sys.stderr.write(f"hnlpu {args.verb}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing was left behind\n")
        return 130
    except BrokenPipeError:
        return 0
    if args.json:
        show_line(json.dumps(result, indent=1))
    return code


if __name__ == "__main__":
    sys.exit(main())
