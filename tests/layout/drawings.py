"""Small arrays, drawn: random wiring of every station."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.drawing import base_shapes, weight_vias
from hnlpu.layout.floorplan import Floorplan, plan_floorplan
from hnlpu.layout.geometry import mask_boxes
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.rules import load_rules
from hnlpu.layout.stations import NO_PIN
from hnlpu.taps import TapsPlan

#: One exponent and odd stubs; superblocks with exponent pins; two taps a weight, lines of many magnitudes.
PLANS = [
    TapsPlan(5, 40, phases=3),
    TapsPlan(4, 128, phases=2, exponent_values=4),
    TapsPlan(5, 20, phases=2, magnitudes=tuple(range(1, 33))),
]


def small_floorplan(
    plan: TapsPlan, rules: str = "n5", layers: str = "both", rows: int = 2
) -> Floorplan:
    """A floorplan with a turn every ``rows`` rows."""
    return replace(plan_floorplan(plan, load_rules(rules), layers=layers), segment_rows=rows)


def random_pins(floorplan: Floorplan, seed: int = 0) -> Pins:
    """Any driver that each pin's station has."""
    rng = np.random.default_rng(seed)
    stations = floorplan.stations
    pins = np.zeros((floorplan.plan.n_rows, floorplan.n_row_pins), dtype=np.int64)
    for station, own in enumerate(stations.pins):
        kind = stations.kinds[stations.kind[station]]
        drivers = [stations.driver(station, wire) for wire in range(kind.n_wires)]
        for pin in own[own != NO_PIN]:
            pins[:, pin] = rng.choice(drivers, len(pins))
    return pins


def drawn(floorplan: Floorplan, pins: Pins) -> dict[str, Boxes]:
    """Every mask."""
    return mask_boxes(base_shapes(floorplan), floorplan.rules, weight_vias(floorplan, pins))


def without(boxes: Boxes, index: int) -> npt.NDArray[np.int64]:
    return np.delete(boxes, index, axis=0)
