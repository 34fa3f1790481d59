"""Timing of arrays: parts add up, more wire is slower, violations are found."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint
from timers import needs_liberty, needs_sta

from hnlpu.array_timer import ArrayTimer
from hnlpu.cli import main
from hnlpu.errors import HnlpuError
from hnlpu.generator import generate
from hnlpu.layout.floorplan import plan_floorplan
from hnlpu.layout.rules import load_rules
from hnlpu.merged import MergedPlan
from hnlpu.repeater_timing import fo4_ps, time_plain_lines
from hnlpu.rtl.liberty_cells import read_cells
from hnlpu.taps import TapsPlan
from hnlpu.timing import TimingOptions, _line_registers, random_pins, time_array, time_bundle
from hnlpu.timing_scale import ENDS, load_scale, read_tagged
from hnlpu.tools import find_liberty

PLAN = TapsPlan(300, 24, phases=3)
BUFFER = "BUFX4"
#: What cannot be met.
OPTIONS = TimingOptions(target_ghz=50, skew_ps=100, repeater=BUFFER)


def small_timer(n_rows: int, rules: str = "n5", cuts: int = 0) -> ArrayTimer:
    plan = replace(PLAN, n_rows=n_rows, cuts=cuts)
    library = read_cells(find_liberty())
    floorplan = plan_floorplan(plan, load_rules(rules))
    return ArrayTimer(floorplan, random_pins(plan), library, library.cell(BUFFER))


@pytest.fixture(scope="module")
def timer():
    return small_timer(PLAN.n_rows)


@needs_sta
@needs_liberty
class TestArrays:
    def test_parts_add_up(self, timer):
        timed = timer.time("value")
        assert sum(timed["parts"].values()) == pytest.approx(timed["period_ps"], rel=1e-4)
        assert timed["period_ps"] == pytest.approx(timed["line_ps"] + timed["row_ps"], rel=1e-4)
        assert timed["row_alone_ps"] < timed["period_ps"]
        assert timed["setup_path"]["from"].startswith("pins_")
        assert timed["hold_slack_ps"] > 0

    def test_more_rows_are_slower(self, timer):
        assert len(timer.segments[0]) == 2
        longer = small_timer(900)
        assert len(longer.segments[0]) == 5
        two, five = timer.time("value"), longer.time("value")
        assert five["line_ps"] > two["line_ps"] + 2.5 * min(two["turn_ps"], five["turn_ps"])
        assert five["period_ps"] > two["period_ps"]

    def test_skew_violates_hold_on_purpose(self, timer):
        slack = timer.time("value")["hold_slack_ps"]
        skewed = timer.time("value", skew_ps=slack + 1)
        assert skewed["hold_slack_ps"] == pytest.approx(-1, abs=0.1)
        assert skewed["period_ps"] == pytest.approx(timer.time("value")["period_ps"] + slack + 1)

    def test_registers_in_lines(self):
        timed = {"launch_ps": 10.0, "row_ps": 390.0, "turn_ps": 100.0, "inside_ps": 500.0}
        # 600 ps are left for turns: six, so twelve turns take one register, thirteen take two.
        assert [_line_registers(timed, n, 1000.0) for n in (6, 12, 13)] == [0, 1, 2]
        assert _line_registers(timed, 6, 490.0) is None, "not one turn"
        assert _line_registers(timed | {"inside_ps": 1001.0}, 6, 1000.0) is None

    def test_ends_of_the_ranges(self, timer):
        periods = [timer.time(end)["period_ps"] for end in ENDS]
        assert periods == sorted(periods)

    def test_wires_inside_the_row_count(self, timer, monkeypatch):
        timed = timer.time("value")
        monkeypatch.setattr(timer, "_wires", [])
        assert timer.time("value")["row_ps"] < timed["row_ps"]

    def test_the_library_s_own_gates(self):
        """Without a scale: SKY130's wires and rows, and gates of 180 nm."""
        timed = small_timer(40, "sky130")
        assert timed.scale.wire("value") == (1.0, 1.0)
        assert not timed.scale.scaled and timed.time("value")["period_ps"] > 3000

    def test_cuts_shorten_rows(self, timer):
        cut = small_timer(PLAN.n_rows, cuts=2)
        assert cut.plan.n_cuts == 2
        assert cut.time("value")["row_ps"] < timer.time("value")["row_ps"]

    def test_distances(self, timer):
        rules, layer = load_rules("n5"), "M8"
        lines = list(
            time_plain_lines(rules, layer, 1.0, timer.library, timer.repeater, timer.scale)
        )
        assert np.all(np.diff([line["delay_ps"] for line in lines]) > 0)
        assert np.all(np.diff([line["slew_ps"] for line in lines]) > 0)

    def test_fo4(self, timer):
        """A library is its own measure: 180 nm are some 80 to 120 ps."""
        assert 80 < fo4_ps(timer.library) == timer.fo4_ps < 120
        assert timer.scale.time["value"] == pytest.approx(7.0 / timer.fo4_ps)

    def test_the_verb(self, capsys, monkeypatch):
        timed = cache(lambda plan, _: time_array(plan, random_pins(plan), OPTIONS))
        monkeypatch.setattr("hnlpu.timing_verbs.time_array", lambda plan, *_: timed(plan, None))
        assert main(["timing", "--shape", "12x40"]) == 1
        shown = capsys.readouterr().out
        assert "50 GHz does not close" in shown and "hold is VIOLATED" in shown
        assert "assumed: gate_capacitance" in shown and "slowest: pins_" in shown
        assert main(["timing", "--shape", "12x40", "--json"]) == 1
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        assert row["closes"] == dict.fromkeys(ENDS, False) == row["holds"]
        assert row["scale"]["inputs"]["fo4"]["source"] and row["library"] == "osu018_stdcells"

    @pytest.mark.slow
    def test_a_bundle(self, tmp_path):
        checkpoint = write_checkpoint(tmp_path / "c", GPT_OSS, gpt_oss_tensors(GPT_OSS))
        with remembered_bases():
            generate(checkpoint, tmp_path / "b")
        with pytest.raises(HnlpuError, match="no matrix of this name"):
            time_bundle(tmp_path / "b", TimingOptions(match="nothing"))
        options = TimingOptions(match="q_proj", repeater=BUFFER)
        (row,) = time_bundle(tmp_path / "b", options)["rows"]
        assert "q_proj" in row["name"] and row["n_columns"] == GPT_OSS["hidden_size"]

    def test_other_architectures(self):
        plan = MergedPlan(4, 32)
        pins = np.zeros((4, plan.n_pins + 10), dtype=np.int64)
        with pytest.raises(HnlpuError):
            time_array(plan, pins, TimingOptions())


