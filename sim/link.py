"""Twin of a link in cycles: when each beat is taken by the sender and offered by the receiver.

No cycle is simulated. With W words, latency L and B credits, beat k is offered to the sender in cycle a, taken in s,
its first word starts in g, it is offered by the receiver in v and taken there in u:

    without crc   s = max(a, s[k-1] + W, u[k-B] + L + 2)     v = max(s + W + L + 1, u[k-1] + 1)
    with crc      s = max(a, s[k-1] + 1, u[k-B] + L + 4)     v = max(g + W + L + 3, u[k-1] + 1)
                  g = max(s + 1, g[k-1] + W)
                  u = first cycle from v on in which the taker is ready

Contract: equal to ``hnlpu.rtl.link`` in every cycle of a run without errors (``tests/rtl/test_link.py``).
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hnlpu.link_plan import LinkPlan

__all__ = ["LinkTimes", "LinkTwin", "link_times"]

Cycles = npt.NDArray[np.int64]

_NEVER = -(1 << 62)


class LinkTwin:
    """A link, an event at a time; for simulators that find out later when a beat is taken.

    Parameters
    ----------
    plan : LinkPlan
    """

    def __init__(self, plan: LinkPlan) -> None:
        words, latency = plan.words, plan.latency
        self.plan = plan
        self._words = words
        if plan.crc:
            self._take_gap, self._start, self._flight, self._credit = 1, 1, words + latency + 3, 4
        else:
            self._take_gap, self._start, self._flight, self._credit = (
                words,
                0,
                words + latency + 1,
                2,
            )
        self._credit += latency
        self._next_take = self._last_start = self._last_receive = _NEVER
        self._credits = deque([_NEVER] * plan.beats)  # cycles from which they may be used
        self._arrivals: deque[int] = deque()

    def sender_ready(self) -> int | None:
        """First cycle in which the sender can take the next beat; None before a credit is on its way."""
        return max(self._next_take, self._credits[0]) if self._credits else None

    def send(self, cycle: int) -> int:
        """The sender takes a beat in ``cycle``; the cycle in which it has arrived in the far store."""
        ready = self.sender_ready()
        assert ready is not None and cycle >= ready, f"no beat can be taken in cycle {cycle}"
        self._credits.popleft()
        self._next_take = cycle + self._take_gap
        self._last_start = start = max(cycle + self._start, self._last_start + self._words)
        self._arrivals.append(start + self._flight)
        return start + self._flight

    def receiver_valid(self) -> int | None:
        """First cycle in which the receiver offers the next beat; None while none is on its way."""
        return max(self._arrivals[0], self._last_receive + 1) if self._arrivals else None

    def receive(self, cycle: int) -> None:
        """The receiver's beat is taken in ``cycle``."""
        valid = self.receiver_valid()
        assert valid is not None and cycle >= valid, f"no beat is there in cycle {cycle}"
        self._arrivals.popleft()
        self._last_receive = cycle
        self._credits.append(cycle + self._credit)


class LinkTimes(NamedTuple):
    """Cycles of every beat."""

    taken: Cycles  # by the sender
    offered: Cycles  # by the receiver, the first cycle
    received: Cycles  # taken from the receiver


def link_times(
    plan: LinkPlan, offered: Cycles, ready: npt.NDArray[np.bool_] | None = None
) -> LinkTimes:
    """Predict a run from the cycles at which both ends are willing.

    Parameters
    ----------
    plan : LinkPlan
    offered : array of int
        First cycle in which each beat could be offered to the sender, ascending; a beat is offered no
        earlier than the cycle after its predecessor was taken.
    ready : array of bool, optional
        Cycles in which the receiver's taker is ready; it always is after the end of the array.
    """
    n_cycles = 0 if ready is None else len(ready)
    after = np.full(n_cycles + 1, n_cycles, dtype=np.int64)
    if ready is not None:
        after[:-1][ready] = np.flatnonzero(ready)
        after = np.minimum.accumulate(after[::-1])[::-1]
    next_ready: list[int] = after.tolist()
    twin = LinkTwin(plan)
    taken: list[int] = []
    valid: list[int] = []
    received: list[int] = []
    for cycle in offered.tolist():
        taken.append(max(cycle, twin.sender_ready() or 0))
        twin.send(taken[-1])
        valid.append(first := twin.receiver_valid() or 0)
        received.append(next_ready[first] if first < n_cycles else first)
        twin.receive(received[-1])
    return LinkTimes(*(np.array(x, dtype=np.int64) for x in (taken, valid, received)))
