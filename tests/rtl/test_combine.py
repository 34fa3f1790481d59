"""Weighted sums against exact integers."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors

from hnlpu.numerics import Numerics
from hnlpu.rtl.combine import Combine
from hnlpu.sim.fixed_point import Saturation, round_shift

NUMERICS = Numerics(residual_bits=12, value_bits=10, value_fraction=4, routing_bits=7)


def run(x, weights, n_experts, stall=STALLS["no-stall"]):
    """Vectors (tokens, k, length) and their weights (tokens, k)."""
    tokens, k, length = x.shape
    found = run_block(
        Combine(length, k, n_experts, NUMERICS, 5),
        {
            "x": beats(x.reshape(-1, length), np.repeat(range(tokens), k).tolist()),
            "weights": [
                {"mask": 1 << j, "weight": int(weights[t, j]), "last": int(j == k - 1)}
                for t in range(tokens)
                for j in range(k)
            ],
        },
        {"y": tokens * length},
        stall=stall,
    )
    saturate = Saturation()
    wanted = saturate(round_shift((x * weights[..., None]).sum(axis=1), 7), 12, "y")
    assert vectors(found["y"]) == wanted.tolist()
    assert found["saturated"] == saturate.counts["y"]
    assert [beat["position"] for beat in found["y"]] == np.repeat(range(tokens), length).tolist()
    return saturate.counts["y"], found["cycles"]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(("k", "length"), [(1, 2), (2, 7), (3, 5)])
def test_adds_up_and_rounds_once(k, length, stall):
    rng = np.random.default_rng(k)
    x = rng.integers(-(1 << 11), 1 << 11, (6, k, length))
    weights = rng.integers(0, (1 << 7) + 1, (6, k))
    x[0], x[1], x[2] = 2047, -2048, 0
    weights[0] = weights[1] = 255  # more than a weight can be, but its port holds it
    assert run(x, weights, 4, stall)[0] >= 2 * length


def test_sums_of_as_many_as_may_come_do_not_overflow():
    x = np.full((2, 5, 3), -2048)
    x[1] = 2047
    run(x, np.full((2, 5), 255), 5)


def test_an_element_a_cycle():
    assert run(np.ones((3, 2, 10), int), np.full((3, 2), 64), 2)[1] < 65


def test_vectors_of_one_element_are_refused():
    with pytest.raises(ValueError, match="1 element"):
        Combine(1, 2, 2, NUMERICS, 3)
