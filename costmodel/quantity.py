"""A number with its unit, range, source and confidence, and the figures computed from such numbers.

An input's range is a prior; ``costmodel/uncertainty.py`` draws from it. A figure's ``mid`` is the formula at the
inputs' middle, ``low`` and ``high`` are the 5th and 95th percentile of the draws (or ``mid`` where that lies
outside), ``median`` the 50th.

Contract (checked by ``tests/costmodel/test_quantity.py``): low <= mid <= high, and the tag of a
result is never better than that of its weakest input.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, isinf, isnan

from hnlpu.costmodel.units import coherent, is_unit

__all__ = ["CONFIDENCES", "Figure", "Quantity", "weakest"]

#: From best to worst evidence; also the tags of results.
CONFIDENCES = ("measured", "derived", "published", "calibrated", "assumed")


def weakest(tags: Iterable[str]) -> str:
    """Tag of a figure computed from inputs of ``tags``: at best derived, whatever it is computed from."""
    worst = max((CONFIDENCES.index(tag) for tag in tags), default=0)
    return CONFIDENCES[worst] if CONFIDENCES[worst] in ("calibrated", "assumed") else "derived"


def _check(low: float, mid: float, high: float, unit: str, tag: str) -> None:
    if not is_unit(unit):
        raise ValueError(f"unit {unit!r} is unknown")
    if tag not in CONFIDENCES:
        raise ValueError(f"confidence {tag!r} is not one of {', '.join(CONFIDENCES)}")
    if any(isnan(number) for number in (low, mid, high)):
        raise ValueError(f"{low}, {mid}, {high}: not numbers")
    if not low <= mid <= high:
        raise ValueError(f"low {low}, value {mid}, high {high} are out of order")


@dataclass(frozen=True, slots=True)
class Quantity:
    """An input of the model, as a data file states it."""

    value: float
    unit: str
    low: float
    high: float
    source: str
    confidence: str

    def __post_init__(self) -> None:
        _check(self.low, self.value, self.high, self.unit, self.confidence)
        if not all(isfinite(number) for number in (self.low, self.value, self.high)):
            raise ValueError(f"{self.low}, {self.value}, {self.high}: must be finite")
        if not self.source.strip():
            raise ValueError("source is empty: say where the number comes from")

    @property
    def mid(self) -> float:
        return self.value

    @property
    def tag(self) -> str:
        return self.confidence

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)

    def in_coherent_units(self) -> tuple[float, float, float]:
        """Low, value and high as formulas take them (``costmodel/units.py``)."""
        scale = coherent(self.unit)
        return self.low * scale, self.value * scale, self.high * scale


@dataclass(frozen=True, slots=True)
class Figure:
    """A result: its range, unit and tag, the formula behind it and the sources of its inputs.

    Attributes
    ----------
    low, mid, high, median : float
        Infinite where the figure is never reached, as a break-even can be.
    """

    low: float
    mid: float
    high: float
    unit: str
    tag: str
    note: str
    sources: tuple[str, ...] = ()
    median: float | None = None

    def __post_init__(self) -> None:
        _check(self.low, self.mid, self.high, self.unit, self.tag)

    def in_unit(self, unit: str) -> "Figure":
        """The same figure in another unit of its dimension."""
        scale = coherent(self.unit) / coherent(unit)
        median = None if self.median is None else self.median * scale
        return Figure(
            self.low * scale, self.mid * scale, self.high * scale, unit, self.tag, self.note,
            self.sources, median,
        )  # fmt: skip

    def as_dict(self) -> dict[str, float | str | None]:
        """Stable keys for JSON; an infinite number is null; ``source`` joins the sources of the inputs."""

        def plain(number: float | None) -> float | None:
            return None if number is None or isinf(number) else number

        return {
            "low": plain(self.low),
            "mid": plain(self.mid),
            "high": plain(self.high),
            "median": plain(self.median),
            "unit": self.unit,
            "tag": self.tag,
            "note": self.note,
            "source": "; ".join(self.sources),
        }
