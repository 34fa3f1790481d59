"""The wheel holds what the checkout holds."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ("hnlpu", "rtl", "sim", "layout", "costmodel", "verification", "reports")


def _tool() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_code_folder_is_listed():
    tool = _tool()
    directories = tool["package-dir"]
    listed = {directories.get(name, name.replace(".", "/")) for name in tool["packages"]}
    found = {
        str(f.parent.relative_to(ROOT)) for top in CODE for f in (ROOT / top).rglob("__init__.py")
    }
    assert found == listed


def test_every_data_file_is_listed():
    tool = _tool()
    listed = {
        path
        for package, patterns in tool["package-data"].items()
        for pattern in patterns
        for path in (ROOT / tool["package-dir"][package]).glob(pattern)
    }
    found = {
        path
        for top in CODE
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert found == listed


def test_demo_checkpoint_is_small():
    files = list((ROOT / "hnlpu" / "data" / "demo").iterdir())
    assert sum(path.stat().st_size for path in files) < 500_000


def test_every_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    lines = text.split("dependencies = [", 1)[1].split("[project.scripts]")[0].splitlines()
    entries = [line for line in lines if line.strip().startswith('"')]
    assert entries and all("#" in line for line in entries)
