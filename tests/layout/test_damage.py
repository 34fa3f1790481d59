"""Nets of damaged metal against klayout's extraction, and single defects whose effect is known."""

import numpy as np
import pytest
from drawings import PLANS, drawn, random_pins, small_floorplan
from klayout import db

from hnlpu.base import HIGH, LOW
from hnlpu.layout.damage import find_nets, hits, read_damaged, touch
from hnlpu.layout.defects import MECHANISMS, Defects, Mechanism
from hnlpu.layout.geometry import mask_regions, metal_regions
from hnlpu.layout.pieces import NOWHERE, metal_pieces
from hnlpu.layout.rules import METALS, VIAS

FLOORPLAN = small_floorplan(PLANS[0])  # five rows, a turn every two
PINS = random_pins(FLOORPLAN)
PIECES = metal_pieces(FLOORPLAN, PINS)
STATION, STUB = FLOORPLAN.stations.pin_stubs()


def defects(*given):
    """Of (mechanism, box)."""
    names = [m.name for m in MECHANISMS]
    return Defects(
        np.array([names.index(name) for name, _ in given]),
        np.array([box for _, box in given], dtype=float).reshape(-1, 4),
    )


def square(x, y, size):
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def read(*given, behaviour="low"):
    return read_damaged(FLOORPLAN, PIECES, find_nets(PIECES, defects(*given)), behaviour)


def changed(pins):
    return {tuple(place) for place in np.argwhere(pins != PINS).tolist()}


def pins_on(line):
    """Row and pin of every pin that a line drives, by place."""
    mask = np.where(
        PIECES.mask[PIECES.pin_via] == 2, PIECES.above[PIECES.pin_via], PIECES.below[PIECES.pin_via]
    )
    rows, stubs = np.nonzero(mask == line)
    y = PIECES.vias[PIECES.pin_via[rows, stubs], 1]
    return [(int(r), int(FLOORPLAN.stations.pins[STATION[s], STUB[s]]), int(v))
            for r, s, v in zip(rows, stubs, y, strict=True)]  # fmt: skip


# Against klayout.


def extracted(floorplan, pins, given):
    """Net of every port by klayout, in the order of pin ports, line ports and strap ports."""
    masks = mask_regions(drawn(floorplan, pins))
    metals = metal_regions(floorplan.rules, masks)
    vias = {mask: masks[mask].merged() for mask in VIAS if mask in masks}
    for name, box in sorted(given, reverse=True):  # what is missing first
        mechanism = next(m for m in MECHANISMS if m.name == name)
        own = db.Region(db.Box(*(round(side) for side in box)))
        if mechanism.is_via:
            vias[mechanism.layer] -= vias[mechanism.layer].inside(own)
        elif mechanism.extra:
            metals[mechanism.layer] = (metals[mechanism.layer] + own).merged()
        else:
            metals[mechanism.layer] = metals[mechanism.layer] - own
    layout = db.Layout()
    layout.dbu = 0.001
    top = layout.create_cell("TOP")
    index = {}
    for name in (*METALS, *VIAS):
        index[name] = layout.layer(db.LayerInfo(name))
        if region := metals.get(name) or vias.get(name):
            top.shapes(index[name]).insert(region)
    l2n = db.LayoutToNetlist(db.RecursiveShapeIterator(layout, top, []))
    regions = {name: l2n.make_layer(i, name) for name, i in index.items()}
    for name in METALS:
        l2n.connect(regions[name])
    for below, via, above in zip(METALS, VIAS, METALS[1:], strict=False):
        l2n.connect(regions[below], regions[via])
        l2n.connect(regions[via], regions[above])
    l2n.extract_netlist()
    return lambda x, y: l2n.probe_net(regions["M7"], db.Point(int(x), int(y))).cluster_id


def port_places(pieces):
    """Nodes of the ports and their places: that of the VIA7 above each."""
    via7 = pieces.of_mask("VIA7")
    centres = (pieces.vias[via7, :2] + pieces.vias[via7, 2:]) // 2
    return pieces.below[via7], centres


def same_partition(one, other):
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


