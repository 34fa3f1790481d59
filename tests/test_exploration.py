"""Explore: points, their figures, the Pareto front, the files, and bad input."""

import json

import pytest
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint

from hnlpu.cli import main
from hnlpu.errors import HnlpuError
from hnlpu.exploration import ARCHS, ExploreOptions, explore, mark_pareto, write_exploration
from hnlpu.rtl.synthesis import count_base
from hnlpu.taps import TapsPlan

KEYS = {"arch", "phases", "activation_bits", "exponent_values", "superblock", "cycles",
        "latency_cycles", "transistors_per_weight", "split", "logic_depth", "wires_per_input",
        "tracks_per_row", "tracks_available", "wirable", "verified", "pareto"}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    options = ExploreOptions(phases=(1, 2), cuts=(0, 1), activation_bits=4, fmt="fp4")
    return explore(None, shape=(40, 4), options=options)


def test_every_architecture_has_its_points(result):
    points = result["points"]
    assert [(p["arch"], p["phases"], p["cuts"]) for p in points] == [
        ("taps", 1, 0), ("taps", 1, 1), ("taps", 2, 0), ("taps", 2, 1), ("paper", 1, 0),
        ("paper", 2, 0), ("merged", 1, 0), ("merged", 2, 0), ("cell", 1, 0), ("mac", 1, 0),
    ]  # fmt: skip
    assert result["skipped"] == []
    for point in points:
        assert point.keys() >= KEYS
        assert sum(point["split"].values()) == pytest.approx(point["transistors_per_weight"])
        hardwired = point["arch"] not in ("cell", "mac")
        assert point["verified"] is (True if hardwired else None)
        assert (point["energy_fj_per_weight"] is not None) == hardwired
    assert any(point["pareto"] for point in points)
    second = [point for point in points if point["pyrtl"]]
    assert [point["arch"] for point in second] == ["taps", "paper", "merged"]
    assert all(p["pyrtl"]["mismatches"] == 0 < p["pyrtl"]["critical_path_ps"] for p in second)


def test_figures_are_those_of_the_base(result):
    plan = TapsPlan(4, 40, 4, 2, cuts=1)
    (point,) = (
        p for p in result["points"] if (p["arch"], p["phases"], p["cuts"]) == ("taps", 2, 1)
    )
    silicon = count_base(plan)
    assert point["transistors_per_weight"] == silicon.transistors_per_weight
    assert point["cycles"] == plan.interval_cycles == 16
    assert point["latency_cycles"] == plan.latency_cycles == 17
    assert point["wires_per_input"] == 7
    assert (point["tracks_per_row"], point["tracks_available"]) == (
        plan.tracks, plan.tracks_available,
    )  # fmt: skip


def test_pareto_by_hand():
    def point(cycles, area, **more):
        return {"shape": "1x1", "cycles": cycles, "transistors_per_weight": area, "wirable": True,
                "verified": True, **more}  # fmt: skip

    points = [point(10, 10), point(20, 5), point(20, 6), point(5, 1, wirable=False),
              point(5, 1, verified=False), point(4, 50, verified=None),
              point(30, 30, shape="2x2")]  # fmt: skip
    mark_pareto(points)
    assert [p["pareto"] for p in points] == [True, True, False, False, False, True, True]


def test_a_checkpoint_is_explored_by_shape(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "c", GPT_OSS, gpt_oss_tensors(GPT_OSS))
    options = ExploreOptions(archs=("taps",), phases=(2, 50), verify=False)
    result = explore(checkpoint, options=options)
    shapes = {(p["shape"]) for p in result["points"]}
    assert shapes == {"40x12", "40x16", "40x8", "16x40", "40x3", "40x64", "32x40"}
    assert all(point["verified"] is None for point in result["points"])
    assert {p["exponent_values"] for p in result["points"]} <= {1, 2, 4}
    # Blocks of 32: a row of 32 or fewer inputs has one block, and no second phase for it.
    assert all("too short" in p["reason"] for p in result["skipped"])


def test_files_and_chart(tmp_path, result):
    write_exploration(result, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"explore.json", "explore.png", "explore.svg"}
    assert json.loads((tmp_path / "out" / "explore.json").read_text())["points"]
    assert (tmp_path / "out" / "explore.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(HnlpuError, match="--force"):
        write_exploration(result, tmp_path / "out")


def test_command_line(capsys):
    arguments = ["explore", "--shape", "8x2", "--arch", "taps", "--phases", "2", "-q"]
    assert main([*arguments, "--json"]) == 0
    (point,) = json.loads(capsys.readouterr().out)["points"]
    assert point["arch"] == "taps" and point["verified"]
    assert main(arguments) == 0
    assert "T/weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "name one thing to explore"),
        (["nowhere", "--shape", "8x2"], "name one thing to explore"),
        (["--shape", "8x0"], "shape is out of range"),
        (["--shape", "8x2", "--arch", "magic"], "unknown architecture"),
        (["--shape", "8x2", "--format", "fp5"], "fp5"),
        (["--shape", "8x2", "--liberty", "none.lib", "--phases", "1", "--arch", "taps"], None),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    code = main(["explore", "-q", *arguments])
    printed = capsys.readouterr()
    if message is None:  # a point that cannot be measured is told with its reason
        assert "cannot read the Liberty file" in printed.out
        return
    assert code == 2
    assert message in printed.err and printed.err.count("\n") == 1
    assert set(ARCHS) >= {"taps"}
