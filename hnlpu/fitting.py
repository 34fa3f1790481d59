"""Fitting: how many ports the regions of a base need, for matrices at hand and for others like them.

Two answers, of which the greater is taken:

    exactly    the most that any row of the given matrices uses
    likely     so many that a row of another matrix fits but for a stated failure rate

The second takes the weights of a row as drawn from the distribution of the given ones: the weights of
one region in one phase are then binomial. Where rows differ from one another more than chance allows (by
three standard errors), they are beta-binomial, with the spread that was seen. The rate is shared out evenly over
what can fail: region by region, phase by phase. Slices serve any region, and what they can fail by is
their total, which is taken as a sum of independent numbers; as the regions compete for the weights of
a row, the true total spreads less. The same holds of slots, each of which serves several regions.

A region that the given matrices never use gets no ports. Ports of one region are equal, so that
nothing needs to be matched: counting decides whether a matrix fits. What always fits is ``hnlpu.taps``.

Contract (checked by ``tests/test_fitting.py``): the given matrices fit, with the fewest ports that let
them; of random ones, not more than the rate fail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import stats

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.regions import RegionPlan, count_weights, region_magnitudes, slot_bits

__all__ = ["Statistics", "fit_regions", "fit_slices", "fits", "utilisation"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Weights of some matrices of one shape, counted.

    Attributes
    ----------
    n_rows, n_columns : int
        Of each matrix.
    phases : int
    regions : tuple of int
        Effective magnitudes.
    counts : int array (rows of all matrices, n_regions, phases)
        Weights in each region and phase.
    """

    n_rows: int
    n_columns: int
    phases: int
    regions: tuple[int, ...]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        matrices: Sequence[AlignedMatrix],
        magnitudes: tuple[int, ...],
        exponent_values: int,
        phases: int,
    ) -> Self:
        """Count ``matrices`` for a base with these parameters.

        Raises
        ------
        HnlpuError
            No matrices, different shapes, weights that no region counts.
        """
        if not matrices:
            raise HnlpuError(
                "no matrices to fit a base to",
                where="regions",
                got="none",
                do="give the matrices that the base is to hold",
            )
        shape = matrices[0].n_rows, matrices[0].n_columns
        regions = region_magnitudes(magnitudes, exponent_values)
        counts = []
        for matrix in matrices:
            if (matrix.n_rows, matrix.n_columns) != shape:
                raise HnlpuError(
                    "matrices of one base differ in shape",
                    where=matrix.name,
                    got=f"{matrix.n_rows} x {matrix.n_columns} beside {shape[0]} x {shape[1]}",
                    do="fit a base for each shape",
                )
            if matrix.spread >= exponent_values:
                raise HnlpuError(
                    "block exponents spread further than the base is to hold",
                    where=matrix.name,
                    got=f"{matrix.spread + 1} exponent values for {exponent_values}",
                    do="give the base more exponent values",
                )
            counts.append(count_weights(matrix.integers(), regions, phases))
            stray = ~np.isin(np.abs(matrix.multiples), [0, *magnitudes])
            if stray.any():
                row, column = np.argwhere(stray)[0]
                raise HnlpuError(
                    "weight is not in the codebook",
                    where=f"{matrix.name}[{row}, {column}]",
                    got=str(matrix.multiples[row, column]),
                    do="give the base the codebook of the matrix",
                )
        if not any(each.any() for each in counts):
            counts[0][0, 0, 0] = 1  # a base has ports even if all weights are zero
        return cls(*shape, phases, regions, np.concatenate(counts))

    @property
    def n_regions(self) -> int:
        return len(self.regions)

    @property
    def phase_inputs(self) -> tuple[int, ...]:
        """Inputs of each phase."""
        return tuple(len(range(p, self.n_columns, self.phases)) for p in range(self.phases))

    @property
    def most(self) -> npt.NDArray[np.int64]:
        """Most weights of each region in any row and phase."""
        result: npt.NDArray[np.int64] = self.counts.max(axis=(0, 2))
        return result

    def chances(self, region: int, n_inputs: int) -> Floats:
        """Probability of 0, 1, .. ``n_inputs`` weights of the region among ``n_inputs``."""
        numbers = np.arange(n_inputs + 1)
        rows = self.counts[:, region].sum(axis=1)
        share = float(rows.mean()) / self.n_columns
        if share in (0.0, 1.0):
            return np.asarray(numbers == share * n_inputs, dtype=np.float64)
        chance = self.n_columns * share * (1 - share)
        degrees = len(rows) - 1
        excess = float(rows.var(ddof=1)) / chance - 1 if degrees else 0.0
        if self.n_columns > 1 and excess > 3 * np.sqrt(2 / max(1, degrees)):
            spread = min(excess / (self.n_columns - 1), 0.5)
            a, b = (each * (1 / spread - 1) for each in (share, 1 - share))
            return np.asarray(stats.betabinom.pmf(numbers, n_inputs, a, b), dtype=np.float64)
        return np.asarray(stats.binom.pmf(numbers, n_inputs, share), dtype=np.float64)


