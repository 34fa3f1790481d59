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
from hnlpu.formats import FORMATS, MXFP4
from hnlpu.matrices import load_matrix, read_values


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


OTHERS = [name for name in FORMATS if name != "mxfp4"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_lossless_the_second_time(tmp_path, off_grid, name):
    first = hnlpu.quantize(off_grid, tmp_path / "a", name)
    assert first["format"] == name
    assert first["totals"]["largest_relative_rmse"] > 0.01
    checkpoint = open_checkpoint(tmp_path / "a")
    for source in find_tensors(checkpoint).matrices:
        loaded = load_matrix(checkpoint, source, FORMATS[name])
        assert loaded.error.lossless and loaded.error.saturated == 0
        assert np.array_equal(loaded.coded.values(), read_values(checkpoint, source))
    second = hnlpu.quantize(tmp_path / "a", tmp_path / "b", FORMATS[name])
    assert second["totals"]["changed"] == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("name", OTHERS)
def test_packed_experts_are_told_as_rounded(tmp_path, gpt_oss, name):
    """They fit into the block formats, which hold E2M1; rows of two blocks fit into no other."""
    config = json.loads((gpt_oss / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4"}
    (gpt_oss / "config.json").write_text(json.dumps(config))
    result = hnlpu.quantize(gpt_oss, tmp_path / "q", name)
    errors = {row["name"]: row["relative_rmse"] for row in result["rows"]}
    experts = [n for n in errors if ".experts." in n]
    assert len(experts) == 6
    wide = [n for n in experts if "gate_up" in n]
    assert all((errors[n] == 0) == FORMATS[name].block_exponents for n in wide)
    after = tensors_of(tmp_path / "q")
    stem = "model.layers.0.mlp.experts"
    assert f"{stem}.down_proj_blocks" not in after and f"{stem}.down_proj_scales" not in after
    assert after[f"{stem}.down_proj"].shape == (3, 32, 40)
    assert after[f"{stem}.gate_up_proj"].shape == (3, 40, 64)
    assert "quantization_config" not in json.loads((tmp_path / "q" / "config.json").read_text())
    # The error told is the distance to what the packed experts say.
    before = open_checkpoint(gpt_oss)
    sources = {source.name: source for source in find_tensors(before).matrices}
    for expert in range(3):
        wanted = load_matrix(before, sources[f"{stem}.{expert}.down_proj"], MXFP4).coded.values()
        got = after[f"{stem}.down_proj"][expert].T.astype(np.float64)
        rmse = np.sqrt(((got - wanted) ** 2).sum() / (wanted**2).sum())
        assert errors[f"{stem}.{expert}.down_proj"] == pytest.approx(rmse, rel=1e-12)


def test_bf16_where_it_holds_the_weights(tmp_path, off_grid, llama):
    def kinds(name: str) -> set[str]:
        checkpoint = open_checkpoint(tmp_path / name)
        sources = find_tensors(checkpoint).matrices
        return {checkpoint.tensors[source.tensor].dtype for source in sources}

    hnlpu.quantize(llama, tmp_path / "mx", "mxfp6_e2m3")
    hnlpu.quantize(llama, tmp_path / "nv", "nvfp4")
    hnlpu.quantize(llama, tmp_path / "i4", "int4")
    assert kinds("mx") == kinds("nv") == {"BF16"}
    assert kinds("i4") == {"F32"}


def test_a_codebook_file(tmp_path, llama):
    (tmp_path / "c.json").write_text("[-1.0, -0.3, 0, 0.2, 0.9]")
    name = f"codebook:{tmp_path}/c.json"
    result = hnlpu.quantize(llama, tmp_path / "q", name)
    assert result["format"] == name and result["totals"]["changed"] == 15
    assert hnlpu.quantize(tmp_path / "q", tmp_path / "r", name)["totals"]["changed"] == 0


def test_an_unknown_format_is_refused_before_any_work(tmp_path):
    with pytest.raises(HnlpuError, match="unknown weight format"):
        hnlpu.quantize(tmp_path / "none", tmp_path / "q", "fp3")
    assert not (tmp_path / "q").exists()


def test_weights_beyond_f32_are_refused(tmp_path):
    tensors = llama_tensors(LLAMA)
    tensors["model.layers.1.self_attn.q_proj.weight"][2, 3] = np.finfo(np.float32).max
    folder = write_checkpoint(tmp_path / "huge", LLAMA, tensors)
    with pytest.raises(HnlpuError, match="no F32 number") as caught:
        hnlpu.quantize(folder, tmp_path / "q", "nvfp4")
    assert caught.value.where == "model.layers.1.self_attn.q_proj[2, 3]"
    assert not (tmp_path / "q").exists()
