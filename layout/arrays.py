"""Arrays: one way to draw, read and follow the metal of any base, whatever stands on its rows.

    plan --plan_ground--> Ground --place_weights--> Weights --boxes--> shapes of some rows, by mask
                                 --base_boxes-----> shapes that do not depend on weights

A tap crossbar has a :class:`hnlpu.layout.floorplan.Floorplan`, a region base has :class:`hnlpu.layout.strips.Strips`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hnlpu.base import ArrayPlan, Pins
from hnlpu.errors import HnlpuError
from hnlpu.layout.drawing import array_pins, base_shapes, expand_all, via_boxes, weight_vias
from hnlpu.layout.extraction import extract
from hnlpu.layout.faults import FaultList, Reading
from hnlpu.layout.floorplan import Floorplan, plan_floorplan
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.reading import read_base, read_masks
from hnlpu.layout.router import Routing
from hnlpu.layout.routing_height import lowest_strips, route_rows
from hnlpu.layout.rules import Rules
from hnlpu.layout.strip_drawing import strip_base, weight_boxes
from hnlpu.layout.strip_extraction import extract_strips
from hnlpu.layout.strip_reading import read_strips
from hnlpu.layout.strips import Strips, plan_strips, region_floorplan
from hnlpu.layout.windows import Window
from hnlpu.metal import MetalPlan
from hnlpu.regions import RegionPlan

if TYPE_CHECKING:
    from klayout import db

__all__ = [
    "Weights",
    "all_boxes",
    "base_boxes",
    "follow_array",
    "place_metal",
    "place_weights",
    "plan_ground",
    "read_array",
    "read_array_base",
]


def plan_ground(
    plan: ArrayPlan,
    rules: Rules,
    *,
    layers: str = "both",
    n_tracks: int = 0,
    matrices: Iterable[Pins] = (),
) -> Ground:
    """Ground of a base.

    Parameters
    ----------
    plan : ArrayPlan
    rules : Rules
    layers : str
        Layers that the lines of a tap crossbar may lie on.
    n_tracks : int
        Tracks of M9 in the strips of a region base, as many as it says; 0 for as few as ``matrices`` and the
        transistors need.
    matrices : iterable of (n_rows, n_pins)
        Drivers of the matrices that a region base must hold.

    Raises
    ------
    HnlpuError
        Rules with which this base cannot be drawn, or wires that fit no strip.
    """
    if not isinstance(plan, RegionPlan):
        return plan_floorplan(plan, rules, layers=layers)
    if layers != "both":
        raise HnlpuError("lines of a region base lie on M10", where="--layers", got=repr(layers),
                         do="leave it out")  # fmt: skip
    floorplan = region_floorplan(plan, rules)
    if n_tracks:
        return plan_strips(floorplan, rules, n_tracks, exactly=True)
    least = plan_strips(floorplan, rules, 1).n_tracks
    for pins in matrices:
        own = pins[:, : plan.n_pins]
        least = lowest_strips(floorplan, own, least=least, borrow=False).n_tracks
    return plan_strips(floorplan, rules, least, exactly=True)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The weights of one matrix on the ground of its base.

    Attributes
    ----------
    ground : Ground
    pins : (n_rows, n_row_pins)
        Drivers, those of the row exponents last.
    routing : Routing or None
        Of a region base.
    """

    ground: Ground
    pins: Pins
    routing: Routing | None = None

    def boxes(self, rows: slice) -> dict[str, Boxes]:
        """Shapes of the weights of some rows, by mask; nm.

        Raises
        ------
        HnlpuError
            A pin whose driver its place cannot have.
        """
        if isinstance(self.ground, Strips):
            assert self.routing is not None
            return weight_boxes(self.ground, self.routing, self.pins, rows)
        assert isinstance(self.ground, Floorplan)
        vias = weight_vias(self.ground, self.pins[rows], rows.start)
        return {m: via_boxes(self.ground.rules, m, centres) for m, centres in vias.items()}


def place_weights(ground: Ground, pins: Pins, where: str = "router") -> Weights:
    """Weights whose drivers are ``pins``, (n_rows, n_row_pins): see :func:`hnlpu.layout.drawing.array_pins`.

    Raises
    ------
    HnlpuError
        Wires that do not fit the strips: where, and how many.
    """
    if not isinstance(ground, Strips):
        return Weights(ground, pins)
    own = pins[:, : ground.plan.n_pins]
    routing = route_rows(ground.floorplan, own, ground.n_tracks, borrow=False)
    routing.check(where)
    return Weights(ground, pins, routing)


def place_metal(ground: Ground, plan: MetalPlan, where: str = "router") -> Weights:
    """Weights of a matrix as its metal is planned."""
    return place_weights(ground, array_pins(plan), where)


def base_boxes(ground: Ground, mask: str) -> Boxes:
    """Every shape of a mask that does not depend on weights; nm."""
    if isinstance(ground, Strips):
        return strip_base(ground).boxes(ground, mask)
    assert isinstance(ground, Floorplan)
    return expand_all(base_shapes(ground).get(mask, []))


def all_boxes(weights: Weights) -> dict[str, Boxes]:
    """Every shape of every mask: for arrays that fit into memory."""
    ground = weights.ground
    own = weights.boxes(slice(0, ground.plan.n_rows))
    none = np.zeros((0, 4), dtype=np.int64)
    return {m: np.concatenate([base_boxes(ground, m), own.get(m, none)]) for m in ground.masks}


def read_array_base(ground: Ground, boxes: Callable[[str], Boxes]) -> FaultList:
    """Faults of the masks that hold no weights: see :func:`hnlpu.layout.reading.read_base`."""
    return read_base(ground, lambda mask: base_boxes(ground, mask), boxes)


def read_array(
    ground: Ground, boxes: Callable[[str], Boxes], base: FaultList | None = None
) -> Reading:
    """Pins from all masks of an array: see :func:`hnlpu.layout.reading.read_masks`."""
    if isinstance(ground, Strips):
        return read_strips(ground, boxes, base)
    assert isinstance(ground, Floorplan)
    return read_masks(ground, boxes, base)


def follow_array(
    ground: Ground, masks: "Mapping[str, db.Region]", window: Window | None = None
) -> Reading:
    """Pins as klayout follows the metal: see :func:`hnlpu.layout.extraction.extract`."""
    if isinstance(ground, Strips):
        return extract_strips(ground, masks, window)
    assert isinstance(ground, Floorplan)
    return extract(ground, masks, window)
