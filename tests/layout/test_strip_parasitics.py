"""Jogs: lengths from the drawn shapes, resistance and capacitance by hand."""

import numpy as np
from strip_drawings import weights_of

from hnlpu.layout.router import M11
from hnlpu.layout.strip_parasitics import jog_nets
from hnlpu.layout.strips import Strips
from hnlpu.merged import MergedPlan


def test_by_hand():
    weights = weights_of(MergedPlan, 3, 60)
    strips, routing = weights.ground, weights.routing
    assert isinstance(strips, Strips) and routing is not None
    nets, jogs = routing.nets, jog_nets(strips, routing)
    boxes = weights.boxes(slice(0, 5))
    low = (routing.layer != M11) & (nets.output < 0)
    one = int(np.flatnonzero(low)[np.argmax(jogs.m9_um[low])])
    # The same net in the drawing: the via on its line and the via at its pin.
    row = np.array(nets.row[one])
    y = int(strips.y_nm(row, strips.track_height(routing.track[one]) * strips.pitch_nm))
    for mask, x in (("VIA9", nets.driver_x_nm[one]), ("VIA8", nets.pin_x_nm[one])):
        assert ((boxes[mask][:, :2] + 20) == [x, y]).all(axis=1).any()
    port = int(strips.y_nm(row, strips.port_height[nets.pin[one]] * strips.pitch_nm))
    m9, m8 = abs(nets.driver_x_nm[one] - nets.pin_x_nm[one]) / 1e3, abs(y - port) / 1e3
    assert np.isclose(jogs.ohm[one], 11.0 * (m9 + m8) + 3 * 12.0)
    assert np.isclose(jogs.ff[one], 0.2 * (m9 + m8))


def test_a_wire_of_m11_has_two_more_vias_than_one_of_m9_and_an_output_two_stubs():
    weights = weights_of(MergedPlan, 3, 60)
    strips, routing = weights.ground, weights.routing
    assert isinstance(strips, Strips) and routing is not None
    jogs = jog_nets(strips, routing)
    rules = strips.rules.metals
    rest = jogs.ohm - rules["M9"].ohm_per_um * (jogs.m8_um + jogs.m9_um)
    up, own = routing.layer == M11, routing.nets.output >= 0
    assert np.allclose(rest[~up & ~own], 36) and np.allclose(rest[own], 48)
    rest -= rules["M11"].ohm_per_um * (jogs.m11_um + np.where(up, 0.06, 0))
    assert up.any() and np.allclose(rest[up], 36 + 2 * 6)
