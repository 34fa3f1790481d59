"""Power and energy: the paper's power per area, applied to our areas.

    block power  = block area x (power / area of the block in the paper's Table 1) x power scaling
    system power = sum over blocks and chips x (6.9 kW / 16 / 308.39 W)
    tokens/J     = tokens/s / system power

Power does not follow the rate: Table 1's HN power cannot be switching (see the contradictions), so
it is taken as leakage and clock, spent whether tokens come or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hnlpu.costmodel.area import Area
from hnlpu.costmodel.quantity import Figure, combine, scenario
from hnlpu.costmodel.technology import Technology

__all__ = ["Power", "system_power", "tokens_per_joule"]


@dataclass(frozen=True, slots=True)
class Power:
    """Power of a system.

    Attributes
    ----------
    blocks : mapping of str to Figure
        Of each block over all chips.
    chips, total : Figure
        Of all chips, and of the system around them.
    """

    blocks: Mapping[str, Figure]
    chips: Figure
    total: Figure


def system_power(area: Area, technology: Technology) -> Power:
    """Power of a system of area ``area``."""
    blocks = {}
    for name, figure in area.blocks.items():
        block = technology.block("buffer" if name == "embedding_sram" else name)
        blocks[name] = combine(
            lambda mm2, table_mm2, watt, scaling: mm2 * watt / table_mm2 * scaling,
            figure,
            block.area,
            block.power,
            technology.power_scaling,
            unit="W",
            note="area x the paper's power per area of this block (Table 1)",
        )
    used = tuple(figure for figure in blocks.values() if figure.high > 0)
    chips = scenario(
        [sum(getattr(figure, end) for figure in used) for end in ("low", "mid", "high")],
        used,
        unit="W",
        note="sum of the blocks over all chips",
    )
    total = combine(
        lambda watt, factor: watt * factor,
        chips,
        technology.system_power_factor,
        unit="W",
        note="chips x the paper's system factor",
    )
    return Power(blocks, chips, total)


def tokens_per_joule(tokens_per_s: Figure, power: Figure, note: str) -> Figure:
    """Energy efficiency; the ranges of rate and power are taken as independent."""
    return combine(lambda rate, watt: rate / watt, tokens_per_s, power, unit="tokens/J", note=note)
