"""Evaluate: figures by hand, every source of sequences, text and problems, the sweep, and bad input."""

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint
from safetensors.numpy import save_file

import hnlpu
from hnlpu.accuracy import (
    compare_logits,
    compare_streams,
    planted_outlier,
    record_floating,
    record_twin,
    same_experts,
)
from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_loading import weights_from_checkpoint
from hnlpu.cli import main
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.evaluation import EvaluateOptions, evaluate
from hnlpu.numerics import Numerics
from hnlpu.references import own_samples, read_references
from hnlpu.scoring import (
    Problem,
    answer_problems,
    continue_greedily,
    cut_text,
    read_problems,
    score_windows,
)
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.floating import FloatingModel, FloatingWeights
from hnlpu.tokenizer import load_tokenizer

CHARACTERS = "\n0123456789="


class Fixed:
    """A model of 12 tokens whose likeliest next token is what ``rule`` makes of the last."""

    def __init__(self, rule):
        self.rule = rule

    def forward(self, ids):
        return np.log(8.0) * np.eye(12)[self.rule(np.asarray(ids))]


class Characters:
    """A tokenizer of twelve characters."""

    def encode(self, text):
        return [CHARACTERS.index(character) for character in text]

    def decode(self, ids):
        return "".join(CHARACTERS[token] for token in ids)


def _bundle(folder, checkpoint, numerics):
    """The files of a bundle that evaluate reads."""
    weights = weights_from_checkpoint(checkpoint, "fp4")
    wired, boot = {}, {name: a.astype(np.float32) for name, a in weights.constants.items()}
    for name, matrix in weights.matrices.items():
        wired[f"{name}.weights"] = matrix.values
        wired[f"{name}.row_exponents"] = matrix.row_exponents
        if matrix.row_scales is not None:
            boot[f"{name}.row_scales"] = matrix.row_scales
    folder.mkdir()
    save_file(wired, folder / "reference.safetensors")
    save_file(boot, folder / "boot.safetensors")
    manifest = {
        "model": asdict(weights.shape),
        "numerics": numerics.as_dict(),
        "matrices": [{"name": name} for name in weights.matrices],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_figures_by_hand():
    reference = np.array([[[1.0, 0.0], [0.0, 1.0], [5.0, 4.0]]])
    logits = np.array([[[1.0, 0.0], [1.0, 0.5], [5.0, 4.0]]])
    scored = np.array([[True, True, False]])
    figures = compare_logits(logits, reference, scored, np.array([[True, False, True]]))
    assert figures == {
        "n_positions": 2,
        "logit_rmse": pytest.approx(np.sqrt((1 + 0.25) / 4)),
        "largest_error": 1.0,
        "top1_agreement": 0.5,
        "router_agreement": 0.5,
        "logit_rmse_same_experts": 0.0,
    }
    assert compare_logits(logits, reference, scored)["router_agreement"] is None


def test_streams_of_experts_are_matched_by_token(gpt_oss):
    """A twin that differs in routing alone still has the other tokens' experts side by side."""
    checkpoint = open_checkpoint(gpt_oss)
    weights = weights_from_checkpoint(checkpoint)
    chip, floating = weights.chip(Numerics()), FloatingWeights.of_wired(weights)
    ids = np.random.default_rng(3).integers(0, 12, (4, 10))
    twin, wanted = record_twin(chip, ids), record_floating(floating, ids)
    agree = same_experts(twin, wanted)
    bias = "model.layers.0.mlp.router.bias"
    tilted = FloatingWeights(
        floating.shape,
        {**floating.constants, bias: floating.constants[bias] + [3.0, 0, 0]},
        floating.matrices,
    )
    other = record_floating(tilted, ids)
    assert same_experts(twin, other).mean() < agree.mean()
    rows = {r["stream"]: r for r in compare_streams(twin, other, np.ones_like(agree))}
    assert {"q", "o", "experts.gate_up", "experts.down", "logits"} <= rows.keys()
    assert rows["experts.gate_up"]["snr_db"] > 25 > rows["logits"]["snr_db"]
    same = {r["stream"]: r for r in compare_streams(twin, wanted, np.ones_like(agree))}
    assert all(same[name]["array"] == (name not in VECTORS) for name in same)


VECTORS = ("attention_norm", "attention", "attention_residual", "mlp_norm", "experts.swiglu",
           "mlp_residual", "norm")  # fmt: skip


def test_each_bit_is_six_decibels_beside_an_outlier(gpt_oss):
    weights = weights_from_checkpoint(open_checkpoint(gpt_oss))
    chip = weights.chip(Numerics())
    found = planted_outlier(chip, np.arange(12)[None], range(8, 13))
    assert found["sigmas"] == pytest.approx(90, abs=0.1)
    ratios = [row["snr_db"] for row in found["rows"]]
    assert np.diff(ratios).mean() == pytest.approx(6.0, abs=0.7)
    assert all(row["plain_snr_db"] > row["snr_db"] + 15 for row in found["rows"])


@pytest.mark.parametrize("arrays", ["mask", "lengths", "neither"])
def test_which_positions_are_scored(tmp_path, gpt_oss, arrays):
    shape = open_checkpoint(gpt_oss).shape
    given = {"ids": np.array([[1, 2, 3, 4], [5, 6, 7, 0]])}
    scored = np.ones((2, 4), dtype=bool)
    valid = scored
    if arrays == "mask":
        given["answer_mask"] = np.array([[0, 0, 0, 1], [0, 1, 0, 0]])
        scored = np.array([[0, 0, 1, 0], [1, 0, 0, 0]], dtype=bool)
        valid = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
    elif arrays == "lengths":
        given["lengths"] = np.array([4, 2])
        scored = valid = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=bool)
    given["ids_short"] = given["ids"][:, :2]
    np.savez(tmp_path / "r.npz", **given)
    first, second = read_references(tmp_path / "r.npz", shape)
    assert np.array_equal(first.scored, scored)
    assert np.array_equal(first.valid, valid)
    assert (first.name, second.name, second.scored.all()) == ("reference", "short", True)


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        (None, "cannot read the reference"),
        ({"logits": np.zeros(3)}, "no ids"),
        (
            {"ids": np.zeros(3)},
            r"ids: reference does not fit the model \(got \[0.0, 0.0, 0.0\]|ids",
        ),
        ({"ids": np.array([[12]])}, r"ids: reference does not fit.*\[12\].*0 to 11"),
        ({"ids": np.array([[1]]), "logits": np.zeros((1, 1, 5))}, "logits: reference does not fit"),
        ({"ids": np.array([[1]]), "answer_mask": np.zeros((1, 2))}, "answer_mask: reference"),
        ({"ids": np.array([[1]]), "lengths": np.zeros(2)}, "lengths: reference does not fit"),
    ],
)
def test_bad_reference(tmp_path, gpt_oss, arrays, what):
    if arrays is None:
        (tmp_path / "r.npz").write_text("no")
    else:
        np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(HnlpuError, match=what):
        read_references(tmp_path / "r.npz", open_checkpoint(gpt_oss).shape)


