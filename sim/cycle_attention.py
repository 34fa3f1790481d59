"""Cycles of attention, on one chip or with positions on several rows of chips.

Rows agree on the maximum of a head's scores before the terms, and on the total and the sum of every lane before the
results. A row on which a token sees nothing skips both passes.
"""

from collections.abc import Generator

from hnlpu.sim.cycle_heads import DIVISION_CYCLES
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import At, Block, Process, Wait

__all__ = ["Attention", "AttentionParts", "RowAttention"]

#: Through memory and product, or through table and sum, to the end of a pass.
_PASS_CYCLES = 3
_Phase = Generator[Wait | At, None, int]


class Attention(Block):
    """Queries of a token, one head after the other, over the positions it sees.

    Parameters
    ----------
    n_heads, n_kv_heads, head_dim : int
    window : int, optional
        Positions that are seen; all if not given.
    """

    def __init__(
        self,
        name: str,
        passage: Passage,
        *,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        window: int | None = None,
    ) -> None:
        super().__init__(name)
        self.passage, self.window = passage, window
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim

    def process(self) -> Process:
        sizes = {"q": self.n_heads, "k": self.n_kv_heads, "v": self.n_kv_heads}
        streams = [(self.inputs[port], n * self.head_dim) for port, n in sizes.items()]
        finish, tokens = -1, 0
        while True:
            for x, length in streams:
                for _ in range(length):
                    x.take(finish + 1)
            tokens += 1
            collected = 0
            for x, length in streams:
                if len(x.moved) < tokens * length:
                    x.need = tokens * length
                    yield x.came
                collected = max(collected, x.moved[-1])
            end = self.passage.positions[tokens - 1] + 1
            seen = self._seen(0 if self.window is None else max(0, end - self.window), end)
            finish = collected + 1  # all are known to be there, then a head is prepared
            for _ in range(self.n_heads):
                finish = yield from self._head(finish + 1, seen)

    def _seen(self, first: int, end: int) -> int:
        """Of the positions from ``first`` to ``end``, those that are here."""
        return end - first

    def _head(self, begin: int, seen: int) -> _Phase:
        """A head that is prepared in ``begin``; when its last result leaves the divider."""
        y = self.outputs["y"]
        scored = begin + seen + _PASS_CYCLES  # then the sink's term
        summed = scored + seen + _PASS_CYCLES
        finish, gone = summed + DIVISION_CYCLES - 1, y.moved[-1] if y.moved else 0
        for _ in range(self.head_dim):
            finish = max(finish + 1, gone)
            gone = y.give(finish + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]
        return finish


class RowAttention(Attention):
    """The same on row ``row`` of ``rows``; position p lies on row p modulo ``rows``."""

    def __init__(
        self, name: str, passage: Passage, *, rows: int, row: int, **parameters: int
    ) -> None:
        super().__init__(name, passage, **parameters)
        self.rows, self.row = rows, row

    def _seen(self, first: int, end: int) -> int:
        return len(range(first + (self.row - first) % self.rows, end, self.rows))

    def _head(self, begin: int, seen: int) -> _Phase:
        y, peak, peak_of_all = self.outputs["y"], self.outputs["peak"], self.inputs["peak_of_all"]
        parts_of_all = self.inputs["parts_of_all"]
        passing = seen + _PASS_CYCLES if seen else 1
        told = peak.give(begin + passing)
        if told < 0:
            yield peak.gone
            told = peak.moved[-1]
        peak_of_all.take(told + 1)
        if len(peak_of_all.moved) < len(peak.moved):
            peak_of_all.need = len(peak.moved)
            yield peak_of_all.came
        summed = peak_of_all.moved[-1] + 1 + passing
        self.outputs["sums"].give(summed + 1)
        finish, gone = summed, y.moved[-1] if y.moved else 0
        for part in range(1 + self.head_dim):
            if part:
                finish = max(finish + 1, gone)
            n = len(parts_of_all.moved) + 1
            parts_of_all.take(finish)
            if len(parts_of_all.moved) < n:
                parts_of_all.need = n
                yield parts_of_all.came
            finish = parts_of_all.moved[-1]
            if not part:
                finish += DIVISION_CYCLES - 1
                continue
            gone = y.give(finish + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]
        return finish


class AttentionParts(Block):
    """Total and sums of a head on their way to the other rows, while those of all rows come back."""

    def __init__(self, name: str, passage: Passage, *, head_dim: int) -> None:
        super().__init__(name)
        self.head_dim = head_dim

    def process(self) -> Process:
        sums, parts = self.inputs["sums"], self.outputs["parts"]
        heads = 0
        while True:
            sums.take(0)
            heads += 1
            if len(sums.moved) < heads:
                sums.need = heads
                yield sums.came
            gone = sums.moved[heads - 1] - 1
            for _ in range(1 + self.head_dim):
                gone = parts.give(gone + 1)
                if gone < 0:
                    yield parts.gone
                    gone = parts.moved[-1]
