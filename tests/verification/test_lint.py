"""Every emitted matrix on its base passes Verilator's lint without a word."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import remembered_bases

from hnlpu.errors import MissingToolError
from hnlpu.generator import GenerateOptions, generate
from hnlpu.selection import BaseOptions
from hnlpu.tools import find_verilator


@pytest.fixture(autouse=True, scope="module")
def _remembered() -> Iterator[None]:
    with remembered_bases():
        yield


@pytest.fixture(scope="module")
def verilator() -> Path:
    try:
        return find_verilator()[0]
    except MissingToolError as error:
        pytest.skip(str(error))


def lint(verilator: Path, metal: Path) -> str:
    """What Verilator says of a metal file as top, with its base."""
    base = metal.parents[1] / "base"
    arguments = [verilator, "--lint-only", "-Wall", "-y", base, "--top-module", metal.stem, metal]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return done.stderr + ("" if done.returncode == 0 else "failed")


def one_per_base(manifest: dict) -> list[str]:
    return list({entry["base"]: entry["metal"] for entry in manifest["matrices"]}.values())


def test_gpt_oss(tmp_path, gpt_oss, verilator):
    manifest = generate(gpt_oss, tmp_path / "b")
    for metal in one_per_base(manifest):
        assert lint(verilator, tmp_path / "b" / metal) == "", metal


def test_llama(tmp_path, llama, verilator):
    manifest = generate(llama, tmp_path / "b", GenerateOptions(quantize="mxfp4"))
    for metal in one_per_base(manifest):
        assert lint(verilator, tmp_path / "b" / metal) == "", metal
    # A wire that is not declared must not pass.
    path = tmp_path / "b" / manifest["matrices"][0]["metal"]
    path.write_text(path.read_text().replace("lines_0[", "lines_x[", 1))
    assert "lines_x" in lint(verilator, path)


def test_register_cuts_and_the_other_adder(tmp_path, llama, verilator):
    options = GenerateOptions("mxfp4", BaseOptions(cuts=2, adder=28, phases=2))
    manifest = generate(llama, tmp_path / "b", options)
    for metal in one_per_base(manifest):
        assert lint(verilator, tmp_path / "b" / metal) == "", metal
