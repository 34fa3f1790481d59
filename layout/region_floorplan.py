"""Region floorplan: where lines, pins and outputs stand on the strips of a region base.

Lines run vertically on M10, every strip lies across all of them; its horizontal tracks are those of M9 and
M11. A pin is reached by a stub on M8 in a column of its own level: several pins may share a column, one at
the bottom of the strip, one at the top, one in the middle where there must be three. Stubs of a column
never meet: the wires of lower pins run on lower tracks.

Every so many M10 positions one is left without a line, all along: there a wire of M11 *lands*. A landing is
a short piece of M10 in the strip, from an M11 track to the M9 track beside it, one every 240 nm (two
tracks of M11, three of M9); it belongs to the lower M11 track in even landing columns, to the
upper in odd ones, so that pieces above one another keep 100 nm apart.

Odd strips are mirrored: they meet their neighbours top to top and bottom to bottom. Pins that have their
column for themselves stand at the bottom, so the stub of such a pin can leave the strip at its top.

Constant lines and constant pins stand at the end of the strip. Contract (checked by
``tests/layout/test_router.py``): no two pins at one place; everything inside the strip.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hnlpu.base import LINES
from hnlpu.errors import HnlpuError
from hnlpu.layout.rules import Rules
from hnlpu.matching import PLACES, places
from hnlpu.merged import MergedPlan
from hnlpu.regions import RegionPlan
from hnlpu.wiring import silicon_um2, tracks_available

__all__ = ["RegionFloorplan", "RegionRules", "region_rules"]

#: Tracks of M9 that a wire's end keeps free.
_END_TRACKS = 2
#: Pins of a column that can be told apart: bottom, middle, top.
_MOST_LEVELS = 3

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RegionRules:
    """Pitches and distances of the layers that carry weights; :func:`region_rules` has those of a rule set.

    Attributes
    ----------
    m8_pitch_nm, m9_pitch_nm, m10_pitch_nm, m11_pitch_nm : int
    end_nm : int
        From the last via of a wire to the first of the next on its track: two extensions and a gap.
    stub_tracks : int
        The same between stubs of one column, in tracks of M9.
    landing_every : int
        M10 positions per landing column; 0 for none, and no wires on M11.
    """

    m8_pitch_nm: int
    m9_pitch_nm: int
    m10_pitch_nm: int
    m11_pitch_nm: int
    end_nm: int
    stub_tracks: int
    landing_every: int


def region_rules(rules: Rules, landing_every: int = 16) -> RegionRules:
    """Pitches of a rule set.

    Raises
    ------
    HnlpuError
        Landings are asked for where two tracks of M11 are not as high as three of M9.
    """
    m8, m9, m10, m11 = (rules.metals[f"M{n}"].pitch_nm for n in (8, 9, 10, 11))
    if landing_every and 2 * m11 != 3 * m9:
        raise HnlpuError("wires of M11 cannot land with these rules", where=rules.name,
                         got=f"pitches of {m9} nm on M9 and {m11} nm on M11",
                         do="leave M11 out, or use rules in which two of its tracks are three of M9")  # fmt: skip
    return RegionRules(m8, m9, m10, m11, _END_TRACKS * m9, _END_TRACKS, landing_every)


@dataclass(frozen=True, eq=False)
class RegionFloorplan:
    """Places on the strips of a base.

    Attributes
    ----------
    plan : RegionPlan
    rules : RegionRules
    """

    plan: RegionPlan
    rules: RegionRules

    @cached_property
    def n_outputs(self) -> int:
        """Outputs of the row itself that its pins may take."""
        return self.plan.n_local

    @cached_property
    def _positions(self) -> tuple[Ints, Ints, int]:
        """M10 positions of all lines, of the landing columns, and how many there are."""
        rules = self.rules
        lines = np.arange(self.plan.n_lines + self.plan.n_constant_lines)
        landings = lines[:0]
        every = rules.landing_every
        if every:
            lines = lines + (lines + every // 2) // (every - 1)
            landings = np.setdiff1d(np.arange(int(lines[-1]) + 1), lines)
        n = int(lines[-1]) + 1
        # Spread out where not all pins find a column.
        needed = self._columns_needed(_MOST_LEVELS) * rules.m8_pitch_nm
        most = max(n, -(-needed // rules.m10_pitch_nm))
        return lines * most // n, landings * most // n, most

    @cached_property
    def width_nm(self) -> int:
        """Of a strip."""
        return self._positions[2] * self.rules.m10_pitch_nm

    @cached_property
    def line_x_nm(self) -> Ints:
        """Middle of each line, constant lines last."""
        return self._positions[0] * self.rules.m10_pitch_nm + self.rules.m10_pitch_nm // 2

    @cached_property
    def landing_x_nm(self) -> Ints:
        """Middle of each landing column."""
        return self._positions[1] * self.rules.m10_pitch_nm + self.rules.m10_pitch_nm // 2

    @property
    def _constant_x_nm(self) -> int:
        """Where the constant lines begin."""
        first = int(self._positions[0][self.plan.n_lines]) if self.plan.n_constant_lines else None
        return self.width_nm if first is None else first * self.rules.m10_pitch_nm

    @cached_property
    def n_columns(self) -> int:
        """Columns of M8."""
        return self.width_nm // self.rules.m8_pitch_nm

    @property
    def _n_ends(self) -> int:
        """Constant pins."""
        return self.plan.phases * len(self.plan.constant_ports)

    def _columns_needed(self, n_levels: int) -> int:
        n_others = self.plan.n_pins + self.n_outputs - self._n_ends
        return -(-self._n_ends // n_levels) - (-n_others // n_levels)

    @cached_property
    def n_levels(self) -> int:
        """Pins of a column, at most."""
        levels = range(1, _MOST_LEVELS + 1)
        return next(n for n in levels if self._columns_needed(n) <= self.n_columns)

    @cached_property
    def column(self) -> Ints:
        """M8 column of every pin, then of every output."""
        return self._standing[0]

    @cached_property
    def level(self) -> Ints:
        """Level of every pin, then of every output: 0 is the lowest."""
        return self._standing[1]

    @cached_property
    def _standing(self) -> tuple[Ints, Ints]:
        plan = self.plan
        n = plan.n_pins + self.n_outputs
        wanted = np.full(n, PLACES, dtype=np.int64)
        wanted[: plan.n_stubs] = np.tile(plan.port_places, plan.phases)
        if isinstance(plan, MergedPlan):
            wanted[plan.n_stubs : plan.n_stubs + plan.n_slots] = plan.slot_places
            wanted[plan.n_pins :] = places(self.n_outputs)
        column = np.empty(n, dtype=np.int64)
        # Constant pins stand below the constant lines, everything else evenly below the others.
        ends = wanted == PLACES
        end = -(-self._n_ends // self.n_levels)
        main = min(self._constant_x_nm // self.rules.m8_pitch_nm, self.n_columns - end)
        main = max(main, -(-int((~ends).sum()) // self.n_levels))
        column[ends] = main + np.arange(self._n_ends) // self.n_levels
        # Slots and outputs stand at the bottom of columns of their own, so that what runs between them
        # runs low, and no two of these wires can ask to be below each other.
        local = np.zeros(n, dtype=bool)
        local[plan.n_stubs : plan.n_stubs + plan.n_region_pins] = True
        local[plan.n_pins :] = True
        room = np.diff(np.arange(main + 1) * int((~ends).sum()) // main)
        own = np.flatnonzero(local)
        if room.min() and len(own) <= main:
            own = own[np.argsort(wanted[own], kind="stable")]
            index = np.arange(len(own))
            at = np.maximum.accumulate(wanted[own] * main // PLACES - index) + index
            column[own] = np.minimum(at, main - len(own) + index)
            room[column[own]] -= 1
            rest = np.flatnonzero(~ends & ~local)
        else:
            rest = np.flatnonzero(~ends)
        rest = rest[np.argsort(wanted[rest], kind="stable")]
        column[rest] = np.repeat(np.arange(main), room)
        order = np.lexsort((~local, column))
        first = np.searchsorted(column[order], column[order], side="left")
        level = np.empty(n, dtype=np.int64)
        level[order] = np.arange(n) - first
        return column, level

    @cached_property
    def beside(self) -> tuple[Ints, Ints]:
        """Pins and outputs below and above each in its column, (2, n + 1); n + 1 and n + 2 for none.

        The last column of the arrays is for no pin at all.
        """
        n = len(self.column)
        below, above = np.full((2, n + 1), n + 1), np.full((2, n + 1), n + 2)
        order = np.lexsort((self.level, self.column))
        column = self.column[order]
        for step in (1, 2):
            same = np.flatnonzero(column[step:] == column[:-step])
            below[step - 1][order[same + step]] = order[same]
            above[step - 1][order[same]] = order[same + step]
        return below, above

    def pin_tracks(self, n_tracks: int) -> Ints:
        """Height of each pin and output, in tracks of M9: -1 below them, or above them, or between."""
        n = len(self.column)
        (below, _), (above, _) = self.beside
        top = np.where(above[:n] == n + 2, n_tracks, n_tracks // 2)
        result: Ints = np.where(below[:n] == n + 1, -1, top)
        return result

    @cached_property
    def single(self) -> npt.NDArray[np.bool_]:
        """Pins that have their column for themselves."""
        n = len(self.column)
        result: npt.NDArray[np.bool_] = (self.beside[0][0, :n] == n + 1) & (
            self.beside[1][0, :n] == n + 2
        )
        return result

    @cached_property
    def x_nm(self) -> Ints:
        """Middle of every pin, then of every output."""
        return self.column * self.rules.m8_pitch_nm + self.rules.m8_pitch_nm // 2

    def driver_x_nm(self, drivers: Ints) -> Ints:
        """Middle of the lines or outputs with these driver numbers (no ties)."""
        outputs = self.x_nm[self.plan.n_pins :]
        table = np.concatenate([np.full(LINES, -1), self.line_x_nm, outputs])
        result: Ints = table[drivers]
        return result

    # Heights.

    @property
    def silicon_height_um(self) -> float:
        """What the row's transistors ask for (without accumulators)."""
        return silicon_um2(self.plan.row_transistors) / (self.width_nm * 1e-3)

    @cached_property
    def base_height_um(self) -> float:
        """What the wires of the base ask for, on M3, M5 and M7."""
        low, high = 0, 1 << 20  # nm
        while high - low > 1:
            middle = (low + high) // 2
            enough = tracks_available(middle * 1e-3) >= self.plan.tracks
            low, high = (low, middle) if enough else (middle, high)
        return high * 1e-3

    def height_um(self, n_tracks: int) -> float:
        """Of a strip with so many tracks of M9."""
        return n_tracks * self.rules.m9_pitch_nm * 1e-3

    def n_high(self, n_tracks: int) -> int:
        """Tracks of M11 above so many of M9; an even number, as landings come in pairs of tracks."""
        if not self.rules.landing_every:
            return 0
        return n_tracks * self.rules.m9_pitch_nm // (2 * self.rules.m11_pitch_nm) * 2

    def um2_per_weight(self, height_um: float) -> float:
        """Area per weight of strips of a height."""
        return height_um * self.width_nm * 1e-3 / self.plan.n_columns
