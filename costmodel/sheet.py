"""The sheet: rules that name what they need, and the figures that follow from a set of inputs.

A rule is a formula with a name, a unit and an explanation; its parameters are the names of inputs or of other
rules. A sheet puts rules into order and evaluates them. Because the dependencies are known, a sheet can tell
which figures an input moves, replace single rules (paper mode and consistent mode differ in listed rules only),
check dimensions, run on arrays of draws, and be written in another language (``costmodel/javascript.py``).

A formula is assignments and one ``return``, of arithmetic, comparisons and the functions of ``FUNCTIONS``; it
works element by element on arrays, and in the coherent units of ``costmodel/units.py``.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import ModuleType
from typing import Any

import numpy as np

from hnlpu.costmodel.units import coherent, is_unit, quantity
from hnlpu.errors import HnlpuError

__all__ = ["FUNCTIONS", "Rule", "Sheet", "no_number", "rule", "rules_of"]

#: What a formula may call, from numpy.
FUNCTIONS = ("ceil", "floor", "exp", "log", "sqrt", "maximum", "minimum", "where", "expm1", "log1p")


@dataclass(frozen=True, slots=True)
class Rule:
    """One formula.

    Attributes
    ----------
    name : str
        Of the figure it gives.
    function : callable
    unit : str
        Of the figure, made of coherent units.
    inputs : tuple of str
        Names it needs.
    text : str
        The formula in words: the docstring.
    source : str
        Where the formula comes from; empty for arithmetic that needs none.
    tag : str or None
        Makes the figure no better than this, e.g. ``assumed`` for an assumed law.
    """

    name: str
    function: Callable[..., Any]
    unit: str
    inputs: tuple[str, ...]
    text: str
    source: str = ""
    tag: str | None = None


def rule(
    unit: str, *, source: str = "", tag: str | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], Rule]:
    """Make a rule of a function: its name, its parameters and its docstring become the rule's."""
    if not is_unit(unit):
        raise ValueError(f"unit {unit!r} is unknown")
    if coherent(unit) != 1.0:
        raise ValueError(
            f"unit {unit!r} is not coherent: it is {coherent(unit):g} of the model's own"
        )

    def make(function: Callable[..., Any]) -> Rule:
        if not function.__doc__:
            raise ValueError(f"{function.__name__}: a rule needs its formula in words")
        return Rule(
            name or function.__name__,
            function,
            unit,
            tuple(inspect.signature(function).parameters),
            " ".join(inspect.cleandoc(function.__doc__).split()),
            source,
            tag,
        )

    return make


def rules_of(*modules: ModuleType) -> tuple[Rule, ...]:
    """Every rule of some modules, in the order they are written."""
    found = {
        id(item): item
        for module in modules
        for item in vars(module).values()
        if isinstance(item, Rule)
    }
    return tuple(found.values())


def no_number(where: str, got: float, inputs: Iterable[str]) -> HnlpuError:
    """The error of a figure that its inputs leave without a number, where it must have one."""
    return HnlpuError(
        "no number with these inputs",
        where=where,
        got=str(got),
        do=f"check {', '.join(inputs)}",
    )


class Sheet:
    """Rules in an order in which they can be evaluated.

    Parameters
    ----------
    rules : iterable of Rule

    Attributes
    ----------
    rules : mapping of str to Rule
        In order of evaluation.
    inputs : tuple of str
        Names that no rule gives, sorted.

    Raises
    ------
    ValueError
        Two rules of one name, or rules that need each other.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        named: dict[str, Rule] = {}
        for item in rules:
            if named.setdefault(item.name, item) is not item:
                raise ValueError(f"two rules give {item.name}")
        graph = {name: item.inputs for name, item in named.items()}
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise ValueError(f"rules need each other: {' <- '.join(error.args[1])}") from error
        self.rules: Mapping[str, Rule] = {name: named[name] for name in order if name in named}
        self.inputs = tuple(sorted(name for name in order if name not in named))

    def replaced(self, rules: Iterable[Rule] = (), *, without: Iterable[str] = ()) -> "Sheet":
        """This sheet with other rules of the same names; those ``without`` become inputs."""
        kept = {name: item for name, item in self.rules.items() if name not in set(without)}
        return Sheet({**kept, **{item.name: item for item in rules}}.values())

    def evaluate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Every input and figure, from the inputs' values: floats, arrays of one shape, or pint quantities.

        Raises
        ------
        HnlpuError
            An input without a value.
        """
        known = {
            # a numpy number divides by zero where a Python number raises
            name: np.float64(value) if isinstance(value, int | float) else value
            for name, value in values.items()
        }
        for name in self.inputs:
            if name not in known:
                users = [item.name for item in self.rules.values() if name in item.inputs]
                raise HnlpuError(
                    "an input without a value",
                    where=f"cost model: {name}",
                    got=f"nothing, and {', '.join(users)} need it",
                    do="give it in a data file",
                )
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            for name, item in self.rules.items():
                known[name] = item.function(*(known[key] for key in item.inputs))
        return known

    def ancestors(self, name: str) -> frozenset[str]:
        """Inputs that a figure depends on; an input depends on itself."""
        return frozenset(self._above((name,)) - self.rules.keys())

    def rules_behind(self, name: str) -> tuple[Rule, ...]:
        """The rule of a figure and those it depends on, in order of evaluation."""
        above = self._above((name,))
        return tuple(item for key, item in self.rules.items() if key in above)

    def needed(self, names: Iterable[str]) -> "Sheet":
        """The part of the sheet that some figures need."""
        above = self._above(names)
        return Sheet(item for name, item in self.rules.items() if name in above)

    def _above(self, names: Iterable[str]) -> set[str]:
        """``names``, and every rule and input that they depend on."""
        todo, found = list(names), set[str]()
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                if name in self.rules:
                    todo += self.rules[name].inputs
        return found

    def check_units(self, values: Mapping[str, tuple[float, str]]) -> None:
        """Evaluate with dimensions: every figure must come out in the unit its rule declares.

        Parameters
        ----------
        values : mapping of str to (value, unit)
            For every input, any unit of its dimension.

        Raises
        ------
        ValueError
            A formula adds or returns the wrong dimension; the message names the rule.
        """
        known = {name: quantity(*value).to_base_units() for name, value in values.items()}
        for name, item in self.rules.items():
            declared = quantity(1.0, item.unit)
            try:
                with np.errstate(divide="ignore", invalid="ignore"):
                    result = item.function(*(known[key] for key in item.inputs))
                result = result if hasattr(result, "units") else quantity(result, "1")
                known[name] = result.to(declared.units).to_base_units()
            except Exception as error:
                raise ValueError(f"{name}: {error}") from error
