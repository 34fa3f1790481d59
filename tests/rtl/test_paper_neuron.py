"""Whole arrays of the paper's neurons against the dense product."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import STALLS, never, numbers, random_matrix, run, stimulus

from hnlpu.codebook import E2M1
from hnlpu.metal import plan_metal
from hnlpu.paper import PaperPlan
from hnlpu.sim.array import array_outputs

# (columns, A, T, E): rows of one input, padding, partial blocks.
SHAPES = [
    (1, 8, 1, 1),
    (1, 2, 2, 4),
    (5, 3, 2, 4),
    (17, 8, 1, 1),
    (40, 4, 4, 4),
]
CODEBOOKS = [E2M1.magnitudes, (1,), tuple(range(1, 9)), (3, 5)]


def golden(matrix, x):
    return array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


@pytest.mark.parametrize("columns, a_bits, phases, exponents", SHAPES)
@pytest.mark.parametrize("stalls", ["no-stall", "stalls"])
def test_matches_golden(simulate, columns, a_bits, phases, exponents, stalls):
    rng = np.random.default_rng(columns * a_bits * phases)
    matrix = random_matrix(PaperPlan(3, columns, a_bits, phases, exponents), rng)
    base = PaperPlan.for_matrices(
        [matrix],
        activation_bits=a_bits,
        phases=phases,
        exponent_values=exponents,
        magnitudes=E2M1.magnitudes,
        failure_rate=0.5,
    )
    x = stimulus(base, rng, 6)
    seen = run(simulate, plan_metal(matrix, base), x, *STALLS[stalls])
    assert seen.y.tolist() == golden(matrix, x)
    if stalls == "no-stall":
        assert set(np.diff(seen.valid)) <= {base.interval_cycles}
        assert seen.valid[0] - seen.offered[0] == base.latency_cycles


@pytest.mark.parametrize("magnitudes", CODEBOOKS, ids=str)
@pytest.mark.parametrize("phases, exponents, adder", [(1, 1, 28), (2, 4, 24), (4, 1, 24)])
def test_codebooks_and_adders(simulate, magnitudes, phases, exponents, adder):
    """Bases that hold any weights."""
    rng = np.random.default_rng(phases)
    base = PaperPlan(3, 6, 4, phases, exponents, magnitudes=magnitudes, adder=adder)
    matrix = random_matrix(base, rng)
    x = stimulus(base, rng, 8)
    seen = run(simulate, plan_metal(matrix, base), x, never, never)
    assert seen.y.tolist() == golden(matrix, x)


def test_a_row_of_zeros(simulate):
    rng = np.random.default_rng(0)
    matrix = random_matrix(PaperPlan(2, 5), rng)
    matrix = replace(matrix, multiples=np.zeros_like(matrix.multiples))
    base = PaperPlan.for_matrices([matrix], magnitudes=E2M1.magnitudes)
    assert not any(base.capacities[1:])
    seen = run(simulate, plan_metal(matrix, base), stimulus(base, rng, 5), never, never)
    assert not seen.y.any()


@pytest.mark.parametrize("column", [0, 7, 19])
def test_one_moved_tap_is_seen(simulate, column):
    """A weight that changes its sign: the difference is its own, and the constant that it no longer needs."""
    rng = np.random.default_rng(column)
    base = PaperPlan(2, 20, 4, 2)
    matrix = random_matrix(base, rng)
    matrix.multiples[1, column] = 6
    metal = plan_metal(matrix, base)
    bundle, phase = divmod(column, base.phases)
    lines = {base.bundle_line(bundle, 0), base.bundle_line(bundle, 1)}
    stubs = [
        pin
        for pin in range(phase * base.n_ports, (phase + 1) * base.n_ports)
        if int(metal.pins[1, pin]) in lines
    ]
    assert len(stubs) == 1
    pins = metal.pins.copy()
    (pins[1, stubs[0]],) = lines - {int(pins[1, stubs[0]])}
    x = stimulus(base, rng, 5)
    x[0, column] = 3
    seen = run(simulate, replace(metal, pins=pins), x, never, never)
    change = seen.y - np.array(golden(matrix, x))
    assert change[:, 0].tolist() == [0] * 5
    assert change[:, 1].tolist() == (-12 * x[:, column] - 6).tolist()
