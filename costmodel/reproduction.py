"""Paper mode: every number of the HNLPU paper beside the one that its own inputs and formulas give.

A row of ``data/paper_rows.toml`` names a published number, the figure of the sheet that gives it, and the scenario:
an end of the inputs' ranges, and inputs that stand in for others (``systems`` for 50 systems, say). What is
computed, how far it is off, how good it is (the tag of the weakest input) and what to say about it follow from
the sheet and the inputs; of a row that the paper gives no way to compute, the data says why.

Contract (checked by ``tests/costmodel/test_reproduction.py``): an input moves exactly the rows that list it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.costmodel import (
    paper_masks,
    paper_ownership,
    paper_silicon,
    paper_speed,
    paper_variants,
)
from hnlpu.costmodel.inputs import ENDS, Inputs, at, read_inputs, set_inputs
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import CONFIDENCES, Quantity
from hnlpu.costmodel.sheet import Rule, Sheet, no_number, rules_of
from hnlpu.costmodel.units import coherent, is_unit, same_dimension

__all__ = ["PaperRow", "ReproducedRow", "paper_inputs", "paper_rows", "paper_sheet", "reproduce"]

_INPUTS = "paper_inputs.toml"
_ROWS = "paper_rows.toml"

#: Statuses whose verdict is the error, and what stands before it.
_GRADED = {
    "forward": "",
    "fitted": "fitted: ",
    "back-solved": "back-solved: ",
    "implied": "implied: ",
    "hypothesis": "hypothesis: ",
}
#: Statuses of numbers that do not agree; they lose their verdict if they come to agree.
_DISAGREE = {
    "inconsistent": "INCONSISTENT in the paper",
    "possible": "INCONSISTENT (possible)",
    "external": "INCONSISTENT under external assumption",
    "tension": "tension",
    "approximation": "approximation in paper",
}
#: Statuses that no number decides.
_LISTED = {
    "mislabelled": "INCONSISTENT in the paper",
    "stated": "input (stated, not derivable)",
    "underivable": "not derivable",
    "compatible": "compatible with Table 5 range",
    "uninformative": "consistent but uninformative",
    "counterfactual": "COUNTERFACTUAL",
}
_STATUSES = (*_GRADED, *_DISAGREE, *_LISTED)
_CLOSE, _NEAR = 0.01, 0.05

_SECTION_KEYS = {"title", "rows", "status", "note"}
_ROW_KEYS = {
    "id", "at", "published", "unit", "figure", "end", "with", "against", "status", "within", "at_most",
    "note",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One number of the paper and how it is computed, as the data file states it.

    Attributes
    ----------
    id, section, location : str
    published : float, str or None
        In ``unit``; a text where the paper states no single number; None where ``against`` stands for it.
    unit : str
    figure, against : str or None
        Of the sheet.
    end : str
        Of the inputs' ranges.
    stand_ins : mapping of str to (str or float)
        Inputs taken from another input or figure, or at a value in their own unit.
    status : str
    within : float
        Error that a row which should reproduce may have.
    at_most : bool
        What is published is a bound: a smaller figure does not contradict it.
    note : str
    """

    id: str
    section: str
    location: str
    published: float | str | None
    unit: str
    figure: str | None
    against: str | None
    end: str
    stand_ins: Mapping[str, str | float]
    status: str
    within: float
    at_most: bool
    note: str

    @property
    def figures(self) -> tuple[str, ...]:
        return tuple(name for name in (self.figure, self.against) if name is not None)

    @property
    def should_reproduce(self) -> bool:
        return self.status in _GRADED


@dataclass(frozen=True, slots=True)
class ReproducedRow:
    """One number of the paper, beside the one computed.

    Attributes
    ----------
    id, section, location : str
    published : float or str
        In ``unit``.
    computed, rel_err : float or None
        None where there is no way to compute it.
    unit : str
    tag : str
        That of the weakest input: derived, calibrated or assumed; published where nothing is computed, or the
        figure is an input itself.
    verdict, note : str
    figure : str or None
        Rule or input that gives it.
    inputs : tuple of str
        That it depends on.
    ok : bool or None
        Whether it reproduces as it should; None where that is not expected.
    contradiction : bool
        The paper against itself, or against what is known.
    """

    id: str
    section: str
    location: str
    published: float | str
    computed: float | None
    rel_err: float | None
    unit: str
    tag: str
    verdict: str
    note: str
    figure: str | None
    inputs: tuple[str, ...]
    ok: bool | None
    contradiction: bool


