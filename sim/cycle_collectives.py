"""Cycles of what chips do with the elements of one another: reduce, gather; and of a slice of a vector.

Elements of other chips come through channels (``hnlpu.sim.cycle_channels``), each as it arrives.
"""

from collections.abc import Sequence

from hnlpu.sim.cycle_streams import Join
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Block, Process

__all__ = ["Cut", "Gather", "Reduce"]


class Reduce(Join):
    """An element of this chip and of each of ``n_others`` at a time."""

    def __init__(self, name: str, passage: Passage, *, n_others: int) -> None:
        super().__init__(name, passage)
        self.ports = ("x", *(f"others_{i}" for i in range(n_others)))


class Gather(Block):
    """Slices one after the other, without the padding behind ``total`` elements.

    Parameters
    ----------
    lengths : sequence of int
        Of every slice, with padding.
    total : int
    """

    def __init__(self, name: str, passage: Passage, *, lengths: Sequence[int], total: int) -> None:
        super().__init__(name)
        self.lengths, self.total = lengths, total

    def process(self) -> Process:
        inputs, y = [self.inputs[f"x_{i}"] for i in range(len(self.lengths))], self.outputs["y"]
        gone, cycle = 0, -1
        while True:
            index = 0
            for x, length in zip(inputs, self.lengths, strict=True):
                for _ in range(length):
                    if x.offered < 0:
                        yield x.offering
                    cycle = max(cycle + 1, x.offered)
                    index += 1
                    if index > self.total:
                        x.take(cycle)
                        continue
                    cycle = max(cycle, gone)
                    x.take(cycle)
                    gone = y.give(cycle + 1)
                    if gone < 0:
                        yield y.gone
                        gone = y.moved[-1]


class Cut(Block):
    """``length`` elements from ``first`` on of vectors of ``n``; nothing is stored.

    The last element stays on offer while zeros are given behind the vector's end.
    """

    def __init__(self, name: str, passage: Passage, *, n: int, first: int, length: int) -> None:
        super().__init__(name)
        self.n, self.first, self.length = n, first, length

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        n, end = self.n, max(self.n, self.first + self.length)
        inside, cycle = range(self.first, self.first + self.length), -1
        while True:
            for index in range(end):
                if x.offered < 0:
                    yield x.offering
                cycle = max(cycle + 1, x.offered)
                if index in inside:
                    cycle = y.give(cycle)
                    if cycle < 0:
                        yield y.gone
                        cycle = y.moved[-1]
                if index < n - 1 or index == end - 1:
                    x.take(cycle)
