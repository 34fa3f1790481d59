"""Verbs of the cost model: what ``estimate``, ``reproduce`` and ``report`` do and print.

A verb takes parsed arguments and a progress display, and returns the result for ``--json`` and the exit code.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hnlpu.costmodel.estimate import Estimate, estimate_from_dict
from hnlpu.costmodel.headline import HEADLINE
from hnlpu.costmodel.presets import load_outlines
from hnlpu.costmodel.quantity import Figure
from hnlpu.costmodel.speed import RESOURCES
from hnlpu.errors import HnlpuError
from hnlpu.estimation import EstimateOptions
from hnlpu.estimation import estimate as run_estimate
from hnlpu.printing import show_line, show_table
from hnlpu.progress import Progress
from hnlpu.reports.cost_format import between, shown, unit_text
from hnlpu.reports.report import write_cost_report, write_report
from hnlpu.reproduction import list_inputs, rows_as_csv
from hnlpu.reproduction import reproduce as run_reproduce

__all__ = ["estimate", "estimate_options", "print_costs", "print_headline", "report", "reproduce"]

#: Figures of ``TORNADOES`` that are printed, and how many inputs of each.
_DECIDED = {"tokens_per_s": "tokens per second", "cost_advantage": "cost beside {name}"}
_N_DECIDING = 4


def estimate_options(args: argparse.Namespace) -> EstimateOptions:
    """Options of the estimate as the command line gives them."""
    volume = () if args.volume is None else (f"systems={args.volume}",)
    return EstimateOptions(
        node=args.node,
        yield_model=args.yield_model,
        chips=args.chips,
        accelerator=args.accelerator,
        workload=args.workload,
        activation_bits=args.activation_bits,
        phases=args.phases,
        settings=(*volume, *args.set),
        draws=args.draws,
        seed=args.seed,
        throughput=args.throughput,
        grid=args.grid,
    )


def estimate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    result = run_estimate(
        args.source, model=args.model, options=estimate_options(args), progress=show
    )
    if not args.json:
        _print_estimate(result, args.mode, every=args.all)
    return result.as_dict(args.mode), 0


def report(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    out = Path(args.out)
    if args.source is not None and (Path(args.source) / "manifest.json").is_file():
        if args.beside is not None:
            raise HnlpuError(
                "a bundle's report has nothing beside it", where="--beside", got=args.beside,
                do="name a model, checkpoint or config.json instead of the bundle",
            )  # fmt: skip
        result = write_report(Path(args.source), out)
        if not args.json:
            show_line(f"wrote {out / 'index.html'}")
        return result, 0
    options = estimate_options(args)
    found = run_estimate(args.source, model=args.model, options=options, progress=show)
    beside = None
    if args.beside is not None:
        known = args.beside in load_outlines()
        beside = run_estimate(
            None if known else args.beside,
            model=args.beside if known else None,
            options=options,
            progress=show,
        )
    command = f"hnlpu report {args.source or f'--model {args.model}'}"
    write_cost_report(found, out, command=command, beside=beside)
    if not args.json:
        show_line(f"wrote {out / 'index.html'}, report.md, report.json, tables and charts")
        if beside is not None:
            show_line(f"wrote {out / 'compare.md'}: beside {beside.model.name}")
    return found.as_dict(), 0


def _print_estimate(result: Estimate, mode: str, *, every: bool) -> None:
    work, design = result.workload, result.design
    years = result.inputs["years"]
    show_line(
        f"{result.model.name}: {result.model.n_hardwired_weights:,} hardwired weights, "
        f"{result.model.n_active_weights:,} of them for a token"
    )
    show_line(
        f"{design.architecture} at {design.node}; {shown(result.inputs['systems'].value, 'system')} over "
        f"{years.value:g} years; requests of {work.prompt_tokens:,} + {work.output_tokens:,} tokens, "
        f"{work.concurrency:,} at a time ({work.name})\n"
    )
    print_headline(result, mode)
    if mode == "paper":
        return
    limits = result.bottleneck
    shares = ", ".join(f"{name} {share:.0%}" for name, share in limits.shares.items())
    show_line(f"\nbottleneck: {limits.mid}; over the draws {shares}")
    show_line(
        "tokens that each resource lets pass per second, prompts included (all requests in flight):"
    )
    show_table(_rates(result), ("resource", "tokens/s", "5 % to 95 %"))
    show_line("\nbeside accelerators that write the same tokens of the same workload (roofline):")
    show_table(*_comparisons(result))
    rates = _published(result)
    if rates:
        show_line(f"\npublished rates of {result.model.name}:")
        show_table(rates, ("accelerator", "tokens/s", "of", "workload", "source"))
    for name, label in _DECIDED.items():
        title = label.format(name=result.comparisons[design.accelerator].accelerator.name)
        show_line(f"\nwhat decides {title}:")
        unit = result.figures[name].unit
        rows = [
            [effect.name, _ends(result, effect.name), shown(effect.at_low, unit),
             shown(effect.at_high, unit), result.inputs[effect.name].tag]
            for effect in result.tornadoes[name][:_N_DECIDING]
        ]  # fmt: skip
        show_table(rows, ("input", "range", "at its low end", "at its high end", "tag"))
    show_line()
    for note in result.notes:
        show_line(f"note: {note}")
    if every:
        show_line()
        _print_figures(result)


def print_headline(result: Estimate, mode: str = "both") -> None:
    """The headline table: the paper's figures, ours, and our 5th and 95th percentiles."""
    rows = []
    for key, item in HEADLINE.items():
        ours, paper = result.headline[key], result.paper.get(key)
        row: list[Any] = [item.label]
        if mode != "consistent":
            row.append(_figure(paper))
        if mode != "paper":
            row += [shown(ours.mid, ours.unit), between(ours.low, ours.high, ours.unit), ours.tag]
        elif paper is not None:
            row += [between(paper.low, paper.high, paper.unit), paper.tag]
        rows.append(row)
    heads = {
        "both": ("", "paper mode", "consistent mode", "5 % to 95 %", "tag"),
        "consistent": ("", "consistent mode", "5 % to 95 %", "tag"),
        "paper": ("", "paper mode", "low to high", "tag"),
    }
    show_table(rows, heads[mode])


