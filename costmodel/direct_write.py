"""Direct write: what it costs to write weights onto wafers with electron beams, without masks.

A beam writes what is to be exposed, dot by dot: the time of a wafer's layer is the charge it needs over the current
of all beams, and an overhead. No mask is made, so the cost is each wafer's, however many weights changed: a resist
is exposed as a whole, and vias that a mask has printed cannot be taken away.

    hours of a wafer = sum over layers (written area x dose / current + overhead)
"""

from dataclasses import dataclass
from math import inf, pi

from hnlpu.costmodel.loader import DataFile

__all__ = ["DirectWrite", "price_direct_write"]


@dataclass(frozen=True, slots=True)
class DirectWrite:
    """Low, likely and high price of writing all layers of a wafer.

    Attributes
    ----------
    hours : tuple of float
        Of one wafer.
    usd_per_wafer : tuple of float
    wafers : tuple of float
        Up to so many wafers of a chip it is cheaper than its masks: at the low, likely and high price of these.
    """

    hours: tuple[float, float, float]
    usd_per_wafer: tuple[float, float, float]
    wafers: tuple[float, float, float]


def price_direct_write(
    shares: dict[str, float], mask_usd: tuple[float, float, float], wafer_mm: float
) -> DirectWrite:
    """Price of writing some layers of a wafer.

    Parameters
    ----------
    shares : dict of str to float
        Of each layer the share of the area that is exposed.
    mask_usd : tuple of float
        Low, likely and high price of the photomasks of one chip that would do the same.
    wafer_mm : float
        Diameter.

    Returns
    -------
    DirectWrite
        Low prices take every assumption at its cheap end; ``wafers`` compares cheap masks with dear writing first.
    """
    file = DataFile("direct_write.toml")
    dose = file.quantity("dose", "uC/cm2")
    current = file.quantity("current", "uA")
    overhead = file.quantity("overhead", "hour")
    hour = file.quantity("tool_hour", "USD/hour")
    area_cm2 = pi / 4 * (wafer_mm / 10) ** 2 * sum(shares.values())

    def hours(charge: float, amperes: float, rest: float) -> float:
        return area_cm2 * charge / amperes / 3600 + len(shares) * rest

    took = (
        hours(dose.low, current.high, overhead.low),
        hours(dose.value, current.value, overhead.value),
        hours(dose.high, current.low, overhead.high),
    )
    usd = took[0] * hour.low, took[1] * hour.value, took[2] * hour.high
    wafers = [
        masks / wafer if wafer else inf for masks, wafer in zip(mask_usd, usd[::-1], strict=True)
    ]
    return DirectWrite(took, usd, (wafers[0], wafers[1], wafers[2]))
