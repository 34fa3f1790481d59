"""Whole tap-crossbar arrays: sequencer, sources and neurons, wired by a metal plan."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import STALLS, never, numbers, random_matrix, run, stimulus
from slow import more_of

from hnlpu.alignment import align
from hnlpu.base import LINES
from hnlpu.codebook import E2M1
from hnlpu.metal import plan_metal
from hnlpu.sim.array import array_outputs
from hnlpu.taps import TapsPlan
from hnlpu.weights import CodedMatrix

# (columns, A, T, E, cuts): every value of each, short rows, partial blocks and superblocks, padding.
SHAPES = [
    (1, 8, 1, 1, 0),
    (1, 4, 1, 4, 0),
    (5, 8, 2, 2, 1),
    (5, 4, 3, 8, 0),
    (32, 4, 1, 4, 0),
    (32, 8, 3, 1, 2),
    (40, 4, 2, 8, 0),
    (40, 8, 1, 2, 1),
    (100, 4, 2, 1, 3),
    *more_of((100, 8, 3, 2, 0), (150, 4, 1, 2, 2)),
]
CODEBOOKS = [E2M1.magnitudes, (1,), tuple(range(1, 33))]


@pytest.mark.parametrize("columns, a_bits, phases, exponents, cuts", SHAPES)
@pytest.mark.parametrize("stalls", ["no-stall", "stalls"])
def test_matches_golden(simulate, columns, a_bits, phases, exponents, cuts, stalls):
    rng = np.random.default_rng(columns * a_bits * phases)
    rows = 2 if columns > 40 else 3
    base = TapsPlan(rows, columns, a_bits, phases, exponents, cuts=cuts)
    matrix = random_matrix(base, rng)
    x = stimulus(base, rng, 6)
    seen = run(simulate, plan_metal(matrix, base), x, *STALLS[stalls])
    assert seen.y.tolist() == array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()
    if stalls == "no-stall":
        assert set(np.diff(seen.valid)) == {base.interval_cycles}
        assert seen.valid[0] - seen.offered[0] == base.latency_cycles


@pytest.mark.parametrize("magnitudes", CODEBOOKS, ids=["e2m1", "ternary", "int6"])
@pytest.mark.parametrize("adder", [24, 28])
@pytest.mark.parametrize("exponents, cuts", [(1, 0), (1, 2), (4, 0)])
def test_codebooks_and_adders(simulate, magnitudes, adder, exponents, cuts):
    rng = np.random.default_rng(adder)
    base = TapsPlan(3, 20, 4, 2, exponents, 8, magnitudes, cuts=cuts, adder=adder)
    matrix = random_matrix(base, rng)
    matrix = replace(
        matrix, block=8, block_exponents=rng.integers(0, exponents, (3, 3)).astype("u1")
    )
    x = stimulus(base, rng, 8)
    seen = run(simulate, plan_metal(matrix, base), x, never, never)
    assert seen.y.tolist() == array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


@pytest.mark.parametrize("phases, cuts", [(1, 0), (3, 0), (1, 2), (2, 1)])
@pytest.mark.parametrize("stalls", ["slow-source", "slow-sink"])
def test_long_stalls_lose_and_double_nothing(simulate, phases, cuts, stalls):
    rng = np.random.default_rng(phases)
    base = TapsPlan(3, 9, 4, phases, 1, cuts=cuts)
    matrix = random_matrix(base, rng)
    x = stimulus(base, rng, 9)
    seen = run(simulate, plan_metal(matrix, base), x, *STALLS[stalls])
    assert seen.y.tolist() == array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


def test_a_checkpoints_weights_arrive(simulate):
    """From codes and block exponents through alignment and metal plan to integers."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (3, 70)).astype(np.uint8)
    exponents = rng.integers(-5, -1, (3, 3)).astype(np.int16)
    coded = CodedMatrix("test", codes, exponents, E2M1)
    matrix = align(coded)
    base = TapsPlan(3, 70, 8, 2, matrix.spread + 1)
    x = stimulus(base, rng, 6)
    seen = run(simulate, plan_metal(matrix, base), x, never, never)
    assert seen.y.tolist() == array_outputs(coded.values(), matrix.row_exponents, x).tolist()


@pytest.mark.parametrize("exponents", [1, 2])
@pytest.mark.parametrize("column", [0, 31, 39])
def test_one_moved_tap_is_seen(simulate, column, exponents):
    """The mutant is chosen by value: another multiple, an input that is not zero."""
    rng = np.random.default_rng(column)
    base = TapsPlan(3, 40, 4, 2, exponents)
    matrix = random_matrix(base, rng)
    matrix.multiples[2, column] = 6
    metal = plan_metal(matrix, base)
    bundle, phase = base.place(column)
    stub = phase * base.n_ports + bundle
    polarity = base.port_polarity()[bundle]
    assert metal.pins[2, stub] == base.bundle_line(bundle, base.lines.multiples.index(6 * polarity))
    pins = metal.pins.copy()
    pins[2, stub] = base.bundle_line(bundle, base.lines.multiples.index(4 * polarity))
    x = stimulus(base, rng, 5)
    x[0, column] = 3
    golden = array_outputs(numbers(matrix), matrix.row_exponents, x)
    seen = run(simulate, replace(metal, pins=pins), x, never, never)
    shift = int(matrix.block_exponents[2, column // base.block])
    change = np.zeros_like(golden)
    change[:, 2] = (-2 << shift) * x[:, column]
    assert change[0, 2] != 0
    assert (seen.y - golden).tolist() == change.tolist()


def test_a_moved_line_driver_index_is_not_a_tie():
    base = TapsPlan(1, 4, 4, 2)
    assert base.bundle_line(0, 0) == LINES
