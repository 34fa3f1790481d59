"""Damage: what defects do to the metal of an array, and what its pins then read.

Exact on the metal: a wire that missing metal spans falls into pieces, a via that is covered or has lost its landing joins
nothing, and extra metal joins what it touches. (Defects of missing metal that overlap are taken one by one.) What is joined then is a net. What a net carries is assumed, one of two
ways (:data:`BEHAVIOURS`), for no wiring tells it:

    low     a net that nothing drives reads 0, and of lines that are joined a low one wins
    high    it reads 1, and a high one wins

A strap of the supply wins over lines, and the two supplies joined are the end of the chip. A repeater passes on
what its line's upper end carries, so that a fault reaches all rows above it; rows below it see what
their net carries: a break spares them, a short does not.

Contract (checked by ``tests/layout/test_damage.py``): nets are those that klayout's extraction finds in the damaged
masks; no defect, no change; a larger defect never harms less.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hnlpu.base import HIGH, LOW, Pins
from hnlpu.layout.defects import MECHANISMS, Defects, Mechanism
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.pieces import NOWHERE, PIECE_LAYERS, Pieces, across, along
from hnlpu.layout.ports import SUPPLIES

__all__ = ["BEHAVIOURS", "DamagedPins", "Nets", "find_nets", "hits", "read_damaged", "touch"]

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

#: What a net does that is driven by nothing, or by several.
BEHAVIOURS = ("low", "high")
_VDD = SUPPLIES.index("VDD")
#: Signal of a net whose drivers are not known yet.
_UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Nets:
    """What is joined to what.

    Attributes
    ----------
    net : int64 array (n_nodes,)
        Of every wire (of one that is broken: its first piece) and port of ``Pieces``.
    landing : int64 array (n_rows, stubs that are pins)
        The net of the line where each pin's via meets it; :data:`NOWHERE` where the line is gone.
    n_nets : int
    """

    net: Integers
    landing: Integers
    n_nets: int


@dataclass(frozen=True, slots=True, eq=False)
class DamagedPins:
    """What the pins of an array read.

    Attributes
    ----------
    pins : int64 array (n_rows, n_pins + row exponent bits)
        Drivers; from ``n_drivers`` on, entries of ``joined``.
    repaired : the same
        As they would read with stubs, pads and vias of their own intact: what a spare row reads.
    joined : list of tuple of int
        Drivers of lines that are joined.
    broken_rows : bool array (n_rows,)
        Rows with a stub, pad or via of their own that is broken.
    supplies_joined : bool
        The chip is lost.
    """

    pins: Pins
    repaired: Pins
    joined: list[tuple[int, ...]]
    broken_rows: npt.NDArray[np.bool_]
    supplies_joined: bool


# Which wires and vias a defect reaches.


def _meets(boxes: npt.NDArray[Any], defect: Numbers) -> npt.NDArray[np.bool_]:
    """Boxes that a defect overlaps."""
    left, low, right, high = boxes.T
    inside: npt.NDArray[np.bool_] = (
        (left < defect[2]) & (right > defect[0]) & (low < defect[3]) & (high > defect[1])
    )
    return inside


def _covers(boxes: npt.NDArray[np.int64], defect: Numbers) -> npt.NDArray[np.bool_]:
    """Boxes that a defect covers."""
    left, low, right, high = boxes.T
    inside: npt.NDArray[np.bool_] = (
        (left >= defect[0]) & (right <= defect[2]) & (low >= defect[1]) & (high <= defect[3])
    )
    return inside


def touch(pieces: Pieces, mechanism: Mechanism, defect: Numbers) -> tuple[Integers, Integers]:
    """Wires that missing metal cuts or extra metal touches, and vias that it takes away.

    Parameters
    ----------
    pieces : Pieces
    mechanism : Mechanism
    defect : float array (4,)
        Its box, in nm.
    """
    none = np.zeros(0, dtype=np.int64)
    if mechanism.is_via:
        own = pieces.of_mask(mechanism.layer)
        return none, own[_covers(pieces.vias[own], defect)]
    wires = pieces.of_layer(mechanism.layer)
    boxes = pieces.wires[wires]
    met = _meets(boxes, defect)
    if mechanism.extra:
        return wires[met], none
    low, high = across(mechanism.layer)
    spanned = met & (boxes[:, low] >= defect[low]) & (boxes[:, high] <= defect[high])
    vias = pieces.vias_on(mechanism.layer)
    return wires[spanned], vias[_covers(pieces.vias[vias], defect)]


def hits(pieces: Pieces, defects: Defects) -> npt.NDArray[np.bool_]:
    """Which defects break or join anything, (n,); critical areas count these."""
    found = []
    for index, box in zip(defects.mechanism.tolist(), defects.boxes, strict=True):
        wires, vias = touch(pieces, MECHANISMS[index], box)
        found.append(len(wires) > MECHANISMS[index].extra or len(vias) > 0)
    return np.array(found, dtype=bool)


# Nets.


@dataclass
class _Damage:
    """What of the metal is other than drawn."""

    pieces: Pieces
    cuts: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    extra: list[tuple[str, Integers, Numbers]] = field(default_factory=list)

    def add(self, mechanism: Mechanism, defect: Numbers) -> None:
        wires, vias = touch(self.pieces, mechanism, defect)
        self.lost.update(vias.tolist())
        if mechanism.extra:
            if len(wires):
                self.extra.append((mechanism.layer, wires, defect))
            return
        start, end = along(mechanism.layer)
        for wire in wires.tolist():
            self.cuts.setdefault(wire, []).append((float(defect[start]), float(defect[end])))

    def nets(self) -> Nets:
        pieces = self.pieces
        below, above = pieces.below.copy(), pieces.above.copy()
        kept = np.ones(len(below), dtype=bool)
        kept[list(self.lost)] = False
        landing = self._landing()
        rest: dict[int, list[tuple[int, float, float]]] = {}
        n_nodes = pieces.n_nodes
        for wire, cuts in self.cuts.items():
            start, end = _along_wire(pieces, wire)
            whole = float(pieces.wires[wire, start]), float(pieces.wires[wire, end])
            own = []
            for i, (low, high) in enumerate(_between(cuts, *whole)):
                own.append((wire if i == 0 else n_nodes, low, high))
                n_nodes += i > 0
            rest[wire] = own
            for side in (below, above):
                for via in np.flatnonzero(side == wire).tolist():
                    piece = _piece(own, *pieces.vias[via, [start, end]].tolist())
                    side[via] = wire if piece == NOWHERE else piece
                    kept[via] &= piece != NOWHERE
            for pin in np.argwhere(landing == wire).tolist():
                via = pieces.pin_via[tuple(pin)]
                landing[tuple(pin)] = _piece(own, *pieces.vias[via, [start, end]].tolist())
        pairs = [np.stack([below[kept], above[kept]])]
        for i, (layer, wires, defect) in enumerate(self.extra):
            ends = [node for wire in wires.tolist() for node in self._reached(rest, wire, defect)]
            ends += [n_nodes + k for k, (other, _, box) in enumerate(self.extra[:i])
                     if other == layer and _meets(box[None], defect)[0]]  # fmt: skip
            pairs.append(np.array([[n_nodes + i] * len(ends), ends], dtype=np.int64))
        n_nodes += len(self.extra)
        first, second = np.concatenate(pairs, axis=1)
        graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)),
                          shape=(n_nodes, n_nodes))  # fmt: skip
        n_nets, net = connected_components(graph, directed=False)
        net = net.astype(np.int64)
        where = np.where(landing == NOWHERE, NOWHERE, net[landing])
        return Nets(net[: pieces.n_nodes], where, int(n_nets))

    def _landing(self) -> Integers:
        """The line that each pin's via stands on."""
        pieces = self.pieces
        on_m10 = pieces.mask[pieces.pin_via] == 2
        return np.where(on_m10, pieces.above[pieces.pin_via], pieces.below[pieces.pin_via])

    def _reached(
        self, rest: Mapping[int, Sequence[tuple[int, float, float]]], wire: int, defect: Numbers
    ) -> Iterable[int]:
        """Nodes of a wire that extra metal touches."""
        if wire not in rest:
            return [wire]
        start, end = _along_wire(self.pieces, wire)
        return [
            node for node, low, high in rest[wire] if low < defect[end] and high > defect[start]
        ]


