"""Stations: the floorplan of a tap crossbar along a row.

A *station* is a piece of a row's strip with some vertical wires and, in every row, some stubs across them:
each stub is a pin, and the metal joins it by one via to the wire of its driver. A bundle of lines is a
station; so are the constant lines, the ties of the exponent pins, and the ties of the row's own exponent.

Wires run on M8 and M10, stubs on M9 between them. At its left end a stub goes down to its port in the base,
through a pad on M8: where a pad is too long for the pitch of the stubs, two columns of pads take turns.

    M10   |      |      |      |          wires, and a strap of the supply
    M9  ========================= stub    one via to one wire: VIA8 down or VIA9 up
    M8  o  |  |  |  |  |  |  |  |         pad (o), wires
    M7  o                                 port of the base

Contract (checked by ``tests/layout/test_floorplan.py``): every pin of a row has one stub of its own, and every
driver that it can have is a wire of its station.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hnlpu.base import HIGH, LINES, LOW, ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.layout.rules import Rules
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.taps import TapsPlan

__all__ = ["LAYERS", "NO_PIN", "NO_TIE", "Kind", "Stations", "plan_stations"]

#: Layers that wires may lie on: M8 and M10, or M8 alone, so that one via mask carries the weights.
LAYERS = ("both", "M8")
#: Straps of the supply in a station.
_STRAPS = 1
#: A stub that is no pin, a wire that is not there.
NO_PIN = NO_TIE = -1


@dataclass(frozen=True, slots=True)
class Kind:
    """Stations alike; places are relative to the station's left edge, in nm.

    Attributes
    ----------
    name : str
    width_nm : int
    n_lines : int
        Wires that are neighbouring drivers.
    n_ties : int
        Wires after them.
    pads : tuple of int
        Centres of the columns of pads, on M8.
    wires : tuple of (str, int)
        Layer and centre of each wire.
    straps : tuple of int
        Centres of straps of the supply, on M10.
    stub : tuple of int
        Both ends of a stub.
    """

    name: str
    width_nm: int
    n_lines: int
    n_ties: int
    pads: tuple[int, ...]
    wires: tuple[tuple[str, int], ...]
    straps: tuple[int, ...]
    stub: tuple[int, int]

    @property
    def n_wires(self) -> int:
        return self.n_lines + self.n_ties

    def tracks(self, layer: str) -> tuple[int, ...]:
        """Centres of what runs on ``layer`` through the station."""
        own = tuple(x for name, x in self.wires if name == layer)
        return own + (self.straps if layer == "M10" else self.pads if layer == "M8" else ())


@dataclass(frozen=True, slots=True, eq=False)
class Stations:
    """All stations of an array, left to right.

    Attributes
    ----------
    kinds : tuple of Kind
    kind : int64 array (n,)
        Index of each station's kind.
    x_nm : int64 array (n,)
        Left edges.
    first_driver : int64 array (n,)
        Driver of the first line.
    ties : int64 array (n, 2)
        Drivers of the wires after the lines; :data:`NO_TIE` where there is none.
    pins : int64 array (n, stubs)
        Pin of each stub, bottom stub first; pins from ``n_pins`` on are the row exponent's.
    width_nm : int
    """

    kinds: tuple[Kind, ...]
    kind: npt.NDArray[np.int64]
    x_nm: npt.NDArray[np.int64]
    first_driver: npt.NDArray[np.int64]
    ties: npt.NDArray[np.int64]
    pins: npt.NDArray[np.int64]
    width_nm: int

    def driver(self, station: int, wire: int) -> int:
        """Driver of a wire."""
        tie = wire - self.kinds[self.kind[station]].n_lines
        return int(self.ties[station, tie] if tie >= 0 else self.first_driver[station] + wire)

    def wire_places(
        self, station: npt.NDArray[np.int64], wire: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Centres of wires, nm, and whether each lies on M10 (else on M8)."""
        most = max(kind.n_wires for kind in self.kinds)
        x = np.zeros((len(self.kinds), most), dtype=np.int64)
        upper = np.zeros((len(self.kinds), most), dtype=bool)
        for i, kind in enumerate(self.kinds):
            x[i, : kind.n_wires] = [place for _, place in kind.wires]
            upper[i, : kind.n_wires] = [layer == "M10" for layer, _ in kind.wires]
        kinds = self.kind[station]
        return self.x_nm[station] + x[kinds, wire], upper[kinds, wire]

    def pin_stubs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Station and stub of every pin of a row, station after station."""
        station, stub = np.nonzero(self.pins != NO_PIN)
        return station, stub

    def n_lines(self, station: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Lines of each of some stations."""
        return np.array([kind.n_lines for kind in self.kinds])[self.kind[station]]

    @property
    def n_stubs(self) -> int:
        """Stubs of a row in each station."""
        return int(self.pins.shape[1])

    def each(self) -> Iterator[tuple[int, Kind, int]]:
        """Number, kind and left edge of every station."""
        for station, (kind, x0) in enumerate(zip(self.kind, self.x_nm.tolist(), strict=True)):
            yield station, self.kinds[kind], x0

    def runs(self) -> Iterator[tuple[Kind, int, int]]:
        """Stations alike beside each other: their kind, the first one's left edge, and how many."""
        edges = np.flatnonzero(np.diff(self.kind)) + 1
        for first, last in zip([0, *edges], [*edges, len(self.kind)], strict=True):
            yield self.kinds[self.kind[first]], int(self.x_nm[first]), int(last - first)


