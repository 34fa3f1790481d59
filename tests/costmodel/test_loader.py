import re
from importlib.resources import files
from pathlib import Path

import pytest

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.masks import load_masks
from hnlpu.costmodel.presets import load_models, preset
from hnlpu.costmodel.technology import BLOCKS, load_technology
from hnlpu.errors import HnlpuError


def packaged(name: str) -> str:
    return (files("hnlpu.costmodel") / "data" / name).read_text(encoding="utf-8")


def edited(tmp_path: Path, name: str, key: str, pattern: str, new: str) -> Path:
    """A copy of a packaged file with one line of one table changed."""
    head, _, rest = packaged(name).partition(f"[{key}]\n")
    table, bracket, tail = rest.partition("\n[")
    changed, n = re.subn(pattern, new, table, count=1, flags=re.MULTILINE)
    assert n == 1
    path = tmp_path / name
    path.write_text(f"{head}[{key}]\n{changed}{bracket}{tail}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("pattern", "new", "where"),
    [
        (r"^source = .*\n", "", "clock.source"),
        (r"^source = .*", 'source = " "', "clock.source"),
        (r"^low = .*\n", "", "clock.low"),
        (r"^confidence = .*\n", "", "clock.confidence"),
        (r"^confidence = .*", 'confidence = "sure"', "clock.confidence"),
        (r"^unit = .*", 'unit = "parsec"', "clock.unit"),
        (r"^unit = .*", 'unit = "mm2"', "clock.unit"),
        (r"^value = .*", 'value = "fast"', "clock.value"),
        (r"^value = .*", "value = 99.0", "clock"),
        (r"^value = .*", "value = 1.0\nvlaue = 1.0", "clock.vlaue"),
    ],
)
def test_a_bad_entry_is_refused_by_file_and_key(
    tmp_path: Path, pattern: str, new: str, where: str
) -> None:
    path = edited(tmp_path, "technology.toml", "clock", pattern, new)
    with pytest.raises(HnlpuError) as caught:
        load_technology(path)
    assert caught.value.where == f"{path}: {where}"


def test_a_missing_and_an_unknown_entry_are_named(tmp_path: Path) -> None:
    path = tmp_path / "technology.toml"
    path.write_text(packaged("technology.toml").replace("[clock]", "[klock]"), encoding="utf-8")
    with pytest.raises(HnlpuError, match="klock: unknown key"):
        load_technology(path)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HnlpuError, match="cannot read"):
        DataFile("technology.toml", tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[")
    with pytest.raises(HnlpuError, match="not valid TOML"):
        DataFile("technology.toml", tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('["VIA8", "VIA9"]', '["VIA8", "VIA99"]', "architectures.taps.weight_masks"),
        ("count = 10", "count = 9", "layers[2]"),
        ('kind = "euv"', 'kind = "xuv"', "layers[0].kind"),
    ],
)
def test_bad_mask_stacks_are_refused(tmp_path: Path, old: str, new: str, where: str) -> None:
    path = tmp_path / "masks.toml"
    path.write_text(packaged("masks.toml").replace(old, new), encoding="utf-8")
    with pytest.raises(HnlpuError) as caught:
        load_masks(path)
    assert caught.value.where == f"{path}: {where}"


def test_bad_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(packaged("models.toml").replace("hidden = 2880", "hidden = 0"))
    with pytest.raises(HnlpuError, match="gpt-oss-20b.hidden"):
        load_models(path)
    with pytest.raises(HnlpuError, match="known are gpt-oss-20b, gpt-oss-120b"):
        preset("gpt-5")


def test_presets_have_the_published_size() -> None:
    """Model card: 116.83 B and 20.91 B parameters, 5.13 B and 3.61 B of them active."""
    large, small = preset("gpt-oss-120b"), preset("gpt-oss-20b")
    embedding = large.vocab * large.hidden
    assert large.n_hardwired_weights + embedding == pytest.approx(116.83e9, rel=1e-3)
    assert small.n_hardwired_weights + embedding == pytest.approx(20.91e9, rel=1e-3)
    assert large.n_active_weights == pytest.approx(5.13e9, rel=2e-3)
    assert small.n_active_weights == pytest.approx(3.61e9, rel=2e-3)


def test_table_1_sums_to_the_published_chip() -> None:
    technology = load_technology()
    assert sum(technology.block(name).area.value for name in BLOCKS) == pytest.approx(827.08)
    assert sum(technology.block(name).power.value for name in BLOCKS) == pytest.approx(308.39)