def test_scale():
    scale = load_scale("n5", fo4_ps=100.0, gate_ff=10.0)
    assert scale.scaled and scale.time["value"] == pytest.approx(0.07)
    ohm, ff = scale.wire("value")
    # A wire's R x C in units of the gates' time is the same on both sides.
    assert ohm * ff * scale.time["value"] == pytest.approx(1)
    assert all(tag.source and tag.confidence for tag in scale.inputs.values())
    own = load_scale("mine", 100.0, 10.0)
    assert not own.scaled and own.wire("high") == (1.0, 1.0)


@pytest.mark.parametrize(
    "change, match",
    [
        ({"source": " "}, "without a source"),
        ({"confidence": "sure"}, "without a source"),
        ({"unit": "ns"}, "unit"),
        ({"low": 9.0}, "range"),
        ({"colour": 1}, "incomplete"),
    ],
)
def test_numbers_without_a_source_are_refused(change, match):
    entry = {
        "value": 7.0,
        "low": 5.0,
        "high": 9.0,
        "unit": "ps",
        "source": "s",
        "confidence": "assumed",
    }
    assert read_tagged({"fo4": entry}, "here")["fo4"].at("high") == 9.0
    with pytest.raises(HnlpuError, match=match):
        read_tagged({"fo4": entry | change}, "here")


def test_options(capsys):
    with pytest.raises(HnlpuError, match="no such clock"):
        TimingOptions(target_ghz=0)
    with pytest.raises(HnlpuError, match="no such skew"):
        TimingOptions(skew_ps=-1)
    assert main(["timing"]) == 2 and "name one thing" in capsys.readouterr().err


def test_without_the_timer(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["timing", "--shape", "24x24"]) == 3
    assert "apt-get install opensta" in capsys.readouterr().err
