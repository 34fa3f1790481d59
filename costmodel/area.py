"""Area: HN arrays from counted transistors or the paper's density, the other blocks by scaling.

Let s be the paper's system (16 chips, gpt-oss-120b) and m the model:

    HN (counted)       = transistors / logic density
    HN (paper density) = weights_m x HN area_s / weights_s
    VEX                = VEX area_s    x (layers x hidden)_m / (layers x hidden)_s
    attention buffer   = buffer area_s x (layers x KV width x context limit)_m / (same)_s
    control, per chip  = control area_s / chips_s x layers_m / layers_s
    interconnect, per chip = one interconnect engine if there are two chips or more
    embedding          = an HBM PHY per chip, or SRAM where that is smaller

    chips = smallest n with (HN + VEX + buffer + embedding SRAM) / n + per-chip blocks <= reticle

Silicon only: wires on M8-M11 may need more (a later version counts them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil

from hnlpu.costmodel.presets import PAPER_MODEL, is_paper_model, preset
from hnlpu.costmodel.quantity import Figure, Ranged, combine, exact, scenario
from hnlpu.costmodel.technology import Technology
from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape
from hnlpu.silicon import PARTS, ArraySilicon

__all__ = [
    "Area",
    "Breakdown",
    "count_transistors",
    "hn_area_counted",
    "hn_area_paper",
    "system_area",
    "transistors_per_weight",
    "vex_ratio",
]

_ENDS = ("low", "mid", "high")


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Area of a whole system in one scenario, mm2."""

    hn_array: float
    vex: float
    control: float
    buffer: float
    interconnect: float
    hbm_phy: float
    embedding_sram: float
    chips: int

    @property
    def total(self) -> float:
        return sum(float(getattr(self, name)) for name in BLOCK_NAMES)


BLOCK_NAMES = tuple(field.name for field in fields(Breakdown) if field.name != "chips")


@dataclass(frozen=True, slots=True)
class Area:
    """Area of a system.

    Attributes
    ----------
    blocks : mapping of str to Figure
        Area of each block over all chips.
    die, total, chips : Figure
        One chip; all chips; their number.
    """

    blocks: Mapping[str, Figure]
    die: Figure
    total: Figure
    chips: Figure


def count_transistors(
    model: ModelShape, arrays: Mapping[tuple[int, int], ArraySilicon]
) -> dict[str, int]:
    """Transistors of every matrix of ``model``, by part of the array."""
    by_part = dict.fromkeys(PARTS, 0)
    for linear in model.linears():
        shape = (linear.n_rows, linear.n_columns)
        if shape not in arrays:
            raise HnlpuError(
                "no counted base for a matrix",
                where=f"{model.name}: {linear.role}",
                got=f"{shape[0]} x {shape[1]}",
                do="count a base of that shape",
            )
        for part, count in arrays[shape].transistors_by_part.items():
            by_part[part] = by_part.get(part, 0) + linear.count * count
    return by_part


def transistors_per_weight(
    model: ModelShape, by_part: Mapping[str, int]
) -> tuple[Figure, dict[str, Figure]]:
    """Mean over all weights, in total and for each part."""
    weights = model.n_hardwired_weights
    parts = {
        part: exact(
            count / weights,
            "transistors/weight",
            "measured",
            f"transistors of {part} counted on the emitted bases / hardwired weights",
        )
        for part, count in by_part.items()
    }
    note = "transistors counted on the emitted bases, padding included / hardwired weights"
    total = exact(sum(by_part.values()) / weights, "transistors/weight", "measured", note)
    return total, parts


def hn_area_counted(transistors: int, technology: Technology) -> Figure:
    """Area of the HN arrays from our own transistor count."""
    return combine(
        lambda density: transistors / (density * 1e6),
        technology.logic_density,
        unit="mm2",
        note="counted transistors / logic density, no wires",
    )


def hn_area_paper(model: ModelShape, technology: Technology) -> Figure:
    """Area of the HN arrays at the paper's area per weight."""
    weights, paper = model.n_hardwired_weights, preset(PAPER_MODEL).n_hardwired_weights
    return combine(
        lambda area, chips: weights * area * chips / paper,
        technology.block("hn_array").area,
        technology.system_chips,
        unit="mm2",
        note="hardwired weights x the paper's HN area / the paper's hardwired weights",
    )


