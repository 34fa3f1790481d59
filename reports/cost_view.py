"""What a cost report shows: a sheet with its inputs and figures, and which of them make tiles, charts and controls.

Numbers stay with the cost model. A view only names figures of its sheet, so that the page can recompute them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hnlpu.costmodel.contradiction import Note
from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.quantity import Figure
from hnlpu.costmodel.sheet import Sheet
from hnlpu.costmodel.units import coherent

__all__ = [
    "Baseline",
    "Control",
    "CostPage",
    "Curve",
    "Limit",
    "Line",
    "Metric",
    "Parts",
    "label_of",
]

_UNITS = ("usd", "mm2", "kg", "s", "w")
_CAPITALS = ("gpu", "hbm", "hn", "io", "ip", "kv", "nre", "phy", "pue", "sram", "tco", "usd", "vex")


def label_of(name: str) -> str:
    """Name of an input or figure in words; the unit stands beside its value."""
    words = name.split("_")
    if len(words) > 1 and words[-1] in _UNITS and words[-2] != "per":
        words.pop()
    return " ".join(word.upper() if word in _CAPITALS else word for word in words)


@dataclass(frozen=True, slots=True)
class Metric:
    """A tile: a figure of the sheet, in a unit, beside the paper's figure of the same key.

    Attributes
    ----------
    key, label, figure : str
    unit : str
        Shown; empty for the figure's own.
    """

    key: str
    label: str
    figure: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A slider: it sets one input, or several in their given proportion, so that their sum is its value.

    Attributes
    ----------
    key : str
        In the address of the page.
    inputs : tuple of str
    low, high, step : float
        In ``unit``.
    log : bool
        Equal steps of the slider are equal ratios.
    """

    key: str
    label: str
    inputs: tuple[str, ...]
    low: float
    high: float
    step: float
    unit: str = "1"
    log: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure must not exceed: a number in its coherent unit, or another figure or input.

    Settings beyond it show ``text``: the figures are those of a design that cannot be built or used.
    """

    figure: str
    most: float | str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A figure under a name: a bar or a curve. ``baseline`` evaluates it with that baseline's inputs."""

    figure: str
    label: str
    baseline: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """Bars of figures of one unit, or a waterfall that adds them up to ``total``."""

    key: str
    title: str
    parts: tuple[Line, ...]
    unit: str
    total: str = ""
    log: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """Figures against one input, or against the sum of several in their given proportion."""

    key: str
    title: str
    inputs: tuple[str, ...]
    label: str
    low: float
    high: float
    unit: str
    lines: tuple[Line, ...]
    line_unit: str
    log: bool = False
    log_lines: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a design is compared with.

    Attributes
    ----------
    key, name, basis, short : str
        Basis says where its speed comes from: a published measurement, a roofline. Short is the name in a chart, which
        tells it from others of the same machine.
    values : mapping of str to float
        Inputs of the page's sheet, in coherent units, that make the accelerator this one.
    metrics : mapping of str to (str or Figure)
        By key of a metric: a figure of the sheet, evaluated with ``values``, or a fixed figure.
    source : str
    """

    key: str
    name: str
    basis: str
    values: Mapping[str, float]
    metrics: Mapping[str, str | Figure]
    source: str = ""
    short: str = ""


@dataclass(frozen=True)
class CostPage:
    """A cost report.

    Attributes
    ----------
    title, description : str
    sheet : Sheet
        Consistent mode.
    inputs : mapping of str to Quantity
        Every input of the sheet.
    figures : mapping of str to Figure
        Ranges, tags and sources of the sheet's figures, each in the unit of its rule.
    headline : tuple of Metric
    paper : mapping of str to Figure
        Paper mode, by key of the headline.
    resources : mapping of str to str
        Label of what a token can wait for, to the figure that says how long; the longest is the bottleneck.
    node, nodes : str, mapping of str to Inputs
        The node of ``inputs``, and the inputs that another one changes.
    controls : tuple of Control
    limits : tuple of Limit
    charts : tuple of Parts or Curve
    metrics : tuple of Metric
        What is compared with the baselines.
    baselines : tuple of Baseline
    sensitivity : tuple of Metric
        Figures for which the page tells which input moves them most; the first one at the start.
    draws : mapping of str to tuple of float
        Inputs drawn from their ranges, in coherent units, all of one length: the page computes ranges from
        them. Without draws it shows no range once a setting is changed.
    contradictions : tuple of Note
    notes : tuple of str
    command : str
        What made the page.
    """

    title: str
    description: str
    sheet: Sheet
    inputs: Inputs
    figures: Mapping[str, Figure]
    headline: tuple[Metric, ...]
    paper: Mapping[str, Figure] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    nodes: Mapping[str, Inputs] = field(default_factory=dict)
    controls: tuple[Control, ...] = ()
    limits: tuple[Limit, ...] = ()
    charts: tuple[Parts | Curve, ...] = ()
    metrics: tuple[Metric, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    sensitivity: tuple[Metric, ...] = ()
    draws: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    contradictions: tuple[Note, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""

    @cached_property
    def values(self) -> dict[str, float]:
        """Every input at its middle, in coherent units."""
        return {name: item.in_coherent_units()[1] for name, item in self.inputs.items()}

    @cached_property
    def results(self) -> dict[str, float]:
        """Every input and figure at the middle, in coherent units."""
        return {name: float(value) for name, value in self.sheet.evaluate(self.values).items()}

    def unit(self, name: str) -> str:
        """Unit in which a figure or an input is shown."""
        return self.sheet.rules[name].unit if name in self.sheet.rules else self.inputs[name].unit

    def result(self, name: str, unit: str = "") -> float:
        """A figure or an input at the middle, in ``unit`` or its own."""
        return self.results[name] / coherent(unit or self.unit(name))

    def figure(self, name: str) -> Figure:
        """A figure with its range, or an input as one."""
        if name in self.figures:
            return self.figures[name]
        item = self.inputs[name]
        return Figure(
            item.low, item.value, item.high, item.unit, item.confidence, "input", item.sources
        )

    def bottleneck(self) -> str:
        """Label of the resource that a token waits for longest."""
        return max(
            self.resources, key=lambda label: self.results[self.resources[label]], default=""
        )