def test_windows_of_a_text():
    with_bos = cut_text([1, 5, 6, 7, 8], 1, 3)
    assert with_bos.ids.tolist() == [[1, 5, 6], [1, 0, 0]]
    assert with_bos.targets.tolist() == [[5, 6, 7], [8, -1, -1]]
    without = cut_text([5, 6, 7, 8, 9], None, 3)
    assert without.ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert without.targets.tolist() == [[6, 7, 8], [9, -1, -1]]
    with pytest.raises(HnlpuError, match="too short"):
        cut_text([1], 1, 3)


def test_bits_per_token_by_hand(monkeypatch):
    """Each token is followed by the next: the logit 3 ln 2 beside eleven zeros has chance 8 / 19."""
    model = Fixed(lambda ids: (ids + 1) % 12)
    windows = cut_text([0, 1, 2, 3, 9], None, 2)
    right, wrong = np.log2(19 / 8), np.log2(19)
    for most in (1 << 24, 1):
        monkeypatch.setattr("hnlpu.scoring._MOST_LOGITS", most)
        found = score_windows(lambda n: model, windows, 12, 1.0)
        bits = (3 * right + wrong) / 4
        assert found == {
            "bits_per_token": pytest.approx(bits),
            "perplexity": pytest.approx(2**bits),
            "top1": 0.75,
        }


def test_problems_of_a_text():
    assert read_problems("1+2=3\n\n4+5=9=9\n") == [Problem("1+2=", "3"), Problem("4+5=", "9=9")]
    for text in ("", "1+2=3\nno\n", "=3\n", "3=\n"):
        assert read_problems(text) == []


@pytest.mark.parametrize("eos", [(), (0,)])
def test_answers_are_exact_to_the_end(eos):
    """The model writes 1 2 and the end after "=": only "12" is right, "1" and "123" are not."""
    after = dict(zip("=1234567890\n", "12\n5555555555", strict=False))
    rule = np.array([CHARACTERS.index(after[c]) for c in CHARACTERS])
    problems = [
        Problem(p, a) for p, a in (("3=", "12"), ("44=", "12"), ("555=", "1"), ("6=", "123"))
    ]
    found = answer_problems(lambda n: Fixed(rule.__getitem__), Characters(), problems, eos)
    assert (found["problems"], found["exact"], found["accuracy"]) == (4, 2, 0.5)
    got = {entry["problem"]: entry["got"] for entry in found["wrong"]}
    assert got == {"555=": None, "6=": "12"}  # after "1" there is no room for the end