def print_costs(tree: Mapping[str, Any]) -> None:
    """The headline of an estimate as ``estimate.json`` holds it, and the accelerator beside it."""
    result = estimate_from_dict(tree)
    beside = result.comparisons[result.design.accelerator]
    show_line()
    print_headline(result)
    show_line(f"\nbeside {beside.accelerator.name}, same tokens of the same workload:")
    for key, label in (
        ("cost_advantage", "its cost / ours"),
        ("energy_advantage", "our tokens/J / its"),
    ):
        figure = beside.figures[key]
        show_line(
            f"  {label:<22}{shown(figure.mid, '1')} ({between(figure.low, figure.high, '1')})"
        )


def _figure(figure: Figure | None) -> str:
    return "-" if figure is None else shown(figure.mid, figure.unit)


def _rates(result: Estimate) -> list[list[Any]]:
    """What each resource allows; nothing for one that a token does not use."""
    rows = []
    for name, figure_name in RESOURCES.items():
        interval = result.figures[figure_name]
        if interval.mid:
            slow = 1 / interval.high
            fast = 1 / interval.low if interval.low else float("inf")
            rows.append([name, shown(1 / interval.mid, "token/s"), between(slow, fast, "token/s")])
    return rows


def _comparisons(result: Estimate) -> tuple[list[list[Any]], Sequence[str]]:
    rows = []
    for item in result.comparisons.values():
        if not item.figures:
            continue
        mids = {key: shown(figure.mid, figure.unit) for key, figure in item.figures.items()}
        respins = item.figures["break_even_respins_per_year"].in_unit("1/year").mid
        rows.append([
            item.accelerator.name, mids["gpu_tokens_per_s"], mids["gpu_tokens_per_j"], mids["gpus"],
            mids["gpu_tco_usd"], mids["cost_advantage"], mids["energy_advantage"],
            mids["carbon_advantage"], mids["break_even_systems"], f"{respins:.3g}",
        ])  # fmt: skip
    heads = (
        "accelerator", "tokens/s", "tokens/J", "as many as", "ownership", "cost x", "energy x",
        "carbon x", "even at", "respins/year",
    )  # fmt: skip
    return rows, heads


