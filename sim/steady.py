"""Steady state: how long a system must run until its rate can be believed.

A window is whole rounds of all sequences, at least ``_WINDOW`` tokens. After ``_WARM_UP`` windows, the state is steady as
soon as each of the last ``_AGREE`` windows' rates is within ``TOLERANCE`` of their mean; what is measured is those
windows together. A run that is not steady after ``max_windows`` says so.
"""

from dataclasses import dataclass
from itertools import pairwise

from hnlpu.sim.system import Counters, SystemTwin

__all__ = ["TOLERANCE", "Measured", "run_until_steady"]

#: Relative distance of a window's rate from the mean of those measured.
TOLERANCE = 0.005
_AGREE, _WARM_UP, _WINDOW = 3, 2, 24


@dataclass(frozen=True, slots=True)
class Measured:
    """What happened in the windows measured.

    Attributes
    ----------
    counters : Counters
    is_steady : bool
    spread : float
        Largest relative distance of a window's rate from their mean.
    windows : int
        That were run, warm-up included.
    """

    counters: Counters
    is_steady: bool
    spread: float
    windows: int

    @property
    def tokens_per_cycle(self) -> float:
        return self.counters.left / self.counters.cycles


def run_until_steady(twin: SystemTwin, window: int, max_windows: int = 40) -> Measured:
    """Run a system window by window until its rate is steady.

    Parameters
    ----------
    window : int
        Tokens, e.g. those that all sequences bring in one round.
    """
    size = window * -(-_WINDOW // window)
    marks = [twin.counters()]
    for windows in range(1, max_windows + 1):
        twin.run(size)
        marks.append(twin.counters())
        if windows < _WARM_UP + _AGREE:
            continue
        kept = marks[-_AGREE - 1 :]
        total = kept[-1].since(kept[0])
        mean = total.left / total.cycles
        parts = [new.since(old) for old, new in pairwise(kept)]
        spread = max(abs(part.left / part.cycles / mean - 1) for part in parts)
        if spread <= TOLERANCE or windows == max_windows:
            return Measured(total, spread <= TOLERANCE, spread, windows)
    raise ValueError(f"{max_windows} windows are fewer than {_WARM_UP + _AGREE}")
