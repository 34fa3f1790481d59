"""Cycles of the channels between two chips: many streams over one link, with credits for each.

What is sent is decided in the cycle in which the link takes a beat, among the channels that have something then: so an
end of the channels is a process that decides by time (``hnlpu.sim.network.At``). The far end learns from ``sent`` whose beat
has come.
"""

from collections import deque
from collections.abc import Sequence

from hnlpu.sim.cycle_link import LinkReceiver
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import At, Block, Process

__all__ = ["Channels", "Store"]


class Channels(Block):
    """A chip's end of the channels to and from a neighbour, without the stores.

    Parameters
    ----------
    n_out, n_in : int
        Channels ``x_0``, ``x_1``, ... to the neighbour, and stores ``store_0``, ... of those from there.
    depth : int
        Beats that fit into a store.

    Attributes
    ----------
    sent : list of tuple of int
        Of every beat of ``tx`` the channel that it carries and the one that it returns a credit of; -1 for none.
    """

    def __init__(self, name: str, passage: Passage, *, n_out: int, n_in: int, depth: int) -> None:
        super().__init__(name)
        self.n_out, self.n_in, self.depth = n_out, n_in, depth
        self.sent: list[tuple[int, int]] = []

    def process(self) -> Process:
        inputs = [self.inputs[f"x_{i}"] for i in range(self.n_out)]
        freed = [self.inputs[f"freed_{i}"] for i in range(self.n_in)]
        stores = [self.outputs[f"store_{i}"] for i in range(self.n_in)]
        rx, tx = self.inputs["rx"], self.outputs["tx"]
        receiver = rx.source
        assert isinstance(receiver, LinkReceiver)
        far_end = receiver.far_end()
        assert isinstance(far_end, Channels)
        # From which cycle on each credit may be used, and each place be given back.
        credits_ = [deque([0] * self.depth) for _ in inputs]
        owed = [deque[int]() for _ in freed]
        seen, returned = 0, [0] * self.n_in
        # All offers up to a decision are known in it, and all beats before.
        decided, waited = -1, [False] * self.n_out
        out_turn = back_turn = -1
        for channel in (rx, *freed * self.depth):
            channel.take(0)
        while True:
            while seen < len(rx.moved):
                cycle = rx.moved[seen]
                assert cycle >= decided, self.name
                carried, back = far_end.sent[seen]
                if carried >= 0:
                    stores[carried].give(cycle)
                if back >= 0:
                    credits_[back].append(cycle + 1)
                seen += 1
                rx.take(0)
            for i, channel in enumerate(freed):
                while returned[i] < len(channel.moved):
                    owed[i].append(channel.moved[returned[i]] + 1)
                    assert owed[i][-1] > decided, self.name
                    returned[i] += 1
                    channel.take(0)
            for x, before in zip(inputs, waited, strict=True):
                assert before or not 0 <= x.offered <= decided, x.name
            rx.need = seen + 1
            waits = [rx.came]
            for i, channel in enumerate(freed):
                channel.need = returned[i] + 1
                waits.append(channel.came)
            waits += [x.offering for x in inputs if x.offered < 0]
            if tx.offered >= 0:
                yield At(None, [*waits, tx.gone])
                continue
            there = [
                max(x.offered, credit[0]) if x.offered >= 0 and credit else None
                for x, credit in zip(inputs, credits_, strict=True)
            ]
            back_there = [each[0] if each else None for each in owed]
            known = [cycle for cycle in (*there, *back_there) if cycle is not None]
            if not known:
                yield At(None, waits)
                continue
            decision = At(max(tx.moved[-1] if tx.moved else 0, min(known)), waits)
            yield decision
            if not decision.reached:
                continue
            cycle = decided = decision.cycle or 0
            waited = [x.offered >= 0 for x in inputs]
            out = self._in_turn(there, cycle, out_turn)
            back = self._in_turn(back_there, cycle, back_turn)
            self.sent.append((out, back))
            if out >= 0:
                out_turn, waited[out] = out, False
                credits_[out].popleft()
                inputs[out].take(cycle)
            if back >= 0:
                back_turn = back
                owed[back].popleft()
            tx.give(cycle + 1)

    def _in_turn(self, there: Sequence[int | None], cycle: int, turn: int) -> int:
        """The first after ``turn`` that is there in ``cycle``, else the first of all; -1 if none is."""
        waiting = [i for i, since in enumerate(there) if since is not None and since <= cycle]
        return next((i for i in waiting if i > turn), waiting[0] if waiting else -1)


class Store(Block):
    """Up to ``depth`` beats of one channel that have come, in the cycle after at the earliest; says when each has gone."""

    def __init__(self, name: str, passage: Passage, *, depth: int) -> None:
        super().__init__(name)
        self.depth = depth

    def process(self) -> Process:
        x, y, freed = self.inputs["x"], self.outputs["y"], self.outputs["freed"]
        gone, beats = -1, 0
        for _ in range(self.depth):
            x.take(0)
        while True:
            beats += 1
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            x.take(0)  # credits see to it that there is room
            gone = y.give(max(x.moved[beats - 1], gone) + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]
            freed.give(gone)
