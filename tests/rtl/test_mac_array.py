"""The MAC-array baseline against the dense product, and its count against the netlist."""

import numpy as np
import pytest
from arrays import STALLS, never, numbers, random_matrix, stimulus
from streams import run_streams, steady

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.rtl.baseline_synthesis import MAC_PARTS, count_mac
from hnlpu.rtl.mac_array import MacArray, MacPlan, mac_modules
from hnlpu.rtl.synthesis import load_cells
from hnlpu.sim.array import array_outputs
from hnlpu.taps import TapsPlan

CODEBOOKS = {"E2M1": E2M1.magnitudes, "ternary": (1,), "1..8": tuple(range(1, 9))}
#: Rows, columns, activation bits, exponent values, MACs.
SHAPES = [
    (1, 1, 8, 1, 1),
    (3, 5, 8, 1, 1),
    (3, 5, 4, 1, 2),
    (3, 7, 2, 1, 3),
    (3, 40, 4, 4, 2),
    (1, 70, 4, 3, 3),
    (2, 100, 3, 1, 8),
]


def case(
    shape, magnitudes, seed=0, n=7
) -> tuple[MacPlan, AlignedMatrix, np.ndarray, list[list[int]]]:
    """Plan, matrix, stimulus and golden results."""
    rows, columns, bits, exponents, n_macs = shape
    rng = np.random.default_rng(seed)
    base = TapsPlan(rows, columns, bits, exponent_values=exponents, magnitudes=magnitudes)
    matrix, x = random_matrix(base, rng), stimulus(base, rng, n)
    plan = MacPlan.of(matrix, bits, n_macs, magnitudes)
    assert plan.exponent_values == exponents
    return plan, matrix, x, array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


def loading(plan: MacPlan, matrix: AlignedMatrix) -> list[dict[str, int]]:
    """Writes of every word of both SRAMs, last address first."""
    words = {"weight": plan.weight_words(matrix)}
    if plan.exponent_bits:
        words["exponent"] = plan.exponent_words(matrix)
    return [
        {f"{name}_enable": 1, f"{name}_address": address, f"{name}_data": word}
        for name, contents in words.items()
        for address, word in reversed(list(enumerate(contents)))
    ]


@pytest.mark.parametrize("magnitudes", CODEBOOKS.values(), ids=CODEBOOKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matches_the_dense_product(simulate, shape, magnitudes):
    plan, matrix, x, golden = case(shape, magnitudes)
    run = run_streams(simulate, MacArray(plan), x, plan.n_rows, never, never, loading(plan, matrix))
    assert run.y.tolist() == golden
    assert steady(run, plan.latency_cycles, plan.interval_cycles)


@pytest.mark.parametrize("stalls", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("n_macs", [1, 4])
def test_stalls(simulate, n_macs, stalls):
    plan, matrix, x, golden = case((2, 34, 3, 2, n_macs), E2M1.magnitudes, n=9)
    run = run_streams(simulate, MacArray(plan), x, 2, *stalls, loading(plan, matrix))
    assert run.y.tolist() == golden


def test_new_weights_can_be_loaded(simulate):
    plan, first, x, _ = case((3, 5, 4, 1, 2), E2M1.magnitudes)
    _, second, _, golden = case((3, 5, 4, 1, 2), E2M1.magnitudes, seed=1)
    golden = array_outputs(numbers(second), second.row_exponents, x).tolist()
    load = loading(plan, first) + loading(plan, second)
    assert run_streams(simulate, MacArray(plan), x, 3, never, never, load).y.tolist() == golden


def test_a_wrong_weight_would_be_seen(simulate):
    plan, matrix, x, golden = case((3, 5, 4, 1, 2), E2M1.magnitudes)
    matrix.multiples[2, 3] = 6 if matrix.multiples[2, 3] == 4 else 4
    run = run_streams(simulate, MacArray(plan), x, 3, never, never, loading(plan, matrix))
    assert run.y.tolist() != golden


def test_minus_zero_is_zero(simulate):
    """E2M1's own code 8, which the words of a matrix never hold."""
    plan, matrix, x, _ = case((1, 2, 4, 1, 1), E2M1.magnitudes)
    matrix.multiples[0] = 0, 2
    load = loading(plan, matrix)
    load[-1]["weight_data"] |= 8
    run = run_streams(simulate, MacArray(plan), x, 1, never, never, load)
    assert run.y.tolist() == (x @ np.array([[0], [2]])).tolist()


def test_cycles_are_weights_per_mac():
    assert MacPlan(128, 1024, 8, 1024).interval_cycles == 128
    assert MacPlan(128, 1024, 8, 128).interval_cycles == 1024
    assert MacPlan(128, 1024, 8, 32).interval_cycles == 4096


def test_an_emitted_memory_holds_nothing():
    modules = dict(mac_modules(MacPlan(2, 3, 4, 2, 2)))
    memories = [text for name, text in modules.items() if name.startswith("hn_sram_")]
    assert len(memories) == 2
    assert all("reg" in text and "initial" not in text for text in memories)


def test_count():
    plan = MacPlan(4, 64, 4, 8, 2)
    counted = count_mac(plan)
    assert tuple(counted.transistors_by_part) == MAC_PARTS
    cells = load_cells()
    bit = cells["sram_bit"].transistors + cells["sram_periphery"].transistors
    weights_and_exponents = 4 * 64 * 4 + 4 * 2 * 1
    assert counted.transistors_by_part["memory"] == bit * weights_and_exponents
    assert counted.cells["hn_clock_gate"] >= 8
    twice = count_mac(MacPlan(8, 64, 4, 16, 2))
    for part in ("memory", "compressors", "shifters", "accumulator"):
        assert twice.transistors_by_part[part] == 2 * counted.transistors_by_part[part]
    for part in ("source", "control"):
        assert twice.transistors_by_part[part] == counted.transistors_by_part[part]


def test_registers_are_those_of_the_plan():
    """An accumulator per MAC, a register per result of the groups before the last, the counters."""
    plan = MacPlan(4, 8, 4, 2)
    counted = count_mac(plan)
    control = plan.block + 1 + (plan.interval_cycles - 1).bit_length() + 1
    chain = 2 * plan.accumulator_bits
    in_control = counted.cells["DFF"] - 2 * plan.accumulator_bits - chain
    assert control - 1 <= in_control <= control  # yosys may drop the one-bit ring


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((4, 64, 8, 6), "n_macs does not fit"),
        ((4, 64, 8, 12), "n_macs does not fit"),
        ((4, 64, 1, 4), "activation_bits does not fit"),
        ((4, 64, 8, 4, 1, (2, 1)), "magnitudes does not fit"),
    ],
)
def test_bad_parameters(arguments, what):
    with pytest.raises(HnlpuError, match=what):
        MacPlan(*arguments)