@cache
def paper_sheet() -> Sheet:
    """The formulas of the paper. ``scaled_weights`` is given by the rows of Table 4 alone."""
    modules = paper_silicon, paper_masks, paper_ownership, paper_speed, paper_variants
    return Sheet(rules_of(*modules))


def paper_inputs(path: Path | None = None) -> dict[str, Quantity]:
    """What the paper states, or a user's own file of the same keys and dimensions.

    Raises
    ------
    HnlpuError
        Missing or unknown key, wrong unit, negative value, no source; the message names file and key.
    """
    shipped = _shipped()
    units = {name: shipped.text(f"{name}.unit") for name in shipped.names()}
    return read_inputs(shipped if path is None else DataFile(_INPUTS, path), units)


@cache
def _shipped() -> DataFile:
    return DataFile(_INPUTS)


@cache
def paper_rows() -> tuple[PaperRow, ...]:
    """The numbers of the paper, in the order of the data file."""
    file = DataFile(_ROWS)
    file.only(("section",))
    rows: list[PaperRow] = []
    for i, section in enumerate(file.get("section")):
        place = f"section[{i}]"
        _only(file, place, section, _SECTION_KEYS)
        for j, entry in enumerate(section["rows"]):
            rows.append(_row(file, f"{place}.rows[{j}]", section, entry))
    names = [row.id for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise file.error(name, "two rows of one id", name, "rename or remove one")
    return tuple(rows)


def _only(file: DataFile, place: str, entry: Mapping[str, Any], keys: set[str]) -> None:
    unknown = sorted(set(entry) - keys)
    if unknown:
        raise file.error(f"{place}.{unknown[0]}", "unknown key", "a key that nothing reads",
                         f"known keys are {', '.join(sorted(keys))}")  # fmt: skip


def _row(
    file: DataFile, place: str, section: Mapping[str, Any], entry: Mapping[str, Any]
) -> PaperRow:
    _only(file, place, entry, _ROW_KEYS)
    status = entry.get("status", section.get("status", "forward"))
    row = PaperRow(
        id=entry.get("id", ""),
        section=section["title"],
        location=entry.get("at", ""),
        published=entry.get("published"),
        unit=entry.get("unit", ""),
        figure=entry.get("figure"),
        against=entry.get("against"),
        end=entry.get("end", "mid"),
        stand_ins=entry.get("with", {}),
        status=status,
        within=entry.get("within", _CLOSE),
        at_most=entry.get("at_most", False),
        note=entry.get("note", section.get("note", "")),
    )
    sheet = paper_sheet()
    known_figures = {*_shipped().names(), *sheet.rules}
    problems = {
        "an incomplete row": not (row.id and row.location),
        "an unknown unit": not is_unit(row.unit),
        "an unknown status": row.status not in _STATUSES,
        "an unknown end": row.end not in ENDS,
        "a figure that the sheet lacks": not set(row.figures) <= known_figures,
        "a stand-in for nothing": not set(row.stand_ins) <= set(sheet.inputs),
        "a stand-in that the sheet lacks": not {
            name for name in row.stand_ins.values() if isinstance(name, str)
        }
        <= known_figures,
        "neither a number nor a figure to stand against": (row.published is None)
        == (row.against is None),
        "a row that should reproduce, without a figure": row.should_reproduce
        and row.figure is None,
        "no reason": row.status != "forward" and not row.note,
    }
    for what, wrong in problems.items():
        if wrong:
            raise file.error(place, what, repr(dict(entry)), "correct the row")
    return row


def reproduce(
    settings: Iterable[str] = (), *, inputs: Inputs | None = None
) -> tuple[ReproducedRow, ...]:
    """Compute every number of the paper.

    Parameters
    ----------
    settings : iterable of str
        ``KEY=VALUE`` in the unit of the data file; ``KEY=LOW:HIGH`` for the two ends of a range.
    inputs : mapping of str to Quantity, optional
        Instead of the paper's.

    Raises
    ------
    HnlpuError
        No such key, not a value of it, or a figure that is no number with these inputs.
    """
    given = set_inputs(paper_inputs() if inputs is None else inputs, settings)
    scenarios: dict[Any, dict[str, float]] = {}
    found = []
    for row in paper_rows():
        key = row.end, _key(row)
        if key not in scenarios:
            scenarios[key] = _evaluate(row, given)
        found.append(_reproduced(row, given, scenarios[key]))
    return tuple(found)


_StandIns = tuple[tuple[str, str | float], ...]


def _key(row: PaperRow) -> _StandIns:
    return tuple(sorted(row.stand_ins.items()))


@cache
def _sheet(stand_ins: _StandIns) -> Sheet:
    """The paper's sheet, in which a stand-in is a rule that hands on another input or figure."""

    def handed_on(name: str, source: str) -> Rule:
        return Rule(name, lambda value: value, _unit(source), (source,), f"Here {source}.")

    return paper_sheet().replaced(
        handed_on(name, source) for name, source in stand_ins if isinstance(source, str)
    )


@cache
def _dependencies(figures: tuple[str, ...], stand_ins: _StandIns) -> tuple[str, ...]:
    """Inputs that move a row: those of its figures, without those that it fixes."""
    sheet = _sheet(stand_ins)
    found = {key for name in figures for key in sheet.ancestors(name)}
    return tuple(sorted(found - {name for name, value in stand_ins if not isinstance(value, str)}))


@cache
def _computable(stand_ins: _StandIns) -> Sheet:
    """What a scenario can compute: ``scaled_weights`` is given by the rows of Table 4 alone."""
    sheet = _sheet(stand_ins)
    absent = set(sheet.inputs) - set(_shipped().names())
    return sheet.needed(name for name in sheet.rules if not sheet.ancestors(name) & absent)


def _evaluate(row: PaperRow, given: Inputs) -> dict[str, float]:
    """Every figure of a row's scenario."""
    values = at(given, row.end)
    for name, value in row.stand_ins.items():
        if not isinstance(value, str):
            values[name] = value * coherent(given[name].unit)
    # numpy's floats divide by zero without an exception; a row reports what is not finite
    return _computable(_key(row)).evaluate({k: np.float64(v) for k, v in values.items()})


def _unit(name: str) -> str:
    """Of a figure or input."""
    rule = paper_sheet().rules.get(name)
    return rule.unit if rule is not None else _shipped().text(f"{name}.unit")


def _reproduced(row: PaperRow, given: Inputs, values: Mapping[str, float]) -> ReproducedRow:
    inputs = _dependencies(row.figures, _key(row))
    computed = None if row.figure is None else _number(row, row.figure, values)
    published = row.published if row.against is None else _number(row, row.against, values)
    assert published is not None, row.id
    error = None
    if computed is not None and not isinstance(published, str):
        error = computed / published - 1
    verdict = _verdict(row, error)
    return ReproducedRow(
        id=row.id,
        section=row.section,
        location=row.location,
        published=published,
        computed=computed,
        rel_err=error,
        unit=row.unit,
        tag=_tag(row, given, inputs),
        verdict=verdict,
        note=row.note,
        figure=row.figure,
        inputs=inputs,
        ok=abs(error) <= row.within if row.should_reproduce and error is not None else None,
        contradiction=verdict in (*_DISAGREE.values(), _LISTED["mislabelled"]),
    )


def _number(row: PaperRow, name: str, values: Mapping[str, float]) -> float:
    """A figure in the unit of the row."""
    if not same_dimension(_unit(name), row.unit):
        raise ValueError(f"{row.id}: {name} is in {_unit(name)}, the row in {row.unit}")
    value = float(values[name]) / coherent(row.unit)
    if not isfinite(value) or (name == row.against and value == 0):
        inputs = _dependencies((name,), _key(row))
        raise no_number(f"paper mode: {name} ({row.id})", value, inputs)
    return value


def _tag(row: PaperRow, given: Inputs, inputs: Iterable[str]) -> str:
    """Of the weakest input or rule; what is computed is at best derived."""
    if row.figure is None:
        return "published"
    if row.figure in given:
        return given[row.figure].tag
    rules = _sheet(_key(row)).needed(row.figures).rules.values()
    tags = {given[name].tag for name in inputs} | {rule.tag for rule in rules if rule.tag}
    worst = max(tags, key=CONFIDENCES.index)
    return worst if worst in ("calibrated", "assumed") else "derived"


def _verdict(row: PaperRow, error: float | None) -> str:
    if row.status in _LISTED:
        return _LISTED[row.status]
    if row.status in _DISAGREE:
        if error is None or (error if row.at_most else abs(error)) > _CLOSE:
            return _DISAGREE[row.status]
        return "agrees with these inputs"
    assert error is not None, row.id
    if abs(error) <= _CLOSE:
        grade = "reproduced within 1%"
    else:
        grade = "within 5%" if abs(error) <= _NEAR else "off by more than 5%"
    return _GRADED[row.status] + grade
