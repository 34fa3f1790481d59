"""Twin of ``hnlpu.rtl.stall``: in which cycles streams pause.

A beat that is there waits for the first cycle in which a bit of one shift register lets its stream go, and then stays
on offer; the register's states follow from its polynomial.
"""

from array import array

from hnlpu.errors import HnlpuError
from hnlpu.sim.network import Pause

__all__ = ["Noise"]

_BITS = 63
#: x^63 + x^62 + 1, Xilinx XAPP052.
_TAPS = 0b11 << 61
_FIRST = 0x5DEECE66D2B4A951 & ((1 << _BITS) - 1)


class Noise:
    """Pauses of the streams of a chip.

    Parameters
    ----------
    seed : int
        As of the RTL: the chip's number in its grid.

    Attributes
    ----------
    asked : int
        The latest cycle for which a stream has asked.
    """

    def __init__(self, seed: int = 0) -> None:
        self.asked = -1
        first = _FIRST * (2 * seed + 1) & ((1 << _BITS) - 1)
        self._states = array("Q", [first])  # of the cycle counted from reset
        self._switched = [0]  # off, on, off ... from these cycles on

    def switch(self, cycle: int, on: bool) -> None:
        """Streams pause, or do not, from ``cycle`` on.

        Raises
        ------
        HnlpuError
            A beat has been on its way then already: its cycles follow from the pauses as they were.
        """
        if on == (len(self._switched) % 2 == 0):
            return
        if cycle <= self.asked:
            raise HnlpuError(
                "streams are switched to pause while beats are on their way",
                where=f"cycle {cycle}",
                got=f"a beat in cycle {self.asked}",
                do="wait until the chip is idle",
            )
        self._switched.append(cycle)

    def stream(self, number: int) -> Pause:
        """When a beat of stream ``number`` may pass that is there from a cycle on."""
        one, other = 1 << 7 * number % _BITS, 1 << (11 * number + 29) % _BITS
        either, states = one | other, self._states

        def pause(cycle: int) -> int:
            while True:
                self.asked = max(self.asked, cycle)
                if not self._on(cycle):
                    return cycle
                if cycle >= len(states):
                    self._continue(cycle)
                if states[cycle] & either:
                    return cycle
                cycle += 1

        return pause

    def _on(self, cycle: int) -> bool:
        switched = self._switched
        last = len(switched) - 1
        while last and switched[last] > cycle:
            last -= 1
        return last % 2 == 1

    def _continue(self, cycle: int) -> None:
        states = self._states
        state = states[-1]
        for _ in range(cycle - len(states) + 1024):
            state = state >> 1 ^ (_TAPS if state & 1 else 0)
            states.append(state)
