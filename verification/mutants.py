"""Mutants: metal files with faults, which a verification worth its name must catch.

A mutant is made on the text of the emitted file, and chosen by what the wiring then says: moving a pin
between two drivers that mean the same, or swapping two equal weights, would change nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from hnlpu.base import HIGH, LINES, LOW, ArrayPlan, Pins
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.rtl.metal import driver_names

__all__ = ["MUTANT_KINDS", "mutants"]

MUTANT_KINDS = ("tap_moved", "sign_flipped", "stubs_swapped", "pin_flipped")

_TIE = re.compile(r"tie_(?:low|high)")
_TRIES = 200


def mutants(metal: str, plan: ArrayPlan, seed: int) -> Iterator[tuple[dict[str, int], str]]:
    """Yield ``(faults, text)``: metal files with faults, each in a row of its own.

    ``faults`` gives the row of each kind of fault in ``text``. Rows share nothing, so several faults in
    one file are as many mutants, each caught or not in its own row, for the price of one build. Every
    kind that the matrix allows comes once; a matrix with fewer rows than kinds takes several files.

    ``pin_flipped`` exchanges the ties of an exponent pin of a block, or on a base without such pins the
    lowest tie of a row's own exponent. A row of equal weights, or of one, may have nothing to swap; a
    matrix of such rows yields fewer kinds.

    Parameters
    ----------
    metal : str
        Text of an emitted metal file.
    plan : ArrayPlan
    seed : int
    """
    rng = np.random.default_rng(seed)
    rows = [int(row) for row in rng.permutation(plan.n_rows)]
    kinds = list(MUTANT_KINDS)
    while kinds:
        faults: dict[str, int] = {}
        text = metal
        for kind in kinds:
            for row in rows:
                changed = None if row in faults.values() else _mutate(kind, text, plan, row, rng)
                if changed is not None:
                    faults[kind], text = row, changed
                    break
        if not faults:
            return
        yield faults, text
        kinds = [kind for kind in kinds if kind not in faults]


def _mutate(
    kind: str, metal: str, plan: ArrayPlan, row: int, rng: np.random.Generator
) -> str | None:
    found = re.search(rf"\.pins_{row}\(\{{(.*?)\}}\)", metal)
    assert found is not None, f"no pins of row {row}"
    names = driver_names(plan, row)
    number = {str(name): i for i, name in enumerate(names)}
    pins = np.array([number[text.strip()] for text in found[1].split(",")][::-1])
    one_row = replace(plan, n_rows=1)
    before = one_row.read(pins[None])
    if not before.values.any():
        return None
    if kind == "pin_flipped" and plan.exponent_bits and not plan.n_local:
        changed = _first_change(one_row, pins, rng, _flip_tie, exponents=True)
    elif kind == "pin_flipped":
        return _flip_row_exponent(metal, row)
    else:
        change = {"tap_moved": _move, "sign_flipped": _negate, "stubs_swapped": _swap}[kind]
        changed = _first_change(one_row, pins, rng, change)
    if changed is None:
        return None
    text = ", ".join(reversed([str(name) for name in names[changed]]))
    return metal[: found.start(1)] + text + metal[found.end(1) :]


_Change = Callable[[ArrayPlan, Pins, np.random.Generator], Pins | None]


def _first_change(
    plan: ArrayPlan,
    pins: Pins,
    rng: np.random.Generator,
    change: _Change,
    *,
    exponents: bool = False,
) -> Pins | None:
    """The first of some random changes after which the wiring says something else."""
    before = plan.read(pins[None])
    blocks = np.arange(plan.n_columns) // plan.block
    for _ in range(_TRIES):
        changed = change(plan, pins, rng)
        if changed is None:
            continue
        after = plan.read(changed[None])
        if exponents:
            differs = (before.block_exponents != after.block_exponents)[:, blocks]
            if (differs & (before.values != 0)).any():
                return changed
        elif (before.values != after.values).any():
            return changed
    return None


def _on_line(plan: ArrayPlan, pins: Pins) -> Pins:
    """Pins that are on a line of a bundle."""
    return np.flatnonzero((pins >= LINES) & (pins < LINES + plan.n_lines))


def _move(plan: ArrayPlan, pins: Pins, rng: np.random.Generator) -> Pins | None:
    pin = rng.choice(_on_line(plan, pins))
    changed = pins.copy()
    bundle = (pins[pin] - LINES) // plan.lines.n_lines
    if plan.lines.n_lines > 2:  # another multiple of the same input
        changed[pin] = plan.bundle_line(bundle, int(rng.integers(plan.lines.n_lines)))
    else:  # another input
        changed[pin] = LINES + rng.integers(plan.n_lines)
    return changed


def _negate(plan: ArrayPlan, pins: Pins, rng: np.random.Generator) -> Pins | None:
    pin = rng.choice(_on_line(plan, pins))
    changed = pins.copy()
    changed[pin] = LINES + ((pins[pin] - LINES) ^ 1)
    return changed


def _swap(plan: ArrayPlan, pins: Pins, rng: np.random.Generator) -> Pins | None:
    """Two pins take each other's line, each in its own bundle where lines differ in their multiple."""
    first, second = rng.choice(_on_line(plan, pins), 2)
    changed = pins.copy()
    changed[first], changed[second] = pins[second], pins[first]
    if plan.lines.n_lines > 2:
        lines = (pins[[second, first]] - LINES) % plan.lines.n_lines
        bundles = (pins[[first, second]] - LINES) // plan.lines.n_lines
        changed[[first, second]] = LINES + bundles * plan.lines.n_lines + lines
    return None if (changed == pins).all() else changed


def _flip_tie(plan: ArrayPlan, pins: Pins, rng: np.random.Generator) -> Pins | None:
    changed = pins.copy()
    # A row's exponent pins, all on ties, come last.
    n_exponent_pins = plan.exponent_bits * (plan.n_blocks + plan.phases)
    pin = rng.choice(np.flatnonzero(pins < LINES)[-n_exponent_pins:])
    changed[pin] = HIGH if pins[pin] == LOW else LOW
    return changed


def _flip_row_exponent(metal: str, row: int) -> str:
    ties = re.search(r"assign row_exponents = (.*?);", metal)
    assert ties is not None, f"no ties of row {row}"
    place = list(_TIE.finditer(ties[1]))[::-1][row * ROW_EXPONENT_BITS]
    start = ties.start(1) + place.start()
    flipped = "tie_low" if place[0] == "tie_high" else "tie_high"
    return metal[:start] + flipped + metal[start + len(place[0]) :]
