"""Wires of a row are as long as the plan of its adders has bits travel."""

import pytest
from drawings import PLANS

from hnlpu.compression import Input, compress
from hnlpu.layout.floorplan import plan_floorplan
from hnlpu.layout.row_wires import compression_wires, row_wires
from hnlpu.layout.rules import load_rules
from hnlpu.taps import TapsPlan


def test_by_hand():
    """Three bits a unit apart are added where the last one is; the sums go on to the end."""
    plan = compress((Input(0),) * 3, n_columns=2, tracks=9, two_sided=False)
    wires = dict(compression_wires(plan, [0.0, 1.0, 2.0], 10.0))
    assert len(plan.adders) == 1
    # The middle of the strip is at 1: bits of both halves meet there.
    assert wires["in_0"] == 1 and wires["in_1"] == 0 and wires["in_2"] == 1
    assert wires["0.sum"] == wires["0.carry"] == 9


@pytest.mark.parametrize("cuts", [0, 3])
def test_not_longer_than_the_tracks(cuts):
    """The plan counts wires across the strip at each place: their mean times its width is their length."""
    plan = TapsPlan(8, 960, phases=3, cuts=cuts)
    floorplan = plan_floorplan(plan, load_rules("n5"))
    wires = row_wires(floorplan)
    ends = [name for name, um in wires.items() if um > 0.4 * floorplan.stations.width_nm / 1000]
    inside = sum(um for name, um in wires.items() if name not in ends)
    tracks = plan.row_count.mean_tracks * floorplan.stations.width_nm / 1000
    assert len(ends) == len(plan.row_count.outputs), "only sums of the row cross half of it"
    assert 0.5 * tracks < inside <= tracks


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_every_adder_has_wires(plan):
    wires = row_wires(plan_floorplan(plan, load_rules("n5")))
    assert all(um >= 0 for um in wires.values())
    prefix = "tree" if plan.n_superblocks else "count"
    assert sum(name.startswith(prefix) for name in wires) >= len(plan.row_count.adders)
