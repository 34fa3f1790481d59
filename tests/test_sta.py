"""OpenSTA's answers are those of a hand calculation, and of Elmore's formula where wires resist."""

import pytest
from timers import FIXED, HOLD, LIBRARY, LOAD, SETUP, SLOPE, needs_sta

import hnlpu.tools
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.layout.spef import HEADER, Pin, Wire, elmore_ps, spef_net
from hnlpu.rtl.mapping import Netlist
from hnlpu.sta import Constraints, analyse

pytestmark = needs_sta


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "tiny.lib"
    path.write_text(LIBRARY)
    return path


def register_pair(n_gates: int) -> Netlist:
    """Two registers with inverters between them."""
    netlist = Netlist("pair", inputs={"clk": "clk", "d": "d"})
    netlist.add("first", "DFFX", CK="clk", D="d", Q="q0")
    for i in range(n_gates):
        netlist.add(f"gate_{i}", "INVX", A=f"q{i}", Y=f"q{i + 1}")
    netlist.add("last", "DFFX", CK="clk", D=f"q{n_gates}", Q="y")
    netlist.outputs["y"] = "y"
    return netlist


def test_period_by_hand(library):
    for n in (1, 5):
        netlist = register_pair(n)
        (path,) = analyse(library, netlist.verilog(), "pair", Constraints(), ["-path_delay max"])
        stage = FIXED + SLOPE * LOAD  # every output drives one input
        assert path.period_ns == pytest.approx((n + 1) * stage + SETUP, abs=1e-5)
        assert path.check_ns == pytest.approx(SETUP)
        assert [s.kind for s in path.stages] == ["DFFX"] * 2 + ["INVX"] * 2 * n + ["DFFX"]


def test_hold_by_hand(library):
    verilog = register_pair(0).verilog()
    asked = ["-path_delay min"]
    (path,) = analyse(library, verilog, "pair", Constraints(), asked)
    assert path.slack_ns == pytest.approx(FIXED + SLOPE * LOAD - HOLD, abs=1e-5)
    (path,) = analyse(library, verilog, "pair", Constraints(uncertainty_ns=0.5), asked)
    assert path.slack_ns == pytest.approx(FIXED + SLOPE * LOAD - HOLD - 0.5, abs=1e-5)
    assert path.slack_ns < 0, "a hold violation that was made is not found"


def wired(ohm: float, ff: float, library) -> tuple[float, Wire]:
    """Delay in ps from a driver's output to a far input, over a wire."""
    netlist = register_pair(1)
    wire = Wire("q0", "u0:Q", ohm, ff, (Pin("u1:A", 1.0),), sections=8)
    spef = HEADER.format(name="pair") + spef_net(wire)
    (path,) = analyse(library, netlist.verilog(), "pair", Constraints(), ["-path_delay max"], spef)
    assert path.stages[2].pin == "u1/A"
    return path.stages[2].delay_ns * 1e3, wire


@pytest.mark.parametrize("ohm, ff", [(500.0, 40.0), (2000.0, 100.0), (4000.0, 20.0)])
def test_wires_beside_elmore(library, ohm, ff):
    delay, wire = wired(ohm, ff, library)
    expected = elmore_ps(wire, [LOAD * 1e3], 0)
    # A slow edge arrives later by Elmore's delay, a step behind a far load by less: ln 2 of it.
    assert 0.6 * expected < delay < 1.1 * expected


def test_longer_wires_take_longer(library):
    delays = [wired(20.0 * um, 0.4 * um, library)[0] for um in (0, 50, 100, 200)]
    assert delays == sorted(delays) and delays[-1] > 3 * delays[1]


def test_the_load_of_a_wire_counts_at_its_driver(library):
    netlist = register_pair(1)
    wire = Wire("q0", "u0:Q", 0.0, 300.0, (Pin("u1:A", 1.0),))
    spef = HEADER.format(name="pair") + spef_net(wire)
    (path,) = analyse(library, netlist.verilog(), "pair", Constraints(), ["-path_delay max"], spef)
    assert path.stages[1].delay_ns == pytest.approx(FIXED + SLOPE * (LOAD + 0.3), rel=2e-2)


def test_no_path_is_none(library):
    (path,) = analyse(
        library, register_pair(1).verilog(), "pair", Constraints(), ["-to [get_pins u1/A]"]
    )
    assert path is None


def test_errors(library, tmp_path, monkeypatch):
    netlist = register_pair(1)
    with pytest.raises(HnlpuError, match="OpenSTA failed"):
        analyse(
            tmp_path / "none.lib", netlist.verilog(), "pair", Constraints(), ["-path_delay max"]
        )
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="apt-get install opensta"):
        analyse(library, netlist.verilog(), "pair", Constraints(), ["-path_delay max"])
    monkeypatch.setattr(hnlpu.tools, "_LIBERTY", tmp_path / "none.lib")
    with pytest.raises(MissingToolError, match="qflow-tech-osu018"):
        hnlpu.tools.find_liberty()
    names = {tool.name: tool for tool in hnlpu.tools.find_tools()}
    assert names["opensta"].ok and names["opensta"].place == "-", "timing is optional"
