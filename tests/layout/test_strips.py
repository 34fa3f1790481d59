"""Strips: everything has a place of its own, and heights keep the distances that the router counts."""

import numpy as np
import pytest
from strip_drawings import CASES, strips_of

from hnlpu.base import HIGH, LOW
from hnlpu.layout.rules import load_rules
from hnlpu.layout.strips import BOTTOM, MIDDLE, TOP, plan_strips, rail_tracks, region_floorplan
from hnlpu.metal import ROW_EXPONENT_BITS

IDS = [f"{kind.arch}-{phases}" for kind, phases, _ in CASES]


@pytest.fixture(params=CASES, ids=IDS)
def strips(request):
    return strips_of(*request.param)[0]


def test_tracks_and_rails_share_no_height_and_fill_the_strip(strips):
    tracks = strips.track_height(np.arange(strips.n_tracks)).tolist()
    rails = [strips.rail_height(level, tie) for level in strips.levels for tie in (LOW, HIGH)]
    assert sorted(tracks + rails) == list(range(1, strips.row_tracks))
    assert tracks == sorted(tracks)
    assert len(rails) == rail_tracks(strips.floorplan) - 1


def test_what_the_router_keeps_two_tracks_apart_is_two_pitches_apart(strips):
    """Tracks, and the rails below, between and above them where the router thinks pins stand."""
    floorplan, n = strips.floorplan, strips.n_tracks
    stands = {-1: [strips.rail_height(BOTTOM, tie) for tie in (LOW, HIGH)]}
    if TOP in strips.levels:
        stands[n] = [strips.rail_height(TOP, tie) for tie in (LOW, HIGH)]
    if MIDDLE in strips.levels:
        stands[n // 2] = [strips.rail_height(MIDDLE, tie) for tie in (LOW, HIGH)]
    heights = strips.track_height(np.arange(n))
    for mark, rails in stands.items():
        for track in range(n):
            if abs(track - mark) >= floorplan.rules.stub_tracks:
                assert min(abs(int(heights[track]) - rail) for rail in rails) >= 2
    assert set(floorplan.pin_tracks(n).tolist()) <= set(stands)


def test_ports_keep_apart(strips):
    """On one height of M7, every other column at most; feeds, outputs and exponent pins among them."""
    places = set()
    feeds = [
        (strips.feeds[tie], strips.rail_height(level, tie))
        for level in strips.levels
        for tie in (LOW, HIGH)
    ]
    for column, height in [*zip(strips.column, strips.port_height, strict=True), *feeds]:
        place = int(column), int(height)
        assert place not in places
        places.add(place)
    assert not any((column + 1, height) in places for column, height in places)
    assert len(places) == strips.n_row_pins + strips.floorplan.n_outputs + len(feeds)


def test_exponent_pins_stand_behind_everything_else(strips):
    own = strips.column[strips.plan.n_pins : strips.n_row_pins]
    assert len(own) == ROW_EXPONENT_BITS and (np.diff(own) == 1).all()
    assert own[0] * strips.pitch_nm >= strips.floorplan.width_nm
    assert (strips.level[strips.plan.n_pins : strips.n_row_pins] == BOTTOM).all()


def test_odd_rows_are_mirrored(strips):
    offset = np.array([0, 3 * strips.pitch_nm])
    for row in (0, 1):
        bottom = int(strips.row_y_nm(np.array(row)))
        low, high = strips.y_nm(np.array(row), offset).tolist()
        assert (low, high) == ((bottom, bottom + 240), (bottom + strips.row_nm,
                               bottom + strips.row_nm - 240))[row]  # fmt: skip
    boxes = np.array([[0, 10, 5, 30]])
    assert (strips.mirrored(strips.mirrored(boxes)) == boxes).all()


def test_strips_are_as_high_as_transistors_and_base_wires_ask(strips):
    floorplan, rules = strips.floorplan, load_rules("n5")
    grown = plan_strips(floorplan, rules, 1)
    height = max(floorplan.silicon_height_um, floorplan.base_height_um)
    assert grown.row_nm / 1000 >= height - 1e-6
    assert grown.row_nm / 1000 < height + 0.08 * (1 + rail_tracks(floorplan))
    assert plan_strips(floorplan, rules, 5, exactly=True).n_tracks == 5
    assert region_floorplan(strips.plan, rules).width_nm == floorplan.width_nm
    area = strips.strip_nm * strips.row_nm * 1e-6
    assert area >= strips.plan.row_transistors / rules.silicon.mtransistor_per_mm2 - 1e-6
