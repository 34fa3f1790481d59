"""Cycles of a hardwired array and what stands around it: feed, sequencer, drain or unload.

The sequencer stands still from the cycle in which a result is on offer to that in which the drain has taken its last
element. A time of n cycles that begins before such a pause lasts as much longer.
"""

from collections import deque

from hnlpu.base import ArrayPlan
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import At, Block, Process

__all__ = ["Array", "Drain", "Feed", "Unload"]


class Feed(Block):
    """Collects a vector and offers it to arrays.

    Parameters
    ----------
    length : int
    n_always : int
        Arrays that take every vector; the ones that must be chosen come after them.
    layer : int, optional
        Where experts are chosen.
    own : range, optional
        The experts that are here.
    by_token : bool
        A vector is for all of these that its token chose; else for one of them after the other.
    """

    def __init__(
        self,
        name: str,
        passage: Passage,
        *,
        length: int,
        n_always: int,
        layer: int = 0,
        own: range | None = None,
        by_token: bool = False,
    ) -> None:
        super().__init__(name)
        self.passage, self.length, self.n_always = passage, length, n_always
        self.layer, self.own, self.by_token = layer, own, by_token

    def process(self) -> Process:
        x, always = self.inputs["x"], [self.outputs[f"array_{i}"] for i in range(self.n_always)]
        select = self.inputs.get("select")
        vectors, done = 0, -1
        experts = self.passage.experts(self.layer, self.own)
        while True:
            for _ in range(self.length):
                x.take(done + 1)
            vectors += 1
            if len(x.moved) < vectors * self.length:
                x.need = vectors * self.length
                yield x.came
            full = x.moved[-1] + 1
            for array in always:
                array.give(full)
            arrays = always
            if select is not None:
                select.take(full)
                if len(select.moved) < vectors:
                    select.need = vectors
                    yield select.came
                done = select.moved[-1] + 1
                if self.by_token:
                    chosen = self.passage.of_token(vectors - 1, self.layer, self.own)
                else:
                    chosen = [next(experts)]
                selected = [self.outputs[f"array_{self.n_always + e}"] for e, _ in chosen]
                for array in selected:
                    array.give(done)
                arrays = always + selected
            for array in arrays:
                if array.offered >= 0:
                    yield array.gone
                done = max(done, array.moved[-1])


class Array(Block):
    """Sequencer of an array of ``plan``: a vector every T * B cycles, its result some cycles after the last of them."""

    def __init__(self, name: str, passage: Passage, *, plan: ArrayPlan) -> None:
        super().__init__(name)
        # Without registers in the sources a vector counts in the cycle in which it is offered, and is taken with its
        # last count. With them it is taken when the last segment has copied it, and counts from the cycle after.
        held = plan.holds_input
        self.counts = plan.interval_cycles
        self.taken_after = plan.n_segments - 1 if held else self.counts - 1
        self.ended_after = self.counts - 1 + held
        self.result_after = self.ended_after + plan.n_cuts
        self.overlap = int(held)  # a vector may begin in the last cycle of the one before
        self.ahead = (
            held or plan.n_cuts > 0
        )  # ... and be taken before the result of that one is there

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        pauses: deque[tuple[int, int]] = deque(maxlen=2)  # more results are never in an array

        def later(cycle: int, n: int) -> int:
            """``n`` cycles after ``cycle`` that are in no pause; with 0 the first such cycle from ``cycle`` on."""
            for begin, end in pauses:
                if begin <= cycle < end:
                    cycle = end
                elif cycle < begin <= cycle + n:
                    cycle += end - begin
            return cycle + n

        ended = result = -1
        while True:
            while y.offered >= 0 or x.offered < 0:
                if y.offered >= 0 and x.offered >= 0:
                    begin = later(max(x.offered, ended + 1 - self.overlap), 0)
                    if begin + self.taken_after < result:
                        break  # it is taken before the array stands still
                if y.offered < 0:
                    yield x.offering
                    continue
                yield y.gone if x.offered >= 0 or not self.ahead else At(None, [y.gone, x.offering])
                if y.offered < 0:
                    pauses.append((result, y.moved[-1]))
            begin = later(max(x.offered, ended + 1 - self.overlap), 0)
            x.take(later(begin, self.taken_after))
            if y.offered >= 0:
                yield y.gone
                pauses.append((result, y.moved[-1]))
            ended = later(begin, self.ended_after)
            result = later(begin, self.result_after) + 1
            if y.give(result) >= 0:
                pauses.append((result, y.moved[-1]))


class Drain(Block):
    """Elements of a result of ``length``; the array may go on with the last."""

    def __init__(self, name: str, passage: Passage, *, length: int) -> None:
        super().__init__(name)
        self.length = length

    def process(self) -> Process:
        x, y = self.inputs["array"], self.outputs["y"]
        gone = 0
        while True:
            if x.offered < 0:
                yield x.offering
            cycle = x.offered - 1
            for left in reversed(range(self.length)):
                cycle = max(cycle + 1, gone)
                if not left:
                    x.take(cycle)
                gone = y.give(cycle + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]


class Unload(Block):
    """Elements of a result as they are; nothing is stored, and the array goes on with the last."""

    def __init__(self, name: str, passage: Passage, *, length: int) -> None:
        super().__init__(name)
        self.length = length

    def process(self) -> Process:
        x, y = self.inputs["array"], self.outputs["y"]
        while True:
            if x.offered < 0:
                yield x.offering
            cycle = x.offered
            for _ in range(self.length):
                gone = y.give(cycle)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]
                cycle = gone + 1
            x.take(gone)
