"""The network of a system beside theory: queues of its links, and the time of its collectives."""

from dataclasses import dataclass
from typing import Any

from hnlpu.sim.all_reduce_time import all_reduce_bound
from hnlpu.sim.queueing import ARRIVALS, check_queue
from hnlpu.simulation import System

__all__ = ["LOADS", "NetworkCheck", "check_network", "collective_checks"]

#: Loads at which queues are compared.
LOADS = (0.3, 0.6, 0.9)


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """A figure beside theory, in cycles.

    Attributes
    ----------
    kind : str
        ``equal`` (within four standard errors) or ``at least``.
    error : float
        Standard error; 0 where nothing is drawn.
    """

    name: str
    kind: str
    theory: float
    simulated: float
    error: float
    ok: bool

    def as_row(self) -> dict[str, Any]:
        return {
            "check": self.name,
            "kind": self.kind,
            "theory": round(self.theory, 3),
            "simulated": round(self.simulated, 3),
            "error": round(self.error, 4),
            "ok": self.ok,
        }


def check_network(system: System, *, seed: int = 0, batches: int = 200) -> list[NetworkCheck]:
    """Mean waits for a column link, with the service of the layers' longest message; times of collectives."""
    hidden = system.model.hidden * system.hardware.link_number_bytes
    service = system.hardware.link.busy_cycles(hidden)
    found = []
    for arrivals in ARRIVALS:
        for load in LOADS:
            check = check_queue(arrivals, load, service, batches=batches, seed=seed)
            law = {"poisson": "M/D/1", "bernoulli": "Geo/D/1"}[arrivals]
            found.append(
                NetworkCheck(
                    f"{law} wait, load {load}, service {service}", "equal", check.theory,
                    check.simulated, check.error, check.ok,
                )
            )  # fmt: skip
    return [*found, *collective_checks(system)]


def collective_checks(system: System) -> list[NetworkCheck]:
    """Time of every all-reduce of a plan, never below the bound of bandwidth alone.

    The bound of Patarasuk and Yuan counts what a chip sends over all its links of the kind: 2 (R - 1) / R of the vector.
    """
    grid, link = system.grid, system.hardware.link
    found = []
    for kind, chips in (("column", grid.rows), ("row", grid.columns)):
        if chips == 1:
            continue
        numbers = system.model.hidden
        bits = round(system.hardware.link_number_bytes * 8)
        per_cycle = int(link.bits_per_cycle * (chips - 1))
        bound = float(all_reduce_bound(chips, numbers, bits, per_cycle))
        n_bytes = numbers * system.hardware.link_number_bytes
        times = {
            "whole": link.latency_cycles(n_bytes),
            "pieces": 2 * link.latency_cycles(n_bytes / chips),
        }
        for name, cycles in times.items():
            found.append(
                NetworkCheck(
                    f"all-reduce of {numbers:,} in a {kind} of {chips}, {name}", "at least", bound,
                    float(cycles), 0.0, cycles >= bound,
                )
            )  # fmt: skip
    return found
