"""Modules written together or taken from the cache are what Amaranth writes for each alone."""

import re
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import ClockDomain

from hnlpu.numerics import Numerics
from hnlpu.rtl import emission
from hnlpu.rtl.accumulator import Accumulator
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.cells import FullAdder
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.rmsnorm import RmsNorm
from hnlpu.rtl.yosys_text import verilog_texts
from hnlpu.taps import TapsPlan

PLAN = TapsPlan(2, 9, 4, 2, 2, 4, magnitudes=tuple(range(1, 129)), cuts=1, adder=28)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNLPU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Library, "_emitted", {})


def alone(component: object) -> str:
    """As Amaranth writes it, without the cleaning of registers."""
    reset_less = "rst" not in component.clock_ports
    return verilog.convert(
        component, name=component.module_name, platform=Library(), emit_src=False,
        strip_internal_attrs=True, missing_domain=lambda name: ClockDomain(name, reset_less=reset_less),
    )  # fmt: skip


def statements(text: str) -> list[str]:
    """Lines without comments and the initial values that a library removes."""
    text = re.sub(r"^(/\*|//).*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^  \(\* init = .*\*\)\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(  reg (?!\\\$auto).*?) = [^;]+;", r"\1;", text, flags=re.MULTILINE)
    return text.split("\n")


def test_modules_written_together_are_those_written_alone():
    library = Library()
    library.prototype(RmsNorm, 6, 1, Numerics(), 3)
    library.prototype(Accumulator, 5, 12, 8)
    library.prototype(FullAdder)
    texts = dict(library.modules())
    assert len(texts) > 4
    for component in library._prototypes.values():
        own = component.text() or alone(component)
        assert statements(texts[component.module_name]) == statements(own)


def test_what_is_recalled_is_what_was_emitted(monkeypatch):
    first = [(name, "".join(text)) for name, text in base_modules(PLAN)]
    assert list((emission.cache_folder() / "modules").rglob("*.pickle"))
    monkeypatch.setattr(Library, "_emitted", {})
    monkeypatch.setattr("hnlpu.rtl.hierarchy.verilog_texts", lambda texts: [1 / 0] if texts else [])
    assert [(name, "".join(text)) for name, text in base_modules(PLAN)] == first


def test_other_sources_and_parameters_are_other_entries(monkeypatch):
    key = (Accumulator, (5, 12, 8))
    emission.remember(key, ("text", ()))
    assert emission.recall(key) == ("text", ())
    assert emission.recall((Accumulator, (5, 12, 9))) is None
    assert emission.recall((FullAdder, (5, 12, 8))) is None
    monkeypatch.setattr(emission, "_sources", lambda: "another digest")
    assert emission.recall(key) is None


def test_what_does_not_say_what_it_is_is_not_kept():
    for key in ((Accumulator, (object(),)), (Path, ("a",))):
        emission.remember(key, ("text", ()))
        assert emission.recall(key) is None


def test_a_damaged_cache_is_none(monkeypatch, tmp_path):
    key = (Accumulator, (5, 12, 8))
    emission.remember(key, ("text", ()))
    (path,) = (emission.cache_folder() / "modules").rglob("*.pickle")
    for damage in (b"", b"junk", path.read_bytes()[:-5]):
        path.write_bytes(damage)
        assert emission.recall(key) is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HNLPU_CACHE", str(tmp_path / "file"))
    emission.remember(key, ("text", ()))  # cannot be written: no error
    assert emission.recall(key) is None


def test_a_broken_module_is_an_error():
    assert verilog_texts([]) == []
    with pytest.raises(RuntimeError, match="Yosys failed"):
        verilog_texts(["module \\a\n  nonsense\nend\n"])
