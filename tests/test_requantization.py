"""Quantised checkpoints are checkpoints."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from bundles import contents, remembered_bases
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint
from safetensors.numpy import load_file

import hnlpu
from hnlpu.checkpoint import open_checkpoint
from hnlpu.errors import HnlpuError
from hnlpu.families import find_tensors
from hnlpu.matrices import load_matrix


def tensors_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


@pytest.fixture
def off_grid(tmp_path: Path) -> Path:
    """gpt-oss with attention weights that are not on the grid."""
    tensors = gpt_oss_tensors(GPT_OSS)
    rng = np.random.default_rng(1)
    for role in "qkvo":
        name = f"model.layers.0.self_attn.{role}_proj.weight"
        tensors[name] = rng.normal(size=tensors[name].shape).astype(tensors[name].dtype)
    return write_checkpoint(tmp_path / "off-grid", GPT_OSS, tensors)


def test_every_matrix_of_the_output_is_lossless(tmp_path, off_grid):
    result = hnlpu.quantize(off_grid, tmp_path / "q")
    checkpoint = open_checkpoint(tmp_path / "q")
    tensors = find_tensors(checkpoint)
    assert tensors.off_fabric == ()
    for source in tensors.matrices:
        assert load_matrix(checkpoint, source).error.lossless
    rows = {row["name"]: row for row in result["rows"]}
    changed = [name for name, row in rows.items() if row["relative_rmse"]]
    assert changed == [f"model.layers.0.self_attn.{role}_proj" for role in "qkvo"]
    assert result["totals"]["changed"] == 4
    assert result["totals"]["matrices"] == len(rows) == 12


def test_the_error_told_is_the_error_made(tmp_path, off_grid):
    result = hnlpu.quantize(off_grid, tmp_path / "q")
    before, after = tensors_of(off_grid), tensors_of(tmp_path / "q")
    for row in result["rows"]:
        name = f"{row['name']}.weight"
        if name not in before:
            continue
        wanted, got = before[name].astype(np.float64), after[name].astype(np.float64)
        expected = np.sqrt(((got - wanted) ** 2).sum() / (wanted**2).sum())
        assert row["relative_rmse"] == pytest.approx(expected, rel=1e-12)


def test_all_else_stays(tmp_path, off_grid):
    """Packed experts, biases, norms, router, embedding: bit for bit."""
    hnlpu.quantize(off_grid, tmp_path / "q")
    before, after = tensors_of(off_grid), tensors_of(tmp_path / "q")
    assert before.keys() == after.keys()
    different = {name for name in before if before[name].tobytes() != after[name].tobytes()}
    assert different == {f"model.layers.0.self_attn.{role}_proj.weight" for role in "qkvo"}
    assert all(before[name].dtype == after[name].dtype for name in before)
    config = json.loads((tmp_path / "q" / "config.json").read_text())
    assert config["hidden_size"] == GPT_OSS["hidden_size"]


def test_quantising_twice_changes_nothing(tmp_path, llama):
    first = hnlpu.quantize(llama, tmp_path / "a")
    second = hnlpu.quantize(tmp_path / "a", tmp_path / "b")
    assert first["totals"]["changed"] == 15
    assert second["totals"]["changed"] == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_tied_head_is_untied(tmp_path, llama):
    hnlpu.quantize(llama, tmp_path / "q")
    before, after = tensors_of(llama), tensors_of(tmp_path / "q")
    embedding = "model.embed_tokens.weight"
    assert after[embedding].dtype == np.float32
    assert after[embedding].tobytes() == before[embedding].tobytes()
    head = after["lm_head.weight"].astype(np.float64)
    assert head.shape == before[embedding].shape
    assert 0 < np.abs(head - before[embedding]).max() < 1
    assert not json.loads((tmp_path / "q" / "config.json").read_text())["tie_word_embeddings"]
    source = find_tensors(open_checkpoint(tmp_path / "q")).matrices[-1]
    assert source.tensor == "lm_head.weight"


def test_the_output_generates_without_quantize(tmp_path, llama):
    with pytest.raises(HnlpuError, match="not on the MXFP4 grid"):
        hnlpu.generate(llama, tmp_path / "b")
    hnlpu.quantize(llama, tmp_path / "q")
    with remembered_bases():
        manifest = hnlpu.generate(tmp_path / "q", tmp_path / "b")
        hnlpu.generate(llama, tmp_path / "direct", hnlpu.GenerateOptions(quantize="mxfp4"))
    assert manifest["totals"]["requantised_matrices"] == 0
    # The same metal as generating with --quantize from the start.
    metal = {n: d for n, d in contents(tmp_path / "b").items() if n.startswith("rtl/")}
    direct = {n: d for n, d in contents(tmp_path / "direct").items() if n.startswith("rtl/")}
    assert metal == direct


def test_shards_and_json_files(tmp_path):
    folder = write_checkpoint(tmp_path / "s", LLAMA, llama_tensors(LLAMA), n_shards=3)
    (folder / "tokenizer.json").write_text('{"x": 1}')
    hnlpu.quantize(folder, tmp_path / "q")
    assert set(os.listdir(tmp_path / "q")) == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert len(find_tensors(open_checkpoint(tmp_path / "q")).matrices) == 15


def test_output_must_be_empty_or_forced(tmp_path, llama):
    hnlpu.quantize(llama, tmp_path / "q")
    with pytest.raises(HnlpuError, match="--force"):
        hnlpu.quantize(llama, tmp_path / "q")
    hnlpu.quantize(llama, tmp_path / "q", force=True)
    assert sorted(os.listdir(tmp_path)) == ["llama", "q"]
