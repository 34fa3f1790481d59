"""Ground: what every array has in common as a floorplan, whatever its rows look like.

    row          one strip
    segment      rows between two turns
    turn         the lines go down to the base, through a repeater, and up again
    source       below the first row: the lines come up from the base

All places are in nm; the lower left corner is the origin.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
import numpy.typing as npt

from hnlpu.base import ArrayPlan
from hnlpu.layout.rules import Rules
from hnlpu.layout.stations import pad_nm, stub_pitch_nm
from hnlpu.metal import ROW_EXPONENT_BITS

__all__ = ["Ground", "Turn", "accumulator_transistors", "segment_rows"]

#: Transistors of a bit of an accumulator, adder and register; of a bit that is shifted out, a register.
_ADD_TRANSISTORS, _SHIFT_TRANSISTORS = 52, 24


def accumulator_transistors(plan: ArrayPlan) -> int:
    """Transistors of a row's accumulator and of the register through which its result leaves."""
    return plan.accumulator_bits * _ADD_TRANSISTORS + (plan.product_bits - 1) * _SHIFT_TRANSISTORS


def segment_rows(rules: Rules, row_nm: int) -> int:
    """Rows between two turns, an even number: as many as lines may be long without a repeater."""
    return max(2, int(rules.silicon.repeater_distance_um * 1000 / row_nm) // 2 * 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """Rows of tracks in which lines go down to the base and up again; numbers of tracks from its bottom.

    Attributes
    ----------
    m8_in, m10_in, m10_out, m8_out : tuple of int
        Tracks that the lines of a layer use in turn; no ``in`` below the first row of an array.
    n_tracks : int
        Height.
    """

    m8_in: tuple[int, ...]
    m10_in: tuple[int, ...]
    m10_out: tuple[int, ...]
    m8_out: tuple[int, ...]
    n_tracks: int


class Ground(ABC):
    """An array on the ground; a kind of rows says what stands on its strips.

    Attributes
    ----------
    plan : ArrayPlan
    rules : Rules
    row_tracks : int
        Height of a row in pitches of M9.
    segment_rows : int
        Rows between turns.
    """

    plan: ArrayPlan
    rules: Rules
    row_tracks: int
    segment_rows: int

    @property
    @abstractmethod
    def width_nm(self) -> int:
        """Of the whole array, accumulators among it."""

    @property
    @abstractmethod
    def masks(self) -> tuple[str, ...]:
        """Masks that are drawn, ports on M7 first."""

    @property
    @abstractmethod
    def weight_masks(self) -> tuple[str, ...]:
        """Those that hold the weights."""

    @property
    @abstractmethod
    def cut_exposures(self) -> int:
        """Exposures that the cuts of neighbouring tracks take in turn."""

    def exposures(self, mask: str) -> int:
        """Photomasks that a mask takes."""
        return self.cut_exposures if mask.endswith("C") else self.rules.exposures(mask)

    @property
    @abstractmethod
    def lines_on_m8(self) -> bool:
        """Whether lines may run on M8, and meet the base at turns."""

    @property
    def n_row_pins(self) -> int:
        """Pins of a row, those of its exponent among them."""
        return self.plan.n_pins + ROW_EXPONENT_BITS

    @property
    def pitch_nm(self) -> int:
        """Pitch of the stubs."""
        return stub_pitch_nm(self.rules)

    @property
    def row_nm(self) -> int:
        """Height of a row."""
        return self.row_tracks * self.pitch_nm

    @cached_property
    def source(self) -> Turn:
        """Below the first row."""
        m10_out = self._bridge_tracks(1)
        m8_out = self._port_tracks(m10_out[-1] + 2)
        return Turn((), (), m10_out, m8_out, [*m10_out, *m8_out][-1] + 2)

    @cached_property
    def turn(self) -> Turn:
        """Between two segments."""
        m8_in = self._port_tracks(1)
        m10_in = self._bridge_tracks(m8_in[-1] + 2 if m8_in else 1)
        m10_out = self._bridge_tracks(m10_in[-1] + 2)
        m8_out = self._port_tracks(m10_out[-1] + 2)
        return Turn(m8_in, m10_in, m10_out, m8_out, [*m10_out, *m8_out][-1] + 2)

    def _port_tracks(self, first: int) -> tuple[int, ...]:
        """Tracks that neighbouring ports of M8 take in turn."""
        if not self.lines_on_m8:
            return ()
        m7, m8 = self.rules.metals["M7"], self.rules.metals["M8"]
        n = ceil((self.port_nm + m7.end_space_nm) / m8.pitch_nm)
        return tuple(range(first, first + n))

    def _bridge_tracks(self, first: int) -> tuple[int, ...]:
        """Tracks that neighbouring bridges from M10 take in turn; cuts beside each other would touch."""
        m7, m8, m9 = (self.rules.metals[layer] for layer in ("M7", "M8", "M9"))
        needed = max(
            self.bridge_nm(m8.pitch_nm // 2) + m9.end_space_nm,
            self.port_nm + m7.end_space_nm + m8.pitch_nm,
        )
        step = 2 if m9.cut else 1
        n = ceil(needed / self.rules.metals["M10"].pitch_nm)
        return tuple(range(first, first + n * step, step))

    @property
    def port_nm(self) -> int:
        """Length of a port on M7."""
        via, m7 = self.rules.vias["VIA7"], self.rules.metals["M7"]
        return _even(max(via.size_nm + 2 * via.lower_end_nm, m7.least_length_nm))

    @property
    def pad_nm(self) -> int:
        """Height of a pad on M8."""
        return pad_nm(self.rules)

    def bridge_nm(self, distance_nm: int) -> int:
        """Length of the M9 between vias to M8 and to M10 so far apart."""
        via8, via9, m9 = self.rules.vias["VIA8"], self.rules.vias["VIA9"], self.rules.metals["M9"]
        reach = max(via8.upper_reach_nm, via9.lower_reach_nm)
        return max(distance_nm + 2 * reach, m9.least_length_nm)

    @property
    def n_segments(self) -> int:
        return ceil(self.plan.n_rows / self.segment_rows)

    def segment(self, index: int) -> tuple[int, int]:
        """First row of a segment, and how many it has."""
        first = index * self.segment_rows
        return first, min(self.segment_rows, self.plan.n_rows - first)

    def row_y_nm(self, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Lower edge of each row."""
        turns = row // self.segment_rows * self.turn.n_tracks + self.source.n_tracks
        return (row * self.row_tracks + turns) * self.pitch_nm

    @property
    def height_nm(self) -> int:
        tracks = self.source.n_tracks + self.plan.n_rows * self.row_tracks + 1
        return (tracks + (self.n_segments - 1) * self.turn.n_tracks) * self.pitch_nm

    @property
    def area_um2(self) -> float:
        return self.width_nm * self.height_nm * 1e-6

    @property
    def um2_per_weight(self) -> float:
        """Area of the whole array, ends, turns and sources included."""
        return self.area_um2 / (self.plan.n_rows * self.plan.n_columns)


def _even(length: int) -> int:
    return length + length % 2