def test_continuations_end_early():
    written = continue_greedily(Fixed(lambda ids: (ids + 1) % 12), np.array([[1], [2]]), 9, (4,))
    assert written.tolist() == [[2, 3, 4], [3, 4, 5]]


def test_continuations_step_as_one_product_would(llama):
    weights = weights_from_checkpoint(open_checkpoint(llama), "mxfp4")
    chip = weights.chip(Numerics())
    batch = continue_greedily(ChipTwin(chip, n_sequences=2), np.array([[3, 4], [3, 4]]), 6)
    whole = ChipTwin(chip).forward([[3, 4, *batch[0]]])[0].argmax(axis=-1)
    assert batch.tolist() == [whole[1:-1].tolist()] * 2


def test_a_checkpoint_on_its_own_samples(gpt_oss, llama):
    moe = hnlpu.evaluate(gpt_oss)
    (row,) = moe["rows"]
    assert (row["sequences"], row["beside"]) == ("own samples", "float64 with the same weights")
    assert row["logit_rmse"] == row["numerics_rmse"] > 0
    assert row["floating_rmse"] == 0
    assert 0 < row["router_agreement"] <= 1
    assert moe["text"] is moe["sweep"] is moe["transformers"] is None
    dense = hnlpu.evaluate(llama, EvaluateOptions(quantize="mxfp4"))
    (row,) = dense["rows"]
    assert row["beside"] == "float64, not quantised"
    assert row["router_agreement"] is None
    assert row["numerics_rmse"] < row["logit_rmse"]
    assert 0 < row["floating_rmse"]
    again = hnlpu.evaluate(llama, EvaluateOptions(quantize="mxfp4"))
    assert json.dumps(again) == json.dumps(dense)


def test_finer_widths_come_nearer(gpt_oss):
    def rmse(**options):
        (row,) = evaluate(gpt_oss, EvaluateOptions(**options))["rows"]
        return row["logit_rmse_same_experts"]

    coarse, fine = rmse(activation_bits="5"), rmse(activation_bits="12", kv_bits=12)
    assert fine < rmse() < coarse
    assert evaluate(gpt_oss, EvaluateOptions(settings=["value_bits=12"]))["saturations"]


def test_a_bundle_with_its_own_numerics(tmp_path, llama):
    numerics = Numerics(activation_bits=6, kv_bits=7)
    bundle = _bundle(tmp_path / "bundle", open_checkpoint(llama), numerics)
    result = evaluate(bundle)
    assert result["numerics"] == numerics.as_dict()
    assert result["rows"][0]["beside"] == "float64 with the same weights"
    changed = evaluate(bundle, EvaluateOptions(activation_bits="12"))
    assert changed["numerics"]["kv_bits"] == 7
    assert changed["rows"][0]["logit_rmse"] < result["rows"][0]["logit_rmse"]
    for option in ({"quantize": "mxfp4"}, {"transformers": True}):
        with pytest.raises(HnlpuError, match="needs a checkpoint"):
            evaluate(bundle, EvaluateOptions(**option))
    (bundle / "boot.safetensors").write_bytes(b"")
    with pytest.raises(HnlpuError, match="bundle is damaged"):
        evaluate(bundle)


def test_a_sweep_and_its_files(tmp_path, llama, monkeypatch, capsys):
    monkeypatch.setattr("hnlpu.evaluation.SWEEPS", {"kv_bits": (4, 12), "rope_table_bits": (6,)})
    monkeypatch.setattr("hnlpu.evaluation.INPUT_SWEEP", (4,))
    out = tmp_path / "out"
    command = ["evaluate", str(llama), "--quantize", "mxfp4", "--sweep", "-o", str(out), "-q"]
    assert main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert json.loads((out / "evaluate.json").read_text()) == result
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / "sweep.svg").read_text()
    points = {(row["field"], row["value"]): row for row in result["sweep"]}
    assert [key for key in points if "," not in key[0]] == [
        ("kv_bits", 4), ("kv_bits", 8), ("kv_bits", 12), ("rope_table_bits", 6),
        ("rope_table_bits", 10),
    ]  # fmt: skip
    inputs = {field for field, _ in points if "," in field}
    assert len(inputs) == 5
    assert {key for key, row in points.items() if row["default"]} == {
        ("kv_bits", 8), ("rope_table_bits", 10), *((field, 8) for field in inputs),
    }  # fmt: skip
    assert points["kv_bits", 4]["logit_rmse"] > points["kv_bits", 12]["logit_rmse"]
    assert points["kv_bits", 8]["logit_rmse"] == result["rows"][0]["numerics_rmse"]
    assert main(command) == 2  # not empty
    assert main([*command, "--force"]) == 0
    assert "kv_bits *" in capsys.readouterr().out


