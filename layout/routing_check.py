"""Routing check: whether a routing is metal that conducts where it must and nowhere else.

Knows nothing of how the router works: it draws every wire, piece, stub and landing as an interval on its
track or column of its layer, sorts each of these, and looks for two that are too near to each other; and
it follows every net from its driver to its pin.

Contract (checked by ``tests/layout/test_router.py``): a moved track, a swapped end or a net left out is found.
"""

import numpy as np
import numpy.typing as npt

from hnlpu.base import LINES, Pins
from hnlpu.layout.router import M9, M11, NOWHERE, Routing

__all__ = ["check_routing"]

Ints = npt.NDArray[np.int64]


def check_routing(routing: Routing, pins: Pins) -> list[str]:
    """What is wrong, a line for each kind and place; empty for a clean routing.

    Parameters
    ----------
    routing : Routing
        Overflow is wrong too.
    pins : (n_rows, n_pins)
        Drivers that the rows must have.
    """
    nets, floorplan = routing.nets, routing.floorplan
    found: list[str] = []

    def say(what: str, which: npt.NDArray[np.bool_]) -> None:
        for net in np.flatnonzero(which)[:5]:
            found.append(f"row {nets.row[net]}, pin {nets.pin[net]}: {what}")

    # Every wired pin has its net, from its own driver to its own place.
    wanted = np.zeros(pins.shape, dtype=np.int64)
    np.add.at(wanted, (nets.row, nets.pin), 1)
    for row, pin in np.argwhere(wanted != (pins >= LINES))[:5]:
        found.append(f"row {row}, pin {pin}: {wanted[row, pin]} nets")
    driver = pins[nets.row, nets.pin]
    wired = driver >= LINES
    say("begins at another driver", wired & (_driver_x(routing, driver) != nets.driver_x_nm))
    say("ends at another pin", floorplan.x_nm[nets.pin] != nets.pin_x_nm)
    output = driver - floorplan.plan.local_driver(0)
    say("is driven by another output", wired & (np.maximum(output, -1) != nets.output))

    on9, on11 = routing.layer == M9, routing.layer == M11
    say("is over", routing.layer == NOWHERE)
    say("is on no layer", ~on9 & ~on11 & (routing.layer != NOWHERE))
    say("is off the tracks of M9", on9 & _outside(routing.track, routing.n_tracks))
    say("is off the tracks of M11", on11 & _outside(routing.track, routing.n_high))
    say(
        "comes down where no landing is",
        on11 & _outside(routing.landing, len(floorplan.landing_x_nm)),
    )
    say("comes down beside its piece", on11 & (routing.piece != routing.track // 2 * 3 + 1))
    say("lands on the other track's column", on11 & ((routing.landing - routing.track) % 2 != 0))
    say("lands with an output", on11 & (nets.output >= 0))
    away = routing.strip != nets.row
    say("is in a strip whose top it does not meet", away & (routing.strip != nets.row ^ 1))
    say("is in a strip that is not there", away & (routing.strip >= nets.n_rows))
    say(
        "borrows with stubs in its way",
        away & ~(floorplan.single[nets.pin] & on9 & (nets.output < 0)),
    )
    if found:
        return found

    # Wires: (line of the layer, from, to).
    landing = floorplan.landing_x_nm[routing.landing[on11]]
    line, x = nets.driver_x_nm[on11], nets.pin_x_nm[on11]
    on_m9 = [
        (
            routing.strip[on9] * routing.n_tracks + routing.track[on9],
            nets.low_nm[on9],
            nets.high_nm[on9],
        ),
        (
            nets.row[on11] * routing.n_tracks + routing.piece[on11],
            np.minimum(landing, x),
            np.maximum(landing, x),
        ),
    ]
    found += _too_near("M9", "track", on_m9, floorplan.rules.end_nm)
    track = nets.row[on11] * max(1, routing.n_high) + routing.track[on11]
    on_m11 = [(track, np.minimum(line, landing), np.maximum(line, landing))]
    found += _too_near("M11", "track", on_m11, floorplan.rules.end_nm)
    berth = nets.row[on11] * max(1, routing.n_high) + routing.track[on11] // 2
    spot = berth * len(floorplan.landing_x_nm) + routing.landing[on11]
    found += _too_near("M10", "landing", [(spot, spot * 0, spot * 0)], 1)
    return found + _stubs(routing, pins)


def _outside(values: Ints, end: int) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = (values < 0) | (values >= end)
    return result


def _driver_x(routing: Routing, driver: Ints) -> Ints:
    """Where a driver stands, from its number."""
    floorplan = routing.floorplan
    local = driver - floorplan.plan.local_driver(0)
    lines = floorplan.line_x_nm[np.clip(driver - LINES, 0, len(floorplan.line_x_nm) - 1)]
    stands = np.minimum(floorplan.plan.n_pins + np.maximum(local, 0), len(floorplan.x_nm) - 1)
    return np.where(local >= 0, floorplan.x_nm[stands], lines)


def _stubs(routing: Routing, pins: Pins) -> list[str]:
    """Stubs of M8: from each pin or output, wired or tied, to its track; heights in tracks."""
    nets, floorplan, top = routing.nets, routing.floorplan, routing.n_tracks
    height = floorplan.pin_tracks(top)
    n_rows, n_columns = nets.n_rows, floorplan.n_columns
    low = np.tile(height, (n_rows, 1))
    high = low.copy()
    away = routing.strip != nets.row
    track = np.where(routing.layer == M11, routing.piece, routing.track)
    track = np.where(away, top, track)
    outputs = nets.output >= 0
    stands = [nets.pin, floorplan.plan.n_pins + nets.output[outputs]]
    for row, stand, to in (
        (nets.row, stands[0], track),
        (nets.row[outputs], stands[1], track[outputs]),
    ):
        np.minimum.at(low, (row, stand), to)
        np.maximum.at(high, (row, stand), to)
    # Both ends of a net in one column are one stub.
    one = np.zeros(low.shape, dtype=bool)
    same = floorplan.column[stands[1]] == floorplan.column[nets.pin[outputs]]
    row, pin, output = nets.row[outputs][same], nets.pin[outputs][same], stands[1][same]
    low[row, pin] = np.minimum(low[row, pin], low[row, output])
    high[row, pin] = np.maximum(high[row, pin], high[row, output])
    one[row, output] = True
    row = np.broadcast_to(np.arange(n_rows)[:, None], low.shape)
    column = np.broadcast_to(floorplan.column, low.shape)
    # What is borrowed comes in from above.
    intervals = [
        ((row * n_columns + column)[~one], low[~one], high[~one]),
        (
            routing.strip[away] * n_columns + floorplan.column[nets.pin[away]],
            routing.track[away],
            np.full(int(away.sum()), top),
        ),
    ]
    return _too_near("M8", "column", intervals, floorplan.rules.stub_tracks)


def _too_near(layer: str, kind: str, wires: list[tuple[Ints, Ints, Ints]], gap: int) -> list[str]:
    """Pairs on one line of a layer that overlap, or whose ends are nearer than ``gap``."""
    line, low, high = (np.concatenate(parts) for parts in zip(*wires, strict=True))
    order = np.lexsort((low, line))
    line, low, high = line[order], low[order], high[order]
    # The furthest end so far on the same line.
    far = int(high.max(initial=0)) + gap + 2
    reach = np.maximum.accumulate(line * far + high)
    short = (line[1:] == line[:-1]) & (low[1:] + line[1:] * far < reach[:-1] + gap)
    return [
        f"{layer}, {kind} {line[i]}: two wires at {low[i + 1]}" for i in np.flatnonzero(short)[:5]
    ]
