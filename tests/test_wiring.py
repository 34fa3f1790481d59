"""The strip: its height, its tracks, and numbers that have a source."""

import tomllib
from importlib.resources import files

import pytest

from hnlpu.wiring import (
    clock_tree_transistors,
    repeater_transistors,
    silicon_um2,
    strip_height_um,
    toggle_energy_fj,
    tracks_available,
    wires_um2,
)


def table(package: str, name: str):
    return tomllib.loads((files(package) / "data" / name).read_text(encoding="utf-8"))


def test_every_number_has_a_source_and_lies_in_its_range():
    for name, entry in table("hnlpu", "process.toml").items():
        assert set(entry) == {"value", "unit", "source", "confidence", "low", "high"}, name
        assert entry["low"] <= entry["value"] <= entry["high"], name
        assert entry["confidence"] in ("measured", "published", "derived", "assumed"), name
        assert len(entry["source"]) > 10, name


@pytest.mark.parametrize(
    ("ours", "file", "theirs", "scale"),
    [
        ("logic_density", "nodes.toml", "logic_density", 1),
        ("line_pitch_nm", "nodes.toml", "line_pitch", 1000),
        ("stub_pitch_nm", "nodes.toml", "stub_pitch", 1000),
        ("repeater_distance_um", "nodes.toml", "repeater_distance", 1),
        ("repeater_transistors", "technology.toml", "repeater_transistors", 1),
        ("clock_tree_per_flip_flop", "technology.toml", "clock_tree_per_flip_flop", 1),
        ("toggle_energy_fj", "technology.toml", "toggle_energy", 1),
    ],
)
def test_the_process_is_the_cost_models_5_nm(ours, file, theirs, scale):
    mine, data = table("hnlpu", "process.toml")[ours], table("hnlpu.costmodel", file)
    other = data.get("5nm", data)[theirs]
    for key in ("value", "low", "high"):
        assert mine[key] == pytest.approx(scale * other[key]), key


def test_tracks_by_hand():
    """240 nm hold 8 tracks at 30 nm and 3 at 80 nm on each of two layers; at 40 nm, 6."""
    assert tracks_available(0.240) == 8 + 3 + 3
    assert tracks_available(0.240, pessimistic=True) == 6 + 3 + 3
    assert tracks_available(0.400) == 13 + 5 + 5


def test_a_strip_is_as_high_as_stubs_or_silicon_ask():
    assert strip_height_um(14, 5, 36) == pytest.approx(0.400)
    width = 14 * 0.064
    assert strip_height_um(14, 1, 28) == pytest.approx(28 / 138.2 / width)
    assert silicon_um2(138.2) == pytest.approx(1.0)
    assert wires_um2(15, 3) == pytest.approx(0.960 * 0.240)


def test_estimates():
    assert clock_tree_transistors(1000) == pytest.approx(1200)
    assert repeater_transistors(10, 120.0) == 10 * 2 * 8
    assert repeater_transistors(10, 20.0) == 0
    low, mid, high = toggle_energy_fj()
    assert low < mid < high
