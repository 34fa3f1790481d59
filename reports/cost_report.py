"""The report of an estimate: which of its figures make the page's tiles, charts, settings and comparisons."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hnlpu.costmodel.accelerators import Measurement, accelerator_inputs
from hnlpu.costmodel.consistent import node_inputs, nodes
from hnlpu.costmodel.estimate import TORNADOES, Estimate
from hnlpu.costmodel.headline import HEADLINE
from hnlpu.costmodel.power import PARTS
from hnlpu.costmodel.quantity import Figure, Quantity
from hnlpu.costmodel.silicon_area import BLOCKS
from hnlpu.costmodel.speed import RESOURCE_NAMES, RESOURCES
from hnlpu.costmodel.uncertainty import draw
from hnlpu.outline import ModelOutline
from hnlpu.reports.cost_format import shown
from hnlpu.reports.cost_view import (
    Baseline,
    Control,
    CostPage,
    Curve,
    Limit,
    Line,
    Metric,
    Parts,
    label_of,
)

__all__ = ["cost_page"]

#: Draws that the page carries; more give smoother ranges and a larger file.
N_DRAWS = 256

_CONTEXT = ("prompt_tokens", "output_tokens")
_PART_NAMES = {
    "weights": "weights",
    "lines": "lines",
    "clock": "clock",
    "vex": "VEX",
    "buffer": "attention buffer",
    "hbm": "HBM",
    "links": "links",
    "static": "leakage, idle interfaces",
}
_MORE = (
    Metric("cost_advantage", "Accelerators' cost / ours", "cost_advantage"),
    Metric("break_even_systems", "Break-even", "break_even_systems"),
    Metric("energy_advantage", "Our tokens per joule / theirs", "energy_advantage"),
    Metric("carbon_advantage", "Accelerators' carbon / ours", "carbon_advantage"),
)
_COMPARED = (
    Metric("tokens_per_s", "Tokens/s of a machine", "tokens_per_s", "token/s"),
    Metric("one_request", "Tokens/s of one request", "tokens_per_s_one_request", "token/s"),
    Metric("tokens_per_j", "Tokens per joule", "tokens_per_j", "token/J"),
    Metric("tco_usd", "Cost for the same tokens", "tco_usd", "USD"),
    Metric("carbon", "Carbon for the same tokens", "carbon_kg", "kg"),
)
#: What an accelerator gives for ``_COMPARED``.
_ACCELERATOR = {
    "tokens_per_s": "gpu_tokens_per_s",
    "tokens_per_j": "gpu_tokens_per_j",
    "tco_usd": "gpu_tco_usd",
    "carbon": "gpu_carbon_kg",
}
_LIMITS = (
    Limit(
        "die_area_mm2", "reticle", "A die is larger than the reticle: the design cannot be built."
    ),
    Limit("kv_fill", 1.0, "The KV cache of the workload does not fit the memory."),
    Limit("context_tokens", "max_context", "A request is longer than the model's context."),
)


def cost_page(estimate: Estimate, *, command: str = "", seed: int = 0) -> CostPage:
    """The page of an estimate.

    Parameters
    ----------
    estimate : Estimate
    command : str
        What made it, shown at the end of the page.
    seed : int
        Of the page's draws.
    """
    model, design = estimate.model, estimate.design
    inputs = {name: estimate.inputs[name] for name in estimate.sheet.inputs}
    drawn = draw(inputs, N_DRAWS, seed)
    named = {
        name: {
            key: item
            for key, item in node_inputs(replace(design, node=name)).items()
            if key in inputs
        }
        for name in nodes()
    }
    named[design.node] = {key: inputs[key] for key in named[design.node]}
    return CostPage(
        title=model.name,
        description=_description(model, design.architecture),
        sheet=estimate.sheet,
        inputs=inputs,
        figures=estimate.figures,
        headline=(
            *(Metric(key, item.label, item.figure, item.unit) for key, item in HEADLINE.items()),
            *_MORE,
        ),
        paper=estimate.paper,
        resources={RESOURCE_NAMES[name]: figure for name, figure in RESOURCES.items()},
        node=design.node,
        nodes=named,
        controls=_controls(model),
        limits=tuple(_fixed(item, model) for item in _LIMITS),
        charts=_charts(estimate),
        metrics=_COMPARED,
        baselines=tuple(_baselines(estimate)),
        sensitivity=tuple(
            Metric(name, _LABELS.get(name, label_of(name)), name)
            for name in (
                "cost_advantage",
                *(name for name in TORNADOES if name != "cost_advantage"),
            )
        ),
        draws={
            name: tuple(map(float, values)) for name, values in drawn.items() if np.ndim(values)
        },
        contradictions=estimate.contradictions,
        notes=estimate.notes,
        command=command,
    )


_LABELS = {
    "cost_advantage": "Accelerators' cost / ours",
    "carbon_advantage": "Accelerators' carbon / ours",
    "tokens_per_s": "Tokens per second",
    "tokens_per_j": "Tokens per joule",
    "tco_usd": "Cost of ownership",
}


def _fixed(limit: Limit, model: ModelOutline) -> Limit:
    return replace(limit, most=float(model.max_context)) if limit.most == "max_context" else limit


def _description(model: ModelOutline, architecture: str) -> str:
    experts = (
        f", {model.n_experts} experts of which {model.experts_per_token} work on a token"
        if model.is_moe
        else ""
    )
    return (
        f"{model.family} model, {model.n_layers} layers, hidden size {model.hidden}{experts}: "
        f"{shown(model.n_hardwired_weights, 'weight')} wired into metal, architecture {architecture}."
    )


def _controls(model: ModelOutline) -> tuple[Control, ...]:
    return (
        Control("systems", "Systems", ("systems",), 1, 100_000, 1, "system", log=True),
        Control("respins", "Respins per year", ("respins_per_year",), 0, 12, 0.5, "1/year"),
        Control("electricity", "Electricity", ("electricity_price",), 0.02, 0.4, 0.005, "USD/(kW*h)"),
        Control("context", "Context", _CONTEXT, 128, model.max_context, 128, "token", log=True),
        Control("concurrency", "Sequences at a time", ("concurrency",), 1, 4096, 1, "sequence", log=True),
        Control("years", "Years", ("years",), 1, 10, 0.5, "year"),
        Control("utilisation", "Utilisation", ("utilisation",), 0.05, 1, 0.05),
    )  # fmt: skip


def _charts(estimate: Estimate) -> tuple[Parts | Curve, ...]:
    accelerator = estimate.comparisons[estimate.design.accelerator].accelerator.name
    other = "b200" if estimate.design.accelerator != "b200" else "h200"
    beside = estimate.comparisons[other].accelerator.name
    longest = estimate.model.max_context
    return (
        Parts("area", "Silicon of a system, by block", tuple(
            Line(figure, label) for figure, label in BLOCKS.items()
        ), "mm2"),
        Parts("nre", "One-time cost", (
            Line("design_architecture_usd", "architecture"), Line("design_verification_usd", "verification"),
            Line("design_physical_usd", "physical design"), Line("design_ip_usd", "licences"),
            Line("mask_shared_usd", "shared masks"), Line("mask_variants_usd", "masks with weights"),
        ), "USD", total="nre_usd"),
        Curve("tco_time", "Cost of ownership over time", ("years",), "Years", 0.5, 10, "year", (
            Line("tco_usd", "this design"), Line("gpu_tco_usd", accelerator),
            Line("gpu_tco_usd", beside, other),
        ), "USD", note="For the same tokens of the same workload."),
        Curve("context", "Tokens per second against context", _CONTEXT, "Context", min(256, longest // 16), longest, "token", (
            Line("tokens_per_s", "one system"), Line("tokens_per_s_one_request", "a request alone"),
            Line("gpu_tokens_per_s", f"one {accelerator}"),
        ), "token/s", log=True, log_lines=True, note="Prompt and output in their proportion."),
        Parts("tco", "Cost of ownership, by part", (
            Line("nre_usd", "one-time"), Line("chips_usd", "chips"), Line("facility_usd", "facility"),
            Line("network_usd", "network"), Line("electricity_usd", "electricity"),
            Line("maintenance_usd", "maintenance"), Line("respins_usd", "respins"),
        ), "USD", total="tco_usd"),
        Parts("interval", "What a token waits for", tuple(
            Line(figure, RESOURCE_NAMES[name]) for name, figure in RESOURCES.items()
        ), "s/token", log=True, note="Time between tokens that each resource allows; the longest counts."),
        Parts("energy", "Energy of a token", tuple(
            Line(figure, _PART_NAMES[name]) for name, figure in PARTS.items()
        ), "J/token", note="Of a token that passes, prompts included."),
        Parts("power", "Power of a system's chips", (
            Line("switching_w", "switching"), Line("leakage_w", "leakage"),
            Line("idle_io_w", "idle interfaces"),
        ), "W", total="chips_w"),
    )  # fmt: skip


def _baselines(estimate: Estimate) -> Iterator[Baseline]:
    """Every accelerator under the page's workload by roofline, and what has been published for this model."""
    for key, comparison in estimate.comparisons.items():
        machine = comparison.accelerator
        if machine.has_roofline:
            given = accelerator_inputs(key, estimate.model)
            chosen = key == estimate.design.accelerator
            values = {
                name: estimate.inputs[name] if chosen else item
                for name, item in given.items()
                if name in estimate.sheet.inputs
            }
            yield Baseline(
                key, machine.name, "roofline",
                {name: item.in_coherent_units()[1] for name, item in values.items()}, _ACCELERATOR,
                short=f"{_short(machine.name)}, roofline",
            )  # fmt: skip
        for entry in machine.measured:
            if entry.model == estimate.model.name:
                yield _published(key, machine.name, machine.system_power, entry)