def _along_wire(pieces: Pieces, wire: int) -> tuple[int, int]:
    return along(PIECE_LAYERS[pieces.layer[wire]])


def _between(
    cuts: Iterable[tuple[float, float]], low: float, high: float
) -> list[tuple[float, float]]:
    """What cuts leave of a wire."""
    left = []
    for start, end in sorted(cuts):
        if start > low:
            left.append((low, start))
        low = max(low, end)
    if high > low:
        left.append((low, high))
    return left


def _piece(own: Sequence[tuple[int, float, float]], start: float, end: float) -> int:
    """The piece that a via from ``start`` to ``end`` overlaps."""
    return next((node for node, low, high in own if low < end and high > start), NOWHERE)


def find_nets(pieces: Pieces, defects: Defects) -> Nets:
    """Nets of an array with defects."""
    damage = _Damage(pieces)
    for mechanism, box in zip(defects.mechanism.tolist(), defects.boxes, strict=True):
        damage.add(MECHANISMS[mechanism], box)
    return damage.nets()


# What nets carry.


@dataclass
class _Signals:
    """Sets of drivers by number: those below ``n_drivers`` are one driver each."""

    n_drivers: int
    behaviour: str
    joined: list[tuple[int, ...]] = field(default_factory=list)
    numbers: dict[tuple[int, ...], int] = field(default_factory=dict)

    def members(self, signal: int) -> tuple[int, ...]:
        return (signal,) if signal < self.n_drivers else self.joined[signal - self.n_drivers]

    def of(self, signals: Iterable[int]) -> int:
        """What lines that carry ``signals`` carry together."""
        drivers = {d for signal in signals for d in self.members(signal)}
        winner, loser = (LOW, HIGH) if self.behaviour == "low" else (HIGH, LOW)
        if winner in drivers:
            return winner
        if len(drivers) > 1:
            drivers.discard(loser)
        key = tuple(sorted(drivers))
        if len(key) == 1:
            return key[0]
        if key not in self.numbers:
            self.numbers[key] = self.n_drivers + len(self.joined)
            self.joined.append(key)
        return self.numbers[key]


