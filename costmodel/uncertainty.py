"""Uncertainty: draws from the inputs' priors, percentiles of every figure, and which input decides one.

A prior is a triangle from ``low`` over ``value`` to ``high``, drawn on the logarithm where the range spans more than
a factor of ``WIDE`` (an order of magnitude is no better known upwards than downwards). Inputs are drawn independently,
by Latin hypercube, from a seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from hnlpu.costmodel.inputs import Inputs, at
from hnlpu.costmodel.quantity import Figure, Quantity, weakest
from hnlpu.costmodel.sheet import Sheet, no_number

__all__ = ["WIDE", "Effect", "Sample", "draw", "figures", "sample", "tornado"]

#: A range whose ends differ by more than this factor is drawn on the logarithm.
WIDE = 3.0

_PERCENTILES = (5, 50, 95)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one input does to a figure while all others stay in the middle.

    Attributes
    ----------
    at_low, at_high : float
        The figure with the input at its low and its high end, in coherent units.
    """

    name: str
    at_low: float
    at_high: float
    mid: float

    @property
    def swing(self) -> float:
        return abs(self.at_high - self.at_low)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sheet evaluated: every input and figure in the middle, and for every draw."""

    mid: Mapping[str, Any]
    drawn: Mapping[str, Any]

    def of(self, name: str) -> npt.NDArray[np.float64]:
        """A figure's draws; one that no range moves has a single one."""
        return np.atleast_1d(np.asarray(self.drawn[name], dtype=np.float64))


def draw(inputs: Inputs, n: int, seed: int = 0) -> dict[str, Any]:
    """``n`` draws of every input that has a range, in coherent units; the others as numbers."""
    ranged = [name for name in sorted(inputs) if inputs[name].low < inputs[name].high]
    values: dict[str, Any] = dict(at(inputs, "mid"))
    if not ranged:
        return values
    uniform = stats.qmc.LatinHypercube(d=len(ranged), rng=np.random.default_rng(seed)).random(n)
    for i, name in enumerate(ranged):
        values[name] = _triangle(inputs[name], uniform[:, i])
    return values


def _triangle(item: Quantity, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, value, high = item.in_coherent_units()
    if low > 0 and high > WIDE * low:
        low, value, high = np.log((low, value, high))
        return np.exp(_inverse(low, value, high, uniform))
    return _inverse(low, value, high, uniform)


def _inverse(
    low: float, value: float, high: float, uniform: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    width = high - low
    drawn = stats.triang.ppf(uniform, (value - low) / width, loc=low, scale=width)
    return np.asarray(drawn, dtype=np.float64)


def sample(sheet: Sheet, inputs: Inputs, n: int = 2000, seed: int = 0) -> Sample:
    """Evaluate a sheet in the middle of every range, and for ``n`` draws."""
    return Sample(sheet.evaluate(at(inputs, "mid")), sheet.evaluate(draw(inputs, n, seed)))


def figures(
    sheet: Sheet, inputs: Inputs, found: Sample, names: Sequence[str] = ()
) -> dict[str, Figure]:
    """Every figure of a sheet (or ``names`` of it) with its range, tag, formula and sources.

    Raises
    ------
    HnlpuError
        A figure that is not a number in the middle or for a draw; infinite it may be.
    """
    return {name: _figure(sheet, inputs, found, name) for name in names or sheet.rules}


def _figure(sheet: Sheet, inputs: Inputs, found: Sample, name: str) -> Figure:
    item, mid = sheet.rules[name], float(found.mid[name])
    keys = sorted(sheet.ancestors(name))
    needed = [inputs[key] for key in keys]
    values = np.sort(found.of(name))
    if np.isnan(mid) or np.isnan(values).any():
        zero = [key for key in keys if inputs[key].low == 0]
        raise no_number(f"cost model: {name}", float("nan"), zero or keys)
    # an order statistic, for a figure may be infinite in some draws
    low, median, high = (float(values[len(values) * p // 100]) for p in _PERCENTILES)
    tags = [entry.tag for entry in needed]
    # rules on the way may be assumptions themselves
    tags += [rule.tag for rule in sheet.rules_behind(name) if rule.tag]
    return Figure(
        low=min(low, mid),
        mid=mid,
        high=max(high, mid),
        unit=item.unit,
        tag=weakest(tags),
        note=item.text,
        sources=tuple(dict.fromkeys((*((item.source,) if item.source else ()), *_worst(needed)))),
        median=median,
    )


def _worst(needed: Sequence[Quantity]) -> list[str]:
    """Sources of the inputs, the weakest evidence first."""
    order = ("assumed", "calibrated", "published", "derived", "measured")
    return [item.source for item in sorted(needed, key=lambda item: order.index(item.tag))]


def tornado(sheet: Sheet, inputs: Inputs, name: str) -> tuple[Effect, ...]:
    """Effect of every input with a range on one figure, the largest swing first."""
    small = sheet.needed([name])
    mids: Mapping[str, float] = at(inputs, "mid")
    low, high = at(inputs, "low"), at(inputs, "high")
    mid = float(small.evaluate(mids)[name])
    effects = [
        Effect(
            key,
            float(small.evaluate({**mids, key: low[key]})[name]),
            float(small.evaluate({**mids, key: high[key]})[name]),
            mid,
        )
        for key in sorted(small.ancestors(name))
        if low[key] < high[key]
    ]
    return tuple(sorted(effects, key=lambda effect: -effect.swing))