def test_text_of_a_checkpoint(tmp_path, shared_checkpoint, capsys):
    folder, text = shared_checkpoint("stories260k"), tmp_path / "text"
    text.write_text("Once upon a time, there was a little girl named Lily. She loved to play.")
    command = ["evaluate", str(folder), "--quantize", "mxfp4", "--text", str(text), "-q"]
    assert main([*command, "--json", "--context", "16"]) == 0
    found = json.loads(capsys.readouterr().out)["text"]
    assert (found["kind"], found["context"]) == ("text", 16)
    assert found["tokens"] == len(load_tokenizer(folder).encode(text.read_text())) - 1
    assert found["original"]["bits_per_token"] < found["floating"]["bits_per_token"]
    near = found["floating"]["bits_per_token"]
    assert found["twin"]["bits_per_token"] == pytest.approx(near, rel=0.05)
    assert main(command) == 0
    assert "perplexity" in capsys.readouterr().out


def test_sums_of_an_adder(tmp_path, shared_checkpoint, capsys):
    text = tmp_path / "sums"
    text.write_text("37+45=82\n5+9=14\n99+99=198\n1+1=3\n")
    command = ["evaluate", str(shared_checkpoint("adder2")), "--text", str(text), "-q"]
    assert main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    for name in ("twin", "floating"):
        assert result["text"][name]["exact"] == 3
        assert result["text"][name]["wrong"] == [{"problem": "1+1=", "answer": "3", "got": "2"}]
    first, short = result["rows"]
    assert (first["beside"], short["sequences"]) == ("file", "short")
    assert first["floating_rmse"] < 1e-5
    assert first["top1_agreement"] == 1.0
    assert main(command) == 0
    assert "3 of 4 exact (75.00 %)" in capsys.readouterr().out


def test_bad_input(tmp_path, gpt_oss, llama, capsys):
    text = tmp_path / "text"
    text.write_text("1=1")
    cases = [
        ([str(llama)], "allow rounding with --quantize"),
        ([str(gpt_oss), "--text", str(tmp_path / "none")], "cannot read the text"),
        ([str(gpt_oss), "--text", str(text)], "no tokenizer"),
        ([str(gpt_oss), "--reference", str(text)], "cannot read the reference"),
        ([str(gpt_oss), "--set", "x=1"], "not a setting"),
        ([str(gpt_oss), "--kv-bits", "40"], "kv_bits is out of range"),
        ([str(gpt_oss), "-o", str(tmp_path / "o")], "nothing to write"),
        ([str(tmp_path / "nowhere")], "no such checkpoint folder"),
    ]
    for arguments, what in cases:
        assert main(["evaluate", *arguments, "-q"]) == 2
        assert what in capsys.readouterr().err


def test_without_transformers(gpt_oss, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingToolError, match=r"needs the extra \[reference\]"):
        evaluate(gpt_oss, EvaluateOptions(transformers=True))


@pytest.mark.parametrize("family", ["gpt-oss", "llama"])
def test_beside_transformers(tmp_path, family):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    if family == "gpt-oss":  # transformers unpacks whole blocks only, and has defaults of its own
        rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
        config = GPT_OSS | {"hidden_size": 64, "rope_theta": 1000.0, "rope_scaling": rope,
                            "quantization_config": {"quant_method": "mxfp4"}}  # fmt: skip
        tensors = gpt_oss_tensors(config)
    else:
        config = LLAMA | {"rms_norm_eps": 1e-5, "rope_theta": 10000.0}
        tensors = llama_tensors(config)
    folder = write_checkpoint(tmp_path / family, config, tensors)
    result = evaluate(folder, EvaluateOptions(quantize="mxfp4", transformers=True))
    (row,) = result["transformers"]
    assert row["float64_rmse"] < 1e-4


def test_own_samples_are_seeded(gpt_oss):
    weights = FloatingWeights.of_checkpoint(open_checkpoint(gpt_oss))
    samples = own_samples(weights, 3, 6, seed=2)
    assert samples.ids.shape == (3, 6)
    assert np.array_equal(samples.ids, own_samples(weights, 3, 6, seed=2).ids)
    assert not np.array_equal(samples.ids, own_samples(weights, 3, 6, seed=3).ids)
    model = FloatingModel(weights, n_sequences=3)
    chance = np.take_along_axis(
        model.forward(samples.ids[:, :-1]), samples.ids[:, 1:, None], axis=-1
    )
    assert np.isfinite(chance).all()
