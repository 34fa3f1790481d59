"""Intervals on lines: what they leave, and in which one a place lies.

Contract (checked by ``tests/layout/test_intervals.py``): as a painted array says, unit by unit.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Intervals", "gaps"]

Ints = npt.NDArray[np.int64]


def gaps(line: Ints, low: Ints, high: Ints, n_lines: int, end: int) -> tuple[Ints, Ints, Ints]:
    """What intervals leave of lines that run from 0 to ``end``: line and both ends of each gap, in order.

    Parameters
    ----------
    line, low, high : int64 arrays (n,)
        Intervals, in any order; they may overlap or touch.
    n_lines, end : int
    """
    every = np.arange(n_lines)
    zero, last = np.zeros(n_lines, dtype=np.int64), np.full(n_lines, end)
    line = np.concatenate([every, line, every])
    low = np.concatenate([zero - 1, np.clip(low, 0, end), last])
    high = np.concatenate([zero, np.clip(high, 0, end), last])
    order = np.lexsort((low, line))
    line, low, high = line[order], low[order], high[order]
    # The furthest end so far on each line; what came before stays behind by a line's length.
    span = end + 1
    far = np.maximum.accumulate(line * span + high) - line * span
    left = np.flatnonzero((line[1:] == line[:-1]) & (low[1:] > far[:-1]))
    return line[left], far[left], low[left + 1]


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Intervals that do not overlap, in order of lines and places; int64 arrays (n,)."""

    line: Ints
    low: Ints
    high: Ints

    def __len__(self) -> int:
        return len(self.line)

    def at(self, line: Ints, place: Ints, reach: int) -> Ints:
        """Index of the interval that holds each place and ``reach`` on both sides of it; -1 for none."""
        if not len(self.line):
            return np.full(np.shape(place), -1, dtype=np.int64)
        span = int(self.high.max()) + 1
        on_line = line * span + np.clip(place, 0, span - 1)
        at = np.searchsorted(self.line * span + self.low, on_line, side="right") - 1
        at = np.maximum(at, 0)
        inside = (self.line[at] == line) & (self.low[at] <= place - reach)
        inside &= self.high[at] >= place + reach
        return np.where(inside, at, -1)
