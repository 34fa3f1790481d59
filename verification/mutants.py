"""Mutants: metal files with faults, which a verification worth its name must catch.

A mutant is made on the text of the emitted file, and chosen by value: moving a tap between two lines
that carry the same multiple, or swapping two equal weights, would change nothing.
"""

import re
from collections.abc import Iterator

import numpy as np

from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.metal import ROW_EXPONENT_BITS

__all__ = ["MUTANT_KINDS", "mutants"]

MUTANT_KINDS = ("tap_moved", "sign_flipped", "stubs_swapped", "pin_flipped")

_TAP = re.compile(r"\w+\[\d+\]")
_TIE = re.compile(r"tie_(?:low|high)")


def mutants(metal: str, plan: BasePlan, seed: int) -> Iterator[tuple[dict[str, int], str]]:
    """Yield ``(faults, text)``: metal files with faults, each in a row of its own.

    ``faults`` gives the row of each kind of fault in ``text``. Rows share nothing, so several faults in
    one file are as many mutants, each caught or not in its own row, for the price of one build. Every
    kind that the matrix allows comes once; a matrix with fewer rows than kinds takes several files.

    ``pin_flipped`` flips an exponent pin of a block, or on a base without exponent pins the lowest tie
    of a row's own exponent. A matrix of equal weights has nothing to swap and yields fewer kinds.

    Parameters
    ----------
    metal : str
        Text of an emitted metal file.
    plan : BasePlan
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
    kind: str, metal: str, plan: BasePlan, row: int, rng: np.random.Generator
) -> str | None:
    pin = re.search(rf"\.taps_{row}\(\{{(.*?)\}}\)", metal)
    assert pin is not None, f"no taps of row {row}"
    taps = _TAP.findall(pin[1])[::-1]  # least significant first
    stubs = [plan.stub(int(column)) for column in rng.permutation(plan.n_columns)]
    multiple = {stub: LINE_MULTIPLES[_line(taps[stub])] for stub in stubs}
    nonzero = [stub for stub in stubs if multiple[stub]]
    if not nonzero:
        return None
    first = nonzero[0]
    if kind == "pin_flipped":
        return _flip_pin(metal, plan, row, nonzero[0])
    if kind == "tap_moved":
        step = 1 + int(rng.integers(len(LINE_MULTIPLES) - 1))
        taps[first] = _on_line(taps[first], (_line(taps[first]) + step) % len(LINE_MULTIPLES))
    elif kind == "sign_flipped":
        taps[first] = _on_line(taps[first], LINE_MULTIPLES.index(-multiple[first]))
    else:
        second = next((stub for stub in stubs if multiple[stub] != multiple[first]), None)
        if second is None:
            return None
        lines = _line(taps[first]), _line(taps[second])
        taps[first], taps[second] = (
            _on_line(taps[first], lines[1]),
            _on_line(taps[second], lines[0]),
        )
    return metal[: pin.start(1)] + ", ".join(reversed(taps)) + metal[pin.end(1) :]


def _flip_pin(metal: str, plan: BasePlan, row: int, stub: int) -> str:
    if plan.n_exponent_pins:
        phase, port = divmod(stub, plan.n_ports)
        slot = (port // plan.superblock_ports) * plan.phases + phase
        pattern, index = rf"\.exponents_{row}\((.*?)\)[,\s]", slot * plan.exponent_bits
    else:
        pattern, index = r"assign row_exponents = (.*?);", row * ROW_EXPONENT_BITS
    ties = re.search(pattern, metal)
    assert ties is not None, f"no ties of row {row}"
    places = list(_TIE.finditer(ties[1]))[::-1]
    place = places[index]
    start = ties.start(1) + place.start()
    flipped = "tie_low" if place[0] == "tie_high" else "tie_high"
    return metal[:start] + flipped + metal[start + len(place[0]) :]


def _line(tap: str) -> int:
    return int(tap[tap.index("[") + 1 : -1])


def _on_line(tap: str, line: int) -> str:
    return f"{tap[: tap.index('[')]}[{line}]"
