"""The conformance suite: cases that every architecture must pass, in every simulator.

A case is a matrix (shape, codebook, block exponents) and vectors (the corners that overflow first, and random
ones) with what the dense product says; :func:`build` makes it an array of one architecture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan
from hnlpu.codebook import E2M1
from hnlpu.metal import MetalPlan, plan_metal
from hnlpu.rtl.mac_array import MacPlan
from hnlpu.selection import BaseOptions, choose_base
from hnlpu.sim.array import array_outputs
from hnlpu.verification.vectors import input_vectors

HARDWIRED = ("taps", "paper", "merged")
BASELINES = ("cell", "mac")

CODEBOOKS = (
    E2M1.magnitudes,
    E2M1.magnitudes,
    (1,),
    (1, 2),
    tuple(range(1, 9)),
    tuple(range(1, 33)),
    (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28),
    (3, 10, 57),
)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One matrix and what it makes of its vectors."""

    matrix: AlignedMatrix
    magnitudes: tuple[int, ...]
    activation_bits: int
    phases: int
    cuts: int
    adder: int
    x: np.ndarray
    y: np.ndarray

    @property
    def exponent_values(self) -> int:
        return 1 << self.matrix.spread.bit_length()


def draw(seed: int, *, most_columns: int, n_random: int, **chosen: Any) -> Case:
    """The case of a seed: everything random, extremes likely, unless ``chosen``.

    ``chosen`` may hold rows, columns, magnitudes, bits, spread, kind, phases, cuts and adder.
    """
    rng = np.random.default_rng([seed, most_columns])

    def choice(name: str, drawn: Any) -> Any:
        return chosen.get(name, drawn)

    magnitudes = choice("magnitudes", CODEBOOKS[rng.integers(len(CODEBOOKS))])
    rows = choice("rows", int(rng.integers(1, 6)))
    columns = choice("columns", int(rng.integers(1, most_columns + 1)))
    bits = choice("bits", int(rng.choice([2, 3, 4, 8])))
    spread = choice("spread", int(rng.choice([0, 0, 1, 3])))
    signed = np.array([0, *magnitudes, *(-m for m in magnitudes)])
    multiples = rng.choice(signed, (rows, columns))
    kind = choice("kind", int(rng.integers(4)))
    if kind == 0:  # the row that overflows first, and its opposite
        multiples[0] = -magnitudes[-1]
        multiples[-1] = magnitudes[-1]
    elif kind == 1:  # mostly zeros
        multiples *= rng.random(multiples.shape) < 0.1
    exponents = rng.integers(0, spread + 1, (rows, -(-columns // 32)))
    matrix = AlignedMatrix(
        f"case_{seed}",
        multiples.astype(np.int16),
        exponents.astype(np.uint8),
        rng.integers(-9, 4, rows).astype(np.int16),
    )
    x = input_vectors(columns, bits, n_random, seed)
    weights = np.ldexp(matrix.integers().astype(np.float64), matrix.row_exponents[:, None])
    return Case(
        matrix,
        magnitudes,
        bits,
        min(choice("phases", int(rng.integers(1, 5))), columns),
        choice("cuts", int(rng.choice([0, 0, 1, 3]))),
        choice("adder", int(rng.choice([24, 24, 28]))),
        x,
        array_outputs(weights, matrix.row_exponents, x),
    )


def build(case: Case, arch: str) -> MetalPlan:
    """The case on a base of a hardwired architecture."""
    options = BaseOptions(
        arch=arch,
        activation_bits=case.activation_bits,
        phases=case.phases,
        cuts=case.cuts if arch == "taps" else 0,
        adder=case.adder,
    )
    plan: ArrayPlan = choose_base([case.matrix], case.magnitudes, options)
    return plan_metal(case.matrix, plan)


def mac_plan(case: Case) -> MacPlan:
    """The case on a MAC array of two MACs a row."""
    rows = case.matrix.n_rows
    lanes = min(2, -(-case.matrix.n_columns // case.matrix.block))
    return MacPlan.of(case.matrix, case.activation_bits, rows * lanes, case.magnitudes)


def mac_loading(plan: MacPlan, matrix: AlignedMatrix) -> Iterator[dict[str, Any]]:
    """Writes of every word of a MAC array's SRAMs."""
    words = {"weight": plan.weight_words(matrix)}
    if plan.exponent_bits:
        words["exponent"] = plan.exponent_words(matrix)
    for name, contents in words.items():
        for address, word in enumerate(contents):
            yield {f"{name}_enable": 1, f"{name}_address": address, f"{name}_data": word}
