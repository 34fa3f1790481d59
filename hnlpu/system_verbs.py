"""The verb ``simulate``: what it does and prints."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hnlpu.chrome_trace import Slice, trace_object
from hnlpu.costmodel.presets import is_paper_outline
from hnlpu.errors import HnlpuError
from hnlpu.network_check import check_network
from hnlpu.printing import show_line, show_table
from hnlpu.progress import Progress
from hnlpu.reports.cost_format import shown
from hnlpu.reports.system_files import Study, breakdown_rows, write_study
from hnlpu.sim.measurement import trace_tokens
from hnlpu.sim.system import Event
from hnlpu.simulation import SimulateOptions, System, measure_point, open_system, point_options
from hnlpu.system_figures import figure_14, paper_rates
from hnlpu.system_needs import find_needs
from hnlpu.system_plan import SHARED
from hnlpu.system_result import BOUNDS, SystemResult
from hnlpu.system_sweep import sweep

__all__ = ["simulate", "simulate_options", "trace_slices"]


def simulate_options(args: argparse.Namespace) -> SimulateOptions:
    """Options of the simulation as the command line gives them."""
    return SimulateOptions(
        grid=args.grid,
        workload=args.workload,
        context=args.context,
        batch=args.batch,
        node=args.node,
        activation_bits=args.activation_bits,
        phases=args.phases,
        settings=tuple(args.set),
        collective=args.collective,
        link_credit_bytes=args.link_credits,
        seed=args.seed,
    )


def simulate(args: argparse.Namespace, show: Progress) -> tuple[Any, int]:
    system = open_system(
        args.source, model=args.model, options=simulate_options(args), progress=show
    )
    if args.trace is not None:
        _write_trace(system, Path(args.trace), args.trace_tokens)
    result = measure_point(system, progress=show)
    points: list[SystemResult] = []
    if args.sweep:
        batches = [n for n in args.batches if n <= result.plan.slots] or [result.plan.slots]
        points = sweep(
            system, args.contexts, batches, executor=args.executor, workers=args.workers, progress=show
        )  # fmt: skip
    context, batch = point_options(system)
    needs = [
        find_needs(system, rate, context=context, batch=batch, progress=show).as_dict()
        for rate in args.needs
    ]
    network = [check.as_row() for check in check_network(system)] if args.network else []
    ours = is_paper_outline(system.model)
    study = Study(
        command=_command(args),
        result=result,
        points=points,
        published=figure_14() if ours else {},
        rates=paper_rates() if ours else {},
        needs=needs,
        network=network,
    )
    if args.out is not None:
        write_study(study, Path(args.out), force=args.force)
    if not args.json:
        _print(study, args.out)
    return study.as_dict(), 1 if any(not row["ok"] for row in network) else 0


def _command(args: argparse.Namespace) -> str:
    """The command that makes the result again, without where it is written."""
    parts = ["hnlpu simulate", str(args.source) if args.source else f"--model {args.model}"]
    parts.append(f"--grid {args.grid}")
    for name in ("workload", "context", "batch"):
        if getattr(args, name) is not None:
            parts.append(f"--{name} {getattr(args, name)}")
    parts += [f"--set {item}" for item in args.set]
    if args.collective != "whole":
        parts.append(f"--collective {args.collective}")
    if args.sweep:
        parts.append("--sweep")
    return " ".join(parts)


def _write_trace(system: System, path: Path, tokens: int) -> None:
    plan = system.plan(*point_options(system))
    events = trace_tokens(plan, tokens, seed=system.options.seed)
    trace = trace_object(trace_slices(events), plan.hardware.clock_hz / 1e6)
    try:
        path.write_text(json.dumps(trace), encoding="utf-8")
    except OSError as error:
        raise HnlpuError(
            "cannot write the trace", where=str(path), got=error.strerror or str(error),
            do="name a file in a folder that exists",
        ) from error  # fmt: skip


def trace_slices(events: Sequence[Event]) -> Iterator[Slice]:
    """Shared resources first, then stages; arrays beside the stage of their layer would overlap, so by sequence."""
    groups = {name: "shared by all layers" for name in SHARED}
    names = {"vex": "VEX", "column": "column links", "row": "row links", "hbm": "HBM"}
    order = {name: i for i, name in enumerate(SHARED)}

    def place(event: Event) -> tuple[int, int]:
        return (order.get(event.track, len(order) + (event.track == "arrays")), event.start)

    for event in sorted(events, key=place):
        who = {"sequence": event.sequence, "position": event.position}
        if event.track in groups:
            group, track = groups[event.track], names[event.track]
        elif event.track == "arrays":
            group, track = "arrays, by sequence", f"sequence {event.sequence}"
        else:
            group, track = "stages", event.track
        name = event.name if event.name != "token" else f"sequence {event.sequence}"
        yield Slice(group, track, name, event.start, event.cycles, who)


def _print(study: Study, out: str | None) -> None:
    result, plan = study.result, study.result.plan
    show_line(
        f"{plan.model} on {plan.grid} chips: {plan.batch:,} sequences in {plan.slots:,} slots, "
        f"{shown(plan.cache.total_bytes, 'B')} of KV cache, {shown(plan.cache.spilled_bytes, 'B')} in HBM"
    )
    for note in plan.notes:
        show_line(f"  {note}")
    if not result.is_steady:
        show_line(
            f"  NOT STEADY after {result.windows} windows: rates differ by {result.spread:.2%}"
        )
    passing = f", {result.positions_per_s:,.0f} with prompts" if result.prompt_tokens else ""
    show_line(
        f"\n{result.tokens_per_s:,.0f} tokens/s{passing}, {shown(result.latency_s, 's')} from token to "
        f"token ({shown(result.path_s, 's')} without waiting)"
    )
    show_line(f"limited by {BOUNDS[result.bottleneck]}; tokens/s at most, prompts included:")
    limits = sorted(result.bounds.items(), key=lambda item: item[1])
    show_table([[BOUNDS[name], f"{rate:,.0f}"] for name, rate in limits], ("resource", "tokens/s"))
    show_line()
    show_table(
        [[r.name, f"{r.busy:.1%}", f"{r.cycles_per_token:,.0f}", f"{r.wait_cycles_per_token:,.0f}"]
         for r in result.resources],
        ("shared by all layers", "busy", "cycles/token", "waiting/token"),
    )  # fmt: skip
    show_line()
    show_table(
        [[f"{k.kind} link", k.links, shown(k.bytes_per_token, "B"), f"{k.bytes_per_s / 1e9:,.1f} GB/s",
          f"{k.busy:.1%}"] for k in result.links],
        ("link", "of these", "per token", "load", "busy"),
    )  # fmt: skip
    shares = "  ".join(f"{name} {share:.1%}" for name, share in result.shares.items())
    show_line(f"\na token's time: {shares}")
    for where, rate in study.rates.items():
        show_line(
            f"paper, {where}: {rate:,.0f} tokens/s; simulated {result.tokens_per_s / rate:.2f} of it"
        )
    if study.points:
        show_line("\nsweep (context held while it is measured):")
        show_table(
            [[r.plan.context, r.plan.batch, f"{r.tokens_per_s:,.0f}", shown(r.latency_s, "s"),
              BOUNDS[r.bottleneck], "" if r.is_steady else "NOT STEADY"] for r in study.points],
            ("context", "sequences", "tokens/s", "token to token", "limited by", ""),
        )  # fmt: skip
        show_line("\nwhere the time of a token goes:")
        rows = breakdown_rows(study.points, study.published)
        show_table(
            [[f"{v:.1%}" if isinstance(v, float) else "-" if v is None else v for v in row.values()]
             for row in rows],
            tuple(rows[0]),
        )  # fmt: skip
    for row in study.needs:
        _print_need(row)
    if study.network:
        show_line("\nnetwork beside theory, in cycles:")
        show_table(
            [[*list(row.values())[:-1], "yes" if row["ok"] else "NO"] for row in study.network],
            tuple(study.network[0]),
        )
    if out is not None:
        show_line(f"wrote {out}: system.md, system.json, CSV, PNG, SVG")


def _print_need(row: Any) -> None:
    show_line(
        f"\nfor {row['target_tokens_per_s']:,.0f} tokens/s ({row['tokens_per_s']:,.0f} as it is):"
    )
    show_line(
        f"  with links, VEX and buffer ample: {row['ample_tokens_per_s']:,.0f}, "
        f"limited by {BOUNDS[row['ample_limit']]}"
    )
    if row["needs"] is None:
        show_line("  not found within 64 times the hardware")
        return
    alone = ", ".join(
        f"{name} {'-' if factor is None else f'{factor:.3g}'}"
        for name, factor in row["alone"].items()
    )
    show_line(
        f"  least factors, each with the others ample: {alone}; together x {row['together']:.3g}"
    )
    needs = row["needs"]
    show_line(
        f"  links of {needs['link_bytes_per_s'] / 1e9:,.0f} GB/s and {needs['link_latency_s'] * 1e9:,.0f} ns, "
        f"VEX of {needs['vex_lanes']:,.0f} lanes and {needs['vex_macs_per_cycle']:,.0f} MAC/cycle, "
        f"buffer of {needs['buffer_bytes_per_s'] / 1e12:,.1f} TB/s, HBM of {needs['hbm_bytes_per_s'] / 1e12:,.2f} TB/s"
    )
