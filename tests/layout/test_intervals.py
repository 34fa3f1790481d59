"""Intervals against painted arrays."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.layout.intervals import Intervals, gaps

END = 12
INTERVALS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-3, END + 2), st.integers(1, 6)), max_size=12
)


@given(INTERVALS)
def test_gaps_are_what_is_not_painted(intervals):
    line, low, size = np.array(intervals, dtype=np.int64).reshape(-1, 3).T
    painted = np.zeros((4, END), dtype=bool)
    for n, a, length in intervals:
        painted[n, max(0, a) : max(0, min(END, a + length))] = True
    left = np.zeros_like(painted)
    found = list(zip(*gaps(line, low, low + size, 4, END), strict=True))
    for n, a, b in found:
        assert a < b and not left[n, a:b].any()
        left[n, a:b] = True
    assert (left == ~painted).all()
    # Neighbours do not touch.
    assert all(m != n or b < c for (m, _, b), (n, c, _) in pairwise(found))


@given(INTERVALS, st.integers(0, 3), st.integers(-2, END + 4), st.integers(0, 2))
def test_a_place_is_found_in_its_piece(intervals, line, place, reach):
    lines, low, size = np.array(intervals, dtype=np.int64).reshape(-1, 3).T
    pieces = Intervals(*gaps(lines, low, low + size, 4, END))
    found = int(pieces.at(np.array([line]), np.array([place]), reach)[0])
    own = [
        i
        for i in range(len(pieces))
        if pieces.line[i] == line
        and pieces.low[i] <= place - reach
        and place + reach <= pieces.high[i]
    ]
    assert own == ([] if found < 0 else [found])