@dataclass(frozen=True, slots=True)
class _Want:
    """A station before it has a place."""

    name: str
    n_lines: int
    ties: tuple[int, ...]
    first_driver: int
    pins: tuple[int, ...]

    @property
    def shape(self) -> tuple[str, int, int]:
        """What its geometry depends on."""
        return self.name, self.n_lines, len(self.ties)


def plan_stations(
    plan: ArrayPlan, rules: Rules, *, layers: str = "both", bundle_nm: int = 0
) -> Stations:
    """Stations of ``plan``.

    Parameters
    ----------
    plan : TapsPlan
    rules : Rules
    layers : str
        One of :data:`LAYERS`.
    bundle_nm : int
        Least width of a bundle; it is as wide as its wires need.

    Raises
    ------
    HnlpuError
        Another architecture.
    """
    if not isinstance(plan, TapsPlan):
        raise HnlpuError("only a tap crossbar has stations", where=plan.name, got=plan.arch,
                         do="generate with --arch taps")  # fmt: skip
    wants = list(_wants(plan))
    shapes: dict[tuple[str, int, int], int] = {}
    kinds: list[Kind] = []
    for want in wants:
        if want.shape not in shapes:
            shapes[want.shape] = len(kinds)
            wide = bundle_nm if want.name == "bundle" else 0
            kinds.append(_kind(want, rules, layers, wide))
    kind = np.array([shapes[want.shape] for want in wants])
    widths = np.array([k.width_nm for k in kinds])[kind]
    return Stations(
        kinds=tuple(kinds),
        kind=kind,
        x_nm=np.cumsum(widths) - widths,
        first_driver=np.array([want.first_driver for want in wants]),
        ties=np.array([(*want.ties, NO_TIE, NO_TIE)[:2] for want in wants]),
        pins=np.array([want.pins for want in wants]),
        width_nm=int(widths.sum()),
    )


def _wants(plan: TapsPlan) -> Iterator[_Want]:
    """Stations in the order in which they stand: superblocks, constants, the row's exponent."""
    n_stubs = plan.phases * plan.n_taps
    polarity = plan.port_polarity().reshape(-1, plan.n_taps)

    def padded(pins: list[int]) -> tuple[int, ...]:
        return tuple(pins + [NO_PIN] * (n_stubs - len(pins)))

    def bundle(b: int) -> _Want:
        ties = tuple(sorted({LOW if sign == 1 else HIGH for sign in polarity[b]}))
        pins = [
            phase * plan.n_ports + b * plan.n_taps + tap
            for tap in range(plan.n_taps)
            for phase in range(plan.phases)
        ]
        return _Want("bundle", plan.lines.n_lines, ties, plan.bundle_line(b, 0), tuple(pins))

    first_exponent = plan.n_stubs + plan.phases * len(plan.constant_ports)
    per_block = plan.superblock_bundles if plan.n_superblocks else plan.n_bundles
    for block in range(max(1, plan.n_superblocks)):
        for b in range(block * per_block, (block + 1) * per_block):
            yield bundle(b)
        if plan.n_superblocks:
            for bit in range(plan.exponent_bits):
                pins = [
                    first_exponent + (block * plan.phases + phase) * plan.exponent_bits + bit
                    for phase in range(plan.phases)
                ]
                yield _Want("exponent", 0, (LOW, HIGH), LINES, padded(pins))
    for port in range(len(plan.constant_ports)):
        pins = [plan.n_stubs + port * plan.phases + phase for phase in range(plan.phases)]
        yield _Want(
            "constant", plan.n_constant_lines, (LOW,), plan.constant_line(0, 1), padded(pins)
        )
    for first in range(0, ROW_EXPONENT_BITS, n_stubs):
        pins = list(range(first, min(first + n_stubs, ROW_EXPONENT_BITS)))
        yield _Want("row exponent", 0, (LOW, HIGH), LINES, padded([plan.n_pins + p for p in pins]))


