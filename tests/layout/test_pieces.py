"""Boxes of pieces are the metal of the masks, and join what the drawing joins."""

import numpy as np
import pytest
from drawings import PLANS, drawn, random_pins, small_floorplan
from klayout import db

from hnlpu.layout.damage import find_nets, read_damaged
from hnlpu.layout.defects import Defects
from hnlpu.layout.geometry import mask_regions, metal_regions
from hnlpu.layout.pieces import PIECE_LAYERS, PIECE_VIAS, metal_pieces
from hnlpu.layout.rules import rule_sets

NOTHING = Defects(np.zeros(0, dtype=np.int64), np.zeros((0, 4)))


def region(boxes):
    found = db.Region()
    for box in boxes.tolist():
        found.insert(db.Box(*box))
    return found.merged()


@pytest.mark.parametrize("rules", rule_sets())
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_pieces_are_the_drawn_metal(plan, rules):
    floorplan = small_floorplan(plan, rules)
    pins = random_pins(floorplan)
    pieces = metal_pieces(floorplan, pins)
    masks = mask_regions(drawn(floorplan, pins))
    metals = metal_regions(floorplan.rules, masks)
    for layer in PIECE_LAYERS:
        own = region(pieces.wires[pieces.of_layer(layer)])
        assert (own ^ metals[layer]).is_empty()
        assert own.count() == len(pieces.of_layer(layer))  # none touches another
    for mask in PIECE_VIAS:
        own = pieces.vias[pieces.of_mask(mask)]
        assert (region(own) ^ masks[mask].merged()).is_empty()
        assert len(own) == masks[mask].count()


@pytest.mark.parametrize("layers", ["both", "M8"])
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_intact_pins_read_their_drivers(plan, layers):
    floorplan = small_floorplan(plan, "n5", layers)
    pins = random_pins(floorplan)
    pieces = metal_pieces(floorplan, pins)
    nets = find_nets(pieces, NOTHING)
    for behaviour in ("low", "high"):
        read = read_damaged(floorplan, pieces, nets, behaviour)
        assert np.array_equal(read.pins, pins) and np.array_equal(read.repaired, pins)
        assert not read.broken_rows.any() and not read.supplies_joined and not read.joined
