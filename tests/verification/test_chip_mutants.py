"""Mutants of a chip: each can be made, a bad one is refused, and the check catches them all."""

import json
from dataclasses import replace

import numpy as np
import pytest
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint

from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_loading import chip_from_checkpoint
from hnlpu.cli import main
from hnlpu.errors import HnlpuError
from hnlpu.generator import GenerateOptions, generate
from hnlpu.numerics import Numerics
from hnlpu.verification.chip_mutant_process import twin_logits
from hnlpu.verification.chip_mutants import (
    FEATURES,
    Mutant,
    Reference,
    Verdict,
    copy_package,
    edit,
    judge_twin,
    load_mutants,
    mutate_image,
    source_file,
    summary,
)
from hnlpu.verification.chip_stimulus import stimuli, stressed

MUTANTS = load_mutants()
SWIGLU = next(m for m in MUTANTS if m.file == "sim/swiglu.py" and m.fault == "up without the one")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    copy_package(folder)
    return folder


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    """Of a random gpt-oss checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint") / "gpt-oss"
    source = write_checkpoint(folder, GPT_OSS, gpt_oss_tensors(GPT_OSS))
    return chip_from_checkpoint(open_checkpoint(source), Numerics(), "mxfp4")


def test_there_are_enough_of_each_kind():
    kinds = [mutant.kind for mutant in MUTANTS]
    assert kinds.count("rtl") >= 34 and kinds.count("twin") >= 20 and kinds.count("boot") >= 12
    assert len({(mutant.file, mutant.fault, mutant.kind) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize(
    "mutant",
    [mutant for mutant in MUTANTS if mutant.kind != "boot"],
    ids=lambda mutant: f"{mutant.file}-{mutant.fault}".replace(" ", "-"),
)
def test_every_fault_has_its_place(package, mutant):
    text = source_file(package, mutant.file).read_text()
    assert text.count(mutant.old) == 1
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


@pytest.mark.parametrize("old, found", [("nowhere in this file", 0), ("numerics", None)])
def test_an_edit_without_one_place_is_refused(package, old, found):
    path = source_file(package, SWIGLU.file)
    before = path.read_text()
    with pytest.raises(HnlpuError, match="exactly once") as error:
        edit(path, replace(SWIGLU, old=old))
    assert error.value.got.startswith(f"{before.count(old) if found is None else found} ")
    assert path.read_text() == before


def test_a_file_that_is_not_there_is_refused(package):
    with pytest.raises(HnlpuError, match="exactly once"):
        edit(package / "no" / "such.py", SWIGLU)


@pytest.mark.parametrize("change", [{"kind": "metal"}, {"needs": ("luck",)}, {"new": SWIGLU.old}])
def test_not_a_mutant(change):
    with pytest.raises(HnlpuError, match="not a mutant"):
        replace(SWIGLU, **change)


def test_a_list_of_mutants_is_checked(tmp_path):
    path = tmp_path / "mutants.toml"
    for text in ("[[mutants]]\nkind = 'rtl'\n", "mutants = 3\n", "nonsense"):
        path.write_text(text)
        with pytest.raises(HnlpuError, match="not a list of mutants"):
            load_mutants(path)


IMAGE = "".join(f"{a:08x}{100 + a:08x}\n" for a in (0, 1, 2, 3, 8, 9))
WINDOWS = [
    {"block": "a", "base": 0, "address_bits": 2},
    {"block": "b", "base": 8, "address_bits": 1},
]


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("a[1]", "7", [100, 7, 102, 103, 108, 109]),
        ("a[:]", "0", [0, 0, 0, 0, 108, 109]),
        ("b[-1]", "+1", [100, 101, 102, 103, 108, 110]),
        ("b[-1]", "-110", [100, 101, 102, 103, 108, 0xFFFFFFFF]),
        ("b[0]", "=-2", [100, 101, 102, 103, 0xFFFFFFFE, 109]),
        ("a[0:2]", "a[2:4]", [102, 103, 102, 103, 108, 109]),
    ],
)
def test_words_of_the_image(old, new, words):
    image = mutate_image(IMAGE, WINDOWS, Mutant("boot", "image", "fault", old, new))
    assert image is not None
    assert [int(line[8:], 16) for line in image.splitlines()] == words
    assert [line[:8] for line in image.splitlines()] == [x[:8] for x in IMAGE.splitlines()]


@pytest.mark.parametrize("old, new", [("c[0]", "7"), ("a[0]", "100"), ("a[0]", "a[0:1]")])
def test_nothing_to_change(old, new):
    assert mutate_image(IMAGE, WINDOWS, Mutant("boot", "image", "fault", old, new)) is None


@pytest.mark.parametrize("old, new", [("a", "7"), ("a[0]", "much")])
def test_words_of_another_form_are_refused(old, new):
    with pytest.raises(HnlpuError, match="cannot make this mutant"):
        mutate_image(IMAGE, WINDOWS, Mutant("boot", "image", "fault", old, new))


def test_stressed_constants_reach_what_trained_ones_do_not(chip):
    hot = stressed(chip)
    assert hot.embedding[1].max() == (1 << (chip.numerics.residual_bits - 1)) - 1
    assert (np.abs(hot.embedding[2]) == 1).all()
    first, second = stimuli(chip, 12)
    assert len(first.image) == len(second.image) and first.image != second.image
    assert all(len(s["tokens"]) < 12 for s in first.steps if s["kind"] == "prompt")


def test_faults_of_the_twin_are_seen(tmp_path, chip, package):
    """Against the logits of the twin itself, which stand for those of the chip."""
    runs = stimuli(chip, 12)
    sequences = [[step["tokens"] for step in run.steps if step["kind"] == "prompt"] for run in runs]
    logits = [np.concatenate(run) for run in twin_logits(chip, 12, sequences)]
    reference = Reference(tmp_path, 12, runs, sequences, logits, {}, b"")
    verdict = judge_twin(SWIGLU, reference, package)
    assert (verdict.caught, verdict.by, verdict.stimulus) == (True, "logits", "trained")
    assert verdict.detail.startswith("head_logits, sequence 0, position ")
    harmless = replace(SWIGLU, fault="nothing", new=SWIGLU.old + " ")
    assert judge_twin(harmless, reference, package).caught is False
    broken = replace(SWIGLU, fault="a crash", new=SWIGLU.old + " + missing")
    verdict = judge_twin(broken, reference, package)
    assert (verdict.caught, verdict.by) == (True, "simulation")
    assert "missing" in verdict.detail


def test_features_of_a_chip(chip):
    assert FEATURES["experts"](chip) and FEATURES["sinks"](chip) and FEATURES["limit"](chip)


def test_summary():
    found = summary(
        [Verdict("rtl", "a", "x", True), Verdict("rtl", "b", "y"), Verdict("twin", "c", "z", None)]
    )
    assert (found["mutants"], found["mutants_killed"]) == (2, 1)
    assert found["surviving_mutants"] == ["b: y"] and len(found["mutant_rows"]) == 3


@pytest.mark.slow
def test_every_mutant_is_caught(tmp_path, shared_checkpoint, capsys):
    bundle = tmp_path / "bundle"
    options = GenerateOptions(context=64)
    generate(shared_checkpoint("adder_mini"), bundle, options)
    code = main(["verify", str(bundle), "--level", "chip", "--mutants", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["surviving_mutants"] == [] and code == 0
    assert result["mutants"] == result["mutants_killed"] == len(MUTANTS)
    assert json.loads((bundle / "verify-chip.json").read_text())["mutants"] == len(MUTANTS)
