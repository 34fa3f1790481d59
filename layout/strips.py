"""Strips: a region base on the ground, its rows as high as their wires, rails and transistors ask.

Heights in a strip are counted in pitches of M9 from its lower edge. In the columns of pins a stub on M8 begins
over two *rails* of M9, the low and the high tie: a pin that is tied has its via there, and every other pin's stub
goes on to the track of its wire. Pins of one column stand at the bottom, at the top and between; so there are
rails at the bottom, and at the top and in the middle where pins ask for them:

    0                 edge, shared with the neighbour, which is mirrored
    1, 2              rails
    3 ..              tracks of M9, below the middle
    then              two rails, where columns have three pins
    then              tracks of M9, the others
    then              two rails, where columns have two pins or three

Ports of pins lie on M7 below the rails; those of neighbouring columns take turns, for a port is longer than the
pitch of columns. A wire of M11 lands as in :mod:`hnlpu.layout.region_floorplan`. The ten pins of the row's
exponent stand at the right end, and behind them the columns through which the base feeds the rails.

Contract (checked by ``tests/layout/test_strips.py``): no two things stand at one place, and what routers count as
two tracks apart is.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
import numpy.typing as npt

from hnlpu.base import HIGH, LOW, Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.ground import Ground, accumulator_transistors, segment_rows
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.region_floorplan import RegionFloorplan, region_rules
from hnlpu.layout.rules import Rules
from hnlpu.layout.stations import Kind
from hnlpu.layout.turns import Landing, landings
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.regions import RegionPlan

__all__ = ["LEVELS", "Strips", "plan_strips", "rail_tracks", "region_floorplan"]

#: Where pins of a column stand.
LEVELS = BOTTOM, MIDDLE, TOP = 0, 1, 2
#: Rails of a level: the low tie, and the high one above it.
_RAILS = 2
#: M10 positions per landing column.
_LANDING_EVERY = 16

Ints = npt.NDArray[np.int64]


def region_floorplan(plan: RegionPlan, rules: Rules) -> RegionFloorplan:
    """Places of a base whose metal is drawn.

    Raises
    ------
    HnlpuError
        Rules in whose tracks wires of M11 cannot land, or stubs and wires do not stand on one grid.
    """
    own = region_rules(rules, _LANDING_EVERY)
    if own.m8_pitch_nm != own.m9_pitch_nm:
        raise HnlpuError("regions cannot be drawn with these rules", where=rules.name,
                         got=f"pitches of {own.m8_pitch_nm} nm on M8 and {own.m9_pitch_nm} nm on M9",
                         do="use rules in which they are equal, or the taps architecture")  # fmt: skip
    return RegionFloorplan(plan, own)


def rail_tracks(floorplan: RegionFloorplan) -> int:
    """Tracks of a strip that rails and the space between neighbours take."""
    return 1 + _RAILS * floorplan.n_levels


@dataclass(frozen=True, eq=False)
class Strips(Ground):
    """An array of a region base on the ground.

    Attributes
    ----------
    floorplan : RegionFloorplan
        Places along a strip.
    plan : RegionPlan
    rules : Rules
    n_tracks : int
        Tracks of M9 in a strip that wires may take.
    row_tracks : int
        All of them, rails and the edge among them.
    segment_rows : int
    end_nm : int
        Width right of the strips that the accumulators take.
    """

    floorplan: RegionFloorplan
    plan: RegionPlan
    rules: Rules
    n_tracks: int
    row_tracks: int
    segment_rows: int
    end_nm: int

    @property
    def masks(self) -> tuple[str, ...]:
        return ("M7", *self.rules.masks)

    @property
    def weight_masks(self) -> tuple[str, ...]:
        return ("M8C", "VIA8", "M9C", "VIA9", "VIA10", "M11")

    @property
    def cut_exposures(self) -> int:
        return 2

    @property
    def lines_on_m8(self) -> bool:
        return False

    # Along a strip.

    @cached_property
    def column(self) -> Ints:
        """M8 column of each pin of a row, those of its exponent last; then of each output."""
        own = self.floorplan.column
        first = ceil(self.floorplan.width_nm / self.pitch_nm)
        bits = first + np.arange(ROW_EXPONENT_BITS)
        return np.concatenate([own[: self.plan.n_pins], bits, own[self.plan.n_pins :]])

    @cached_property
    def level(self) -> Ints:
        """Level of each of :attr:`column`."""
        marks = self.floorplan.pin_tracks(self.n_tracks)
        own = np.where(marks < 0, BOTTOM, np.where(marks == self.n_tracks, TOP, MIDDLE))
        bits = np.full(ROW_EXPONENT_BITS, BOTTOM)
        return np.concatenate([own[: self.plan.n_pins], bits, own[self.plan.n_pins :]])

    @cached_property
    def feeds(self) -> tuple[int, int]:
        """Columns through which the base feeds the rails, by tie."""
        first = int(self.column.max()) + 1
        return first + first % 2, first + first % 2 + 1

    @property
    def n_columns(self) -> int:
        """Columns of M8, feeds among them."""
        return self.feeds[1] + 1

    @property
    def strip_nm(self) -> int:
        """Width of the strips."""
        return self.n_columns * self.pitch_nm

    @property
    def width_nm(self) -> int:
        return self.strip_nm + self.end_nm

    @property
    def stretches_nm(self) -> Ints:
        """Left edges of the stretches between columns of landings."""
        return np.append(0, self.floorplan.landing_x_nm)

    def column_x_nm(self, column: Ints) -> Ints:
        """Middle of columns of M8."""
        return np.asarray(column) * self.pitch_nm + self.pitch_nm // 2

    @cached_property
    def landing_lines(self) -> tuple[Landing, ...]:
        """How each line goes down to the base at a turn, from left to right."""
        columns = tuple(self.column_x_nm(np.arange(self.n_columns)).tolist())
        lines = tuple(("M10", x) for x in self.floorplan.line_x_nm.tolist())
        kind = Kind("strip", self.strip_nm, len(lines), 0, columns, lines, (), (0, 0))
        return tuple(landings(kind, len(self.source.m10_out)))

    @cached_property
    def ties(self) -> Ints:
        """Tie of each pin that has no wire, (n_pins,)."""
        return self.plan.default_ties()

    # Heights in a strip.

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels that have rails."""
        return (BOTTOM, TOP, MIDDLE)[: self.floorplan.n_levels]

    @property
    def rails(self) -> tuple[tuple[int, int], ...]:
        """Level and tie of every rail."""
        return tuple((level, tie) for level in self.levels for tie in (LOW, HIGH))

    @cached_property
    def low_rail_height(self) -> Ints:
        """Height of the low rail of each of :data:`LEVELS`; the high one is above it."""
        return np.array([self.rail_height(level, LOW) for level in LEVELS])

    @property
    def _middle(self) -> int:
        return self.n_tracks // 2

    def track_height(self, track: Ints) -> Ints:
        """Heights of tracks of M9 as the router counts them."""
        track = np.asarray(track)
        shift = _RAILS * ((track >= self._middle) & (MIDDLE in self.levels))
        result: Ints = track + 1 + _RAILS + shift
        return result

    def rail_height(self, level: int, tie: int) -> int:
        """Height of a rail."""
        first = {
            BOTTOM: 1,
            MIDDLE: self._middle + 1 + _RAILS,
            TOP: int(self.track_height(np.array(self.n_tracks - 1))) + 1,
        }[level]
        return first + tie

    @cached_property
    def m9_heights(self) -> Ints:
        """Heights with a track of M9, ascending: those of wires, and rails."""
        rails = [self.rail_height(level, tie) for level, tie in self.rails]
        return np.sort(np.append(self.track_height(np.arange(self.n_tracks)), rails))

    @cached_property
    def port_height(self) -> Ints:
        """Height of the port of each of :attr:`column`: below one of the two rails, in turn."""
        result: Ints = self.low_rail_height[self.level] + self.column % 2
        return result

    @property
    def n_berths(self) -> int:
        """Pairs of tracks of M11, three tracks of M9 each."""
        return self.floorplan.n_high(self.n_tracks) // 2

    def high_offset_nm(self, track: Ints) -> Ints:
        """From a strip's edge to tracks of M11."""
        track = np.asarray(track)
        middle = self.track_height(track // 2 * 3 + 1) * self.pitch_nm
        half = self.rules.metals["M11"].pitch_nm // 2
        result: Ints = middle + np.where(track % 2, half, -half)
        return result

    def y_nm(self, row: Ints, offset_nm: Ints) -> Ints:
        """Heights in the array of heights in strips; those of odd rows are mirrored."""
        row = np.asarray(row)
        bottom = self.row_y_nm(row)
        result: Ints = np.where(row % 2, bottom + self.row_nm - offset_nm, bottom + offset_nm)
        return result

    def mirrored(self, boxes: Boxes) -> Boxes:
        """Boxes of an even row as they stand in an odd one; heights from the row's edge."""
        x0, y0, x1, y1 = boxes.T
        return np.stack([x0, self.row_nm - y1, x1, self.row_nm - y0], axis=1)

    # Areas.

    @property
    def wires_um2_per_weight(self) -> float:
        """What the wires of M9 and the rails alone ask for."""
        tracks = self.n_tracks + rail_tracks(self.floorplan)
        return tracks * self.pitch_nm * self.strip_nm * 1e-6 / self.plan.n_columns

    @property
    def silicon_um2_per_weight(self) -> float:
        """What the transistors of the rows ask for, accumulators among them."""
        transistors = self.plan.row_transistors + accumulator_transistors(self.plan)
        return transistors / self.rules.silicon.mtransistor_per_mm2 / self.plan.n_columns

    def check_ties(self, pins: Pins, where: str) -> None:
        """Raise where a pin without a wire is not on its own tie."""
        wrong = (pins < 2) & (pins != self.ties)
        if wrong.any():
            row, pin = map(int, np.argwhere(wrong)[0])
            raise HnlpuError("a pin cannot be drawn: it is on the tie that is not its own",
                             where=f"{where}: row {row}, pin {pin}", got=f"driver {pins[row, pin]}",
                             do="draw the metal of this base")  # fmt: skip


def plan_strips(
    floorplan: RegionFloorplan, rules: Rules, n_tracks: int, *, exactly: bool = False
) -> Strips:
    """Ground of an array whose wires need ``n_tracks`` tracks of M9.

    Parameters
    ----------
    floorplan : RegionFloorplan
        As :func:`region_floorplan` gives it.
    rules : Rules
    n_tracks : int
    exactly : bool
        Not more than these; else as many as the height leaves that transistors and the base's own wires ask for.
    """
    pitch = floorplan.rules.m9_pitch_nm
    if not exactly:
        height = max(floorplan.silicon_height_um, floorplan.base_height_um)
        n_tracks = max(n_tracks, ceil(height * 1000 / pitch - 1e-6) - rail_tracks(floorplan))
    row_tracks = n_tracks + rail_tracks(floorplan)
    plan = floorplan.plan
    accumulator = accumulator_transistors(plan) / rules.silicon.mtransistor_per_mm2
    return Strips(
        floorplan=floorplan,
        plan=plan,
        rules=rules,
        n_tracks=n_tracks,
        row_tracks=row_tracks,
        segment_rows=segment_rows(rules, row_tracks * pitch),
        end_nm=ceil(accumulator / (row_tracks * pitch * 1e-3) * 1e3 / 20) * 20,
    )
