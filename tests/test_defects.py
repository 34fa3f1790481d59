"""Chips with defects: laws of yield, answers, spare rows, the verb, and bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint

from hnlpu.answers import Questions, problem_references, reference_questions
from hnlpu.cli import main
from hnlpu.defects import DefectOptions, _repair, damage_chips, load_model
from hnlpu.errors import HnlpuError
from hnlpu.generator import generate
from hnlpu.layout.damage import DamagedPins
from hnlpu.layout.rules import load_rules
from hnlpu.merged import MergedPlan
from hnlpu.references import Reference
from hnlpu.tokenizer import load_tokenizer

KEYS = ("no_effect", "as_intact", "accuracy")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle and its checkpoint."""
    folder = tmp_path_factory.mktemp("defects")
    checkpoint = write_checkpoint(folder / "c", GPT_OSS, gpt_oss_tensors(GPT_OSS))
    with remembered_bases():
        generate(checkpoint, folder / "b")
    return folder / "b", checkpoint


@pytest.fixture(scope="module")
def result(made):
    options = DefectOptions(densities=(0.0, 5e5, 4e6), trials=40, spare_rows=2, seed=3)
    return damage_chips(*made, options)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that no critical area is asked of."""
    entry = {"mechanism": "missing M8", "share": 1.0, "mean_um2": 40.0, "effective_um2": 40.0}
    monkeypatch.setattr("hnlpu.defects._critical", lambda *_: [entry])


def test_no_defects_no_change(result):
    row = result["rows"][0]
    assert row["per_cm2"] == row["faults"] == row["rows_wrong"] == row["weights_wrong"] == 0
    assert row["no_fault"] == row["poisson"] == row["murphy"] == 1
    assert all(row[key] == row[f"repaired_{key}"] == 1 for key in KEYS)
    assert result["questions"]["kind"] == "tokens" and result["intact_accuracy"] == 1


def test_chips_without_faults_are_as_many_as_the_law_says(result):
    """The second road: the critical area, which no chip was drawn for."""
    for row in result["rows"][1:]:
        assert abs(row["no_fault"] - row["poisson"]) <= 3.5 * row["no_fault_error"]
        error = np.sqrt(row["expected_faults"] / row["chips"])
        assert abs(row["faults"] - row["expected_faults"]) <= 3.5 * error
        assert row["poisson"] < row["murphy"]
    total = sum(entry["mean_um2"] * entry["share"] for entry in result["critical"])
    assert total == pytest.approx(result["critical_um2"])
    wrong = 1.6 * result["critical_um2"]  # a critical area so wrong would be seen
    expected = wrong * 1e-8 * 4e6
    assert abs(result["rows"][2]["faults"] - expected) > 3.5 * np.sqrt(expected / 40)


def test_shares_are_in_order(result):
    """A chip without a fault has no wrong pin; one without a wrong pin answers as the intact one."""
    for row in result["rows"]:
        assert row["no_fault"] <= row["no_effect"] <= row["as_intact"] <= 1
        assert row["no_effect"] <= row["repaired_no_effect"] <= row["repaired_as_intact"]
        assert row["repaired_rows_wrong"] <= row["rows_wrong"]
    worst = result["rows"][2]
    assert worst["no_effect"] < worst["repaired_no_effect"]
    assert worst["as_intact"] < 1 and worst["accuracy"] < 1 and worst["weights_wrong"] > 0


def test_same_seed_same_result(made, quick):
    options = DefectOptions(densities=(3e6,), trials=3, seed=5)
    first, again = (damage_chips(*made, options) for _ in range(2))
    assert first == again
    other = damage_chips(*made, DefectOptions(densities=(3e6,), trials=3, seed=6))
    assert other["rows"] != first["rows"]


def test_worst_is_no_better_than_either(made, quick):
    rows = {
        how: damage_chips(*made, DefectOptions(densities=(6e6,), trials=4, behaviour=how))["rows"][
            0
        ]
        for how in ("low", "high", "worst")
    }
    for key in ("no_effect", "as_intact", "accuracy"):
        assert rows["worst"][key] <= min(rows["low"][key], rows["high"][key])


# Spare rows.


class _Rows:
    """As much of an array as repair needs."""

    n_rows = 3


def read(broken):
    pins = np.arange(20).reshape(5, 4)
    return DamagedPins(pins, pins + 100, [], np.array(broken), False)


@pytest.mark.parametrize(
    "broken, replaced",
    [
        ([False] * 5, []),
        ([True, False, True, False, False], [0, 2]),
        ([True, False, True, True, False], [0]),  # one spare row is broken itself
        ([True, True, True, False, False], [0, 1]),  # too few
        ([False, True, False, True, True], []),
    ],
)
def test_spare_rows_replace_rows_with_breaks_of_their_own(broken, replaced):
    pins = _repair(_Rows, read(broken))
    changed = np.flatnonzero((pins != np.arange(20).reshape(5, 4)[:3]).any(axis=1))
    assert changed.tolist() == replaced and (pins[changed] >= 100).all()


# Answers.


class Fixed:
    """Says the token that a rule makes of the last."""

    def __init__(self, rule):
        self.rule = rule

    def forward(self, ids):
        return np.eye(10)[self.rule(np.asarray(ids))]


def test_answers_are_right_or_as_the_intact_chip():
    ids = np.array([[1, 2, 3, 4], [5, 6, 7, 9]])
    scored = np.array([[False, True, True, False]] * 2)
    references = (Reference("r", ids, scored),)
    good = lambda n: Fixed(lambda ids: (ids + 1) % 10)
    bad = lambda n: Fixed(lambda ids: ids)
    answers = Questions("answers", references).asked(good)
    assert answers.n == 2 and answers.score(good).share == 0.5 and answers.score(good).as_intact
    assert answers.score(bad).share == 0 and not answers.score(bad).as_intact
    tokens = Questions("tokens", references).asked(good)
    assert tokens.n == 4 and tokens.score(good).share == 1 and tokens.score(bad).share == 0


def test_problems_and_references(shared_checkpoint, tmp_path):
    folder = shared_checkpoint("adder_mini")
    from hnlpu.checkpoint import open_checkpoint

    shape = open_checkpoint(folder).shape
    assert reference_questions(folder / "reference.npz", shape).kind == "answers"
    (tmp_path / "p").write_text("1+2=3\n40+70=110\n22+33=55\n")
    questions = problem_references(tmp_path / "p", load_tokenizer(folder), shape)
    assert questions.kind == "answers" and questions.n == 3
    tokenizer = load_tokenizer(folder)
    for reference in questions.references:
        following = np.roll(reference.ids, -1, axis=1)
        for sequence, scored in zip(following, reference.scored, strict=True):
            text = tokenizer.decode(sequence[scored].tolist())
            assert text in ("3\n", "110\n", "55\n")
    with pytest.raises(HnlpuError, match="cannot read the problems"):
        problem_references(tmp_path / "q", load_tokenizer(folder), shape)
    (tmp_path / "p").write_text("no problem\n")
    with pytest.raises(HnlpuError, match="not a list of problems"):
        problem_references(tmp_path / "p", load_tokenizer(folder), shape)


# The verb and bad input.


def test_the_verb_prints_draws_and_gives_json(made, quick, tmp_path, capsys):
    bundle, checkpoint = map(str, made)
    common = ["defects", bundle, checkpoint, "--density", "2e6", "--trials", "3", "-q"]
    assert main([*common, "--spare-rows", "1", "--png", str(tmp_path / "y.png")]) == 0
    text = capsys.readouterr().out
    assert "repaired: no effect" in text and "missing M8" in text and "3 chips of each" in text
    assert (tmp_path / "y.png").read_bytes().startswith(b"\x89PNG")
    assert main([*common, "--json", "--png", str(tmp_path / "y.svg")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][0]["chips"] == 3 and "<svg" in (tmp_path / "y.svg").read_text()
    assert main([*common, "--png", str(tmp_path / "none" / "y.png")]) == 2
    assert "cannot write the picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given, message",
    [
        (["--density=-1"], "no density of defects"),
        (["--density", "nan"], "no density of defects"),
        (["--spare-rows", "-1"], "number is out of range"),
        (["--trials", "0"], "number is out of range"),
        (["--seed", "-1"], "number is out of range"),
        (["--behaviour", "odd"], "no such behaviour"),
        (["--rules", "n4"], "unknown rule set"),
        (["--layers", "M9"], "no such choice of layers"),
        (["--text", "nothing.txt"], "no tokenizer"),
    ],
)
def test_bad_options_are_one_line(made, given, message, capsys):
    assert main(["defects", *map(str, made), "--trials", "1", "-q", *given]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_other_bundles_are_refused(made, tmp_path):
    bundle, checkpoint = made
    with pytest.raises(HnlpuError, match="not a bundle"):
        damage_chips(tmp_path, checkpoint)
    folder = shutil.copytree(bundle, tmp_path / "b")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["matrices"][0]["rows"] = [0, 4]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(HnlpuError, match="a matrix lies on several chips"):
        damage_chips(folder, checkpoint)
    other = write_checkpoint(
        tmp_path / "c", GPT_OSS | {"vocab_size": 14}, gpt_oss_tensors(GPT_OSS | {"vocab_size": 14})
    )
    with pytest.raises(HnlpuError, match="the checkpoint is of another model"):
        damage_chips(bundle, other)


def test_an_architecture_without_drawn_metal_is_refused(made, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "b")
    manifest = json.loads((folder / "manifest.json").read_text())
    for base in manifest["bases"]:
        base["parameters"] = MergedPlan(4, 40).as_dict()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        HnlpuError, match=r"an architecture whose damage is not followed .got merged"
    ):
        damage_chips(folder, made[1])


def test_numbers_come_from_the_file(tmp_path):
    model = load_model(load_rules("n5"))
    assert model.law.peak_nm == 20 and model.law.most_nm == 1000
    assert sum(model.shares.values()) == pytest.approx(1)
    assert load_model(load_rules("sky130")).law.peak_nm == 70
    text = Path(__file__).resolve().parents[1] / "costmodel" / "data" / "defects.toml"
    path = tmp_path / "d.toml"
    path.write_text(text.read_text().replace("[shares.extra_M8]", "[shares.extra_M6]"))
    with pytest.raises(HnlpuError, match="unknown key"):
        load_model(load_rules("n5"), path)
    path.write_text(
        text.read_text().replace("value = 1.0", "value = 0.0").replace("low = 0.5", "low = 0.0")
    )
    with pytest.raises(HnlpuError, match="no defects at all"):
        load_model(load_rules("n5"), path)