def _smallest(chances: Floats, rate: float) -> int:
    """Smallest number that is exceeded with a probability of ``rate`` at most."""
    more = np.append(np.cumsum(chances[::-1])[::-1][1:], 0.0)
    return int(np.argmax(more <= rate))


def _check_rate(rate: float) -> None:
    if not 0 < rate <= 1:
        raise HnlpuError(
            "failure rate is no probability",
            where="regions",
            got=str(rate),
            do="give a number above 0 and up to 1, such as 1e-6",
        )


def fit_regions(seen: Statistics, failure_rate: float) -> tuple[int, ...]:
    """Ports of each region.

    Parameters
    ----------
    seen : Statistics
    failure_rate : float
        Chance that a row does not fit in one region or another; 1 for no slack.
    """
    _check_rate(failure_rate)
    if failure_rate == 1:
        return tuple(map(int, seen.most))
    rate = failure_rate / (seen.n_regions * seen.phases)
    return tuple(
        max(
            int(seen.most[region]),
            *(_smallest(seen.chances(region, n), rate) for n in seen.phase_inputs),
        )
        for region in range(seen.n_regions)
    )


def fit_slices(
    seen: Statistics, failure_rate: float, slice_ports: int
) -> tuple[tuple[int, ...], int]:
    """Slots of each weight, and slices of a row.

    Parameters
    ----------
    seen : Statistics
    failure_rate : float
        Chance that a row does not fit, half of it for the slots and half for the slices; 1 for no slack.
    slice_ports : int
    """
    _check_rate(failure_rate)
    used = -(-seen.counts.max(axis=2) // slice_ports)
    likely = [_slices(seen, region, slice_ports) for region in range(seen.n_regions)]

    def fit(regions: Iterable[int], rate: float) -> int:
        members = list(regions)
        most = int(used[:, members].sum(axis=1).max())
        if failure_rate == 1:
            return most
        total = reduce(np.convolve, (likely[region] for region in members))
        # Not more than any row can need: every region may leave one slice partly empty.
        limit = seen.n_columns // slice_ports + len(members)
        return max(most, min(limit, _smallest(total, rate)))

    weights = slot_bits(seen.regions, slice_ports)
    rate = failure_rate / 2
    slots = tuple(fit((region for region, _ in bits), rate / len(weights)) for bits in weights)
    return slots, fit(range(seen.n_regions), rate)


def _slices(seen: Statistics, region: int, slice_ports: int) -> Floats:
    """Probability that the region needs 0, 1, .. slices, its phases independent of one another."""
    n_slices = ceil(max(seen.phase_inputs) / slice_ports)
    enough = np.ones(n_slices + 1)  # chance that s slices are enough
    for n in seen.phase_inputs:
        below = np.cumsum(seen.chances(region, n))
        enough *= below[np.minimum(np.arange(n_slices + 1) * slice_ports, n)]
    return np.diff(np.minimum(enough, 1.0), prepend=0.0)


def fits(plan: ArrayPlan, matrix: AlignedMatrix) -> HnlpuError | None:
    """What keeps ``matrix`` from being wired on the base ``plan``; None where nothing does."""
    try:
        if isinstance(plan, RegionPlan):
            plan.check_fit(matrix)
        else:
            plan.check_shape(matrix)
    except HnlpuError as error:
        return error
    return None


def utilisation(plan: RegionPlan, matrices: Sequence[AlignedMatrix]) -> dict[str, Any]:
    """How much of a base some matrices use, as :meth:`RegionPlan.use` tells.

    Raises
    ------
    HnlpuError
        A matrix does not fit.
    """
    for matrix in matrices:
        plan.check_fit(matrix)
    return plan.use(np.concatenate([plan.count(matrix) for matrix in matrices]))
