"""Paper mode of the estimate: the headline figures from the paper's own assumptions and formulas.

For the paper's model they are the paper's. For another model its assumptions are scaled, and every figure says so:

    chips = hardwired weights / the paper's weights per chip, rounded up; the same chip, masks, prices and factor of power
    tokens/s and the time of a layer are the paper's, whatever the model: it gives no formula for either

Ranges are the paper's: all prices at their low, middle and high ends together.
"""

from collections.abc import Mapping
from math import ceil

from hnlpu.costmodel.headline import HEADLINE
from hnlpu.costmodel.inputs import ENDS, Inputs, at
from hnlpu.costmodel.presets import is_paper_outline
from hnlpu.costmodel.quantity import Figure, weakest
from hnlpu.costmodel.reproduction import paper_inputs, paper_sheet
from hnlpu.costmodel.sheet import Sheet
from hnlpu.costmodel.units import coherent
from hnlpu.outline import ModelOutline

__all__ = ["FIGURES", "paper_headline"]

#: Rule or input of the paper's sheet behind each headline figure, and what it is there.
FIGURES: Mapping[str, str] = {
    "chips": "chips_per_system",
    "die_area_mm2": "die_area",
    "total_area_mm2": "total_area",
    "transistors_per_weight": "transistors_per_weight",
    "nre_usd": "nre_usd",
    "mask_nre_usd": "mask_usd",
    "respin_usd": "respin_usd",
    "tokens_per_s": "tokens_per_s",
    "latency_s": "full_pipeline_latency",
    "power_w": "system_power",
    "tokens_per_j": "tokens_per_j",
    "tco_usd": "tco_dynamic_usd",
    "tco2e": "carbon_dynamic_kg",
}


def paper_headline(model: ModelOutline, *, inputs: Inputs | None = None) -> dict[str, Figure]:
    """The headline figures in paper mode, for the paper's high volume (50 systems, two respins)."""
    given = dict(paper_inputs() if inputs is None else inputs)
    own = is_paper_outline(model)
    sheet = paper_sheet()
    absent = {name for name in sheet.inputs if name not in given}
    sheet = sheet.needed(name for name in sheet.rules if not sheet.ancestors(name) & absent)
    runs = [_evaluate(sheet, given, end, model, own) for end in ENDS]
    return {
        key: _figure(sheet, given, key, name, [run[name] for run in runs], own)
        for key, name in FIGURES.items()
    }


def _evaluate(
    sheet: Sheet, given: Inputs, end: str, model: ModelOutline, own: bool
) -> dict[str, float]:
    values = at(given, end)
    values |= {
        "systems": values["high_volume_systems"],
        "spare_systems": values["high_volume_spare_systems"],
    }
    if own:
        return sheet.evaluate(values)
    per_chip = sheet.evaluate(values)["weights_per_chip"]
    chips = float(ceil(model.n_hardwired_weights / per_chip - 1e-9))
    scaled = values | {
        "chips_per_system": chips,
        "chip_variants": chips,
        "layers": float(model.n_layers),
    }
    # as many weights per chip as the paper's, so that a weight takes its area
    whole = values["embedding_weights"] + values["router_weights"]
    cut = values["model_weights"] - whole
    scaled |= {"model_weights": whole + cut * chips / values["chip_variants"]}
    power = sheet.evaluate(scaled)["factored_system_power"]
    return sheet.evaluate(scaled | {"system_power": power})


def _figure(
    sheet: Sheet, given: Inputs, key: str, name: str, values: list[float], own: bool
) -> Figure:
    unit = HEADLINE[key].unit
    known = sheet.rules.get(name)
    low, mid, high = (float(value) / coherent(unit) for value in values)
    low, high = min(low, mid, high), max(low, mid, high)
    if known is None:
        tag, note, sources = given[name].tag, "as the paper states it", given[name].sources
    else:
        needed = [given[item] for item in sorted(sheet.ancestors(name)) if item in given]
        tag, note = weakest(item.tag for item in needed), known.text
        sources = (f"HNLPU paper, {known.source}",)
    if not own:
        tag = "assumed"
        note = f"{note} The paper's assumptions scaled to this model: it says nothing about it."
    return Figure(low, mid, high, unit, tag, note, sources)
