"""The Cell-Embedding baseline against the dense product, and its count against yosys."""

import numpy as np
import pytest
from arrays import STALLS, never, numbers, random_matrix, stimulus
from streams import run_streams, steady

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.rtl.baseline_synthesis import count_cell, count_cell_netlist
from hnlpu.rtl.cell_array import CellArray, CellPlan
from hnlpu.rtl.synthesis import transistors_of
from hnlpu.sim.array import array_outputs
from hnlpu.taps import TapsPlan

CODEBOOKS = {
    "E2M1": E2M1.magnitudes,
    "ternary": (1,),
    "1..8": tuple(range(1, 9)),
}
WIDE = (5, 11, 37, 127)
#: Rows, columns, activation bits, exponent values.
SHAPES = [(1, 1, 8, 1), (3, 5, 2, 1), (3, 7, 8, 1), (2, 34, 3, 3)]


def matrix_and_stimulus(shape, magnitudes, seed=0, n=7) -> tuple[AlignedMatrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = TapsPlan(*shape[:3], exponent_values=shape[3], magnitudes=magnitudes)
    return random_matrix(base, rng), stimulus(base, rng, n)


def golden(matrix: AlignedMatrix, x: np.ndarray) -> list[list[int]]:
    return array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
@pytest.mark.parametrize("magnitudes", CODEBOOKS.values(), ids=CODEBOOKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matches_the_dense_product(simulate, shape, magnitudes, shared):
    matrix, x = matrix_and_stimulus(shape, magnitudes)
    dut = CellArray(matrix, shape[2], shared)
    run = run_streams(simulate, dut, x, shape[0], never, never)
    assert run.y.tolist() == golden(matrix, x)
    assert steady(run, 1, 1)


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_wide_codebook(simulate, shared):
    matrix, x = matrix_and_stimulus((2, 6, 4, 1), WIDE)
    run = run_streams(simulate, CellArray(matrix, 4, shared), x, 2, never, never)
    assert run.y.tolist() == golden(matrix, x)


@pytest.mark.parametrize("stalls", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("settle_cycles", [1, 3])
def test_stalls(simulate, settle_cycles, stalls):
    matrix, x = matrix_and_stimulus((2, 5, 4, 1), E2M1.magnitudes, n=12)
    dut = CellArray(matrix, 4, False, settle_cycles)
    run = run_streams(simulate, dut, x, 2, *stalls)
    assert run.y.tolist() == golden(matrix, x)
    if stalls == (never, never):
        assert steady(run, dut.plan.latency_cycles, dut.plan.interval_cycles)
        assert dut.plan.interval_cycles == settle_cycles


def test_rows_of_zeros_and_equal_rows(simulate):
    matrix, x = matrix_and_stimulus((5, 4, 2, 1), E2M1.magnitudes)
    matrix.multiples[2] = 0
    matrix.multiples[3] = matrix.multiples[4]
    run = run_streams(simulate, CellArray(matrix, 2, True, 1, 28), x, 5, never, never)
    assert run.y.tolist() == golden(matrix, x)
    count = count_cell_netlist(matrix, 2, shared=True, adder=28)
    assert count == count_cell(matrix, 2, shared=True, adder=28).cells


def test_a_wrong_weight_would_be_seen(simulate):
    matrix, x = matrix_and_stimulus((2, 5, 4, 1), E2M1.magnitudes)
    expected = golden(matrix, x)
    matrix.multiples[1, 3] = 6 if matrix.multiples[1, 3] == 4 else 4
    run = run_streams(simulate, CellArray(matrix, 4), x, 2, never, never)
    assert run.y.tolist() != expected


@pytest.mark.parametrize(
    ("magnitudes", "shared"),
    [(E2M1.magnitudes, False), (E2M1.magnitudes, True), (WIDE, True)],
    ids=["E2M1", "E2M1-shared", "wide-shared"],
)
def test_the_plan_counts_what_yosys_counts(magnitudes, shared):
    matrix, _ = matrix_and_stimulus((2, 9, 2, 2), magnitudes)
    counted = count_cell(matrix, 2, shared=shared, settle_cycles=2)
    netlist = count_cell_netlist(matrix, 2, shared=shared, settle_cycles=2)
    assert netlist == counted.cells
    assert counted.transistors == sum(n * transistors_of(kind) for kind, n in netlist.items())


def test_a_sample_of_rows_stands_for_all():
    matrix, _ = matrix_and_stimulus((16, 64, 8, 1), E2M1.magnitudes)
    whole, sample = count_cell(matrix, 8), count_cell(matrix, 8, sample_rows=8)
    assert (whole.n_rows_counted, sample.n_rows_counted) == (16, 8)
    assert sample.transistors == pytest.approx(whole.transistors, rel=0.05)
    with pytest.raises(HnlpuError, match="sample_rows = 0"):
        count_cell(matrix, 8, sample_rows=0)


def test_sharing_multiples_saves_and_nothing_costs_more_than_an_adder_per_bit():
    matrix, _ = matrix_and_stimulus((16, 64, 8, 1), E2M1.magnitudes)
    alone, shared = count_cell(matrix, 8), count_cell(matrix, 8, shared=True)
    assert shared.transistors < alone.transistors
    bits = sum(len(CellPlan(matrix, 8).row_terms(row)) * 8 for row in range(16))
    # Every full adder takes one bit out; at most the bits of a row's constant come on top.
    assert bits - 16 * 20 < alone.cells["hn_full_adder_n"] < bits + 16 * 20


def test_wide_rows(simulate):
    matrix, x = matrix_and_stimulus((1, 2880, 2, 1), (1,), n=5)
    matrix.multiples[0] = np.random.default_rng(1).choice([-1, 1, *[0] * 18], 2880)
    run = run_streams(simulate, CellArray(matrix, 2), x, 1, never, never)
    assert run.y.tolist() == golden(matrix, x)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"activation_bits": 1}, "activation_bits is out of range"),
        ({"settle_cycles": 0}, "settle_cycles is out of range"),
        ({"adder": 26}, "choose 24 or 28"),
    ],
)
def test_bad_parameters(options, what):
    matrix, _ = matrix_and_stimulus((1, 1, 8, 1), (1,))
    with pytest.raises(HnlpuError, match=what):
        CellPlan(matrix, **{"activation_bits": 8, **options})
