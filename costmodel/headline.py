"""Headline figures: the few that a reader takes home, under keys that stay, in units people use."""

from collections.abc import Mapping
from dataclasses import dataclass

from hnlpu.costmodel.quantity import Figure

__all__ = ["HEADLINE", "Headline", "headline_figures"]


@dataclass(frozen=True, slots=True)
class Headline:
    """A headline figure.

    Attributes
    ----------
    label : str
    figure : str
        Of the sheet.
    unit : str
        It is shown in.
    """

    label: str
    figure: str
    unit: str


#: By the key in JSON; ``bottleneck`` is the one more, and is no number.
HEADLINE: Mapping[str, Headline] = {
    "chips": Headline("Chips of a system", "chips", "chip"),
    "die_area_mm2": Headline("Die area", "die_area_mm2", "mm2"),
    "total_area_mm2": Headline("Silicon of a system", "total_area_mm2", "mm2"),
    "transistors_per_weight": Headline(
        "Transistors per weight", "transistors_per_weight", "transistor/weight"
    ),
    "nre_usd": Headline("One-time cost", "nre_usd", "USD"),
    "mask_nre_usd": Headline("of which masks", "mask_nre_usd", "USD"),
    "respin_usd": Headline("New weights", "respin_usd", "USD"),
    "tokens_per_s": Headline("Tokens per second", "tokens_per_s", "token/s"),
    "latency_s": Headline("From token to token", "latency_s", "s"),
    "power_w": Headline("Power of a system", "power_w", "W"),
    "tokens_per_j": Headline("Tokens per joule", "tokens_per_j", "token/J"),
    "tco_usd": Headline("Cost of ownership", "tco_usd", "USD"),
    "tco2e": Headline("Carbon", "carbon_kg", "t"),
}


def headline_figures(figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """The headline of a sheet's figures; those it lacks are left out."""
    return {
        key: figures[item.figure].in_unit(item.unit)
        for key, item in HEADLINE.items()
        if item.figure in figures
    }
