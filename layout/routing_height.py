"""Routing height: the lowest strips in which every wire of a matrix finds its way.

All strips of a base are equally high, so the worst row decides. The height is looked for on the rows with
the densest cuts, and then tried on all; where it is not enough, it grows until the rows that are over are routed.

Contract (checked by ``tests/layout/test_router.py``): nothing overflows, and with one track less something would.
"""

import numpy as np

from hnlpu.base import Pins
from hnlpu.layout.region_floorplan import RegionFloorplan
from hnlpu.layout.router import Routing, cut_density, nets_of, route
from hnlpu.layout.routing_repair import repair

__all__ = ["lowest_strips", "route_rows"]

#: Rows on which a height is looked for.
_ROWS = 64


def route_rows(
    floorplan: RegionFloorplan, pins: Pins, n_tracks: int, *, borrow: bool = True
) -> Routing:
    """Route some rows in strips of ``n_tracks``, as far as they go."""
    return repair(route(floorplan, nets_of(floorplan, pins), n_tracks), borrow=borrow)


def lowest_strips(
    floorplan: RegionFloorplan, pins: Pins, most: int = 400, *, least: int = 0, borrow: bool = True
) -> Routing:
    """Route all rows in strips as low as can be.

    Parameters
    ----------
    floorplan : RegionFloorplan
    pins : (n_rows, n_pins)
    most, least : int
        Tracks that strips have at most and at least.
    borrow : bool
        Rows may take tracks of their neighbours.

    Raises
    ------
    HnlpuError
        Strips of ``most`` tracks are not high enough; says where.
    """
    density = cut_density(nets_of(floorplan, pins), floorplan.width_nm).max(axis=1)
    some = np.sort(np.argsort(-density, kind="stable")[:_ROWS])

    def over(n_tracks: int) -> int:
        return len(route_rows(floorplan, pins[some], n_tracks, borrow=False).overflow)

    low, high = max(0, least - 1), max(least, min(most, int(density.max()) + 4))
    while high < most and over(high):
        low, high = high, min(most, high * 5 // 4)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if over(middle) else (low, middle)
    while True:
        routing = route_rows(floorplan, pins, high, borrow=borrow)
        if not len(routing.overflow):
            return routing
        if high >= most:
            routing.check(floorplan.plan.name)
        some = np.unique(routing.nets.row[routing.overflow])
        high += 1
        while high < most and over(high):
            high += 1