@dataclass(frozen=True)
class _Tracks:
    """How rules turn numbers of tracks into widths."""

    rules: Rules

    @cached_property
    def reach(self) -> dict[str, int]:
        """From a via's centre to the end of the stub, by the layer of the wire."""
        via8, via9 = self.rules.vias["VIA8"], self.rules.vias["VIA9"]
        return {
            "M8": via8.upper_reach_nm,
            "M10": via9.lower_reach_nm,
        }

    def centres(self, layer: str, n: int, width_nm: int) -> list[int]:
        """Centres of ``n`` tracks in the middle of a station."""
        pitch = self.rules.metals[layer].pitch_nm
        first = (width_nm - (n - 1) * pitch) // 2
        return [first + i * pitch for i in range(n)]

    def stub(self, n8: int, n10: int, width_nm: int) -> tuple[int, int]:
        """Both ends of a stub across ``n8`` tracks of M8, pads among them, and ``n10`` of M10."""
        ends = [(x, "M8") for x in self.centres("M8", n8, width_nm)]
        ends += [(x, "M10") for x in self.centres("M10", n10, width_nm)]
        left = min(x - self.reach[layer] for x, layer in ends)
        right = max(x + self.reach[layer] for x, layer in ends)
        short = self.rules.metals["M9"].least_length_nm - (right - left)
        return (left, right) if short <= 0 else (left - (short + 1) // 2, right + short // 2)

    def width(self, n8: int, n10: int) -> int:
        """Least width of a station with so many tracks; a multiple of 20 nm."""
        metals = self.rules.metals
        least = max(n8 * metals["M8"].pitch_nm, n10 * metals["M10"].pitch_nm)
        left, right = self.stub(n8, n10, 0)
        least = max(least, right - left + metals["M9"].end_space_nm)
        return -(-least // 20) * 20


def _pad_columns(rules: Rules) -> int:
    """Columns of pads: two where pads above each other would be too near."""
    return (
        1 if _least_pad_nm(rules) + rules.metals["M8"].end_space_nm <= stub_pitch_nm(rules) else 2
    )


def stub_pitch_nm(rules: Rules) -> int:
    """Pitch of the stubs of a row."""
    return rules.metals["M9"].pitch_nm


def _least_pad_nm(rules: Rules) -> int:
    via7, via8, m8 = rules.vias["VIA7"], rules.vias["VIA8"], rules.metals["M8"]
    vias = max(via7.size_nm + 2 * via7.upper_end_nm, via8.size_nm + 2 * via8.lower_end_nm)
    return max(vias, m8.least_length_nm)


def pad_nm(rules: Rules) -> int:
    """Height of a pad between two vias on M8: what they need; with cuts, all that these leave."""
    m8 = rules.metals["M8"]
    if m8.cut:
        return _pad_columns(rules) * stub_pitch_nm(rules) - m8.end_space_nm
    least = _least_pad_nm(rules)
    return least + least % 2


def _kind(want: _Want, rules: Rules, layers: str, width_nm: int) -> Kind:
    n_pads = _pad_columns(rules)
    n_wires = want.n_lines + len(want.ties)
    tracks = _Tracks(rules)
    choices = range(n_wires + 1) if layers == "both" else [n_wires]
    least, n8 = min((tracks.width(n_pads + n8, n_wires - n8 + _STRAPS), -n8) for n8 in choices)
    n8 = -n8
    width_nm = max(width_nm, least)
    m8 = tracks.centres("M8", n_pads + n8, width_nm)
    m10 = tracks.centres("M10", n_wires - n8 + _STRAPS, width_nm)
    wires = [("M8", x) for x in m8[n_pads:]] + [("M10", x) for x in m10[_STRAPS:]]
    return Kind(
        name=want.name,
        width_nm=width_nm,
        n_lines=want.n_lines,
        n_ties=len(want.ties),
        pads=tuple(m8[:n_pads]),
        wires=tuple(wires),
        straps=tuple(m10[:_STRAPS]),
        stub=tracks.stub(n_pads + n8, n_wires - n8 + _STRAPS, width_nm),
    )