def random_defects(floorplan, rng, n, scale):
    """Sides at odd places, so that none lies on an edge of a shape."""
    found = []
    for mechanism in rng.choice(len(MECHANISMS), n):
        size = int(rng.choice([46, 66, 86, 126, 206, 406])) * scale // 2 * 2
        size += (6 - size) % 10
        low = [int(rng.integers(side // 10)) * 10 + 3 for side in
               (floorplan.stations.width_nm, floorplan.height_nm)]  # fmt: skip
        found.append((MECHANISMS[mechanism].name, (*low, low[0] + size, low[1] + size)))
    return found


@pytest.mark.parametrize("rules", ["n5", "sky130"])
@pytest.mark.parametrize("seed", range(3))
def test_nets_are_those_that_klayout_finds(rules, seed):
    plan = PLANS[seed % len(PLANS)]
    floorplan = small_floorplan(plan, rules)
    pins = random_pins(floorplan, seed)
    pieces = metal_pieces(floorplan, pins)
    rng = np.random.default_rng(seed)
    given = random_defects(floorplan, rng, 60, 1 if rules == "n5" else 8)
    found = defects(*given)
    assert hits(pieces, found).any()
    nodes, places = port_places(pieces)
    net = find_nets(pieces, found).net[nodes].tolist()
    probe = extracted(floorplan, pins, given)
    theirs = [probe(x, y) for x, y in places.tolist()]
    assert same_partition(net, theirs)
    intact = extracted(floorplan, pins, [])
    assert not same_partition(net, [intact(x, y) for x, y in places.tolist()])  # it can fail


# One defect each.


def line_at(segment, layer):
    """A line of a bundle with pins on it in the segment, its box, and its place."""
    for station, wire in np.argwhere(PIECES.line[segment] != NOWHERE).tolist():
        line = int(PIECES.line[segment, station, wire])
        on_it = pins_on(line)
        if PIECES.layer[line] == (0 if layer == "M8" else 2) and len({r for r, _, _ in on_it}) > 1:
            return line, station, wire
    raise AssertionError


@pytest.mark.parametrize("layer", ["M8", "M10"])
def test_a_broken_line_loses_what_is_beyond(layer):
    line, station, wire = line_at(0, layer)
    left, _, right, _ = PIECES.wires[line].tolist()
    on_it = sorted(pins_on(line), key=lambda place: place[2])
    y = (on_it[0][2] + on_it[-1][2]) // 2 + 20
    box = square((left + right) / 2, y, right - left + 10)
    lost = {(r, p) for r, p, via in on_it if via >= box[1]}
    for segment in range(1, FLOORPLAN.n_segments):  # repeaters hand the fault on
        lost |= {(r, p) for r, p, _ in pins_on(int(PIECES.line[segment, station, wire]))}
    kept = {(r, p) for r, p, _ in on_it} - lost
    assert kept and lost
    for behaviour, value in (("low", LOW), ("high", HIGH)):
        found = read((f"missing {layer}", box), behaviour=behaviour)
        wanted = {place for place in lost if PINS[place] != value}
        assert changed(found.pins) == wanted
        assert all(found.pins[place] == value for place in wanted)
        assert not found.broken_rows.any()  # no spare row mends a line
        assert np.array_equal(found.pins, found.repaired)


@pytest.mark.parametrize("mask", ["VIA7", "VIA8", "VIA9"])
def test_a_missing_via_frees_one_pin(mask):
    for row in range(FLOORPLAN.plan.n_rows):
        for stub, via in enumerate(PIECES.pin_via[row].tolist()):
            pin = int(FLOORPLAN.stations.pins[STATION[stub], STUB[stub]])
            if PIECES.mask[via] == ["VIA7", "VIA8", "VIA9"].index(mask) and PINS[row, pin] > HIGH:
                box = PIECES.vias[via]
            elif mask == "VIA7" and PINS[row, pin] > HIGH:
                port = PIECES.pin_port[row, stub]
                box = PIECES.vias[np.flatnonzero(PIECES.below == port)[0]]
            else:
                continue
            found = read((f"missing {mask}", (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)))
            assert changed(found.pins) == {(row, pin)} and found.pins[row, pin] == LOW
            assert found.broken_rows.tolist() == [r == row for r in range(len(PINS))]
            assert np.array_equal(found.repaired, PINS)  # a spare row reads what was meant
            return
    raise AssertionError("no such via")


def test_a_short_of_two_lines_reaches_all_rows_from_its_segment_on():
    m10 = PIECES.of_layer("M10")
    boxes = PIECES.wires
    lines = {int(n): i for i, n in np.ndenumerate(PIECES.line) if n != NOWHERE}
    pairs = [(a, b) for a in m10.tolist() for b in m10.tolist() if a in lines and b in lines
             and lines[a][0] == lines[b][0] == 1 and lines[a][1] == lines[b][1]
             and boxes[b, 0] - boxes[a, 2] == 60]  # fmt: skip
    a, b = pairs[0]
    y = (max(boxes[a, 1], boxes[b, 1]) + min(boxes[a, 3], boxes[b, 3])) / 2
    found = read(("extra M10", square((boxes[a, 2] + boxes[b, 0]) / 2, y, 70)))
    drivers = tuple(sorted(int(PIECES.driver[lines[n][1:]]) for n in (a, b)))
    number = FLOORPLAN.plan.n_drivers
    assert found.joined == [drivers] and not found.broken_rows.any()
    wanted = {(r, p) for segment in range(1, FLOORPLAN.n_segments) for n in (a, b)
              for r, p, _ in pins_on(int(PIECES.line[(segment, *lines[n][1:])]))}  # fmt: skip
    assert wanted and changed(found.pins) == wanted
    assert all(found.pins[place] == number for place in wanted)
    assert min(row for row, _ in wanted) >= 2  # below, repeaters keep it away


def test_a_line_on_a_strap_is_stuck():
    line, station, wire = next(
        (int(n), i[1], i[2]) for i, n in np.ndenumerate(PIECES.line)
        if n != NOWHERE and i[0] == 0 and PIECES.layer[n] == 2 and PIECES.driver[i[1:]] > HIGH
        and pins_on(int(n))
    )  # fmt: skip
    kind = FLOORPLAN.stations.kinds[FLOORPLAN.stations.kind[station]]
    strap = FLOORPLAN.stations.x_nm[station] + kind.straps[0]
    box = PIECES.wires[line]
    middle = (box[1] + box[3]) / 2
    wide = (strap - 10, middle - 20, box[0] + 10, middle + 20)
    for behaviour in ("low", "high"):
        found = read(("extra M10", wide), behaviour=behaviour)
        stuck = (HIGH, LOW)[station % 2]
        rows = {(r, p) for s in range(FLOORPLAN.n_segments)
                for r, p, _ in pins_on(int(PIECES.line[s, station, wire]))}  # fmt: skip
        assert all(found.pins[place] == stuck for place in rows) and not found.supplies_joined


def test_joined_supplies_are_seen():
    x = FLOORPLAN.stations.width_nm / 2
    found = read(("extra M10", square(x, FLOORPLAN.height_nm / 2, 4000)))
    assert found.supplies_joined


def test_stubs_of_neighbours_join_their_lines():
    """A stub's end and the next stub's beginning on one track: the two lines are one net."""
    stub = {n: b for n, b in zip(PIECES.of_layer("M9").tolist(),
                                 PIECES.wires[PIECES.of_layer("M9")].tolist(), strict=True)}  # fmt: skip
    y = int(FLOORPLAN.stub_y_nm(np.array(0))[0])
    track = sorted(b for b in stub.values() if b[1] < y < b[3])
    one, two = track[0], track[1]
    found = read(("extra M9", (one[2] - 5, y - 10, two[0] + 5, y + 10)))
    pins = [int(FLOORPLAN.stations.pins[s, 0]) for s in (0, 1)]
    drivers = tuple(sorted(PINS[0, pins].tolist()))
    if LOW in drivers:
        assert not found.joined
    else:
        assert found.joined == [tuple(d for d in drivers if d != HIGH)] or len(drivers) == 2
    assert (0, pins[0]) in changed(found.pins) or (0, pins[1]) in changed(found.pins)


def test_too_small_a_defect_does_nothing():
    rng = np.random.default_rng(0)
    for mechanism in MECHANISMS:
        for x, y in rng.integers(0, 2000, (50, 2)).tolist():
            wires, vias = touch(PIECES, mechanism, np.array(square(x, y, 39)))
            assert len(wires) <= mechanism.extra and not len(vias)
    assert Mechanism("M8").name == "missing M8"
