"""Routing repair: a way for the nets that :func:`hnlpu.layout.router.route` left over, one by one.

A net without a track tries, in this order: any free track, M9 or M11; a track that one other net can leave
for another one, or that the stub of a column mate can clear; and a track of the strip whose top meets its
own (*row borrowing*). Lines pass all strips, so a borrowed track needs no more than a longer stub; it must
find the column free, which it is above pins that have their column for themselves.

Contract (checked by ``tests/layout/test_router.py``): what was routed stays routed.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hnlpu.layout.router import M9, M11, NOWHERE, Routing

__all__ = ["repair"]

Ints = npt.NDArray[np.int64]
_FAR = 1 << 40
#: Nets of a strip that are worth the trouble, at most.
_MOST = 200


def repair(routing: Routing, *, borrow: bool = True) -> Routing:
    """Route what is over, as far as it goes.

    Parameters
    ----------
    routing : Routing
    borrow : bool
        Also on tracks of other strips.
    """
    routing = replace(
        routing,
        **{
            name: getattr(routing, name).copy()
            for name in ("layer", "track", "landing", "piece", "strip")
        },
    )
    over = routing.overflow
    rows, n_over = np.unique(routing.nets.row[over], return_counts=True)
    first = np.searchsorted(routing.nets.row, np.arange(routing.nets.n_rows + 1))
    for row in rows[n_over <= _MOST]:
        strip = _Strip(routing, int(row), slice(first[row], first[row + 1]))
        for net in map(int, np.flatnonzero(strip.layer == NOWHERE)):
            strip.place(net) or strip.place_by_moving(net)
        strip.store()
    if borrow:
        _borrow(routing, first)
    return routing


def _borrow(routing: Routing, first: Ints) -> None:
    for row in np.unique(routing.nets.row[routing.overflow]):
        other = int(row) ^ 1  # tops meet tops
        if other >= routing.nets.n_rows:
            continue
        lender = _Strip(routing, other, slice(first[other], first[other + 1]))
        here = np.flatnonzero(routing.layer[first[row] : first[row + 1]] == NOWHERE) + first[row]
        for net in here:
            track = lender.lend(routing, net)
            if track is not None:
                routing.layer[net], routing.track[net], routing.strip[net] = M9, track, other


class _Strip:
    """One row's nets, and what other rows have borrowed of its tracks."""

    def __init__(self, routing: Routing, row: int, some: slice) -> None:
        floorplan, nets = routing.floorplan, routing.nets
        self.routing, self.some, self.floorplan = routing, some, floorplan
        self.gap, self.n_tracks = floorplan.rules.end_nm, routing.n_tracks
        self.low, self.high = nets.low_nm[some], nets.high_nm[some]
        self.line, self.x = nets.driver_x_nm[some], nets.pin_x_nm[some]
        self.n = n = len(floorplan.column)
        output = nets.output[some]
        self.stands = np.stack(
            [nets.pin[some], np.where(output >= 0, output + floorplan.plan.n_pins, n)]
        )
        self.layer, self.track = routing.layer[some].copy(), routing.track[some].copy()
        self.landing, self.piece = routing.landing[some].copy(), routing.piece[some].copy()
        self.owner = np.full(n + 3, -1)
        self.owner[self.stands[1]] = np.arange(len(self.low))
        self.owner[self.stands[0]] = np.arange(len(self.low))
        self.owner[n:] = -1
        heights = floorplan.pin_tracks(self.n_tracks)
        self.heights = np.append(heights, 0)
        self.stub_low = np.concatenate([heights, [_FAR, -_FAR, _FAR]])
        self.stub_high = np.concatenate([heights, [-_FAR, -_FAR, _FAR]])
        self.ceiling = np.full(n + 1, _FAR)
        # On M9: every net's wire or piece, then what is lent.
        self.wire = [self.low.copy(), self.high.copy(), np.full(len(self.low), -1)]
        away = routing.strip[some] != row
        for net in np.flatnonzero((self.layer != NOWHERE) & ~away):
            self._draw(int(net))
        for net in np.flatnonzero((routing.strip == row) & (nets.row != row)):
            self._lent(routing, int(net), int(routing.track[net]))

    def store(self) -> None:
        """Write the row back."""
        for name in ("layer", "track", "landing", "piece"):
            getattr(self.routing, name)[self.some] = getattr(self, name)

    # Drawing and erasing.

    def _draw(self, net: int) -> None:
        """Enter a net's wire on M9 and its stubs, as ``layer``, ``track`` and so on say."""
        low, high, track = self.low[net], self.high[net], self.track[net]
        if self.layer[net] == M11:
            ends = self.floorplan.landing_x_nm[self.landing[net]], self.x[net]
            low, high, track = min(ends), max(ends), self.piece[net]
        self.wire[0][net], self.wire[1][net], self.wire[2][net] = low, high, track
        for stand in self.stands[:, net]:
            if stand < self.n:
                self.stub_low[stand] = min(self.heights[stand], track)
                self.stub_high[stand] = max(self.heights[stand], track)

    def _erase(self, net: int) -> None:
        self.layer[net], self.track[net], self.landing[net], self.piece[net] = NOWHERE, -1, -1, -1
        self.wire[2][net] = -1
        for stand in self.stands[:, net]:
            if stand < self.n:
                self.stub_low[stand] = self.stub_high[stand] = self.heights[stand]

    # Looking for room.

    def _allowed(self, net: int) -> tuple[int, int]:
        below, above = self.floorplan.beside
        gap = self.floorplan.rules.stub_tracks
        stands = self.stands[:, net]
        low = self.stub_high[below[:, stands]].max() + gap
        high = min(self.stub_low[above[:, stands]].min(), self.ceiling[stands].min()) - gap
        return max(int(low), 0), min(int(high), self.n_tracks - 1)

    def _in_the_way(self, low: int, high: int) -> Ints:
        """Wires of M9 between two places, by number."""
        begin, end, track = self.wire
        return np.flatnonzero((track >= 0) & (begin < high + self.gap) & (end + self.gap > low))

    def _n_in_the_way(self, low: int, high: int) -> Ints:
        found = self.wire[2][self._in_the_way(low, high)]
        return np.bincount(found, minlength=self.n_tracks)

    def place(self, net: int) -> bool:
        """Route a net where there is room; False where there is none."""
        first, last = self._allowed(net)
        if first > last:
            return False
        free = np.flatnonzero(
            self._n_in_the_way(self.low[net], self.high[net])[first : last + 1] == 0
        )
        if len(free):
            wish = self.heights[self.stands[0, net]]
            track = first + int(free[np.abs(first + free - wish).argmin()])
            self.layer[net], self.track[net] = M9, track
            self._draw(net)
            return True
        return self.stands[1, net] == self.n and self._land(net, first, last)

    def _land(self, net: int, first: int, last: int) -> bool:
        n_berths = self.routing.n_high // 2
        pieces = 3 * np.arange(n_berths) + 1
        landing_x = self.floorplan.landing_x_nm
        cell = int(np.searchsorted(landing_x, self.x[net]))
        high_up = np.flatnonzero(self.layer == M11)
        ends = self.line[high_up], landing_x[self.landing[high_up]]
        for column in (cell - 1, cell):
            if not (0 <= column < len(landing_x) and n_berths):
                continue
            x, tracks = int(landing_x[column]), 2 * np.arange(n_berths) + column % 2
            good = (pieces >= first) & (pieces <= last)
            low, high = sorted((x, int(self.x[net])))
            good &= self._n_in_the_way(low, high)[pieces] == 0
            low, high = sorted((x, int(self.line[net])))
            meets = (np.minimum(*ends) < high + self.gap) & (np.maximum(*ends) + self.gap > low)
            meets |= self.landing[high_up] == column
            good &= ~np.isin(tracks, self.track[high_up[meets]])
            if good.any():
                berth = int(good.argmax())
                self.layer[net], self.track[net] = M11, tracks[berth]
                self.landing[net], self.piece[net] = column, pieces[berth]
                self._draw(net)
                return True
        return False

    def place_by_moving(self, net: int) -> bool:
        """Route a net where others make room for it."""
        for others in self._movable(net):
            was = [
                [values[other] for values in (self.layer, self.track, self.landing, self.piece)]
                for other in others
            ]
            for other in others:
                self._erase(other)
            if self.place(net):
                if all(self.place(other) for other in others):
                    return True
                self._erase(net)
            for other in others:
                self._erase(other)
            for other, (layer, track, landing, piece) in zip(others, was, strict=True):
                self.layer[other], self.track[other] = layer, track
                self.landing[other], self.piece[other] = landing, piece
                self._draw(other)
        return False

    def _movable(self, net: int) -> Iterator[tuple[int, ...]]:
        """Nets whose stubs share a column with this one's; nets alone in its way; both."""
        below, above = self.floorplan.beside
        stands = self.stands[:, net]
        mates = [
            int(other)
            for other in self.owner[np.concatenate([below[:, stands], above[:, stands]]).ravel()]
            if other >= 0 and other != net and self.layer[other] != NOWHERE
        ]
        mates = list(dict.fromkeys(mates))
        yield from ((mate,) for mate in mates)
        if len(mates) > 1:
            yield tuple(mates)
        first, last = self._allowed(net)
        wires = self._in_the_way(self.low[net], self.high[net])
        tracks = self.wire[2][wires]
        alone = np.bincount(tracks, minlength=self.n_tracks)[tracks] == 1
        alone &= wires < len(self.low)
        near = (tracks >= first) & (tracks <= last)
        yield from ((int(wire),) for wire in wires[alone & near])
        if mates:
            far = wires[alone & ~near]
            yield from ((int(wire), *mates) for wire in far if int(wire) not in mates)

    # Lending.

    def _lent(self, routing: Routing, net: int, track: int) -> None:
        nets = routing.nets
        ends = (nets.low_nm[net], nets.high_nm[net], track)
        self.wire = [np.append(a, b) for a, b in zip(self.wire, ends, strict=True)]
        self.ceiling[nets.pin[net]] = track

    def lend(self, routing: Routing, net: int) -> int | None:
        """A free track for a net of the row whose top meets this one's, entered as lent."""
        nets = routing.nets
        pin = int(nets.pin[net])
        if nets.output[net] >= 0 or not self.floorplan.single[pin] or self.ceiling[pin] < _FAR:
            return None
        count = self._n_in_the_way(nets.low_nm[net], nets.high_nm[net])
        lowest = int(self.stub_high[pin]) + self.floorplan.rules.stub_tracks
        free = np.flatnonzero(count[max(0, lowest) : self.n_tracks] == 0)
        if not len(free):
            return None
        track = max(0, lowest) + int(free[-1])
        self._lent(routing, net, track)
        return track
