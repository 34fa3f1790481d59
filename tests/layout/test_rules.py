"""Rule sets are complete, sourced and without contradiction; bad ones are refused with file and key."""

from importlib.resources import files
from pathlib import Path

import pytest

from hnlpu.errors import HnlpuError
from hnlpu.layout.rules import METALS, VIAS, load_rules, rule_sets
from hnlpu.wiring import silicon_um2

TEXT = (files("hnlpu.layout") / "data" / "rules.toml").read_text(encoding="utf-8")


def test_the_sets_of_the_package():
    assert rule_sets() == ("n5", "sky130")
    for name in rule_sets():
        rules = load_rules(name)
        assert tuple(rules.metals) == METALS and tuple(rules.vias) == VIAS
        assert all(rule.source for rule in (*rules.metals.values(), *rules.vias.values()))


def test_ten_masks_carry_metal_as_the_paper_counts():
    assert load_rules("n5").masks == (
        "VIA7", "M8", "M8C", "VIA8", "M9", "M9C", "VIA9", "M10", "VIA10", "M11",
    )  # fmt: skip


def test_vias_on_tracks_of_80_nm_take_two_exposures():
    rules = load_rules("n5")
    assert {mask for mask in rules.masks if rules.exposures(mask) == 2} == {"VIA7", "VIA8", "VIA9"}
    coarse = load_rules("sky130")
    assert {coarse.exposures(mask) for mask in coarse.masks} == {1}


def test_silicon_is_that_of_the_process_table():
    assert 1 / silicon_um2(1) == pytest.approx(load_rules("n5").silicon.mtransistor_per_mm2)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("pitch_nm = 80", "pitch_nm = 79", r"M7\.pitch_nm: rules contradict: tracks are too near"),
        ("pitch_nm = 80", "pitch_nm = -80", r"M7\.pitch_nm: negative rule"),
        ("pitch_nm = 80", 'pitch_nm = "80"', r"M7\.pitch_nm: rule of the wrong kind"),
        ("pitch_nm = 80\n", "", r"M7\.pitch_nm: rule is missing"),
        ("pitch_nm = 80", "pich_nm = 80\npitch_nm = 80", r"M7\.pich_nm: unknown rule"),
        ('direction = "horizontal"', 'direction = "vertical"', r"M7\.direction: direction is not"),
        ("size_nm = 40", "size_nm = 41", r"VIA7\.size_nm: via has no centre on the grid"),
        ("size_nm = 40", "size_nm = 42", r"VIA7\.size_nm: rules contradict: the via is too wide"),
        ("size_nm = 40\nspace_nm = 40", "size_nm = 40\nspace_nm = 50", r"VIA7\.space_nm: rules contradict"),
        ("end_space_nm = 60", "end_space_nm = 50", r"M10\.end_space_nm: rules contradict"),
        ("exposures = 1", "exposures = 9", r"M7\.exposures: no such patterning"),
        ('confidence = "assumed"', 'confidence = "sure"', r"M7\.confidence: unknown confidence"),
        ('source = "as M7"', 'source = " "', r"M8\.source: empty text"),
        ("repeater_distance_um = 50", "repeater_distance_um = 0", "silicon of no size"),
        ("[n5.VIA9]", "[n5.VIA99]", r"n5\.VIA99: unknown key"),
        ("[n5.M8]", "[n5.M8", "cannot read the rules"),
    ],
)  # fmt: skip
def test_bad_rules_are_refused(tmp_path: Path, old: str, new: str, what: str):
    assert old in TEXT
    path = tmp_path / "own.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(HnlpuError, match=what) as error:
        load_rules("n5", path)
    assert str(path) in error.value.where


def test_unknown_sets_and_files(tmp_path: Path):
    with pytest.raises(HnlpuError, match=r"unknown rule set.*known are n5, sky130"):
        load_rules("n3")
    with pytest.raises(HnlpuError, match="cannot read the rules"):
        load_rules("n5", tmp_path / "none.toml")
