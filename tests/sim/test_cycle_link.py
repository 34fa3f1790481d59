"""Links between the blocks of a network, beside the law of the link."""

import numpy as np
import pytest
from flows import Sink, Source

from hnlpu.link_plan import LinkPlan
from hnlpu.sim.cycle_link import join_link
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.link import link_times
from hnlpu.sim.network import Network


@pytest.mark.parametrize("crc", [False, True], ids=["credits", "crc"])
@pytest.mark.parametrize("seed", range(5))
def test_as_the_law(crc, seed):
    rng = np.random.default_rng(seed)
    n = 60
    plan = LinkPlan(24, 8, int(rng.integers(1, 9)), 3 * int(rng.integers(1, 9)), crc=crc)
    offered = np.cumsum(rng.integers(1, 9, n) * rng.integers(0, 2, n) + 1)
    ready = np.sort(rng.integers(0, 6 * n, n))
    network, passage = Network(), Passage()
    source, sink = network.add(Source("source", offered)), network.add(Sink("sink", ready))
    sender, receiver = join_link(network, "link", passage, plan)
    x = network.join(source, "y", sender, "x", "x")
    y = network.join(receiver, "y", sink, "x", "y")
    network.run()
    # The law is asked again with the cycles in which beats were there and were taken.
    there = np.maximum(offered, np.array([0, *(c + 1 for c in x.moved[:-1])]))
    taken = np.zeros(y.moved[-1] + 1, dtype=bool)
    taken[list(y.moved)] = True
    times = link_times(plan, there, taken)
    assert list(x.moved) == times.taken.tolist()
    assert list(y.moved) == times.received.tolist()
    assert (np.array(y.moved) == np.maximum(times.offered, ready)).all()
