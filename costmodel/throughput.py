"""Speed: counted cycles of our arrays, with VEX and links as tagged assumptions.

A layer is six stages (five without a router), each an array with the vector work around it.
Every layer has arrays of its own, all layers share a chip's VEX and links:

    stage latency = (array latency + VEX cycles) / clock
                    + collectives x link latency + bytes / bandwidth
    latency       = layers x sum of stage latencies + unembedding
    interval      = longest of: one array's interval, a token's VEX time, a token's link time,
                    latency / slots with slots = stages x layers
    tokens/s      = 1 / latency for one sequence, 1 / interval with all slots full
    VEX cycles    = elements / lanes + depth; attention: 2 x context x KV width / (chips x KV lanes)

Blocks that are not arrays are assumptions in this version: the result is a bound, no prediction.
The collectives are the paper's (Figure 11, Appendix A) on a square grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from hnlpu.costmodel.area import vex_ratio
from hnlpu.costmodel.presets import PAPER_MODEL, preset
from hnlpu.costmodel.quantity import Figure, scenario
from hnlpu.costmodel.technology import Technology
from hnlpu.model import ModelShape
from hnlpu.silicon import ArraySilicon

__all__ = ["RESOURCES", "Speed", "Stage", "layer_stages", "speed"]

#: What a token can wait for.
RESOURCES = ("arrays", "vex", "links", "slots")

_ENDS = ("slow", "mid", "fast")


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: arrays that work side by side, vector work and collectives.

    Attributes
    ----------
    latency_cycles, interval_cycles : int
        Of the slowest array of the stage.
    elements : float
        Elements that every chip's VEX takes; 0 for none.
    attends : bool
        Whether the stage reads the KV cache.
    column_elements, row_elements : float
        Numbers a column or row link carries.
    collectives : int
    """

    name: str
    latency_cycles: int = 0
    interval_cycles: int = 0
    elements: float = 0.0
    attends: bool = False
    column_elements: float = 0.0
    row_elements: float = 0.0
    collectives: int = 0


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of a system.

    Attributes
    ----------
    batch_1, pipelined : Figure
        Tokens/s of one sequence alone, and with every slot full.
    latency : Figure
        Seconds from a token to the next of the same sequence.
    intervals : mapping of str to Figure
        Seconds between tokens that each of ``RESOURCES`` allows.
    latency_parts : mapping of str to Figure
        Seconds of the latency spent in arrays, VEX and links.
    slots : int
        Sequences in flight.
    bottleneck, bottleneck_batch_1 : str
        The resource that sets the interval, and the largest part of the latency.
    """

    batch_1: Figure
    pipelined: Figure
    latency: Figure
    intervals: Mapping[str, Figure]
    latency_parts: Mapping[str, Figure]
    slots: int
    bottleneck: str
    bottleneck_batch_1: str


@dataclass(frozen=True, slots=True)
class _Rates:
    clock_hz: float
    lanes: float
    kv_lanes: float
    depth: float
    link_latency_s: float
    link_bytes_per_s: float
    element_bytes: float


def layer_stages(
    model: ModelShape, arrays: Mapping[tuple[int, int], ArraySilicon], chips: int
) -> tuple[Stage, ...]:
    """Stages of one layer, in the order a token meets them."""
    side = sqrt(chips)
    q_rows, kv_rows = model.n_heads * model.head_dim, model.n_kv_heads * model.head_dim
    hidden, linked = model.hidden, chips > 1
    cycles = {linear.role: arrays[linear.n_rows, linear.n_columns] for linear in model.linears()}

    def stage(
        name: str, roles: tuple[str, ...], elements: float, column: float = 0.0, row: float = 0.0,
        collectives: int = 0, attends: bool = False,
    ) -> Stage:  # fmt: skip
        used = [cycles[role] for role in roles]
        return Stage(
            name,
            max((array.latency_cycles for array in used), default=0),
            max((array.interval_cycles for array in used), default=0),
            elements,
            attends,
            column if linked else 0.0,
            row if linked else 0.0,
            collectives if linked else 0,
        )

    norm = 2 * hidden
    experts = max(1, model.experts_per_token)
    weighted_sum = experts * hidden if model.is_moe else 0
    stages = [
        stage("qkv", ("q", "k", "v"), norm, (q_rows + 2 * kv_rows) / side, 0.0, 1),
        stage("attention", (), q_rows + kv_rows, (q_rows + 2 * model.n_heads) / side, 0.0, 2, True),
        stage("o", ("o",), hidden, hidden / side, hidden / side, 2),
    ]
    gates: tuple[str, ...] = ("gate", "up")
    before_gate = norm
    if model.is_moe:
        stages.append(stage("router", ("router",), norm + model.n_experts))
        gates, before_gate = ("gate_up",), 0
    stages += [
        stage("gate_up", gates, before_gate + experts * model.intermediate),
        stage("down", ("down",), weighted_sum + hidden, hidden, hidden, 2),
    ]
    return tuple(stages)


def speed(
    model: ModelShape,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    technology: Technology,
    chips: int,
) -> Speed:
    """Speed of ``model`` on ``chips`` chips."""
    stages = layer_stages(model, arrays, chips)
    slots = len(stages) * model.n_layers
    runs = [_run(model, arrays, stages, slots, _rates(model, technology, chips, end), technology,
                 chips) for end in _ENDS]  # fmt: skip
    inputs = (
        technology.clock,
        technology.vex_elements,
        technology.vex_depth,
        technology.vex_kv_heads,
        technology.context,
        *((technology.link_latency, technology.link_bandwidth, technology.link_element_bytes)
          if chips > 1 else ()),
    )  # fmt: skip

    def figure(values: list[float], unit: str, note: str) -> Figure:
        return scenario(values, inputs, unit=unit, note=note)

    latency = [sum(parts.values()) for parts, _ in runs]
    intervals = [times for _, times in runs]
    interval_notes = {
        "arrays": "largest counted interval / clock",
        "vex": "VEX cycles of one token over all layers / clock; the layers share a chip's VEX",
        "links": "bytes of one token over the busiest link / bandwidth",
        "slots": f"latency / {slots} slots",
    }
    return Speed(
        batch_1=figure([1 / t for t in latency], "tokens/s", "1 / latency of a token"),
        pipelined=figure(
            [1 / max(times.values()) for times in intervals],
            "tokens/s",
            f"1 / longest interval, {slots} sequences in flight",
        ),
        latency=figure(latency, "s", "sum over stages and layers, one sequence"),
        intervals={
            name: figure([times[name] for times in intervals], "s", interval_notes[name])
            for name in RESOURCES
        },
        latency_parts={
            name: figure([parts[name] for parts, _ in runs], "s", f"latency spent in {name}")
            for name in ("arrays", "vex", "links")
        },
        slots=slots,
        bottleneck=max(RESOURCES, key=lambda name: intervals[1][name]),
        bottleneck_batch_1=max(runs[1][0], key=lambda name: runs[1][0][name]),
    )


def _rates(model: ModelShape, technology: Technology, chips: int, end: str) -> _Rates:
    good = {"slow": "low", "mid": "mid", "fast": "high"}[end]
    bad = {"slow": "high", "mid": "mid", "fast": "low"}[end]
    vex_per_chip = vex_ratio(model) * technology.system_chips.mid / chips
    kv_lanes = technology.vex_kv_heads.mid * preset(PAPER_MODEL).head_dim
    return _Rates(
        clock_hz=getattr(technology.clock, good) * 1e9,
        lanes=max(1.0, vex_per_chip * getattr(technology.vex_elements, good)),
        kv_lanes=max(1.0, vex_per_chip * kv_lanes),
        depth=getattr(technology.vex_depth, bad),
        link_latency_s=getattr(technology.link_latency, bad) * 1e-9,
        link_bytes_per_s=getattr(technology.link_bandwidth, good) * 1e9,
        element_bytes=getattr(technology.link_element_bytes, bad),
    )


def _run(
    model: ModelShape,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    stages: tuple[Stage, ...],
    slots: int,
    rates: _Rates,
    technology: Technology,
    chips: int,
) -> tuple[dict[str, float], dict[str, float]]:
    """Parts of the latency, and the interval each resource allows, in seconds."""
    head = arrays[model.vocab, model.hidden]
    head_elements = 2 * model.hidden + model.vocab / chips
    attention = _attention_cycles(model, technology, chips, rates.kv_lanes)
    layers = model.n_layers
    passes = sum(stage.elements > 0 for stage in stages)
    array_cycles = layers * sum(stage.latency_cycles for stage in stages) + head.latency_cycles
    busy_cycles = (
        layers * (sum(stage.elements for stage in stages) / rates.lanes + attention)
        + head_elements / rates.lanes
    )
    vex_cycles = busy_cycles + (layers * passes + 1) * rates.depth
    column = layers * sum(stage.column_elements for stage in stages) * rates.element_bytes
    row = layers * sum(stage.row_elements for stage in stages) * rates.element_bytes
    head_collectives = 2 if chips > 1 else 0
    collectives = layers * sum(stage.collectives for stage in stages) + head_collectives
    parts = {
        "arrays": array_cycles / rates.clock_hz,
        "vex": vex_cycles / rates.clock_hz,
        "links": collectives * rates.link_latency_s + (column + row) / rates.link_bytes_per_s,
    }
    interval_cycles = max(head.interval_cycles, *(stage.interval_cycles for stage in stages))
    times = {
        "arrays": interval_cycles / rates.clock_hz,
        "vex": busy_cycles / rates.clock_hz,
        "links": max(column, row) / rates.link_bytes_per_s,
        "slots": sum(parts.values()) / slots,
    }
    return parts, times


def _attention_cycles(
    model: ModelShape, technology: Technology, chips: int, kv_lanes: float
) -> float:
    """Cycles of one layer's attention, keys then values; every second layer has the window."""
    context = min(technology.context.mid, model.max_context)
    if model.sliding_window is not None:
        context = (context + min(context, model.sliding_window)) / 2
    return 2 * context * model.n_kv_heads * model.head_dim / (chips * kv_lanes)