def vex_ratio(model: ModelShape) -> float:
    """Size of all VEX together, in VEX of all the paper's chips: layers x hidden."""
    paper = preset(PAPER_MODEL)
    return model.n_layers * model.hidden / (paper.n_layers * paper.hidden)


def system_area(model: ModelShape, hn: Figure, technology: Technology) -> Area:
    """Chips, die and block areas of ``model`` with HN arrays of area ``hn``.

    Three scenarios, each with a whole number of chips of its own: everything at its low, middle and
    high end. A figure spans the three.
    """
    runs = [_breakdown(model, hn, technology, end) for end in _ENDS]
    proportional = "proportional to the paper's Table 1"
    notes = {
        "hn_array": hn.note,
        "vex": f"{proportional} by layers x hidden",
        "control": f"{proportional} by layers, per chip",
        "buffer": f"{proportional} by layers x KV width x context limit",
        "interconnect": "the paper's, one per chip; none for a single chip",
        "hbm_phy": "the paper's, one per chip; none where the embedding is smaller in SRAM",
        "embedding_sram": "embedding table at the density of the paper's buffer (low: bit cells)",
    }
    own = is_paper_model(model)
    scaled = () if own else (technology.block_scaling,)
    names = {block.name for block in technology.blocks}
    blocks = {}
    for name in BLOCK_NAMES:
        table_1: tuple[Ranged, ...] = (
            (technology.block(name).area,) if name in names else
            (technology.block("buffer").area, technology.embedding_bytes)
        )  # fmt: skip
        inputs: tuple[Ranged, ...] = (hn,) if name == "hn_array" else (*table_1, *scaled)
        values = [getattr(run, name) for run in runs]
        blocks[name] = scenario(values, inputs, unit="mm2", note=notes[name])
    parts = tuple(figure for figure in blocks.values() if figure.high > 0)
    return Area(
        blocks=blocks,
        die=scenario(
            [run.total / run.chips for run in runs], parts, unit="mm2", note="total / chips"
        ),
        total=scenario([run.total for run in runs], parts, unit="mm2", note="sum of the blocks"),
        chips=scenario(
            [run.chips for run in runs],
            (*parts, technology.reticle),
            unit="chips",
            note="fewest whole chips whose die fits the reticle; weights cut anywhere",
        ),
    )


def _breakdown(model: ModelShape, hn: Figure, technology: Technology, end: str) -> Breakdown:
    paper = preset(PAPER_MODEL)
    n_paper = technology.system_chips.mid
    scaling = 1.0 if is_paper_model(model) else float(getattr(technology.block_scaling, end))

    def block(name: str) -> float:
        return float(getattr(technology.block(name).area, end))

    def cache(shape: ModelShape) -> int:
        return shape.n_layers * shape.n_kv_heads * shape.head_dim * shape.max_context

    hn_array = float(getattr(hn, end))
    vex = block("vex") * n_paper * vex_ratio(model) * scaling
    buffer = block("buffer") * n_paper * cache(model) / cache(paper) * scaling
    control = block("control") * model.n_layers / paper.n_layers * scaling
    sram = _embedding_sram(model, technology, end)
    hbm_phy = block("hbm_phy")
    if sram <= hbm_phy:
        hbm_phy = 0.0
    else:
        sram = 0.0
    divided = hn_array + vex + buffer + sram
    reticle = technology.reticle.mid
    chips, interconnect = 1, 0.0
    if divided + control + hbm_phy > reticle:
        interconnect = block("interconnect")
        room = reticle - control - hbm_phy - interconnect
        if room <= 0:
            raise HnlpuError(
                "no room for weights on a chip",
                where="technology: reticle",
                got=f"{reticle:g} mm2",
                do="enlarge the reticle or shrink the per-chip blocks",
            )
        chips = max(2, ceil(divided / room))
    return Breakdown(
        hn_array=hn_array,
        vex=vex,
        control=control * chips,
        buffer=buffer,
        interconnect=interconnect * chips,
        hbm_phy=hbm_phy * chips,
        embedding_sram=sram,
        chips=chips,
    )


def _embedding_sram(model: ModelShape, technology: Technology, end: str) -> float:
    """Area of the embedding table in SRAM, mm2."""
    n_bytes = model.vocab * model.hidden * float(getattr(technology.embedding_bytes, end))
    if end == "low":
        return n_bytes * 8 * technology.sram_bitcell.low * 1e-6
    return n_bytes * technology.block("buffer").area.mid / (technology.buffer_capacity.mid * 1e6)
