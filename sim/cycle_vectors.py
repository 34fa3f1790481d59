"""Cycles of the blocks that must see a vector before they give any of it: norm, quantizer, rotary embedding.

A stored vector is read element by element while the next one is written behind it, each into a place a cycle after it
was read. An element is read when the one before it is out of the register at the output.
"""

from collections.abc import Generator

from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import At, Block, Process, Wait

__all__ = ["AgreedQuantizer", "Norm", "Quantizer", "Rope"]


class _Replay(Block):
    """Vectors, or blocks of them, of ``length`` elements.

    Attributes
    ----------
    thinks : int
        Cycles from the last element taken to the first one read.
    """

    thinks: int

    def __init__(self, name: str, passage: Passage, *, length: int) -> None:
        super().__init__(name)
        self.length = length

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        for _ in range(self.length):
            x.take(0)
        gone = beats = 0
        while True:
            beats += self.length
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            seen = yield from self._agreed(x.moved[beats - 1])
            read = seen + self.thinks - 1
            for _ in range(self.length):
                read = max(read + 1, gone)
                x.take(read + 1)
                gone = y.give(read + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]

    def _agreed(self, seen: int) -> Generator[Wait | At, None, int]:
        """A vector is complete in ``seen``; when all that its results depend on is."""
        yield from ()
        return seen


class Norm(_Replay):
    """Leading zeros, table, square, product and root of the sum of squares follow one another."""

    thinks = 5


class Quantizer(_Replay):
    """The shift follows from the last element; ``length`` is that of a block."""

    thinks = 2


class AgreedQuantizer(Quantizer):
    """Blocks lie on several chips: what was seen goes out, and what all have seen comes in."""

    def _agreed(self, seen: int) -> Generator[Wait | At, None, int]:
        mine, of_all = self.outputs["seen"], self.inputs["seen_by_all"]
        told = mine.give(seen + 1)
        if told < 0:
            yield mine.gone
            told = mine.moved[-1]
        of_all.take(told + 1)
        if len(of_all.moved) < len(mine.moved):
            of_all.need = len(mine.moved)
            yield of_all.came
        return of_all.moved[-1]


class Rope(Block):
    """Heads of ``head_dim``: the second half turns with the first one, whose places keep what is given after it."""

    def __init__(self, name: str, passage: Passage, *, head_dim: int) -> None:
        super().__init__(name)
        self.half = head_dim // 2

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        for _ in range(self.half):
            x.take(0)
        gone, beats = 0, self.half
        while True:
            cycle = 0
            for _ in range(self.half):
                x.take(gone)
                beats += 1
                if len(x.moved) < beats:
                    x.need = beats
                    yield x.came
                cycle = x.moved[beats - 1]
                gone = y.give(cycle + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]
            for _ in range(self.half):
                cycle = max(cycle + 1, gone)
                x.take(cycle)
                gone = y.give(cycle + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]
            beats += self.half
