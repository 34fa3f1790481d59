"""Files of a simulation: Markdown and CSV tables, JSON, charts as PNG and SVG."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hnlpu.bundle import new_folder, write_json
from hnlpu.reports.chart import Chart
from hnlpu.reports.cost_format import shown
from hnlpu.reports.system_chart import breakdown_chart, latency_chart, rate_chart, stage_chart
from hnlpu.reports.table import safe_cell
from hnlpu.system_result import BOUNDS, SystemResult

__all__ = ["Study", "breakdown_rows", "write_study"]


@dataclass(frozen=True, slots=True)
class Study:
    """What was simulated.

    Attributes
    ----------
    command : str
        That makes it again.
    result : SystemResult
        The point or workload asked for.
    points : sequence of SystemResult
        Of the sweep.
    published : mapping of int to mapping of str to float
        Figure 14's shares by context; empty for another model than the paper's.
    rates : mapping of str to float
        The paper's tokens per second, by where it says so.
    needs, network : sequence of mapping
        Rows of these, empty where not asked for.
    """

    command: str
    result: SystemResult
    points: Sequence[SystemResult] = ()
    published: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    needs: Sequence[Mapping[str, Any]] = ()
    network: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """Stable keys for JSON: those of the result, and lists of what else was asked for."""
        found = self.result.as_dict()
        found["command"] = self.command
        found["paper"] = {
            "rows": [
                {"where": where, "tokens_per_s": rate, "simulated": self.result.tokens_per_s,
                 "ratio": self.result.tokens_per_s / rate}
                for where, rate in self.rates.items()
            ]
        }  # fmt: skip
        if self.points:
            found["sweep"] = {"rows": [item.as_row() for item in self.points]}
            found["figure_14"] = {"rows": breakdown_rows(self.points, self.published)}
        if self.needs:
            found["needs"] = {"rows": list(self.needs)}
        if self.network:
            found["network"] = {"rows": list(self.network)}
        return found


def breakdown_rows(
    points: Iterable[SystemResult], published: Mapping[int, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Shares of a token's time at Figure 14's contexts, alone and with most sequences, beside the paper's."""
    some = list(points)
    batches = sorted({item.plan.batch for item in some})
    rows: list[dict[str, Any]] = []
    contexts = sorted({item.plan.context for item in some})
    for context in [c for c in contexts if c in published] if published else contexts:
        if context in published:
            rows.append(
                {
                    "context": context,
                    "what": "paper, Figure 14",
                    **published[context],
                    "waiting": None,
                }
            )
        for item in some:
            if item.plan.context == context and item.plan.batch in (batches[0], batches[-1]):
                many = "alone" if item.plan.batch == 1 else f"{item.plan.batch} sequences"
                what = f"simulated, {many}"
                rows.append({"context": context, "what": what, **item.shares})
    return rows


def write_study(study: Study, out: Path, *, force: bool = False) -> None:
    """``system.json``, ``system.md``, ``stages.csv``, charts, and of a sweep ``sweep.csv``.

    Raises
    ------
    HnlpuError
        The folder holds files and ``force`` is not set, or the disk refuses.
    """
    with new_folder(out, force=force) as folder:
        write_json(folder / "system.json", study.as_dict())
        stages = study.result.as_dict()["stages"]["rows"]
        (folder / "stages.csv").write_text(_csv(stages), encoding="utf-8")
        if study.points:
            rows = [item.as_row() for item in study.points]
            (folder / "sweep.csv").write_text(_csv(rows), encoding="utf-8")
        charts = _charts(study)
        for chart in charts:
            (folder / f"{chart.name}.svg").write_text(chart.svg, encoding="utf-8")
            (folder / f"{chart.name}.png").write_bytes(chart.png)
        (folder / "system.md").write_text(_markdown(study, charts), encoding="utf-8")


def _charts(study: Study) -> list[Chart]:
    charts = [stage_chart(study.result)]
    if study.points:
        rates = {name: rate for name, rate in study.rates.items() if name == "Table 2"}
        charts += [rate_chart(study.points, rates), latency_chart(study.points)]
        groups: dict[str, dict[int, dict[str, float]]] = {}
        for row in breakdown_rows(study.points, study.published):
            shares = {key: row[key] or 0.0 for key in row if key not in ("context", "what")}
            groups.setdefault(row["what"], {})[row["context"]] = shares
        charts.append(breakdown_chart(groups))
    return charts


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([safe_cell(cell) for cell in row.values()] for row in rows)
    return out.getvalue()


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "",
    ]


def _markdown(study: Study, charts: Sequence[Chart]) -> str:
    result, plan = study.result, study.result.plan
    lines = [
        f"# {plan.model} on {plan.grid} chips, simulated", "", f"`{study.command}`", "",
        *(f"* {note}" for note in plan.notes), "",
    ]  # fmt: skip
    lines += _table(
        ("", "simulated"),
        [
            ("tokens per second", f"{result.tokens_per_s:,.0f}"),
            ("positions per second, prompts included", f"{result.positions_per_s:,.0f}"),
            ("from token to token", shown(result.latency_s, "s")),
            ("a token that waits for nothing", shown(result.path_s, "s")),
            ("limited by", BOUNDS[result.bottleneck]),
            ("KV cache", shown(plan.cache.total_bytes, "B")),
            ("of which in HBM", shown(plan.cache.spilled_bytes, "B")),
            ("steady", f"{'yes' if result.is_steady else 'NO'}, within {result.spread:.2%}"),
            *((f"paper, {where}", f"{rate:,.0f}") for where, rate in study.rates.items()),
        ],
    )
    lines += ["## What each resource lets pass", ""]
    lines += _table(
        ("resource", "tokens/s at most"),
        [(BOUNDS[name], f"{rate:,.0f}") for name, rate in sorted(result.bounds.items(), key=lambda i: i[1])],
    )  # fmt: skip
    if study.points:
        lines += ["## Sweep", ""]
        lines += _table(
            ("context", "sequences", "tokens/s", "from token to token", "limited by", "in HBM"),
            [
                (f"{r.plan.context:,}", r.plan.batch, f"{r.tokens_per_s:,.0f}", shown(r.latency_s, "s"),
                 BOUNDS[r.bottleneck], shown(r.plan.cache.spilled_bytes, "B"))
                for r in study.points
            ],
        )  # fmt: skip
        lines += ["## Where the time of a token goes", ""]
        rows = breakdown_rows(study.points, study.published)
        heads = tuple(rows[0])
        lines += _table(
            heads,
            [
                [
                    f"{v:.1%}" if isinstance(v, float) else "-" if v is None
                    else f"{v:,}" if isinstance(v, int) else v
                    for v in row.values()
                ]
                for row in rows
            ],
        )  # fmt: skip
    for chart in charts:
        lines += [f"## {chart.title}", "", f"![{chart.title}]({chart.name}.png)", ""]
    return "\n".join(lines)
