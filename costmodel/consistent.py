"""Consistent mode: one set of rules and sourced inputs for any model, node and volume.

A design is a node, an architecture and a yield law; with a model, its counted bases, a workload and the data files it
gives the inputs of one :class:`~hnlpu.costmodel.sheet.Sheet`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hnlpu.costmodel import (
    attention,
    dataflow,
    engineering,
    ownership,
    power,
    roofline,
    silicon_area,
    simulated_speed,
    speed,
    wafers,
    workload,
)
from hnlpu.costmodel.accelerators import accelerator_inputs
from hnlpu.costmodel.inputs import Inputs, at, read_inputs, set_inputs
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.masks import load_masks
from hnlpu.costmodel.quantity import Quantity
from hnlpu.costmodel.sheet import Sheet, rule, rules_of
from hnlpu.errors import HnlpuError
from hnlpu.outline import ModelOutline
from hnlpu.silicon import ArraySilicon

__all__ = [
    "DEFAULT_NODE",
    "UNITS",
    "Design",
    "check_fits",
    "consistent_inputs",
    "consistent_sheet",
    "node_inputs",
    "nodes",
]

DEFAULT_NODE = "5nm"

_MODULES = (silicon_area, wafers, engineering, attention, speed, power, ownership, roofline)

#: Every input and its unit.
UNITS: Mapping[str, str] = {
    key: unit
    for module in (*_MODULES, dataflow, simulated_speed, workload)
    for key, unit in module.INPUTS.items()
} | {"region_area": "um2/weight"}

#: Inputs that a node gives.
_NODE = (
    "logic_density", "sram_bitcell", "line_pitch", "stub_pitch", "wafer_price", "wafer_diameter",
    "wafer_edge", "defect_density", "mask_set_usd", "leakage", "sram_leakage", "energy_scale", "clock",
    "design_node_factor", "wafer_carbon", "repeater_distance",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Design:
    """What is built.

    Attributes
    ----------
    node : str
        One of :func:`nodes`.
    architecture : str
        ``taps``, ``merged`` or ``paper``: which masks carry weights and what wires need.
    yield_model : str
        One of :data:`hnlpu.costmodel.wafers.YIELD_MODELS`.
    chips : int or None
        Fixes the number of chips of a system; None takes the fewest that fit.
    accelerator : str
        What the design is compared with in cost and carbon.
    throughput : str
        ``analytic``, or ``simulated``: the speed rules scaled to a simulated system.
    """

    node: str = DEFAULT_NODE
    architecture: str = "taps"
    yield_model: str = "murphy"
    chips: int | None = None
    accelerator: str = "h100"
    throughput: str = "analytic"


@rule(
    "mm2",
    name="hn_wires_mm2",
    source="this project's routing of regions, not yet drawn",
    tag="assumed",
)
def _region_wires_mm2(weights: Any, region_area: Any) -> Any:
    """Weights x area that a region architecture's wires need per weight."""
    return weights * region_area


@cache
def consistent_sheet(design: Design = Design()) -> Sheet:
    """The rules of a design.

    Raises
    ------
    HnlpuError
        Unknown yield law.
    """
    if design.yield_model not in wafers.YIELD_MODELS:
        raise HnlpuError(
            "unknown yield law",
            where="--yield",
            got=repr(design.yield_model),
            do=f"choose one of {', '.join(wafers.YIELD_MODELS)}",
        )
    laws = set(map(id, wafers.YIELD_MODELS.values()))
    rules = [item for item in rules_of(*_MODULES) if id(item) not in laws]
    sheet = Sheet([*rules, wafers.YIELD_MODELS[design.yield_model]])
    if design.architecture != "taps":
        sheet = sheet.replaced([_region_wires_mm2])
    if design.chips is not None:
        sheet = sheet.replaced(without=["chips"])
    if design.throughput == "simulated":
        sheet = sheet.replaced(simulated_speed.RULES)
    return sheet


def nodes() -> tuple[str, ...]:
    """Names of the nodes, the oldest first."""
    return DataFile("nodes.toml").names()