def read_damaged(
    floorplan: Floorplan, pieces: Pieces, nets: Nets, behaviour: str = "low"
) -> DamagedPins:
    """What the pins of an array read.

    Parameters
    ----------
    floorplan : Floorplan
    pieces : Pieces
    nets : Nets
        Of the pieces.
    behaviour : str
        One of :data:`BEHAVIOURS`.
    """
    signals = _Signals(floorplan.plan.n_drivers, behaviour)
    carried, supplies_joined = _carried(pieces, nets, signals)
    ports = nets.net[pieces.pin_port]
    floats = LOW if behaviour == "low" else HIGH
    read = carried[ports]
    through = np.where(nets.landing == NOWHERE, floats, carried[nets.landing])
    broken = (ports != nets.landing).any(axis=1)
    return DamagedPins(
        pins=_by_pin(floorplan, read),
        repaired=_by_pin(floorplan, through),
        joined=signals.joined,
        broken_rows=broken,
        supplies_joined=supplies_joined,
    )


def _by_pin(floorplan: Floorplan, values: Integers) -> Pins:
    """From the order of stubs to that of pins."""
    station, stub = floorplan.stations.pin_stubs()
    pins = np.zeros((len(values), floorplan.n_row_pins), dtype=np.int64)
    pins[:, floorplan.stations.pins[station, stub]] = values
    return pins


def _carried(pieces: Pieces, nets: Nets, signals: _Signals) -> tuple[Integers, bool]:
    """Signal of every net, and whether the supplies are joined."""
    rails = np.zeros((2, nets.n_nets), dtype=bool)
    rails[pieces.strap_supply, nets.net[pieces.strap_port]] = True
    out, into = pieces.line_out, pieces.line_in
    there = out != NOWHERE
    out_net = np.where(there, nets.net[out], NOWHERE)
    n_sources = np.bincount(out_net[there], minlength=nets.n_nets)
    fixed = np.full(nets.n_nets, _UNKNOWN)
    floats = LOW if signals.behaviour == "low" else HIGH
    fixed[n_sources == 0] = floats
    fixed[rails[_VDD]] = HIGH
    fixed[rails[1 - _VDD]] = LOW
    several = np.flatnonzero((n_sources > 1) & (fixed == _UNKNOWN)).tolist()
    members = {net: np.flatnonzero(out_net.ravel() == net) for net in several}
    driven = np.full(out.shape, _UNKNOWN)
    driven[0] = pieces.driver
    while True:
        carried = fixed.copy()
        lone = there & (n_sources[out_net] == 1) & (fixed[out_net] == _UNKNOWN)
        carried[out_net[lone]] = driven[lone]
        for net, lines in members.items():
            known = [s for s in driven.ravel()[lines].tolist() if s != _UNKNOWN]
            carried[net] = signals.of(known) if known else _UNKNOWN
        entering = np.where(into[:-1] != NOWHERE, carried[nets.net[into[:-1]]], _UNKNOWN)
        if np.array_equal(entering, driven[1:]):
            break
        driven[1:] = entering
    # What drives itself alone, through a repeater, holds whatever it held.
    carried[carried == _UNKNOWN] = floats
    return carried, bool(rails.all(axis=0).any())
