"""Routing: left edge, steps and repair on random nets and on wired bases; the check sees every mutation."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import LINES, LOW
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.layout.region_floorplan import RegionFloorplan, region_rules
from hnlpu.layout.router import M9, M11, NOWHERE, cut_density, nets_of, route
from hnlpu.layout.routing_check import check_routing
from hnlpu.layout.routing_height import lowest_strips, route_rows
from hnlpu.layout.routing_repair import repair
from hnlpu.layout.rules import load_rules
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan

KINDS = [MergedPlan, PaperPlan]


@cache
def wired(kind, phases=3, columns=240, rows=6, every=8):
    """Floorplan and pins of a base with random weights."""
    rng = np.random.default_rng(phases)
    values = np.array([0, *E2M1.magnitudes, *(-m for m in E2M1.magnitudes)], dtype=np.int16)
    zeros = np.zeros((rows, -(-columns // 32)), dtype=np.uint8)
    matrix = AlignedMatrix(
        "m", rng.choice(values, (rows, columns)), zeros, np.zeros(rows, dtype=np.int16)
    )
    plan = kind.for_matrices([matrix], phases=phases, magnitudes=E2M1.magnitudes)
    return RegionFloorplan(plan, region_rules(load_rules("n5"), every)), plan.wire(matrix)


def routed(kind, n_tracks=70, **options):
    floorplan, pins = wired(kind, **options)
    return route_rows(floorplan, pins, n_tracks), pins


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phases", [1, 3, 5])
def test_everything_has_its_place(kind, phases):
    floorplan, _ = wired(kind, phases)
    assert len(set(zip(floorplan.column, floorplan.level, strict=True))) == len(floorplan.column)
    assert floorplan.level.max() < floorplan.n_levels
    for x in (floorplan.x_nm, floorplan.line_x_nm, floorplan.landing_x_nm):
        assert x.min() > 0 and x.max() < floorplan.width_nm
    ten = np.concatenate([floorplan.line_x_nm, floorplan.landing_x_nm])
    assert np.diff(np.sort(ten)).min() >= floorplan.rules.m10_pitch_nm


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([80, 160]))
def test_left_edge_takes_the_densest_cuts_tracks(seed, end_nm):
    """Every pin alone in its column, no M11: as many tracks as the densest cut has nets, no more."""
    rng = np.random.default_rng(seed)
    floorplan, pins = wired(PaperPlan, phases=1, columns=40, rows=2, every=0)
    floorplan = replace(floorplan, rules=replace(floorplan.rules, end_nm=end_nm))
    assert floorplan.single.all()
    pins = rng.integers(LINES, LINES + floorplan.plan.n_lines, (1, pins.shape[1]))
    nets = nets_of(floorplan, np.where(rng.random(pins.shape) < 0.5, pins, LOW))
    steps = [(x, 1) for x in nets.low_nm] + [(x + end_nm, -1) for x in nets.high_nm]
    densest = int(np.cumsum([step for _, step in sorted(steps)]).max())
    assert not len(route(floorplan, nets, densest).overflow)
    assert len(route(floorplan, nets, densest - 1).overflow)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(KINDS),
    st.sampled_from([1, 3, 5]),
    st.integers(5, 40),
    st.booleans(),
)
def test_random_nets_are_routed_cleanly(seed, kind, phases, n_tracks, borrow):
    """Any drivers at all: what is not over is sound."""
    rng = np.random.default_rng(seed)
    floorplan, pins = wired(kind, phases, columns=60, rows=2)
    plan = floorplan.plan
    stubs = rng.integers(0, LINES + plan.n_lines, (len(pins), plan.n_stubs))
    pins = np.concatenate([stubs, pins[:, plan.n_stubs :]], axis=1)
    routing = repair(route(floorplan, nets_of(floorplan, pins), n_tracks), borrow=borrow)
    over = routing.overflow
    pins = pins.copy()
    pins[routing.nets.row[over], routing.nets.pin[over]] = LOW
    assert check_routing(without(routing, over), pins) == []


def without(routing, which):
    kept = np.delete(np.arange(len(routing.nets)), which)
    names = ("row", "pin", "output", "driver_x_nm", "pin_x_nm")
    nets = replace(routing.nets, **{n: getattr(routing.nets, n)[kept] for n in names})
    names = ("layer", "track", "landing", "piece", "strip")
    return replace(routing, nets=nets, **{n: getattr(routing, n)[kept] for n in names})


@pytest.mark.parametrize("kind", KINDS)
def test_a_base_is_routed_and_mutations_are_seen(kind):
    routing, pins = routed(kind)
    assert not len(routing.overflow) and check_routing(routing, pins) == []
    assert routing.statistics()["overflow"] == 0
    routing.check()
    rng = np.random.default_rng(0)
    nets = routing.nets
    for net in rng.integers(0, len(nets), 20):
        assert f"pin {nets.pin[net]}" in check_routing(without(routing, [net]), pins)[0]
        # Its ends moved to those of another.
        driver = nets.driver_x_nm.copy()
        driver[net] = nets.driver_x_nm[net] + 120
        assert check_routing(replace(routing, nets=replace(nets, driver_x_nm=driver)), pins)
    # Every net on the track of its left neighbour that it overlaps.
    order = np.lexsort((nets.low_nm, nets.row))
    seen = 0
    for a, b in pairwise(order):
        if nets.row[a] == nets.row[b] and nets.low_nm[b] < nets.high_nm[a] and seen < 20:
            track = routing.track.copy()
            track[b] = track[a]
            assert track[b] != routing.track[b]
            assert check_routing(replace(routing, track=track), pins)
            seen += 1
    assert seen == 20


def test_mutations_of_other_layers_are_seen():
    routing, pins = routed(PaperPlan, n_tracks=9, columns=480)
    over = routing.overflow
    pins = pins.copy()
    pins[routing.nets.row[over], routing.nets.pin[over]] = LOW
    routing = without(routing, over)
    assert check_routing(routing, pins) == []
    high_up = np.flatnonzero(routing.layer == M11)
    assert len(high_up)
    for name, step in (("track", 1), ("landing", 1), ("piece", 1), ("track", -100)):
        values = getattr(routing, name).copy()
        values[high_up[0]] += step
        assert check_routing(replace(routing, **{name: values}), pins)
    swapped = pins.copy()
    row = routing.nets.row[0]
    one, two = routing.nets.pin[routing.nets.row == row][:2]
    swapped[row, [one, two]] = swapped[row, [two, one]]
    assert check_routing(routing, swapped)


def test_wires_that_meet_in_a_column_are_seen():
    """Bottom and top pins of one column on tracks that cross."""
    routing, pins = routed(PaperPlan)
    floorplan, nets = routing.floorplan, routing.nets
    track = routing.track.copy()
    mate = floorplan.beside[1][0]
    owner = {(r, p): i for i, (r, p) in enumerate(zip(nets.row, nets.pin, strict=True))}
    a, b = next(
        (i, owner[r, int(mate[p])])
        for (r, p), i in owner.items()
        if (r, int(mate[p])) in owner and routing.layer[i] == M9
    )
    track[a], track[b] = routing.n_tracks - 1, 0
    assert any("M8" in line for line in check_routing(replace(routing, track=track), pins))


def test_rows_lend_tracks():
    """One row of many nets beside an empty one, whose tracks it takes."""
    floorplan, pins = wired(PaperPlan, phases=1, columns=40, rows=2, every=0)
    pins = pins.copy()
    pins[0] = LOW
    nets = nets_of(floorplan, pins)
    n_tracks = int(cut_density(nets, floorplan.width_nm).max()) // 2 + 1
    alone = repair(route(floorplan, nets, n_tracks), borrow=False)
    helped = repair(route(floorplan, nets, n_tracks))
    assert len(alone.overflow) and len(helped.overflow) < len(alone.overflow)
    assert helped.statistics()["borrowed"] == len(alone.overflow) - len(helped.overflow)
    if not len(helped.overflow):
        assert check_routing(helped, pins) == []
    strip = helped.strip.copy()
    strip[strip != nets.row] = 5
    assert check_routing(replace(helped, strip=strip), pins)


def test_overflow_is_named():
    routing, pins = routed(PaperPlan, n_tracks=2)
    assert len(routing.overflow) and (routing.layer[routing.overflow] == NOWHERE).all()
    with pytest.raises(HnlpuError, match=r"row \d+ at x = .* um.*nets over 2 tracks of M9"):
        routing.check()
    assert "is over" in check_routing(routing, pins)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_lowest_strips(kind):
    floorplan, pins = wired(kind, columns=90, rows=2)
    routing = lowest_strips(floorplan, pins)
    assert check_routing(routing, pins) == []
    assert len(route_rows(floorplan, pins, routing.n_tracks - 1, borrow=False).overflow)
    with pytest.raises(HnlpuError, match="wires do not fit"):
        lowest_strips(floorplan, pins, most=3)


def test_strips_are_wider_where_pins_need_columns():
    floorplan, pins = wired(PaperPlan, phases=12, columns=240)
    assert floorplan.n_levels == 3
    assert floorplan.width_nm > 120 * len(floorplan.line_x_nm) * 8 / 7
    assert not len(route_rows(floorplan, pins, 120).overflow)


def test_landings_need_three_tracks_beside_two():
    coarse = load_rules("sky130")
    assert region_rules(coarse, 0).landing_every == 0
    with pytest.raises(HnlpuError, match=r"wires of M11 cannot land.*got pitches of 640 nm"):
        region_rules(coarse)
