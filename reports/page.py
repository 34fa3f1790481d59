"""The page: what the template shows, and the one self-contained HTML file it becomes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hnlpu.costmodel.estimate import Estimate
from hnlpu.costmodel.headline import HEADLINE
from hnlpu.costmodel.quantity import CONFIDENCES
from hnlpu.costmodel.silicon_area import BLOCKS
from hnlpu.costmodel.speed import RESOURCE_NAMES, RESOURCES
from hnlpu.reports.bundle import Bundle
from hnlpu.reports.chart import TAG_COLOURS, TAG_TEXTS, Bar, Chart, bars, histogram
from hnlpu.reports.figure import Row
from hnlpu.reports.format import count, number
from hnlpu.reports.headline import Check, Tile

__all__ = ["draw_charts", "render"]

#: Matrices listed on the page; all of them are in matrices.csv.
MAX_ROWS = 400

_PARTS = "transistors."
_MASKS = {
    "figures.mask_shared_usd": "shared by all chips and models",
    "figures.mask_per_chip_usd": "weights of one chip",
    "figures.mask_variants_usd": "weights of all chips",
    "figures.respin_usd": "new weights: masks, engineering, chips",
}
_COMPARED = {
    "gpu_tokens_per_s": "tokens/s each",
    "gpu_tokens_per_j": "tokens/J",
    "gpus": "as many as",
    "gpu_tco_usd": "ownership",
    "cost_advantage": "cost / ours",
    "energy_advantage": "our tokens/J / theirs",
    "carbon_advantage": "carbon / ours",
}


def draw_charts(
    bundle: Bundle, rows: Mapping[str, Row], estimate: Estimate | None
) -> dict[str, Chart]:
    """Every chart that the bundle has data for, by name."""
    charts = []
    codes = _histogram(bundle)
    if codes:
        charts.append(histogram("codes", "Codes of all hardwired weights", codes))
    if estimate is not None:
        parts = _section(rows, _PARTS)
        items = [_bar(name, row) for name, row in parts if row.mid > 0]
        charts.append(bars("silicon", "Transistors per weight, by part", items))
        blocks = [
            _bar(label, rows[f"figures.{name}"])
            for name, label in BLOCKS.items()
            if rows[f"figures.{name}"].high > 0
        ]
        charts.append(bars("area", "Silicon area by block, all chips", blocks))
        for kind, title in (
            ("tokens_per_s", "Tokens per second of a machine"),
            ("tokens_per_j", "Tokens per joule"),
        ):
            items = [
                _bar("this design", rows[f"estimate.{kind}"]),
                *(
                    _bar(item.accelerator.name, rows[f"{name}.gpu_{kind}"], strong=False)
                    for name, item in estimate.comparisons.items()
                    if item.figures
                ),
            ]
            charts.append(bars(kind, f"{title}, logarithmic", items, log=True))
    return {chart.name: chart for chart in charts}


def render(
    bundle: Bundle,
    rows: Mapping[str, Row],
    charts: Mapping[str, Chart],
    outcome: Sequence[Check],
    headline: Sequence[Tile],
    estimate: Estimate | None,
) -> str:
    """The page as one HTML document that loads nothing; ``cost/index.html`` is linked."""
    environment = Environment(
        loader=PackageLoader("hnlpu.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(count=count, number=number)
    style = environment.get_template("report.css").render(tags=TAG_COLOURS)
    manifest = bundle.manifest
    matrices = manifest.get("matrices", [])
    checkpoint = manifest.get("checkpoint", {})
    return environment.get_template("report.html.j2").render(
        title=checkpoint.get("name") or manifest.get("model", {}).get("name") or "a model",
        style=Markup(style),
        version=manifest.get("hnlpu", "unknown"),
        checkpoint=checkpoint,
        model=manifest.get("model", {}),
        options=manifest.get("options", {}),
        missing={missing.name: missing.command for missing in bundle.missing},
        checks=outcome,
        state=_overall(outcome),
        tiles=headline,
        rows=rows,
        charts={name: (chart, Markup(chart.svg)) for name, chart in charts.items()},
        roles=_roles(matrices),
        bases=manifest.get("bases", []),
        matrices=matrices[:MAX_ROWS],
        n_matrices=len(matrices),
        requantised=[m for m in matrices if m.get("requantised")],
        off_fabric=manifest.get("off_fabric", []),
        readback=bundle.readback,
        verify=bundle.verify,
        estimate=estimate,
        parts=_section(rows, _PARTS),
        blocks=BLOCKS,
        masks=_MASKS,
        resources=RESOURCES,
        resource_names=RESOURCE_NAMES,
        compared=_COMPARED,
        paper=[
            (item.label, f"paper.{key}", f"estimate.{key}")
            for key, item in HEADLINE.items()
            if f"paper.{key}" in rows
        ],
        tags=[(tag, TAG_TEXTS[tag]) for tag in CONFIDENCES],
    )


def _overall(outcome: Sequence[Check]) -> str:
    states = {check.state for check in outcome}
    return next(state for state in ("failed", "absent", "passed") if state in states)


def _histogram(bundle: Bundle) -> list[tuple[str, int]]:
    total: Counter[str] = Counter()
    for matrix in bundle.manifest.get("matrices", []):
        total.update({str(code): int(n) for code, n in matrix.get("histogram", {}).items()})
    return [(f"{float(code):g}", total[code]) for code in sorted(total, key=float)]


def _roles(matrices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Matrices of one role and shape in one line, in the order they appear."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for matrix in matrices:
        shape = (matrix.get("role", ""), matrix.get("n_rows", 0), matrix.get("n_columns", 0))
        group = groups.setdefault(
            shape,
            {"role": shape[0], "n_rows": shape[1], "n_columns": shape[2], "n": 0, "weights": 0,
             "zero": 0, "formats": {}, "bases": {}, "padding": 0.0},
        )  # fmt: skip
        group["n"] += 1
        group["weights"] += matrix.get("n_weights", 0)
        group["zero"] += matrix.get("n_zero", 0)
        group["formats"][str(matrix.get("source_format", ""))] = None
        group["bases"][str(matrix.get("base", ""))] = None
        group["padding"] = max(group["padding"], matrix.get("padding_ratio") or 0.0)
    return list(groups.values())


def _section(rows: Mapping[str, Row], prefix: str) -> list[tuple[str, Row]]:
    return [
        (name.removeprefix(prefix), row) for name, row in rows.items() if name.startswith(prefix)
    ]


def _bar(label: str, row: Row, *, strong: bool = True) -> Bar:
    return Bar(label, row.low, row.mid, row.high, row.unit, row.tag, strong)