def _published(result: Estimate) -> list[list[Any]]:
    return [
        [item.accelerator.name, shown(entry.tokens_per_s.value, "1"), entry.per, entry.workload,
         entry.tokens_per_s.source]
        for item in result.comparisons.values()
        for entry in item.accelerator.measured
        if entry.model == result.model.name
    ]  # fmt: skip


def _ends(result: Estimate, name: str) -> str:
    item = result.inputs[name]
    unit = "" if item.unit == "1" else unit_text(item.unit)
    return f"{item.low:g} .. {item.high:g} {unit}".rstrip()


def _print_figures(result: Estimate) -> None:
    rows = [
        [name, shown(figure.mid, figure.unit), between(figure.low, figure.high, figure.unit),
         figure.tag, figure.note]
        for name, figure in result.figures.items()
    ]  # fmt: skip
    show_table(rows, ("figure", "mid", "5 % to 95 %", "tag", "formula"))
    for entry in result.contradictions:
        show_line(f"the paper contradicts itself: {entry.text} ({entry.source})")


def reproduce(args: argparse.Namespace, _: Progress) -> tuple[Any, int]:
    if args.json and args.csv:
        raise HnlpuError(
            "two kinds of output", where="hnlpu reproduce", got="--json and --csv", do="give one"
        )
    if args.inputs and args.set:
        raise HnlpuError(
            "nothing to set", where="--set", got="--inputs, which lists what the paper states",
            do="leave one of them out",
        )  # fmt: skip
    result = list_inputs() if args.inputs else run_reproduce(args.set)
    if args.csv:
        sys.stdout.write(rows_as_csv(result["rows"]))
    elif args.inputs and not args.json:
        keys = ("key", "value", "low", "high", "unit", "moves", "confidence", "source")
        shown = [[f"{v:g}" if isinstance(v, float) else v for v in map(row.get, keys)]
                 for row in result["rows"]]  # fmt: skip
        show_table(shown, ("input", "value", "low", "high", "unit", "rows", "confidence", "source"))
    elif not args.json:
        _print_reproduction(result["rows"])
    failed = not args.set and any(row.get("ok") is False for row in result["rows"])
    return result, 1 if failed else 0


def _print_reproduction(rows: list[dict[str, Any]]) -> None:
    def shown(value: float | str | None) -> str:
        if isinstance(value, str | None):
            return value or "-"
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:,.5g}"

    def error(value: float | None) -> str:
        return "-" if value is None else f"{round(100 * value, 2) + 0.0:+.2f} %"

    def unit(row: dict[str, Any]) -> str:
        return "" if row["unit"] == "1" else row["unit"]

    heads = ("row", "published", "computed", "unit", "error", "tag", "verdict", "where")
    cells = [
        (row["id"], shown(row["published"]), shown(row["computed"]), unit(row),
         error(row["rel_err"]), row["tag"], row["verdict"], row["location"])
        for row in rows
    ]  # fmt: skip
    sections = dict.fromkeys(row["section"] for row in rows)
    for section in sections:
        show_line(section)
        show_table(
            [c for c, row in zip(cells, rows, strict=True) if row["section"] == section], heads
        )
        show_line()
    verdicts = Counter(row["verdict"] for row in rows)
    show_table([[count, verdict] for verdict, count in verdicts.most_common()], ("rows", "verdict"))
    show_line("\nwhere the paper contradicts itself, or what is known:")
    for row in rows:
        if row["contradiction"]:
            numbers = f"{shown(row['published'])} against {shown(row['computed'])} {unit(row)}"
            numbers = "" if row["computed"] is None else f" ({numbers.rstrip()})"
            show_line(f"  {row['id']}: {row['note']}{numbers}")
    for row in rows:
        if row["ok"] is False:
            show_line(f"FAILED {row['id']}: {error(row['rel_err'])}, {row['location']}")
