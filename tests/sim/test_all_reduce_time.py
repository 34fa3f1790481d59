"""Adding up vectors over links: times against each other and against the bound of bandwidth."""

from fractions import Fraction

import pytest

from hnlpu.link_plan import LinkPlan
from hnlpu.sim.all_reduce_time import (
    all_reduce_bound,
    pieces_cycles,
    ring_cycles,
    whole_vectors_cycles,
)

FULL = LinkPlan(24, 8, 4, LinkPlan(24, 8, 4, 3).full_rate_depth)
RELIABLE = LinkPlan(24, 8, 4, LinkPlan(24, 8, 4, 3, True).full_rate_depth, crc=True)
WAYS = [whole_vectors_cycles, pieces_cycles, ring_cycles]
PLANS = pytest.mark.parametrize("plan", [FULL, RELIABLE], ids=["plain", "crc"])


def links(way, n_chips: int) -> int:
    """That a chip sends over."""
    return 1 if way is ring_cycles else n_chips - 1


@PLANS
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_chips", [2, 3, 4, 16])
@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_never_below_the_bound(way, n_chips, n, plan):
    bandwidth = links(way, n_chips) * plan.width
    assert way(plan, n_chips, n) >= all_reduce_bound(n_chips, n, plan.payload_bits, bandwidth)


@PLANS
@pytest.mark.parametrize("n_chips", [2, 4, 16])
def test_long_vectors(n_chips, plan):
    """What is over the bound does not grow with n; whole vectors are R/2 times over it."""
    n = 4096 * n_chips
    for way, factor in zip(WAYS, (Fraction(n_chips, 2), 1, 1), strict=True):
        bandwidth = links(way, n_chips) * plan.width
        over = [
            way(plan, n_chips, m)
            - factor * all_reduce_bound(n_chips, m, plan.payload_bits, bandwidth)
            for m in (n, 2 * n)
        ]
        assert over[0] == over[1]
        # One latency, and the words of the last beat counted in it.
        assert over[0] == plan.latency_cycles + 1 - plan.words


@PLANS
@pytest.mark.parametrize("n_chips", [2, 4, 16])
def test_short_vectors(n_chips, plan):
    """One number a piece: latencies that follow one another, one, two or 2 (R - 1) of them."""
    hop = plan.latency_cycles + 1
    n = n_chips
    assert whole_vectors_cycles(plan, n_chips, n) == hop + (n - 1) * plan.words
    assert pieces_cycles(plan, n_chips, n) == 2 * hop
    assert ring_cycles(plan, n_chips, n) == 2 * (n_chips - 1) * hop


def test_which_is_faster_changes():
    """Four chips: whole vectors for short ones, pieces from a length on that follows from the laws."""
    faster = [
        n for n in range(4, 200, 4) if pieces_cycles(FULL, 4, n) < whole_vectors_cycles(FULL, 4, n)
    ]
    assert faster == list(range(faster[0], 200, 4))
    assert faster[0] == 8


def test_credits_stretch_it():
    """Half the store: the rate of the law, and no longer that of the words."""
    slow = LinkPlan(24, 8, 4, 6)
    n = 4096
    rate = (whole_vectors_cycles(slow, 4, 2 * n) - whole_vectors_cycles(slow, 4, n)) / n
    assert rate == 1 / slow.beats_per_cycle > FULL.words


@pytest.mark.parametrize(("n_chips", "n"), [(1, 5), (4, 0)])
@pytest.mark.parametrize("way", WAYS)
def test_refuses_nothing_to_do(way, n_chips, n):
    with pytest.raises(ValueError, match="nothing to add up"):
        way(FULL, n_chips, n)