def node_inputs(design: Design) -> Inputs:
    """What a node gives, its masks under the design's architecture included.

    Raises
    ------
    HnlpuError
        Unknown node or architecture, bad entry.
    """
    file = DataFile("nodes.toml")
    if design.node not in file.names():
        raise HnlpuError("unknown node", where="--node", got=repr(design.node),
                         do=f"choose one of {', '.join(file.names())}")  # fmt: skip
    units = {name: UNITS[name] for name in _NODE}
    masks = load_masks(design.node).inputs(design.architecture)
    return {**read_inputs(file, units, design.node), **masks}


def consistent_inputs(
    model: ModelOutline,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    work: workload.Workload,
    design: Design = Design(),
    *,
    toggles: Quantity,
    settings: Iterable[str] = (),
    simulated: Inputs | None = None,
) -> Inputs:
    """Every input of :func:`consistent_sheet`, from the data files, the model and the user's ``KEY=VALUE``.

    Parameters
    ----------
    toggles : Quantity
        Toggles per weight and token of the design's arrays, counted on a netlist.
    simulated : mapping, optional
        ``simulated_speed.INPUTS``, where the design's throughput is simulated.

    Raises
    ------
    HnlpuError
        A bad entry of a data file, an unknown key or name, a workload the model cannot take.
    """
    if work.context > model.max_context:
        raise HnlpuError(
            "a request longer than the model's context",
            where=f"workload {work.name}",
            got=f"{work.context:,} positions, and {model.name} takes {model.max_context:,}",
            do="shorten prompt or output",
        )
    node = node_inputs(design)
    given = {
        **node,
        **dataflow.model_inputs(model, arrays),
        **work.inputs(),
        **accelerator_inputs(design.accelerator, model),
        **(simulated or {}),
    }
    computed = {"toggles_per_weight": toggles} | {
        name: Quantity(value, unit, value, value, "definition", "derived")
        for name, value, unit in (
            ("pi", wafers.PI, "1"), ("one_chip", 1.0, "chip"), ("one_token", 1.0, "token"),
        )
    }  # fmt: skip
    if design.chips is not None:
        computed["chips"] = Quantity(
            float(design.chips), "chip", design.chips, design.chips, "set by the user", "assumed"
        )
    given |= computed
    sheet = consistent_sheet(design)
    operations, technology = _file("operations.toml"), _file("technology.toml")
    known = {**operations, **technology, **given}
    chosen = {name: known[name] for name in sheet.inputs if name in known}
    return set_inputs(chosen, settings)


def _file(name: str) -> Inputs:
    """Every quantity of a data file; a key that no rule knows is refused."""
    file = DataFile(name)
    file.only(UNITS)
    return read_inputs(file, {key: UNITS[key] for key in file.names()})


def check_fits(sheet: Sheet, inputs: Inputs, design: Design) -> None:
    """Refuse a design whose chips do not fit the reticle, or whose memory does not hold the workload.

    Raises
    ------
    HnlpuError
        With the middle of every range.
    """
    mid = sheet.evaluate(at(inputs, "mid"))
    if mid["systems"] < 1:
        raise HnlpuError("nothing is built", where="systems", got=f"{mid['systems']:g} systems",
                         do="give a --volume of 1 or more")  # fmt: skip
    blocks = mid["single_chip_blocks_mm2"] + mid["interconnect_mm2_on_chip"]
    if blocks >= mid["reticle"]:
        raise HnlpuError(
            "no room for weights on a chip",
            where=f"{design.node}: single_chip_blocks_mm2",
            got=f"{blocks:,.0f} mm2 of blocks, reticle {mid['reticle']:,.0f} mm2",
            do="set smaller blocks, e.g. buffer_share",
        )
    if mid["die_area_mm2"] > mid["reticle"] * (1 + 1e-9):
        raise HnlpuError(
            "a chip larger than the reticle",
            where=f"{design.node}: die_area_mm2",
            got=f"{mid['die_area_mm2']:,.0f} mm2 with {design.chips} chips, "
            f"reticle {mid['reticle']:,.0f} mm2",
            do="take more --chips, or leave the option out",
        )
    if mid["kv_fill"] > 1:
        raise HnlpuError(
            "a workload beyond the KV capacity",
            where="workload: kv_workload_bytes",
            got=f"{mid['kv_workload_bytes'] / 1e9:,.1f} GB for {mid['in_flight']:.0f} requests in flight, "
            f"capacity {mid['kv_capacity_bytes'] / 1e9:,.1f} GB",
            do="lower concurrency or context, or raise hbm_stacks",
        )
