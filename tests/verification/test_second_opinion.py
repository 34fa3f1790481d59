"""The counted netlists of rows, simulated by a tool that shares no code with this project."""

import numpy as np
import pytest
from arrays import numbers, random_matrix, stimulus

from hnlpu.metal import plan_metal
from hnlpu.rtl.synthesis import cell_models
from hnlpu.sim.array import array_outputs
from hnlpu.taps import TapsPlan
from hnlpu.verification.second_opinion import row_opinion

pytest.importorskip("pyrtl")
SMALL = TapsPlan(2, 70, 4, 2, 2)  # two superblocks, so there is a tree


def opinion_and_golden(plan, row, models=None):
    rng = np.random.default_rng(plan.n_columns)
    matrix = random_matrix(plan, rng)
    x = stimulus(plan, rng, 6)
    opinion = row_opinion(plan_metal(matrix, plan), row, x, models=models)
    golden = array_outputs(numbers(matrix), matrix.row_exponents, x)
    return opinion, golden[:, row].tolist()


@pytest.mark.parametrize(
    "plan",
    [
        SMALL,
        TapsPlan(2, 40, 4, 3, 4),
        TapsPlan(2, 60, 4, 2, cuts=2, magnitudes=tuple(range(1, 17))),
    ],
    ids=lambda plan: plan.name,
)
def test_the_counted_netlist_computes_the_row(plan):
    opinion, golden = opinion_and_golden(plan, 1)
    assert list(opinion.y) == golden
    assert opinion.n_gates > 100 and opinion.critical_path_ps > 100


def test_a_wrong_cell_would_be_seen():
    """The checker can fail: an exclusive or that is an or."""
    wrong = cell_models().replace("(A&B)|(!A&!B)", "(A&B)")
    assert wrong != cell_models()
    opinion, golden = opinion_and_golden(SMALL, 0, wrong)
    assert list(opinion.y) != golden
