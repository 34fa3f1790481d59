"""Matching: which pin each driver gets, where several would do, so that few wires run along a strip.

Along a strip stand *sources* (weights of one region and phase; outputs of slices) and *targets* (ports,
slots), both in order; every source needs a target of its own, any of them. A strip has room for few wires side
by side, so what counts is how many run past each place. The shortest wires never cross, so the i-th
source goes to the target ``i + k``, where ``k``, the targets left empty so far, never falls:

    cost[i][k] = min(cost[i][k - 1], cost[i - 1][k] + |source i - target i + k|)

Wires are dear where many run: the places along each strip have prices, distances are measured in these, and
after each round the prices rise where more wires run than on average. Everything is in integers, so that the
same weights give the same metal on every machine.

Contract (checked by ``tests/test_matching.py``): every source gets one target, none is given twice; no
other matching is shorter; prices lower the peak.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PLACES", "Demand", "cut_density", "match", "match_priced", "passing", "places"]

#: A place along a strip is a number from 0 up to, not including, this.
PLACES = 1 << 14
#: Prices are set for so many stretches of a strip.
_STRETCHES = 1 << 10
_STRETCH = PLACES // _STRETCHES
_PRICE, _HIGHEST_PRICE = 16, 255
#: Targets that stay empty, at most: where there are more, evenly chosen ones are left out beforehand.
_MOST_EMPTY = 96
#: Entries of a table of choices.
_TABLE = 1 << 25

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """Sources that each need one of the targets; a line of the arrays for each set of them.

    Attributes
    ----------
    row : int64 array (n_lines,)
        Strip in which they stand.
    sources : int64 array (n_lines, most sources)
        Places, ascending, of the first ``n_sources``.
    n_sources : int64 array (n_lines,)
    targets : int64 array (n_lines, most targets)
        Places, ascending, of the first ``n_targets``.
    n_targets : int64 array (n_lines,)
        Not fewer than the sources.
    """

    row: Ints
    sources: Ints
    n_sources: Ints
    targets: Ints
    n_targets: Ints

    @property
    def wanted(self) -> npt.NDArray[np.bool_]:
        """Which entries of ``sources`` are sources."""
        return np.arange(self.sources.shape[1]) < self.n_sources[:, None]


def places(n: int) -> Ints:
    """Places of ``n`` things that stand evenly along a strip."""
    return (2 * np.arange(n, dtype=np.int64) + 1) * PLACES // (2 * max(1, n))


def match(demand: Demand, price: Ints | None = None) -> Ints:
    """Target of every source, (n_lines, most sources), that make the sum of distances smallest.

    Parameters
    ----------
    demand : Demand
    price : int64 array (n_rows, stretches), optional
        Of a unit of distance; equal where left out.
    """
    sources, targets = demand.sources, demand.targets
    if price is not None:
        before = np.concatenate([np.zeros((len(price), 1), np.int64), price.cumsum(axis=1)], axis=1)
        sources, targets = (
            before[row, at // _STRETCH] * _STRETCH + price[row, at // _STRETCH] * (at % _STRETCH)
            for row, at in ((demand.row[:, None], sources), (demand.row[:, None], targets))
        )
    n_lines, most = sources.shape
    result = np.zeros((n_lines, most), dtype=np.int64)
    if not demand.n_sources.any():
        return result
    # Not more targets than are of use: which ones, counted in the given ones.
    kept_most = int(np.minimum(demand.n_targets, demand.n_sources + _MOST_EMPTY).max())
    kept = np.minimum(demand.n_targets, demand.n_sources + _MOST_EMPTY)
    index = np.arange(kept_most)
    chosen = index * demand.n_targets[:, None] // np.maximum(kept, 1)[:, None]
    chosen = np.minimum(chosen, targets.shape[1] - 1)
    targets = np.take_along_axis(targets, chosen, axis=1)
    empty = kept - demand.n_sources
    step = max(1, _TABLE // (most * (int(empty.max()) + 1)))
    far = int(max(sources.max(), targets.max())) + 1
    kind: Any = np.int32 if 4 * far * most < 1 << 31 else np.int64
    for first in range(0, n_lines, step):
        some = slice(first, first + step)
        part = _match(
            sources[some].T.astype(kind),
            demand.n_sources[some],
            targets[some].T.astype(kind),
            empty[some],
            kind(2 * far * most),
        )
        result[some] = np.take_along_axis(chosen[some], np.minimum(part.T, kept_most - 1), axis=1)
    return result


def _match(
    sources: npt.NDArray[Any],
    n_sources: Ints,
    targets: npt.NDArray[Any],
    empty: Ints,
    never: Any,
) -> Ints:
    """The same for transposed arrays, by the recursion above."""
    most, n_lines = sources.shape
    width = int(empty.max()) + 1
    pad = np.zeros((most + width, n_lines), dtype=targets.dtype)
    pad[: len(targets)] = targets[: most + width]
    ks = np.arange(width)[:, None]
    barred = np.where(ks > empty, never, 0).astype(targets.dtype)
    cost = barred.copy()
    came = np.zeros((most, width, n_lines), dtype=bool)
    for i in range(most):
        here = cost + np.abs(pad[i : i + width] - sources[i])
        np.minimum(here, never, out=here)
        best = np.minimum.accumulate(here, axis=0)
        came[i] = here == best
        cost = np.where(i < n_sources, np.maximum(best, barred), cost)
    result = np.zeros((most, n_lines), dtype=np.int64)
    k = empty.copy()
    for i in range(most - 1, -1, -1):
        open_ = came[i] & (ks <= k)
        last = width - 1 - open_[::-1].argmax(axis=0)
        k = np.where(i < n_sources, last, k)
        result[i] = i + k
    return result


def passing(row: Ints, low: Ints, high: Ints, n_rows: int, n_places: int) -> Ints:
    """Wires that run past each place, (n_rows, n_places); each from place ``low`` to ``high`` of its row."""
    steps = np.zeros(n_rows * (n_places + 1), dtype=np.int64)
    for at, sign in ((low, 1), (high + 1, -1)):
        steps += sign * np.bincount(row * (n_places + 1) + at, minlength=len(steps))
    result: Ints = steps.reshape(n_rows, -1).cumsum(axis=1)[:, :-1]
    return result


def cut_density(demands: Sequence[Demand], matched: Sequence[Ints], n_rows: int) -> Ints:
    """Wires that run past each stretch of each strip, (n_rows, stretches)."""
    result = np.zeros((n_rows, _STRETCHES), dtype=np.int64)
    for demand, index in zip(demands, matched, strict=True):
        wanted = demand.wanted
        row = np.broadcast_to(demand.row[:, None], wanted.shape)[wanted]
        ends = [
            at[wanted] // _STRETCH
            for at in (demand.sources, np.take_along_axis(demand.targets, index, axis=1))
        ]
        result += passing(row, np.minimum(*ends), np.maximum(*ends), n_rows, _STRETCHES)
    return result


def match_priced(demands: Sequence[Demand], n_rows: int, rounds: int = 4) -> list[Ints]:
    """Targets of all demands of some strips that together keep the peaks low.

    Of all rounds each strip takes the one with the lowest peak.
    """
    price = np.full((n_rows, _STRETCHES), _PRICE, dtype=np.int64)
    lowest = np.full(n_rows, np.iinfo(np.int64).max)
    best: list[Ints] = []
    for _ in range(rounds):
        matched = [match(demand, price) for demand in demands]
        density = cut_density(demands, matched, n_rows)
        peak = density.max(axis=1)
        better = peak < lowest
        best = (
            [
                np.where(better[demand.row][:, None], new, old)
                for demand, new, old in zip(demands, matched, best, strict=True)
            ]
            if best
            else matched
        )
        lowest = np.minimum(lowest, peak)
        mean = np.maximum(1, density.mean(axis=1).astype(np.int64))[:, None]
        price = np.clip(price * np.maximum(density, 1) // mean, 1, _HIGHEST_PRICE)
    return best
