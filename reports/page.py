"""The page: what the template shows, and the one self-contained HTML file it becomes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hnlpu.costmodel.quantity import CONFIDENCES
from hnlpu.reports.bundle import Bundle
from hnlpu.reports.chart import TAG_COLOURS, Bar, Chart, bars, histogram, stacks
from hnlpu.reports.figure import Row
from hnlpu.reports.format import count, number
from hnlpu.reports.headline import Check, Tile

__all__ = ["draw_charts", "render"]

#: Matrices listed on the page; all of them are in matrices.csv.
MAX_ROWS = 400

_PARTS = "estimate.transistors_per_weight.parts."
_BLOCKS = "estimate.area_blocks_mm2."
_BLOCK_NAMES = {
    "hn_array": "HN arrays",
    "vex": "VEX",
    "control": "control unit",
    "buffer": "attention buffer",
    "interconnect": "interconnect",
    "hbm_phy": "HBM PHY",
    "embedding_sram": "embedding SRAM",
}
_RATES = {"pipelined": "this design, all slots", "batch_1": "this design, 1 sequence"}
_WORKLOADS = {
    "roofline_batch_1": "memory bound",
    "kernels_batch_1": "with kernel times",
    "published_table_2": "paper, Table 2",
    "published_tco": "paper, cost section",
}
_RESOURCES = {
    "arrays": "the HN arrays",
    "vex": "the vector unit (VEX)",
    "links": "the links between chips",
    "slots": "the number of slots",
}
_TAGS = {
    "measured": "counted or simulated on the emitted files",
    "derived": "computed from sourced numbers",
    "published": "stated by the source",
    "calibrated": "fitted to a published result",
    "assumed": "rests on at least one assumption",
}


def draw_charts(bundle: Bundle, rows: Mapping[str, Row]) -> dict[str, Chart]:
    """Every chart that the bundle has data for, by name."""
    charts = []
    codes = _histogram(bundle)
    if codes:
        charts.append(histogram("codes", "Codes of all hardwired weights", codes))
    parts = _section(rows, _PARTS)
    if parts:
        items = [_bar(name, row) for name, row in parts if row.mid > 0]
        charts.append(bars("silicon", "Transistors per weight, by part", items))
    blocks = _section(rows, _BLOCKS)
    if blocks:
        items = [_bar(_BLOCK_NAMES.get(name, name), row) for name, row in blocks if row.high > 0]
        charts.append(bars("area", "Silicon area by block, all chips", items))
    charts += _mask_charts(bundle, rows)
    for kind, title in (
        ("tokens_per_s", "Tokens per second"),
        ("tokens_per_j", "Tokens per joule"),
    ):
        items = _comparison(bundle, rows, kind)
        if items:
            charts.append(bars(kind, f"{title}, logarithmic", items, log=True))
    return {chart.name: chart for chart in charts}


def render(
    bundle: Bundle,
    rows: Mapping[str, Row],
    charts: Mapping[str, Chart],
    outcome: Sequence[Check],
    headline: Sequence[Tile],
) -> str:
    """The page as one HTML document that loads nothing."""
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
    manifest, estimate = bundle.manifest, bundle.estimate
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
        architecture=estimate.get("architecture", "taps"),
        parts=_section(rows, _PARTS),
        blocks=[(_BLOCK_NAMES.get(name, name), name, row) for name, row in _section(rows, _BLOCKS)],
        masks=list(estimate.get("mask_nre_usd", {})),
        rates=_RATES,
        baselines=estimate.get("baselines", {}),
        paper=_beside(rows, str(estimate.get("architecture", "taps"))),
        intervals=_section(rows, "estimate.bottleneck.interval_s."),
        bottleneck=estimate.get("bottleneck", {}),
        resources=_RESOURCES,
        tags=[(tag, _TAGS[tag]) for tag in CONFIDENCES],
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


def _mask_charts(bundle: Bundle, rows: Mapping[str, Row]) -> list[Chart]:
    stack, respins = [], []
    for name, cost in bundle.estimate.get("mask_nre_usd", {}).items():
        label = f"{name}, {cost.get('n_weight_masks', '?')} of {cost.get('n_masks', '?')}"
        shared = rows.get(f"estimate.mask_nre_usd.{name}.shared")
        respin = rows.get(f"estimate.respin_usd.{name}")
        if shared and respin:
            stack.append((label, (_bar("shared by all weights", shared),
                                  _bar("this model's weights", respin))))  # fmt: skip
            respins.append(_bar(label, respin, strong=name != "paper"))
    if not stack:
        return []
    return [
        stacks("masks", "Masks of the first system", stack, ("#b9d3e4", "#1f5f8b")),
        bars("respin", "Masks for new weights", respins),
    ]


def _comparison(bundle: Bundle, rows: Mapping[str, Row], kind: str) -> list[Bar]:
    """Ours, the baselines and, where it applies, the paper, in tokens/s or tokens/J."""
    items = [
        _bar(label, rows[f"estimate.{kind}.{name}"])
        for name, label in _RATES.items()
        if f"estimate.{kind}.{name}" in rows
    ]
    for machine, content in bundle.estimate.get("baselines", {}).items():
        short = str(content.get("name", machine)).rpartition(" ")[2]
        for workload in content.get("workloads", {}):
            row = rows.get(f"estimate.baselines.{machine}.workloads.{workload}.{kind}")
            if row:
                label = f"{short}, {_WORKLOADS.get(workload, workload)}"
                items.append(_bar(label, row, strong=False))
    paper = rows.get(f"estimate.paper.{kind}")
    if paper:
        items.append(_bar("HNLPU paper, Table 2", paper, strong=False))
    return items if len(items) > 1 else []


def _beside(rows: Mapping[str, Row], architecture: str) -> list[tuple[str, Row, Row]]:
    """The paper's figures and ours for the same thing."""
    pairs = (
        ("Tokens per second", "tokens_per_s", "tokens_per_s.pipelined"),
        ("Tokens per joule", "tokens_per_j", "tokens_per_j.pipelined"),
        ("System power", "power_w", "power_w"),
        ("Chips", "chips", "chips.counted"),
        ("Die area", "die_area_mm2", "die_area_mm2.counted"),
        ("Silicon, whole system", "total_area_mm2", "total_area_mm2.counted"),
        ("Shared masks", "mask_shared_usd", f"mask_nre_usd.{architecture}.shared"),
        ("Masks of one chip", "mask_per_chip_usd", f"mask_nre_usd.{architecture}.per_chip"),
        ("Masks for new weights", "respin_usd", f"respin_usd.{architecture}"),
    )
    return [
        (label, rows[f"estimate.paper.{theirs}"], rows[f"estimate.{ours}"])
        for label, theirs, ours in pairs
        if f"estimate.paper.{theirs}" in rows and f"estimate.{ours}" in rows
    ]
