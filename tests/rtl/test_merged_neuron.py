"""Whole arrays of merged regions against the dense product."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import STALLS, never, numbers, random_matrix, run, stimulus

from hnlpu.codebook import E2M1
from hnlpu.merged import MergedPlan
from hnlpu.metal import plan_metal
from hnlpu.rtl.merged_neuron import Slice
from hnlpu.sim.array import array_outputs

# (columns, A, T, E, ports of a slice): rows of one input, padding, partial blocks.
SHAPES = [
    (1, 8, 1, 1, 7),
    (1, 2, 2, 4, 2),
    (5, 3, 2, 4, 3),
    (17, 8, 1, 1, 5),
    (40, 4, 4, 4, 7),
    (70, 8, 2, 1, 15),
]
CODEBOOKS = [E2M1.magnitudes, (1,), tuple(range(1, 9)), (3, 5)]


def golden(matrix, x):
    return array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


@pytest.mark.parametrize("columns, a_bits, phases, exponents, slice_ports", SHAPES)
@pytest.mark.parametrize("stalls", ["no-stall", "stalls"])
def test_matches_golden(simulate, columns, a_bits, phases, exponents, slice_ports, stalls):
    rng = np.random.default_rng(columns * a_bits * phases)
    matrix = random_matrix(MergedPlan(3, columns, a_bits, phases, exponents), rng)
    base = MergedPlan.for_matrices(
        [matrix],
        activation_bits=a_bits,
        phases=phases,
        exponent_values=exponents,
        magnitudes=E2M1.magnitudes,
        slice_ports=slice_ports,
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
    base = MergedPlan(3, 6, 4, phases, exponents, 32, magnitudes, adder, slice_ports=3)
    matrix = random_matrix(base, rng)
    x = stimulus(base, rng, 8)
    seen = run(simulate, plan_metal(matrix, base), x, never, never)
    assert seen.y.tolist() == golden(matrix, x)


def test_a_row_of_zeros(simulate):
    rng = np.random.default_rng(0)
    matrix = random_matrix(MergedPlan(2, 5), rng)
    matrix = replace(matrix, multiples=np.zeros_like(matrix.multiples))
    base = MergedPlan.for_matrices([matrix], magnitudes=E2M1.magnitudes)
    assert base.n_slices == 1
    seen = run(simulate, plan_metal(matrix, base), stimulus(base, rng, 5), never, never)
    assert not seen.y.any()


def test_a_slice_in_another_slot_is_seen(simulate):
    """A slice of magnitude 2 goes to slots of 3, 6 and 12: its weights are 3 then."""
    rng = np.random.default_rng(1)
    base = MergedPlan(2, 24, 4, 2, n_slices=1)
    matrix = random_matrix(base, rng)
    matrix.multiples[:] = 0
    matrix.multiples[1, 5:9] = [2, -2, 2, -2]
    metal = plan_metal(matrix, base)
    slots = metal.pins[1, base.n_stubs :][: base.n_region_pins]
    weight = np.repeat(base.slot_weights, base.slots)
    moved = slots.copy()
    for old, new in [(2, 3), (4, 6), (8, 12)]:
        taken, free = (weight == old) & (slots > 0), (weight == new) & (slots == 0)
        moved[np.flatnonzero(free)[: taken.sum()]] = slots[taken]
        moved[taken] = 0
    pins = metal.pins.copy()
    pins[1, base.n_stubs :][: base.n_region_pins] = moved
    x = stimulus(base, rng, 5)
    seen = run(simulate, replace(metal, pins=pins), x, never, never)
    change = seen.y - np.array(golden(matrix, x))
    signs = np.sign(matrix.multiples[1])
    assert change[:, 0].tolist() == [0] * 5
    # A tap of a complement lacks 3 now, of which 2 are wired.
    assert change[:, 1].tolist() == (x @ signs - (signs < 0).sum()).tolist()


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("inverting", [False, True])
def test_slice_counts_the_ports_of_the_phase(simulate, phases, inverting):
    rng = np.random.default_rng(phases)
    plan = MergedPlan(1, 20, phases=phases, adder=24 if inverting else 28).slice_count
    dut = Slice(phases, plan)
    flips = sum((plan.polarity[i] < 0) << i for i in range(7))

    async def bench(ctx):
        for _ in range(60):
            taps = rng.integers(0, 128, phases)
            phase = int(rng.integers(phases))
            ctx.set(dut.taps, sum((int(t) ^ flips) << (7 * p) for p, t in enumerate(taps)))
            ctx.set(dut.phase, 1 << phase)
            assert ctx.get(dut.count) == int(taps[phase]).bit_count()

    simulate(dut, bench, clocked=False)
