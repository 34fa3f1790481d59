"""Queues beside theory, and that the check can fail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.sim import queueing
from hnlpu.sim.queueing import check_queue, fifo_starts, geo_d_1_wait, md1_wait


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 7))
def test_starts_by_the_law(gaps: list[int], service: int) -> None:
    arrivals = np.cumsum(gaps)
    free, expected = 0, []
    for arrival in arrivals:
        expected.append(max(arrival, free))
        free = expected[-1] + service
    assert fifo_starts(arrivals, service).tolist() == expected


@pytest.mark.parametrize("arrivals", queueing.ARRIVALS)
@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_mean_wait_is_that_of_theory(arrivals: str, load: float) -> None:
    check = check_queue(arrivals, load, 12, batches=40, seed=1)
    assert check.ok, check


def test_the_wrong_law_is_found() -> None:
    """At most one arrival a cycle waits half a load over idleness less than M/D/1: many standard errors."""
    check = check_queue("bernoulli", 0.5, 4, batches=40)
    wrong = md1_wait(0.5, 4)
    assert check.ok and abs(check.simulated - wrong) > 10 * check.error
    assert md1_wait(0.5, 4) - geo_d_1_wait(0.5, 4) == pytest.approx(0.5 / (2 * 0.5))


def test_a_queue_that_forgets_a_cycle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = queueing.fifo_starts
    monkeypatch.setattr(queueing, "fifo_starts", lambda at, service: right(at, service - 1))
    assert not check_queue("poisson", 0.6, 12, batches=50).ok


def test_a_service_of_one_cycle_has_no_wait_without_batches() -> None:
    check = check_queue("bernoulli", 0.7, 1, batches=4)
    assert geo_d_1_wait(0.7, 1) == 0 == check.simulated


@pytest.mark.parametrize("load", [0.0, 1.0, 1.5])
def test_impossible_loads_are_refused(load: float) -> None:
    with pytest.raises(ValueError, match="load"):
        md1_wait(load, 4)
    with pytest.raises(ValueError, match="arrivals"):
        check_queue("rush hour", 0.5, 4)
