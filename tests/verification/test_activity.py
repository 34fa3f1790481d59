"""Gate-level evaluation: results against the twin, toggles and depth by hand."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import numbers, random_matrix, stimulus
from conformance import HARDWIRED, build, draw

from hnlpu.errors import HnlpuError
from hnlpu.metal import plan_metal
from hnlpu.sim.array import array_outputs
from hnlpu.taps import TapsPlan
from hnlpu.verification.activity import FlatNetlist, row_activity


@pytest.mark.parametrize("arch", HARDWIRED)
def test_rows_of_every_architecture_compute_what_the_twin_says(arch):
    case = draw(11, most_columns=24, n_random=20)
    found = row_activity(build(case, arch), 0, case.x)
    assert found.y.tolist() == case.y[:, 0].tolist()
    assert found.toggles > 0 and found.n_gates > 0 and found.depth > 2


def test_a_moved_pin_changes_the_result():
    plan = TapsPlan(1, 12, 4, 2, cuts=2)
    rng = np.random.default_rng(0)
    matrix = random_matrix(plan, rng)
    x = stimulus(plan, rng, 8)
    golden = array_outputs(numbers(matrix), matrix.row_exponents, x)[:, 0]
    metal = plan_metal(matrix, plan)
    assert row_activity(metal, 0, x).y.tolist() == golden.tolist()
    pins = metal.pins.copy()
    pins[0, 0] ^= 1  # the complement of its line
    assert row_activity(replace(metal, pins=pins), 0, x).y.tolist() != golden.tolist()


def test_nothing_toggles_where_nothing_moves():
    """Zero inputs and weights: only what follows the phases and the bit-times."""
    plan = TapsPlan(1, 12, 4, 2)
    matrix = random_matrix(plan, np.random.default_rng(0))
    busy = row_activity(plan_metal(matrix, plan), 0, stimulus(plan, np.random.default_rng(1), 8))
    matrix.multiples[:] = 0
    quiet = row_activity(plan_metal(matrix, plan), 0, np.zeros((2, 12), dtype=np.int64))
    assert quiet.toggles < busy.toggles / 4


def cell(kind: str, **pins: int) -> dict:
    return {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}


COUNTER = {
    "ports": {"en": {"bits": [2]}, "q": {"bits": [3, 4]}},
    "cells": {
        "x0": cell("$_XOR_", A=3, B=2, Y=5),
        "a0": cell("$_AND_", A=3, B=2, Y=6),
        "x1": cell("$_XOR_", A=4, B=6, Y=7),
        "n": cell("$_NOT_", A=7, Y=8),
        "r0": cell("$_DFF_P_", C=9, D=5, Q=3),
        "r1": cell("$_DFF_P_", C=9, D=7, Q=4),
    },
}


def test_a_counter_by_hand():
    """Two lanes: one counts, one stands."""
    netlist = FlatNetlist(COUNTER)
    assert (netlist.depth, netlist.n_gates, len(netlist.registers)) == (2, 4, 2)
    values = {2: 0b01, 3: 0, 4: 0}
    seen = []
    for _ in range(4):
        netlist.evaluate(values, 0b11)
        seen.append((values[3], values[4], values[8]))
        netlist.clock(values)
    assert seen == [(0, 0, 0b11), (1, 0, 0b10), (0, 1, 0b10), (1, 1, 0b11)]


def test_what_is_no_gate_or_loops_is_refused():
    strange = {"ports": {}, "cells": {"m": cell("$_MUX_", A=2, B=3, S=4, Y=5)}}
    with pytest.raises(HnlpuError, match=r"no two-input gate.*\$_MUX_"):
        FlatNetlist(strange)
    loop = {
        "ports": {},
        "cells": {"a": cell("$_AND_", A=2, B=3, Y=4), "b": cell("$_OR_", A=4, B=2, Y=3)},
    }
    with pytest.raises(HnlpuError, match="loop"):
        FlatNetlist(loop)
