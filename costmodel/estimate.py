"""The estimate: every figure of one model on one architecture, beside the paper's and the GPU's.

*Consistent mode*: our own counted silicon and cycles, one set of assumptions. The paper's figures
for gpt-oss-120b stand beside ours under ``paper`` and enter nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hnlpu.costmodel import area as areas
from hnlpu.costmodel.baseline import Baseline, compare
from hnlpu.costmodel.contradiction import Note, contradictions
from hnlpu.costmodel.energy import system_power, tokens_per_joule
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.masks import MaskCost, load_masks, mask_cost
from hnlpu.costmodel.presets import is_paper_model
from hnlpu.costmodel.quantity import Figure, exact, published
from hnlpu.costmodel.technology import load_technology
from hnlpu.costmodel.throughput import speed
from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape
from hnlpu.silicon import ArraySilicon

__all__ = ["Bottleneck", "Estimate", "TransistorsPerWeight", "estimate"]

_CAVEATS = (
    "VEX, buffer, links and clock are assumptions here: speed and energy are rough bounds.",
    "Area is silicon only: the wires of the metal layers may need more.",
    "Weights are cut over chips anywhere; a rectangular grid of chips is not enforced.",
)

_PAPER_UNITS = {
    "tokens_per_s": "tokens/s",
    "power_w": "W",
    "tokens_per_j": "tokens/J",
    "chips": "chips",
    "die_area_mm2": "mm2",
    "total_area_mm2": "mm2",
    "mask_shared_usd": "USD",
    "mask_per_chip_usd": "USD",
    "respin_usd": "USD",
}


@dataclass(frozen=True, slots=True)
class TransistorsPerWeight:
    """Mean over all weights, in total and by part of the array."""

    total: Figure
    parts: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What limits the speed: the resource, and the times behind the verdict (seconds)."""

    pipelined: str
    batch_1: str
    slots: int
    interval_s: Mapping[str, Figure]
    latency_s: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Everything the cost model says about a model.

    Attributes
    ----------
    hn_area_mm2, die_area_mm2, total_area_mm2, chips : mapping of str to Figure
        ``counted`` from our transistors, ``paper_density`` at the paper's area per weight.
    area_blocks_mm2, power_blocks_w : mapping of str to Figure
        Over all chips, with counted HN arrays.
    masks : mapping of str to MaskCost
        By accounting: ``paper`` and the chosen architecture.
    tokens_per_s, tokens_per_j : mapping of str to Figure
        ``batch_1`` and ``pipelined``.
    paper : mapping of str to Figure
        The paper's own figures; empty for any model but its own.
    """

    model: ModelShape
    architecture: str
    hardwired_weights: Figure
    active_weights: Figure
    transistors_per_weight: TransistorsPerWeight
    hn_area_mm2: Mapping[str, Figure]
    area_blocks_mm2: Mapping[str, Figure]
    die_area_mm2: Mapping[str, Figure]
    total_area_mm2: Mapping[str, Figure]
    chips: Mapping[str, Figure]
    masks: Mapping[str, MaskCost]
    tokens_per_s: Mapping[str, Figure]
    latency_s: Figure
    power_w: Figure
    power_blocks_w: Mapping[str, Figure]
    tokens_per_j: Mapping[str, Figure]
    bottleneck: Bottleneck
    baselines: Mapping[str, Baseline]
    paper: Mapping[str, Figure]
    notes: tuple[str, ...]
    contradictions: tuple[Note, ...]

    def as_dict(self) -> dict[str, Any]:
        """Stable keys for JSON; masks are split into ``mask_nre_usd`` and ``respin_usd``."""
        plain: dict[str, Any] = {
            field.name: _plain(getattr(self, field.name)) for field in fields(self)
        }
        masks = plain.pop("masks")
        plain["mask_nre_usd"] = {
            name: {
                "n_masks": cost["n_masks"],
                "n_weight_masks": cost["n_weight_masks"],
                "shared": cost["shared"],
                "per_chip": cost["per_chip"],
                "total": cost["total"],
            }
            for name, cost in masks.items()
        }
        plain["respin_usd"] = {name: cost["respin"] for name, cost in masks.items()}
        return plain


def estimate(
    model: ModelShape,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    *,
    architecture: str = "taps",
) -> Estimate:
    """Silicon, masks, speed and energy of ``model``.

    Parameters
    ----------
    model : ModelShape
    arrays : mapping of (n_rows, n_columns) to ArraySilicon
        The counted base for every shape of ``model.linears()``.
    architecture : str
        Which masks carry weights: ``taps``, ``merged`` or ``paper``.

    Raises
    ------
    HnlpuError
        A shape without a counted base, an unknown architecture, a bad data file.
    """
    technology, stack = load_technology(), load_masks()
    stack.weight_units(architecture)
    _check(arrays)
    by_part = areas.count_transistors(model, arrays)
    total, parts = areas.transistors_per_weight(model, by_part)
    hn = {
        "counted": areas.hn_area_counted(sum(by_part.values()), technology),
        "paper_density": areas.hn_area_paper(model, technology),
    }
    systems = {name: areas.system_area(model, figure, technology) for name, figure in hn.items()}
    own = systems["counted"]
    accountings = dict.fromkeys(("paper", architecture))
    masks = {name: mask_cost(stack, name, own.chips) for name in accountings}
    rate = speed(model, arrays, technology, round(own.chips.mid))
    tokens_per_s = {"batch_1": rate.batch_1, "pipelined": rate.pipelined}
    power = system_power(own, technology)
    return Estimate(
        model=model,
        architecture=architecture,
        hardwired_weights=exact(
            model.n_hardwired_weights, "weights", "derived", "sum over all matrices of the shape"
        ),
        active_weights=exact(
            model.n_active_weights, "weights", "derived", "weights that one token uses"
        ),
        transistors_per_weight=TransistorsPerWeight(total, parts),
        hn_area_mm2=hn,
        area_blocks_mm2=own.blocks,
        die_area_mm2={name: system.die for name, system in systems.items()},
        total_area_mm2={name: system.total for name, system in systems.items()},
        chips={name: system.chips for name, system in systems.items()},
        masks=masks,
        tokens_per_s=tokens_per_s,
        latency_s=rate.latency,
        power_w=power.total,
        power_blocks_w=power.blocks,
        tokens_per_j={
            name: tokens_per_joule(figure, power.total, f"{name} tokens/s / system power")
            for name, figure in tokens_per_s.items()
        },
        bottleneck=Bottleneck(
            rate.bottleneck, rate.bottleneck_batch_1, rate.slots, rate.intervals, rate.latency_parts
        ),
        baselines=compare(model, tokens_per_s, power.total),
        paper=_paper(model),
        notes=_CAVEATS,
        contradictions=contradictions(model),
    )


def _check(arrays: Mapping[tuple[int, int], ArraySilicon]) -> None:
    for (n_rows, n_columns), array in arrays.items():
        if (array.n_rows, array.n_columns) != (n_rows, n_columns):
            raise HnlpuError(
                "a base counted for another shape",
                where=f"arrays[{n_rows}, {n_columns}]",
                got=f"{array.n_rows} x {array.n_columns}",
                do="file each count under its own shape",
            )


def _paper(model: ModelShape) -> dict[str, Figure]:
    if not is_paper_model(model):
        return {}
    file = DataFile("paper.toml")
    file.only(_PAPER_UNITS)
    return {
        key: published(file.quantity(key, unit), "as the paper states it")
        for key, unit in _PAPER_UNITS.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
