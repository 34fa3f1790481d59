"""A number with its unit, range, source and confidence, and the figures computed from such numbers.

Range arithmetic has one rule. A formula that is monotone in each of its inputs takes its extremes
at the corners of the box of inputs, so :func:`combine` evaluates every corner:

    low = min over corners f,   mid = f(mid, mid, ...),   high = max over corners f

Inputs are treated as independent: a range is an outer bound and never claims a correlation.

Contract (checked by ``tests/costmodel/test_quantity.py``): low <= mid <= high, and the tag of a
result is never better than that of its weakest input.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import TypeAlias

__all__ = [
    "CONFIDENCES",
    "UNITS",
    "Figure",
    "Quantity",
    "combine",
    "exact",
    "published",
    "scenario",
]

#: From best to worst evidence; also the tags of results.
CONFIDENCES = ("measured", "derived", "published", "calibrated", "assumed")

#: Units the data files may use. A unit is text: conversion happens in named formulas only.
UNITS = frozenset(
    {
        "1",
        "B",
        "GB/s",
        "GHz",
        "MB",
        "Mtransistor/mm2",
        "TB/s",
        "USD",
        "W",
        "byte/weight",
        "chips",
        "cycles",
        "elements/cycle",
        "heads/cycle",
        "mm2",
        "ns",
        "s",
        "tokens/J",
        "tokens/s",
        "transistors/weight",
        "um2",
        "um2/weight",
        "weights",
    }
)


def _check(low: float, mid: float, high: float, unit: str, tag: str) -> None:
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is unknown; known are {', '.join(sorted(UNITS))}")
    if tag not in CONFIDENCES:
        raise ValueError(f"confidence {tag!r} is not one of {', '.join(CONFIDENCES)}")
    if not all(isfinite(number) for number in (low, mid, high)):
        raise ValueError(f"{low}, {mid}, {high}: low, value and high must be finite")
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


@dataclass(frozen=True, slots=True)
class Figure:
    """A result: its range, unit and tag, the formula behind it and the sources of its inputs."""

    low: float
    mid: float
    high: float
    unit: str
    tag: str
    note: str
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.low, self.mid, self.high, self.unit, self.tag)

    def as_dict(self) -> dict[str, float | str]:
        """Stable keys for JSON; ``source`` joins the sources of the inputs."""
        return {
            "low": self.low,
            "mid": self.mid,
            "high": self.high,
            "unit": self.unit,
            "tag": self.tag,
            "note": self.note,
            "source": "; ".join(self.sources),
        }


Ranged: TypeAlias = Quantity | Figure


def combine(
    formula: Callable[..., float], *inputs: Ranged, unit: str, note: str, tag: str | None = None
) -> Figure:
    """Evaluate ``formula``, monotone in each input, over the corners of the inputs' ranges.

    Parameters
    ----------
    formula : callable
        Takes one float per input, in order.
    inputs : Quantity or Figure
    unit, note : str
        Unit of the result and the formula in words.
    tag : str, optional
        Overrides the tag, which otherwise is that of the weakest input.
    """
    ends = [sorted({item.low, item.high}) for item in inputs]
    mid = formula(*(item.mid for item in inputs))
    values = [mid, *(formula(*corner) for corner in product(*ends))]
    return Figure(
        min(values), mid, max(values), unit, tag or _weakest(inputs), note, _sources(inputs)
    )


def scenario(
    values: Sequence[float],
    inputs: Sequence[Ranged],
    *,
    unit: str,
    note: str,
    tag: str | None = None,
) -> Figure:
    """Figure of three coherent scenarios, the middle one in the middle of ``values``."""
    _, mid, _ = values
    return Figure(
        min(values), mid, max(values), unit, tag or _weakest(inputs), note, _sources(inputs)
    )


def exact(value: float, unit: str, tag: str, note: str) -> Figure:
    """Figure without a range: a count."""
    return Figure(value, value, value, unit, tag, note)


def published(quantity: Quantity, note: str) -> Figure:
    """A data file's number shown as a figure."""
    return Figure(
        quantity.low, quantity.value, quantity.high, quantity.unit, quantity.confidence, note,
        quantity.sources,
    )  # fmt: skip


def _weakest(inputs: Sequence[Ranged]) -> str:
    """A computed result is at best derived, whatever it is computed from."""
    worst = max((CONFIDENCES.index(item.tag) for item in inputs), default=0)
    return CONFIDENCES[worst] if CONFIDENCES[worst] in ("calibrated", "assumed") else "derived"


def _sources(inputs: Sequence[Ranged]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for item in inputs for source in item.sources))
