"""Lengths of nets are those of drawn shapes; what loads a line is what is joined to it."""

import re
from io import StringIO

import numpy as np
import pytest
from drawings import PLANS, random_pins, small_floorplan

from hnlpu.layout.drawing import base_shapes, expand_all
from hnlpu.layout.parasitics import line_nets, write_spef
from hnlpu.layout.stations import NO_PIN


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_lengths_and_loads(plan):
    floorplan = small_floorplan(plan, "sky130")  # no cuts: lines are drawn as they end
    pins = random_pins(floorplan)
    nets = line_nets(floorplan, pins)
    n_pins = (floorplan.stations.pins != NO_PIN).sum() * plan.n_rows
    assert nets.n_pins.sum() == n_pins
    drawn = expand_all(base_shapes(floorplan)["M10"])
    straps = sum(len(floorplan.stations.kinds[k].straps) for k in floorplan.stations.kind)
    total = (drawn[:, 3] - drawn[:, 1]).sum() / 1000 - straps * floorplan.height_nm / 1000
    assert nets.length_um[nets.on_m10].sum() == pytest.approx(total)
    rules = floorplan.rules
    one = int(np.flatnonzero(nets.on_m10)[0])
    assert nets.line_ff[one] == pytest.approx(nets.length_um[one] * rules.metals["M10"].ff_per_um)
    assert nets.total_ff[one] == pytest.approx(
        nets.line_ff[one] + nets.n_pins[one] * nets.stub_um[one] * rules.metals["M9"].ff_per_um
    )
    assert (nets.path_ohm > nets.line_ohm / 2).all() and (nets.elmore_ps > 0).all()


def test_spef_holds_every_net():
    floorplan = small_floorplan(PLANS[0])
    nets = line_nets(floorplan, random_pins(floorplan))
    file = StringIO()
    write_spef(file, "base", nets, sections=3)
    text = file.getvalue()
    totals = [float(c) for c in re.findall(r"^\*D_NET \S+ (\S+)$", text, re.MULTILINE)]
    assert totals == pytest.approx(nets.total_ff.tolist(), abs=1e-3)
    first = text.split("*END")[0]
    caps = [float(c) for c in re.findall(r"^\d+ line_\S+ (\S+)$", first, re.MULTILINE)]
    ohms = [float(r) for r in re.findall(r"^\d+ line_\S+ line_\S+ (\S+)$", first, re.MULTILINE)]
    assert len(ohms) == 3 and sum(ohms) == pytest.approx(nets.line_ohm[0], abs=1e-3)
    assert sum(caps) == pytest.approx(nets.total_ff[0], abs=1e-3)
