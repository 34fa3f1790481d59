"""Matching: against SciPy's assignment, and what prices are for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from hnlpu.matching import PLACES, Demand, cut_density, match, match_priced, places


def demand_of(rng, n_lines, most_sources, most_empty) -> Demand:
    n_sources = rng.integers(0, most_sources + 1, n_lines)
    n_targets = n_sources + rng.integers(0, most_empty + 1, n_lines)

    def spots(most):
        return np.sort(rng.integers(0, PLACES, (n_lines, max(1, most))), axis=1)

    return Demand(
        np.arange(n_lines), spots(most_sources), n_sources, spots(n_targets.max()), n_targets
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 20))
def test_no_matching_is_shorter(seed, most, empty):
    demand = demand_of(np.random.default_rng(seed), 5, most, empty)
    found = match(demand)
    for line, (n, n_targets) in enumerate(zip(demand.n_sources, demand.n_targets, strict=True)):
        index = found[line, :n]
        assert len(set(index)) == n and (np.diff(index) > 0).all() and (index < n_targets).all()
        cost = np.abs(demand.sources[line, :n, None] - demand.targets[line, None, :n_targets])
        assert cost[np.arange(n), index].sum() == cost[linear_sum_assignment(cost)].sum()


def test_many_empty_targets_are_thinned():
    """One source in the middle of 3,000 targets still finds one nearby."""
    spots = places(3000)[None]
    row = np.zeros(1, dtype=np.int64)
    demand = Demand(row, np.array([[PLACES // 2]]), row + 1, spots, row + 3000)
    assert abs(spots[0, match(demand)[0, 0]] - PLACES // 2) < PLACES // 96


def test_density_counts_the_wires_past_a_place():
    row = np.zeros(2, dtype=np.int64)
    demand = Demand(
        row,
        np.array([[0, 100], [0, 0]]),
        row + [2, 1],
        np.array([[200, 300], [50, 0]]),
        row + [2, 1],
    )
    density = cut_density([demand], [np.array([[0, 1], [0, 0]])], 1)
    assert density[0, [0, 2, 10, 17, 19]].tolist() == [2, 2, 2, 1, 0]


def test_prices_lower_the_peak():
    rng = np.random.default_rng(0)
    demands = [demand_of(rng, 8, 40, 12) for _ in range(12)]
    peaks = [
        cut_density(demands, match_priced(demands, 8, rounds), 8).max(axis=1) for rounds in (1, 4)
    ]
    assert (peaks[1] <= peaks[0]).all() and peaks[1].sum() < peaks[0].sum()
