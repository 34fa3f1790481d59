"""Floorplan: where the rows of a tap crossbar lie, and where its lines are driven.

    right end    accumulators of the rows, below no metal of the weights
    row          one strip, as high as its stubs or its transistors ask
    segment      rows between two turns
    turn         the lines go down to the base, through a repeater, and up again
    source       below the first row: the lines come up from the base

All places are in nm; the lower left corner is the origin.

Contract (checked by ``tests/layout/test_floorplan.py``): a strip holds its stubs and the transistors of its
row; no line is longer than the repeaters allow.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
import numpy.typing as npt

from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.layout.rules import Rules
from hnlpu.layout.stations import (
    Kind,
    Stations,
    pad_nm,
    plan_stations,
    stub_pitch_nm,
)
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.taps import TapsPlan

__all__ = ["Floorplan", "Turn", "plan_floorplan"]

#: Transistors of a bit of an accumulator, adder and register; of a bit that is shifted out, a register.
_ADD_TRANSISTORS, _SHIFT_TRANSISTORS = 52, 24


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


@dataclass(frozen=True, eq=False)
class Floorplan:
    """An array on the ground.

    Attributes
    ----------
    plan : TapsPlan
    rules : Rules
    stations : Stations
    row_tracks : int
        Height of a row in pitches of stubs; at least its stubs.
    segment_rows : int
        Rows between turns.
    row_transistors : int
        Of a row: ports, adders, accumulator.
    end_nm : int
        Width right of the stations that the accumulators take.
    """

    plan: TapsPlan
    rules: Rules
    stations: Stations
    row_tracks: int
    segment_rows: int
    row_transistors: int
    end_nm: int

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
        return Turn((), (), m10_out, m8_out, m8_out[-1] + 2)

    @cached_property
    def turn(self) -> Turn:
        """Between two segments."""
        m8_in = self._port_tracks(1)
        m10_in = self._bridge_tracks(m8_in[-1] + 2)
        m10_out = self._bridge_tracks(m10_in[-1] + 2)
        m8_out = self._port_tracks(m10_out[-1] + 2)
        return Turn(m8_in, m10_in, m10_out, m8_out, m8_out[-1] + 2)

    def _port_tracks(self, first: int) -> tuple[int, ...]:
        """Tracks that neighbouring ports of M8 take in turn."""
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
        ends = via8.size_nm // 2 + via8.upper_end_nm, via9.size_nm // 2 + via9.lower_end_nm
        return max(distance_nm + 2 * max(ends), m9.least_length_nm)

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

    def stub_y_nm(self, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Centres of the stubs of each row, (n, stubs)."""
        offsets = np.arange(self.stations.n_stubs) * self.pitch_nm + self.pitch_nm // 2
        return self.row_y_nm(np.asarray(row))[..., None] + offsets

    def pad_column(self, row: npt.NDArray[np.int64], kind: Kind) -> npt.NDArray[np.int64]:
        """Which column of pads each stub of each row uses, (n, stubs)."""
        number = np.asarray(row)[..., None] * self._odd + np.arange(self.stations.n_stubs)
        return np.asarray(number % len(kind.pads))

    @property
    def _odd(self) -> int:
        """Stubs of neighbouring rows go on counting where no track lies between them."""
        return self.stations.n_stubs if self.row_tracks == self.stations.n_stubs else 0

    @property
    def row_period(self) -> int:
        """Rows after which the pads repeat."""
        return 2 if self._odd % 2 and any(len(k.pads) > 1 for k in self.stations.kinds) else 1

    @property
    def width_nm(self) -> int:
        return self.stations.width_nm + self.end_nm

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

    @property
    def wires_um2_per_weight(self) -> float:
        """What lines and stubs alone ask for: the width of the stations, and a track for each stub."""
        row = self.stations.width_nm * self.stations.n_stubs * self.pitch_nm
        return row * 1e-6 / self.plan.n_columns

    @property
    def silicon_um2_per_weight(self) -> float:
        """What the transistors of the rows ask for."""
        return self.row_transistors / self.rules.silicon.mtransistor_per_mm2 / self.plan.n_columns


def plan_floorplan(
    plan: ArrayPlan,
    rules: Rules,
    *,
    layers: str = "both",
    row_transistors: int | None = None,
) -> Floorplan:
    """Ground of an array: the width of bundles and the height of rows that take least area.

    Parameters
    ----------
    plan : TapsPlan
    rules : Rules
    layers : str
        Layers that lines may lie on, see :func:`hnlpu.layout.stations.plan_stations`.
    row_transistors : int, optional
        Transistors of a row as counted; left out, ports and adders of the plan and an accumulator.

    Raises
    ------
    HnlpuError
        Not a tap crossbar.
    """
    narrow = plan_stations(plan, rules, layers=layers)
    assert isinstance(plan, TapsPlan)
    accumulator = plan.accumulator_bits * _ADD_TRANSISTORS
    accumulator += (plan.product_bits - 1) * _SHIFT_TRANSISTORS
    if row_transistors is None:
        row_transistors = plan.row_transistors + accumulator
    if row_transistors < 1:
        raise HnlpuError("a row without transistors", where=plan.name, got=str(row_transistors),
                         do="give the count of a row")  # fmt: skip
    density = rules.silicon.mtransistor_per_mm2
    strip_um2 = max(0, row_transistors - accumulator) / density
    pitch = stub_pitch_nm(rules)
    n_stubs = narrow.n_stubs
    best: tuple[int, int, Stations] | None = None
    # A strip that is one track higher may be narrower: try each, until it is as narrow as wires allow.
    others = narrow.width_nm - sum(
        narrow.kinds[kind].width_nm for kind in narrow.kind if narrow.kinds[kind].name == "bundle"
    )
    tracks = n_stubs
    while best is None or tracks * pitch * narrow.width_nm < best[0]:
        needed = strip_um2 * 1e6 / (tracks * pitch)
        bundle = max(0, ceil((needed - others) / plan.n_bundles / 20) * 20)
        stations = plan_stations(plan, rules, layers=layers, bundle_nm=bundle)
        area = stations.width_nm * tracks * pitch
        if best is None or area < best[0]:
            best = area, tracks, stations
        tracks += 1
    _, tracks, stations = best
    row_um = tracks * pitch * 1e-3
    segment = max(2, int(rules.silicon.repeater_distance_um / row_um) // 2 * 2)
    return Floorplan(
        plan=plan,
        rules=rules,
        stations=stations,
        row_tracks=tracks,
        segment_rows=segment,
        row_transistors=row_transistors,
        end_nm=ceil(accumulator / density / row_um * 1e3 / 20) * 20,
    )


def _even(length: int) -> int:
    return length + length % 2
