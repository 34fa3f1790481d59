"""The twin of a link by itself: its laws. Against the RTL: tests/rtl/test_link.py."""

import random
from fractions import Fraction

import numpy as np
import pytest

from hnlpu.link_plan import LinkPlan
from hnlpu.sim.link import LinkTwin, link_times

SHAPES = [
    (8, 8, 1, 1),
    (8, 8, 3, 4),
    (20, 8, 2, 7),
    (33, 16, 5, 12),
    (64, 64, 10, 40),
    (5, 1, 2, 25),
]
MODES = pytest.mark.parametrize("crc", [False, True], ids=["plain", "crc"])


def always(n: int) -> np.ndarray:
    return np.zeros(n, dtype=np.int64)


@MODES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rate_and_latency(shape, crc):
    """The long-run rate is the law's, exactly: a credit's round trip or the words of its beats."""
    plan = LinkPlan(*shape, crc=crc)
    times = link_times(plan, always(500))
    period = times.received[plan.beats :] - times.received[: -plan.beats]
    assert set(period[-100:]) == {max(plan.beats * plan.words, plan.round_trip_cycles)}
    assert Fraction(plan.beats, int(period[-1])) == plan.beats_per_cycle
    assert times.offered[0] - times.taken[0] == plan.latency_cycles


@MODES
def test_a_stalled_taker_stops_the_sender(crc):
    plan = LinkPlan(8, 8, 3, 4, crc=crc)
    ready = np.zeros(1000, dtype=bool)
    times = link_times(plan, always(20), ready)
    assert (times.taken < 1000).sum() == plan.beats
    assert times.received[0] == 1000
    assert times.taken[plan.beats] == 1000 + plan.credit_cycles


@MODES
def test_in_events_as_in_one_go(crc):
    """A simulator that learns of the taker's cycles later drives the same twin."""
    plan = LinkPlan(20, 8, 4, 12, crc=crc)
    rng = random.Random(3)
    ready = np.array([rng.random() < 0.4 for _ in range(20_000)])
    offered = np.cumsum([rng.randrange(1, 9) for _ in range(1_000)])
    expected = link_times(plan, offered, ready)
    twin, taken, received = LinkTwin(plan), [], []
    for cycle in range(20_000):  # valid and ready in cycle order, as blocks would see them
        valid = twin.receiver_valid()
        take = valid is not None and valid <= cycle and ready[cycle]
        sender = twin.sender_ready()
        wanted = len(taken) < len(offered) and offered[len(taken)] <= cycle
        if wanted and sender is not None and sender <= cycle:
            twin.send(cycle)
            taken.append(cycle)
        if take:
            twin.receive(cycle)
            received.append(cycle)
    assert taken == expected.taken.tolist()
    assert received == expected.received.tolist()


def test_refuses_what_a_link_would_not_do():
    twin = LinkTwin(LinkPlan(20, 8, 4, 3))
    assert twin.receiver_valid() is None
    arrival = twin.send(0)
    assert twin.sender_ready() is None  # the only credit is gone
    with pytest.raises(AssertionError, match="no beat can be taken in cycle 3"):
        twin.send(3)
    with pytest.raises(AssertionError, match="no beat is there"):
        twin.receive(arrival - 1)
