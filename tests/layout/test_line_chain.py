"""Chains hold every pin of their lines, and no other; wires are as long as the drawn ones."""

import numpy as np
import pytest
from drawings import PLANS, random_pins, small_floorplan
from timers import LIBRARY

from hnlpu.layout.drawing import wire_of_pins
from hnlpu.layout.line_chain import bundle_segments, chain_lines, heaviest_bundle, plain_segments
from hnlpu.layout.parasitics import line_nets
from hnlpu.layout.rules import load_rules
from hnlpu.rtl.liberty_cells import read_cells
from hnlpu.rtl.mapping import Netlist


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "tiny.lib"
    path.write_text(LIBRARY)
    return read_cells(path)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_pins_and_lengths(plan):
    floorplan = small_floorplan(plan)
    pins = random_pins(floorplan)
    nets = line_nets(floorplan, pins)
    station = heaviest_bundle(floorplan, nets, 1.0)
    kind = floorplan.stations.kinds[floorplan.stations.kind[station]]
    assert kind.name == "bundle"
    segments = bundle_segments(floorplan, nets, pins, station)
    assert set(segments) == set(range(kind.n_lines))
    own, _ = floorplan.stations.pin_stubs()
    wires = wire_of_pins(floorplan, pins)[:, own == station]
    for wire, line in segments.items():
        assert len(line) == floorplan.n_segments
        assert sum(len(s.pins) for s in line) == (wires == wire).sum()
        here = (nets.station == station) & (nets.wire == wire)
        assert [s.um for s in line] == pytest.approx(nets.length_um[here].tolist())
        assert all(0 < at < 1 and 0 <= phase < plan.phases for s in line for at, phase in s.pins)


def test_the_heaviest_bundle_is_found():
    floorplan = small_floorplan(PLANS[0], rows=5)
    pins = random_pins(floorplan)
    bundles = [i for i, _, _ in floorplan.stations.each()][: PLANS[0].n_bundles]
    for station in bundles[1:3]:
        loaded = pins.copy()
        own = floorplan.stations.pins[station]
        loaded[:, own[own >= 0]] = floorplan.stations.driver(station, 3)  # all on one line
        assert heaviest_bundle(floorplan, line_nets(floorplan, loaded), 5.0) == station


def test_a_chain(library):
    floorplan = small_floorplan(PLANS[0])
    pins = random_pins(floorplan)
    nets = line_nets(floorplan, pins)
    segments = bundle_segments(floorplan, nets, pins, heaviest_bundle(floorplan, nets, 1.0))
    wire, line = max(segments.items(), key=lambda item: sum(len(s.pins) for s in item[1]))
    netlist = Netlist("n", inputs={"a": "a"})
    receivers = {phase: [("A", "INVX", "Y")] for phase in range(3)}
    chain = chain_lines(netlist, f"line_{wire}", "a", line, library.cell("BUFX"), receivers)
    names = [gate.name for gate in netlist.gates]
    assert sum(name.startswith("repeater_") for name in names) == chain.n_repeaters == len(line)
    assert sum(name.startswith("pin_") for name in names) == sum(len(s.pins) for s in line)
    assert {chain.near, chain.far} <= set(netlist.outputs)
    for segment, own in zip(line, chain.wires, strict=True):
        assert own.total_ff == pytest.approx(segment.ff + len(segment.pins) * segment.stub_ff)
        net = own.net
        on_it = {f"{i}:{pin}" for i, pin, _ in netlist.loads()[net]}
        assert on_it == {pin.name for pin in own.pins} | {own.driver}, (
            "pins of the SPEF and of the netlist"
        )


def test_plain_chains(library):
    rules = load_rules("n5")
    netlist = Netlist("n", inputs={"a": "a"})
    segments = plain_segments(rules, "M8", 50.0, 3, 1.0)
    chain = chain_lines(netlist, "line", "a", segments, library.cell("BUFX"), {})
    assert chain.near == "line_near" and netlist.outputs["line_near"] == netlist.outputs["line_far"]
    assert np.allclose([wire.ff for wire in chain.wires], 50 * (rules.metals["M8"].ff_per_um + 1))
