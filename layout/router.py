"""Router: the jogs of a region base's strips, on M9 and above it on M11.

Every wired pin of a row is a net of two ends: a driver (a line on M10, or an output below a stub on M8)
and the pin, below a stub on M8. On M9 a net is one jog on one track. Rows are independent, and routed side by side,
in three steps, the nets of every row from left to right:

1. *Spill.* Where more nets run than M9 has tracks, those that end furthest leave it: no choice
   leaves fewer. Nets of outputs stay, and so do short ones.
2. *M11.* A net that left goes up from its line, along M11, and comes down at a landing beside its
   pin, to a short piece of M9 (see :mod:`hnlpu.layout.region_floorplan`).
3. *Left edge.* Each net takes a free track that suits the stubs of its pin's column: low for low pins, high
   for high ones. Without stubs to heed this takes no more tracks than the densest cut has nets.
   Where none is free, the net there that ends furthest leaves M9, and steps 2 and 3 are done again.

What is left then is overflow: counted and named, never drawn. :mod:`hnlpu.layout.routing_repair` finds a way for
some of it.

Contract (checked by ``tests/layout/test_router.py`` with :func:`hnlpu.layout.routing_check.check_routing`): no
shorts, every pin at its driver, or named as overflow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.base import LINES, Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.region_floorplan import RegionFloorplan
from hnlpu.matching import passing

__all__ = ["M9", "M11", "NOWHERE", "Nets", "Routing", "cut_density", "nets_of", "route"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Layers of nets.
NOWHERE, M9, M11 = 0, 9, 11
_FAR = 1 << 40
#: Times that nets which found no track on M9 drive others to M11.
_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Nets:
    """Wired pins of some rows; arrays (n_nets,).

    Attributes
    ----------
    n_rows : int
    row : int64
    pin : int64
        Number in the row, as in :mod:`hnlpu.base`.
    output : int64
        The row's output that drives it; -1 for a line.
    driver_x_nm, pin_x_nm : int64
    """

    n_rows: int
    row: Ints
    pin: Ints
    output: Ints
    driver_x_nm: Ints
    pin_x_nm: Ints

    @property
    def low_nm(self) -> Ints:
        return np.minimum(self.driver_x_nm, self.pin_x_nm)

    @property
    def high_nm(self) -> Ints:
        return np.maximum(self.driver_x_nm, self.pin_x_nm)

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Routing:
    """Where each net runs; arrays (n_nets,).

    Attributes
    ----------
    floorplan : RegionFloorplan
    n_tracks : int
        Tracks of M9 in a strip.
    nets : Nets
    layer : int64
        M9, M11, or NOWHERE: overflow.
    track : int64
        On that layer, from the strip's lower edge.
    landing : int64
        Landing column of a net on M11; -1 else.
    piece : int64
        Track of the piece of M9 from the landing to the pin; -1 else.
    strip : int64
        Strip whose tracks are taken: the net's row, or that before or after it.
    """

    floorplan: RegionFloorplan
    n_tracks: int
    nets: Nets
    layer: Ints
    track: Ints
    landing: Ints
    piece: Ints
    strip: Ints

    @property
    def n_high(self) -> int:
        """Tracks of M11."""
        return self.floorplan.n_high(self.n_tracks)

    @property
    def overflow(self) -> Ints:
        """Nets that found no way."""
        return np.flatnonzero(self.layer == NOWHERE)

    def statistics(self) -> dict[str, float]:
        """Density of cuts, tracks in use, nets spilled, borrowed and over: numbers per row or of all."""
        density = cut_density(self.nets, self.floorplan.width_nm)
        length = {
            layer: float((self.nets.high_nm - self.nets.low_nm)[self.layer == layer].sum())
            for layer in (M9, M11)
        }
        whole = self.nets.n_rows * self.floorplan.width_nm
        return {
            "rows": self.nets.n_rows,
            "nets_per_row": len(self.nets) / self.nets.n_rows,
            "density_mean": float(density.mean()),
            "density_peak_mean": float(density.max(axis=1).mean()),
            "density_peak": float(density.max()),
            "tracks_m9": self.n_tracks,
            "tracks_m11": self.n_high,
            "used_m9": length[M9] / whole / max(1, self.n_tracks),
            "used_m11": length[M11] / whole / max(1, self.n_high),
            "spilled": float((self.layer == M11).mean()),
            "borrowed": int((self.strip != self.nets.row).sum()),
            "overflow": len(self.overflow),
        }

    def check(self, where: str = "router") -> None:
        """Raise unless every net found its way; names the worst place."""
        over = self.overflow
        if not len(over):
            return
        density = cut_density(_pick(self.nets, over), self.floorplan.width_nm)
        row, cell = map(int, np.unravel_index(density.argmax(), density.shape))
        rows = len(np.unique(self.nets.row[over]))
        x_um = (cell + 0.5) * self.floorplan.width_nm / density.shape[1] * 1e-3
        raise HnlpuError(
            "wires do not fit the strips",
            where=f"{where}: row {row} at x = {x_um:.1f} um",
            got=f"{density[row, cell]} nets over {self.n_tracks} tracks of M9 and {self.n_high} of "
            f"M11 there; {len(over)} of {len(self.nets)} nets over, in {rows} rows",
            do="make the strips higher, give the base more ports, or use the taps architecture",
        )


def _pick(nets: Nets, which: Ints | Bools) -> Nets:
    return Nets(
        nets.n_rows,
        nets.row[which],
        nets.pin[which],
        nets.output[which],
        nets.driver_x_nm[which],
        nets.pin_x_nm[which],
    )


def nets_of(floorplan: RegionFloorplan, pins: Pins) -> Nets:
    """The nets of some rows, from the drivers of their pins (n_rows, n_pins); ties need none."""
    row, pin = np.nonzero(pins >= LINES)
    driver = pins[row, pin]
    output = driver - floorplan.plan.local_driver(0)
    return Nets(
        len(pins),
        row,
        pin,
        np.where(output >= 0, output, -1),
        floorplan.driver_x_nm(driver),
        floorplan.x_nm[pin],
    )


def cut_density(nets: Nets, width_nm: int, n_cuts: int = 1024) -> Ints:
    """Nets that run past each of some places, (n_rows, n_cuts)."""
    low, high = (end * n_cuts // width_nm for end in (nets.low_nm, nets.high_nm))
    return passing(nets.row, low, high, nets.n_rows, n_cuts)


def route(floorplan: RegionFloorplan, nets: Nets, n_tracks: int, rows: int = 256) -> Routing:
    """Route all nets as far as they go.

    Parameters
    ----------
    floorplan : RegionFloorplan
    nets : Nets
    n_tracks : int
        Tracks of M9 in a strip.
    rows : int
        Routed at a time.
    """
    found = [np.full(len(nets), value, dtype=np.int64) for value in (NOWHERE, -1, -1, -1)]
    away = np.zeros(len(nets), dtype=bool)
    for first in range(0, nets.n_rows, rows):
        some = np.arange(first, min(first + rows, nets.n_rows))
        for turn in range(_ROUNDS + 1):
            which = np.flatnonzero(np.isin(nets.row, some))
            job = _Job(floorplan, nets, which, some, n_tracks)
            job.away = job.enter(away[which], False)
            if not turn:
                job.spill()
            job.land()
            again = job.left_edge()
            away[which] = job.leave(job.away)
            for whole, part in zip(found, job.result(), strict=True):
                whole[which] = part
            some = some[again]
            if not len(some):
                break
    layer, track, landing, piece = found
    return Routing(floorplan, n_tracks, nets, layer, track, landing, piece, nets.row.copy())


class _Job:
    """Some rows on their way; arrays (rows, nets of a row) hold the nets from left to right."""

    def __init__(
        self,
        floorplan: RegionFloorplan,
        nets: Nets,
        some: Ints,
        rows: Ints,
        n_tracks: int,
    ) -> None:
        self.floorplan, self.n_tracks, self.n_rows = floorplan, n_tracks, len(rows)
        self.n_high = floorplan.n_high(n_tracks)
        row = np.searchsorted(rows, nets.row[some])
        order = np.lexsort((nets.low_nm[some], row))
        row = row[order]
        place = np.arange(len(row)) - np.searchsorted(row, row, side="left")
        self._shape = (len(rows), int(place.max(initial=-1)) + 1)
        self._at, self._order = (row, place), order
        low, high = nets.low_nm[some][order], nets.high_nm[some][order]
        self.low, self.high = self._spread(low, _FAR), self._spread(high, _FAR)
        self.line = self._spread(nets.driver_x_nm[some][order], 0)
        self.x = self._spread(nets.pin_x_nm[some][order], 0)
        stands = floorplan.plan.n_pins + floorplan.n_outputs
        output = nets.output[some][order]
        self.pin = self._spread(nets.pin[some][order], stands)
        self.output = self._spread(
            np.where(output >= 0, output + floorplan.plan.n_pins, stands), stands
        )
        self.away = np.zeros(self._shape, dtype=bool)
        pitch = floorplan.rules.landing_every * floorplan.rules.m10_pitch_nm
        self.may_leave = (self.output == stands) & (self.low < _FAR) & (self.n_high > 0)
        self.may_leave &= self.high - self.low > pitch
        self._stubs()
        self.layer = np.full(self._shape, NOWHERE, dtype=np.int64)
        self.track, self.landing, self.piece = (np.full(self._shape, -1) for _ in range(3))
        self._stub_low = np.tile(self._stub_ends, (self.n_rows, 1))
        self._stub_high = self._stub_low.copy()
        self._cells()

    def _spread(self, values: Ints, fill: int) -> Ints:
        result = np.full(self._shape, fill, dtype=np.int64)
        result[self._at] = values
        return result

    def enter(self, values: npt.NDArray[Any], fill: Any) -> npt.NDArray[Any]:
        """Values of the nets, given in their own order, as an array (rows, nets of a row)."""
        result = np.full(self._shape, fill, dtype=values.dtype)
        result[self._at] = values[self._order]
        return result

    def leave(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The inverse."""
        result = np.empty(len(self._order), dtype=values.dtype)
        result[self._order] = values[self._at]
        return result

    def result(self) -> list[Ints]:
        """Layer, track, landing and piece of the nets."""
        return [self.leave(v) for v in (self.layer, self.track, self.landing, self.piece)]

    # Stubs of columns.

    def _stubs(self) -> None:
        """Where the stub of each pin and output begins and ends so far: at its own height."""
        floorplan, top = self.floorplan, self.n_tracks
        self._below, self._above = floorplan.beside
        height = np.append(floorplan.pin_tracks(top), top // 2)
        self.wish = np.append(
            np.where(floorplan.single, top // 2, np.clip(height[:-1], 0, top - 1)), top // 2
        )
        self._stub_ends = np.concatenate([height, [-_FAR, _FAR]])

    def _allowed(self, rows: Ints, stand: Ints) -> tuple[Ints, Ints]:
        """First and last track that the stubs of these pins may reach."""
        gap = self.floorplan.rules.stub_tracks
        low = self._stub_high[rows, self._below[:, stand]].max(axis=0) + gap
        high = self._stub_low[rows, self._above[:, stand]].min(axis=0) - gap
        return np.maximum(low, 0), np.minimum(high, self.n_tracks - 1)

    def _reach(self, rows: Ints, stand: Ints, track: Ints) -> None:
        """Stubs of these pins now reach these tracks."""
        self._stub_low[rows, stand] = np.minimum(self._stub_low[rows, stand], track)
        self._stub_high[rows, stand] = np.maximum(self._stub_high[rows, stand], track)
        n = len(self.floorplan.column)  # where no pin is
        self._stub_low[:, n], self._stub_high[:, n] = _FAR, -_FAR

    # Cells between landing columns, and the pieces of M9 in them.

    def _cells(self) -> None:
        self.n_berths = self.n_high // 2
        n_cells = len(self.floorplan.landing_x_nm) + 1
        shape = (self.n_rows, self.n_berths, n_cells + 2)
        self.piece_low = np.full(shape, _FAR, dtype=np.int64)
        self.piece_high = np.full(shape, -_FAR, dtype=np.int64)
        self.landed = np.zeros(shape, dtype=bool)

    # The steps.

    def spill(self) -> None:
        """Step 1: mark nets that leave M9, those that end furthest first."""
        if not self.n_berths:
            return
        rows = np.arange(self.n_rows)
        gap = self.floorplan.rules.end_nm
        may = self.may_leave
        ends = np.full((self.n_rows, self.n_tracks), -_FAR, dtype=np.int64)
        keys = ends.copy()  # the same, of nets that may leave
        who = np.zeros(ends.shape, dtype=np.int64)
        for j in range(self._shape[1]):
            low, high = self.low[:, j], self.high[:, j]
            first = ends.argmin(axis=1)
            free = ends[rows, first] + gap <= low
            last = keys.argmax(axis=1)
            further = ~free & ((keys[rows, last] > high) | (~may[:, j] & (keys[rows, last] > low)))
            self.away[rows[further], who[rows, last][further]] = True
            stays = free | further
            self.away[:, j] = ~stays & may[:, j]
            row, track = rows[stays], np.where(free, first, last)[stays]
            ends[row, track] = high[stays]
            keys[row, track] = np.where(may[stays, j], high[stays], -_FAR)
            who[row, track] = j

    def land(self) -> None:
        """Step 2: nets that left M9 go to M11, as far as there is room."""
        if not self.n_berths:
            return
        floorplan, gap = self.floorplan, self.floorplan.rules.end_nm
        landing_x = floorplan.landing_x_nm
        cell_of = np.searchsorted(landing_x, self.x)
        edges = np.concatenate([[0], landing_x, [floorplan.width_nm]])
        low = np.minimum(self.line, edges[cell_of])
        high = np.maximum(self.line, edges[cell_of + 1])
        key = np.where(self.away, low, _FAR)
        order = np.argsort(key, axis=1, kind="stable")
        ends = np.full((self.n_rows, self.n_high), -_FAR, dtype=np.int64)
        tracks = np.arange(self.n_high)
        berths, pieces = tracks // 2, 3 * (tracks // 2) + 1
        for step in range(int(self.away.sum(axis=1).max(initial=0))):
            j = order[:, step]
            row = np.flatnonzero(np.take_along_axis(self.away, j[:, None], axis=1)[:, 0])
            j = j[row]
            cell = cell_of[row, j]
            # The landing column of each track: before the cell or behind it, by the track's parity.
            before = cell[:, None] - 1
            column = before + ((before - tracks) % 2)
            good = (column >= 0) & (column < len(landing_x))
            good &= ends[row] + gap <= low[row, j][:, None]
            good &= self.piece_high[row[:, None], berths, cell[:, None]] < 0
            good &= ~self.landed[row[:, None], berths, column]
            first, last = self._allowed(row, self.pin[row, j])
            good &= (pieces >= first[:, None]) & (pieces <= last[:, None])
            # Its piece keeps its distance from those of the cells beside it.
            at = np.clip(column, 0, len(landing_x) - 1)
            x = self.x[row, j][:, None]
            begin, end = np.minimum(landing_x[at], x), np.maximum(landing_x[at], x)
            beside = self.piece_high[row[:, None], berths, cell[:, None] - 1]
            good &= (cell[:, None] == 0) | (beside + gap <= begin)
            good &= self.piece_low[row[:, None], berths, cell[:, None] + 1] >= end + gap
            cost = np.where(good, np.abs(pieces - self.wish[self.pin[row, j]][:, None]), _FAR)
            track = cost.argmin(axis=1)
            placed = cost[np.arange(len(row)), track] < _FAR
            row, j, track, cell = row[placed], j[placed], track[placed], cell[placed]
            pick = np.flatnonzero(placed)
            column = column[pick, track]
            self.layer[row, j], self.track[row, j], self.landing[row, j] = M11, track, column
            self.piece[row, j] = pieces[track]
            ends[row, track] = high[row, j]
            berth = track // 2
            self.piece_low[row, berth, cell] = begin[pick, track]
            self.piece_high[row, berth, cell] = end[pick, track]
            self.landed[row, berth, column] = True
            self._reach(row, self.pin[row, j], pieces[track])

    def left_edge(self) -> Bools:
        """Step 3: what is not on M11 takes a track of M9.

        Where none is free, the net that ends furthest is to leave M9 in the next round, and its track is
        taken. True for rows with such a net.
        """
        floorplan, gap = self.floorplan, self.floorplan.rules.end_nm
        n_tracks, n_berths = self.n_tracks, self.n_berths
        tracks = np.arange(n_tracks)
        cell_of = np.searchsorted(floorplan.landing_x_nm, self.low)
        # Where the next piece begins, from the next cell on.
        ahead = np.minimum.accumulate(self.piece_low[..., ::-1], axis=2)[..., ::-1]
        ends = np.full((self.n_rows, n_tracks), -_FAR, dtype=np.int64)
        keys, who = ends.copy(), np.zeros(ends.shape, dtype=np.int64)
        berths = np.arange(n_berths)
        more_leave = np.zeros(self.n_rows, dtype=bool)
        n = len(floorplan.column)
        for j in range(self._shape[1]):
            low, high = self.low[:, j], self.high[:, j]
            row = np.flatnonzero((low < _FAR) & (self.layer[:, j] != M11))
            low, high = low[row, None], high[row, None]
            good = np.ones((len(row), n_tracks), dtype=bool)
            if n_berths:
                cell = cell_of[row, j][:, None]
                at = row[:, None], berths, cell
                here_low, here_high = self.piece_low[at], self.piece_high[at]
                free = (here_high + gap <= low) | (here_low >= high + gap)
                free &= ahead[row[:, None], berths, cell + 1] >= high + gap
                beside = self.piece_high[row[:, None], berths, cell - 1]
                free &= (cell == 0) | (beside + gap <= low)
                good[:, 3 * berths + 1] &= free
            pin, output = self.pin[row, j], self.output[row, j]
            first, last = self._allowed(row, pin)
            own = output < n
            if own.any():
                more = self._allowed(row, output)
                first = np.where(own, np.maximum(first, more[0]), first)
                last = np.where(own, np.minimum(last, more[1]), last)
            good &= (tracks >= first[:, None]) & (tracks <= last[:, None])
            wish = np.where(own, (self.wish[pin] + self.wish[output]) // 2, self.wish[pin])
            free = good & (ends[row] + gap <= low)
            cost = np.where(free, np.abs(tracks - wish[:, None]), _FAR)
            track = cost.argmin(axis=1)
            placed = free[np.arange(len(row)), track]
            if not placed.all():
                leaving = np.where(good, keys[row], -_FAR)
                last = leaving.argmax(axis=1)
                end = leaving[np.arange(len(row)), last]
                may = self.may_leave[row, j] & ~self.away[row, j]
                takes = ~placed & (end > np.where(may, high[:, 0], low[:, 0]))
                other = who[row[takes], last[takes]]
                self.away[row[takes], other] = True
                self.layer[row[takes], other] = NOWHERE
                goes = ~placed & ~takes & may
                self.away[row[goes], j] = True
                more_leave[row[takes | goes]] = True
                track = np.where(takes, last, track)
                placed |= takes
            row, track = row[placed], track[placed]
            self.layer[row, j], self.track[row, j] = M9, track
            ends[row, track] = self.high[row, j]
            may = self.may_leave[row, j] & ~self.away[row, j]
            keys[row, track] = np.where(may, self.high[row, j], -_FAR)
            who[row, track] = j
            self._reach(row, self.pin[row, j], track)
            self._reach(row, self.output[row, j], track)
        return more_leave
