"""Rows with any pins, against Amaranth's simulation of the array and against the plan's own reading."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import never, random_matrix, run, stimulus

from hnlpu.base import HIGH, LINES
from hnlpu.metal import MetalPlan, plan_metal
from hnlpu.sim.pins import row_sums
from hnlpu.taps import TapsPlan

PLANS = [
    TapsPlan(2, 14, 4, 3, 1),
    TapsPlan(2, 21, 4, 2, 4, 8),
    TapsPlan(2, 11, 6, 2, magnitudes=tuple(range(1, 33))),
    TapsPlan(2, 15, 4, 3, cuts=2),
]
names = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)


def matrix_of(plan, rng):
    return replace(random_matrix(plan, rng), block=plan.block)


def disturbed(plan, rng, n_joined, n=6):
    """Pins of random weights, of which some in every row are on another driver, or on joined ones."""
    pins = plan_metal(matrix_of(plan, rng), plan).pins.copy()
    n_data = plan.n_pins - plan.n_exponent_pins
    for row in range(plan.n_rows):
        for pin in rng.choice(n_data, n, replace=False):
            pins[row, pin] = rng.integers(plan.n_drivers + n_joined)
        pins[row, rng.integers(n_data)] = plan.n_drivers + n_joined - 1
    if plan.n_exponent_pins:
        pins[0, n_data + rng.integers(plan.n_exponent_pins)] ^= 1
    return pins


@names
@pytest.mark.parametrize("low_wins", [True, False], ids=["low", "high"])
def test_any_pins_as_simulated(simulate, plan, low_wins):
    rng = np.random.default_rng(plan.n_columns)
    joined = [tuple(rng.choice(np.arange(LINES, plan.n_drivers), n, False)) for n in (2, 3)]
    pins = disturbed(plan, rng, len(joined))
    x = stimulus(plan, rng, 5)
    sums = row_sums(plan, pins, joined, low_wins=low_wins)
    metal = MetalPlan(plan, pins, np.zeros(plan.n_rows, dtype=np.int16))
    y = np.array(run(simulate, metal, x, never, never, joined=joined, low_wins=low_wins).y)
    if plan.n_cuts < 2:
        assert not sums.bad.any()
    assert np.array_equal(y[:, ~sums.bad], sums(x)[:, ~sums.bad])
    assert not sums(x)[:, sums.bad].any()


@names
def test_good_pins_are_weights(plan):
    matrix = matrix_of(plan, np.random.default_rng(1))
    sums = row_sums(plan, plan_metal(matrix, plan).pins)
    assert np.array_equal(sums.weights, matrix.integers())
    assert not sums.offset.any() and not sums.words and not sums.bad.any()


def test_a_pin_moved_is_seen():
    """The check above can fail: every weight of a row moved by one line."""
    plan = PLANS[0]
    pins = plan_metal(matrix_of(plan, np.random.default_rng(1)), plan).pins.copy()
    good = row_sums(plan, pins)
    pins[0, 0] = HIGH
    assert not np.array_equal(row_sums(plan, pins).weights, good.weights)


def test_data_on_exponent_pins_make_a_row_bad():
    plan = PLANS[1]
    pins = plan_metal(matrix_of(plan, np.random.default_rng(1)), plan).pins.copy()
    pins[1, -1] = LINES
    sums = row_sums(plan, pins)
    assert sums.bad.tolist() == [False, True]
    assert not sums(np.ones((1, plan.n_columns), dtype=np.int64))[:, 1].any()