def _published(key: str, name: str, power: Quantity, entry: Measurement) -> Baseline:
    """A published rate; energy follows from it where it is the rate of a machine."""
    metrics: dict[str, str | Figure] = {}
    rate, each = entry.tokens_per_s, entry.per_accelerator
    if each is None:
        metrics["one_request"] = _rate(rate, f"published, {entry.workload}")
    else:
        metrics["tokens_per_s"] = _rate(each, f"published, {entry.workload}")
        low, mid, high = each.in_coherent_units()
        least, middle, most = power.in_coherent_units()
        metrics["tokens_per_j"] = Figure(
            low / most, mid / middle, high / least, "token/J", "derived",
            "published rate / power of the accelerator and its share of a server",
            (each.source, power.source),
        )  # fmt: skip
    lengths = [_thousands(n) for n in (entry.prompt_tokens, entry.output_tokens) if n]
    return Baseline(
        f"{key}.{entry.name}", name, f"published: {entry.workload}", {}, metrics, rate.source,
        short=f"{_short(name)}, {' + '.join(lengths) or 'published'}",
    )  # fmt: skip


def _short(name: str) -> str:
    """A machine without its maker."""
    return name.partition(" ")[2] or name


def _thousands(n: int) -> str:
    return f"{n / 1024:.0f}K" if n >= 1000 else str(n)


def _rate(rate: Quantity, note: str) -> Figure:
    low, mid, high = rate.in_coherent_units()
    return Figure(low, mid, high, "token/s", rate.confidence, note, (rate.source,))
