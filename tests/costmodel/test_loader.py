import re
from importlib.resources import files
from pathlib import Path

import pytest

from hnlpu.costmodel.consistent import UNITS
from hnlpu.costmodel.inputs import read_inputs
from hnlpu.costmodel.loader import DataFile
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


def read(path: Path) -> None:
    file = DataFile(path.name, path)
    read_inputs(file, {key: UNITS[key] for key in DataFile(path.name).names()})


@pytest.mark.parametrize(
    ("pattern", "new", "where"),
    [
        (r"^source = .*\n", "", "vex_depth.source"),
        (r"^source = .*", 'source = " "', "vex_depth.source"),
        (r"^low = .*\n", "", "vex_depth.low"),
        (r"^low = .*", "low = -1.0", "vex_depth.low"),
        (r"^confidence = .*\n", "", "vex_depth.confidence"),
        (r"^confidence = .*", 'confidence = "sure"', "vex_depth.confidence"),
        (r"^unit = .*", 'unit = "parsec"', "vex_depth.unit"),
        (r"^unit = .*", 'unit = "mm2"', "vex_depth.unit"),
        (r"^value = .*", 'value = "deep"', "vex_depth.value"),
        (r"^value = .*", "value = 999.0", "vex_depth"),
        (r"^value = .*", "value = 30.0\nvlaue = 30.0", "vex_depth.vlaue"),
    ],
)
def test_a_bad_entry_is_refused_by_file_and_key(
    tmp_path: Path, pattern: str, new: str, where: str
) -> None:
    path = edited(tmp_path, "technology.toml", "vex_depth", pattern, new)
    with pytest.raises(HnlpuError) as caught:
        read(path)
    assert caught.value.where == f"{path}: {where}"


def test_a_multiple_of_the_unit_is_read_and_kept(tmp_path: Path) -> None:
    path = edited(tmp_path, "technology.toml", "reticle", r"^unit = .*", 'unit = "cm2/chip"')
    inputs = read_inputs(
        DataFile(path.name, path), {key: UNITS[key] for key in DataFile(path.name).names()}
    )
    assert inputs["reticle"].unit == "cm2/chip"
    assert inputs["reticle"].in_coherent_units()[1] == pytest.approx(85800.0)


def test_an_unknown_entry_is_named(tmp_path: Path) -> None:
    path = tmp_path / "technology.toml"
    path.write_text(packaged("technology.toml").replace("[reticle]", "[retikle]"), encoding="utf-8")
    with pytest.raises(HnlpuError, match="retikle: unknown key"):
        read(path)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HnlpuError, match="cannot read"):
        DataFile("technology.toml", tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[")
    with pytest.raises(HnlpuError, match="not valid TOML"):
        DataFile("technology.toml", tmp_path / "bad.toml")
