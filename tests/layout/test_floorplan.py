"""Stations hold every pin and every driver once; strips hold their stubs and their transistors."""

import numpy as np
import pytest
from drawings import PLANS, small_floorplan
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.base import HIGH, LINES, LOW
from hnlpu.errors import HnlpuError
from hnlpu.layout.floorplan import plan_floorplan
from hnlpu.layout.ports import line_ports, pin_ports
from hnlpu.layout.rules import load_rules, rule_sets
from hnlpu.layout.stations import LAYERS, NO_PIN, plan_stations
from hnlpu.merged import MergedPlan
from hnlpu.taps import TapsPlan

plans = st.builds(
    TapsPlan,
    n_rows=st.integers(1, 9),
    n_columns=st.integers(1, 150),
    phases=st.integers(1, 6),
    exponent_values=st.sampled_from([1, 2, 4]),
    magnitudes=st.sampled_from([(1,), (1, 2, 3, 4, 6, 8, 12), tuple(range(1, 33))]),
)


@settings(deadline=None, max_examples=40)
@given(plan=plans, rules=st.sampled_from(rule_sets()), layers=st.sampled_from(LAYERS))
def test_every_pin_has_one_stub_and_every_driver_a_wire(plan, rules, layers):
    stations = plan_stations(plan, load_rules(rules), layers=layers)
    pins = stations.pins[stations.pins != NO_PIN]
    assert sorted(pins.tolist()) == list(range(plan.n_pins + 10))
    drivers = {
        stations.driver(station, wire)
        for station, kind in enumerate(stations.kind.tolist())
        for wire in range(stations.kinds[kind].n_wires)
    }
    assert drivers == set(range(LINES, LINES + plan.n_lines + plan.n_constant_lines)) | {LOW, HIGH}
    for kind in stations.kinds:
        for layer in ("M8", "M10"):
            tracks = kind.tracks(layer)
            assert len(set(tracks)) == len(tracks)
            assert all(0 < x < kind.width_nm for x in tracks)
        if layers == "M8":
            assert {layer for layer, _ in kind.wires} == {"M8"}
    widths = np.array([kind.width_nm for kind in stations.kinds])[stations.kind]
    assert (np.diff(stations.x_nm) == widths[:-1]).all()


@settings(deadline=None, max_examples=40)
@given(plan=plans, rules=st.sampled_from(rule_sets()))
def test_a_row_has_room_for_stubs_and_transistors(plan, rules):
    floorplan = plan_floorplan(plan, load_rules(rules))
    assert floorplan.row_tracks >= floorplan.stations.n_stubs
    density = floorplan.rules.silicon.mtransistor_per_mm2
    row_um2 = floorplan.row_nm * floorplan.width_nm * 1e-6
    assert row_um2 >= floorplan.row_transistors / density * 0.999
    assert floorplan.um2_per_weight >= floorplan.wires_um2_per_weight * 0.999
    longest = floorplan.segment_rows * floorplan.row_nm / 1000
    assert longest <= max(floorplan.rules.silicon.repeater_distance_um, 2 * floorplan.row_nm / 1000)
    y = floorplan.stub_y_nm(np.arange(plan.n_rows)).ravel()
    assert (np.diff(y) >= floorplan.pitch_nm).all()
    assert floorplan.pitch_nm <= y[0] and y[-1] < floorplan.height_nm


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
@pytest.mark.parametrize("rules", rule_sets())
def test_ports_are_places_of_their_own(plan, rules):
    floorplan = small_floorplan(plan, rules)
    pins, lines = pin_ports(floorplan), line_ports(floorplan)
    assert len(pins.pin) == plan.n_rows * floorplan.n_row_pins
    places = [*zip(pins.x.tolist(), pins.y.tolist(), strict=True), *((p.x, p.y) for p in lines)]
    assert len(set(places)) == len(places)
    # A line leaves the base in every segment, and enters it at every turn.
    n_wires = len({(p.station, p.wire) for p in lines})
    assert sum(p.leaves for p in lines) == n_wires * floorplan.n_segments
    assert sum(not p.leaves for p in lines) == n_wires * (floorplan.n_segments - 1)


def test_the_papers_area_is_reached_by_fp4_with_row_scales():
    """0.0785 um2 per weight (573.16 mm2 of 7.3e9 weights), ends and turns included."""
    floorplan = plan_floorplan(TapsPlan(2880, 2880, phases=3), load_rules("n5"))
    assert floorplan.um2_per_weight < 0.0785
    assert floorplan.wires_um2_per_weight < floorplan.um2_per_weight
    assert floorplan.silicon_um2_per_weight < floorplan.um2_per_weight


def test_lines_on_one_layer_take_more_room():
    both, one = (
        plan_floorplan(TapsPlan(64, 2880, phases=5), load_rules("n5"), layers=layers)
        for layers in LAYERS
    )
    assert one.wires_um2_per_weight > 1.4 * both.wires_um2_per_weight


def test_what_has_no_stations_is_refused():
    rules = load_rules("n5")
    with pytest.raises(HnlpuError, match=r"only a tap crossbar has stations .got merged"):
        plan_floorplan(MergedPlan(4, 40), rules)
    with pytest.raises(HnlpuError, match="a row without transistors"):
        plan_floorplan(TapsPlan(4, 40), rules, row_transistors=0)
