"""Lines: which multiples of an input a bundle carries, for any codebook.

A codebook of integers needs, for every magnitude in it, a line with that multiple; its complement comes
with it, for negative weights. A codebook with many magnitudes takes two taps a weight instead: every value
is the sum of a *low* and a *high* part,

    value = low + high,   high a multiple of 2**k,   -2**(k-1) < low <= 2**(k-1)

so that the few magnitudes of either part do. ``k`` is chosen for the fewest lines. A zero part is no line
but a tie.

Contract (checked by ``tests/test_lines.py``): every value is the sum of its parts, each a line or zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["ONE_TAP_LIMIT", "LineGroups", "line_groups"]

#: Magnitudes that one tap may choose from; above, two taps need fewer lines.
ONE_TAP_LIMIT = 8


@dataclass(frozen=True, slots=True)
class LineGroups:
    """Lines of a bundle by tap.

    Attributes
    ----------
    groups : tuple of tuples of int
        Magnitudes that tap ``g`` of a weight chooses from, ascending.
    split : int
        ``k`` above; 0 with one tap.
    """

    groups: tuple[tuple[int, ...], ...]
    split: int

    @property
    def n_taps(self) -> int:
        return len(self.groups)

    @property
    def n_lines(self) -> int:
        """Lines of a bundle: every magnitude and its complement."""
        return 2 * sum(map(len, self.groups))

    @property
    def multiples(self) -> tuple[int, ...]:
        """Multiple on each line: ``m, -m`` for each magnitude, group after group."""
        return tuple(sign * m for group in self.groups for m in group for sign in (1, -1))

    def parts(self, value: int) -> tuple[int, ...]:
        """What each tap contributes to ``value``."""
        return _parts(value, self.split) if self.split else (value,)


def _parts(value: int, split: int) -> tuple[int, int]:
    low = (abs(value) + (1 << (split - 1)) - 1) % (1 << split) - (1 << (split - 1)) + 1
    low = low if value >= 0 else -low
    return low, value - low


@lru_cache(maxsize=64)
def line_groups(magnitudes: tuple[int, ...]) -> LineGroups:
    """The lines that a codebook with these magnitudes needs.

    Parameters
    ----------
    magnitudes : tuple of int
        Ascending, positive, each once.
    """
    if len(magnitudes) <= ONE_TAP_LIMIT:
        return LineGroups((magnitudes,), 0)

    def groups(split: int) -> tuple[tuple[int, ...], ...]:
        parts = [_parts(m, split) for m in magnitudes]
        return _magnitudes(p[0] for p in parts), _magnitudes(p[1] for p in parts)

    splits = range(1, magnitudes[-1].bit_length() + 1)
    best = min(splits, key=lambda split: (sum(map(len, groups(split))), split))
    chosen = groups(best)
    if sum(map(len, chosen)) >= len(magnitudes) or not all(chosen):
        return LineGroups((magnitudes,), 0)
    return LineGroups(chosen, best)


def _magnitudes(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({abs(value) for value in values} - {0}))
