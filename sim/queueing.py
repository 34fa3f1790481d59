"""A shared link as a queue, and what theory says of it.

One server, first come first served, a service of S cycles, S whole; load rho = arrivals per cycle x S. Mean wait:

    M/D/1    Poisson arrivals in continuous time          rho S / (2 (1 - rho))
    Geo/D/1  at most one arrival a cycle, chance rho / S  rho (S - 1) / (2 (1 - rho))

Poisson arrivals *rounded down to whole cycles* keep the mean of M/D/1: floor commutes with max and with adding a whole
number, so that every start is the floor of the start it would have had, and start and arrival lose half a cycle each on
average. A clocked source that sends at most one message a cycle is Geo/D/1, which waits rho / (2 (1 - rho)) cycles less.
(Pollaczek 1930, Khinchine 1932; for discrete time Hunter, Mathematical Techniques of Applied Probability 2, 1983, from
E[S (S - 1)] in the place of E[S^2].)
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARRIVALS", "QueueCheck", "check_queue", "fifo_starts", "geo_d_1_wait", "md1_wait"]

#: Kinds of arrivals that :func:`check_queue` draws.
ARRIVALS = ("poisson", "bernoulli")


def fifo_starts(arrivals: NDArray[np.int64], service: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Start of each service, in order of arrival: start = max(arrival, end of the one before).

    Parameters
    ----------
    arrivals : (n,) or (batches, n) array
        Cycles, in order.
    service : int or array of the same shape
        Cycles.
    """
    work = np.broadcast_to(np.asarray(service, dtype=np.int64), arrivals.shape)
    before = np.cumsum(work, axis=-1) - work
    return np.asarray(before + np.maximum.accumulate(arrivals - before, axis=-1), dtype=np.int64)


def md1_wait(load: float, service: int) -> float:
    """Mean cycles of waiting in M/D/1."""
    _check(load, service)
    return load * service / (2 * (1 - load))


def geo_d_1_wait(load: float, service: int) -> float:
    """Mean cycles of waiting in Geo/D/1."""
    _check(load, service)
    return load * (service - 1) / (2 * (1 - load))


@dataclass(frozen=True, slots=True)
class QueueCheck:
    """Mean wait of a simulated queue beside theory, in cycles.

    Attributes
    ----------
    error : float
        Standard error of ``simulated``, from independent batches.
    """

    arrivals: str
    load: float
    service: int
    theory: float
    simulated: float
    error: float
    batches: int

    @property
    def deviation(self) -> float:
        """Distance from theory in standard errors."""
        return abs(self.simulated - self.theory) / self.error

    @property
    def ok(self) -> bool:
        """Within four standard errors: 1 of 15,800 correct checks is not."""
        return self.deviation <= 4


def check_queue(
    arrivals: str, load: float, service: int, *, batches: int = 200, seed: int = 0
) -> QueueCheck:
    """Simulate a queue of ``arrivals`` in independent batches that start empty.

    A batch measures 20,000 messages after 400 / (1 - load)^2 that are dropped: the relaxation time of M/D/1 is about
    2 / (1 - load)^2 services.
    """
    if arrivals not in ARRIVALS:
        raise ValueError(f"arrivals {arrivals!r} are none of {', '.join(ARRIVALS)}")
    theory = {"poisson": md1_wait, "bernoulli": geo_d_1_wait}[arrivals](load, service)
    rng = np.random.default_rng(seed)
    dropped, kept = int(400 / (1 - load) ** 2), 20_000
    rate = load / service
    means = []
    for _ in range(batches):
        size = dropped + kept
        if arrivals == "poisson":
            at = np.floor(np.cumsum(rng.exponential(1 / rate, size))).astype(np.int64)
        else:
            at = np.cumsum(rng.geometric(rate, size)).astype(np.int64)
        means.append(float(np.mean((fifo_starts(at, service) - at)[dropped:])))
    error = float(np.std(means, ddof=1)) / sqrt(batches)
    return QueueCheck(arrivals, load, service, theory, float(np.mean(means)), error, batches)


def _check(load: float, service: int) -> None:
    if not 0 < load < 1 or service < 1:
        raise ValueError(
            f"load {load} is not between 0 and 1, or service {service} is below a cycle"
        )
