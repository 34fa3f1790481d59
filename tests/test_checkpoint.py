"""Checkpoints: what is read, and that nothing unsound is."""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint
from safetensors.numpy import save_file

from hnlpu.checkpoint import open_checkpoint
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.families import find_tensors
from hnlpu.matrices import load_matrix


def _load_all(folder: Path) -> list:
    checkpoint = open_checkpoint(folder)
    tensors = find_tensors(checkpoint)
    for name in tensors.constants:
        checkpoint.read(name)
    return [load_matrix(checkpoint, source) for source in tensors.matrices]


def test_gpt_oss_layout(gpt_oss):
    checkpoint = open_checkpoint(gpt_oss)
    tensors = find_tensors(checkpoint)
    assert len(tensors.matrices) == 4 + 1 + 3 * 2 + 1
    assert sum(m.n_rows * m.n_columns for m in tensors.matrices) == (
        checkpoint.shape.n_hardwired_weights
    )
    assert tensors.off_fabric == ()
    assert "model.layers.0.self_attn.sinks" in tensors.constants


def test_mxfp4_nibbles_by_hand(gpt_oss):
    """Byte b of a block holds input 2b in its low nibble, 2b + 1 in its high one."""
    lut = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    tensors = gpt_oss_tensors(GPT_OSS)
    name = "model.layers.0.mlp.experts.gate_up_proj"
    checkpoint = open_checkpoint(gpt_oss)
    source = next(
        m for m in find_tensors(checkpoint).matrices if m.role == "gate_up" and m.expert == 1
    )
    values = load_matrix(checkpoint, source).coded.values()
    for row, column in ((0, 0), (0, 1), (5, 31), (7, 33), (63, 39)):
        block, inside = divmod(column, 32)
        byte = int(tensors[f"{name}_blocks"][1, row, block, inside // 2])
        code = byte >> 4 if column % 2 else byte & 15
        scale = int(tensors[f"{name}_scales"][1, row, block])
        expected = lut[code & 7] * 2.0 ** (scale - 127) * (-1 if code & 8 else 1)
        assert values[row, column] == expected


def test_sharded_equals_single(tmp_path, gpt_oss):
    sharded = write_checkpoint(tmp_path / "s", GPT_OSS, gpt_oss_tensors(GPT_OSS), n_shards=3)
    for a, b in zip(_load_all(gpt_oss), _load_all(sharded), strict=True):
        assert np.array_equal(a.coded.values(), b.coded.values())


def test_tied_and_untied_head(tmp_path, llama):
    sources = find_tensors(open_checkpoint(llama)).matrices
    assert sources[-1].tensor == "model.embed_tokens.weight"
    tensors = llama_tensors(LLAMA)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    untied = write_checkpoint(tmp_path / "u", {**LLAMA, "tie_word_embeddings": False}, tensors)
    assert find_tensors(open_checkpoint(untied)).matrices[-1].tensor == "lm_head.weight"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
def test_float_dtypes(tmp_path, dtype):
    tensors = {name: value.astype(dtype) for name, value in llama_tensors(LLAMA).items()}
    folder = write_checkpoint(tmp_path / "c", LLAMA, tensors)
    assert len(_load_all(folder)) == 2 * 7 + 1


def test_dequantised_experts_are_transposed(tmp_path, gpt_oss):
    """transformers writes dequantised experts as [E, in, out]."""
    tensors = gpt_oss_tensors(GPT_OSS)
    checkpoint = open_checkpoint(gpt_oss)
    for source in find_tensors(checkpoint).matrices:
        if source.expert is None:
            continue
        values = load_matrix(checkpoint, source).coded.values().astype(ml_dtypes.bfloat16)
        shape = (3, source.n_columns, source.n_rows)
        stack = tensors.setdefault(source.tensor, np.zeros(shape, ml_dtypes.bfloat16))
        stack[source.expert] = values.T
    for name in [n for n in tensors if n.endswith(("_blocks", "_scales"))]:
        del tensors[name]
    folder = write_checkpoint(tmp_path / "d", GPT_OSS, tensors)
    for a, b in zip(_load_all(gpt_oss), _load_all(folder), strict=True):
        assert np.array_equal(a.coded.values(), b.coded.values())
        assert b.error.lossless


def test_unexpected_tensors_are_listed(tmp_path):
    tensors = {**llama_tensors(LLAMA), "model.extra": np.zeros(3, np.float32)}
    found = find_tensors(open_checkpoint(write_checkpoint(tmp_path / "c", LLAMA, tensors)))
    assert found.off_fabric == (("model.extra", "not part of the llama family"),)


def _break(folder: Path, fault: str) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    config = json.loads((folder / "config.json").read_text())
    tensors = gpt_oss_tensors(GPT_OSS)
    scales = "model.layers.0.mlp.experts.down_proj_scales"
    q = "model.layers.0.self_attn.q_proj.weight"

    def rewrite() -> None:
        text = json.dumps(header).encode()
        file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])

    if fault == "missing file":
        file.unlink()
    elif fault == "truncated":
        file.write_bytes(data[:-10])
    elif fault == "truncated header":
        file.write_bytes(data[:20])
    elif fault == "empty":
        file.write_bytes(b"")
    elif fault == "header beyond file":
        file.write_bytes(struct.pack("<Q", len(data) * 2) + data[8:])
    elif fault == "header absurd":
        file.write_bytes(struct.pack("<Q", 1 << 62) + data[8:])
    elif fault == "overlapping offsets":
        header[q]["data_offsets"] = header[scales]["data_offsets"]
        rewrite()
    elif fault == "offsets out of range":
        header[q]["data_offsets"] = [len(data), len(data) + 1280]
        rewrite()
    elif fault == "config not json":
        (folder / "config.json").write_text("{")
    elif fault == "config missing":
        (folder / "config.json").unlink()
    else:
        if fault == "wrong dtype":
            tensors[q] = np.zeros(tensors[q].shape, np.uint8)
        elif fault == "wrong shape":
            tensors[q] = tensors[q][:, :-1].copy()
        elif fault == "missing tensor":
            del tensors[q]
        elif fault == "nan":
            tensors[q][1, 2] = np.nan
        elif fault == "inf":
            tensors["model.norm.weight"][3] = np.inf
        elif fault == "scale 255":
            tensors[scales][2, 1, 0] = 255
        elif fault == "unknown architecture":
            config["model_type"] = "mamba"
        elif fault == "unsupported rope":
            config["rope_scaling"] = {"rope_type": "longrope"}
        elif fault == "impossible size":
            config["hidden_size"] = -4
        elif fault == "heads do not divide":
            config["num_attention_heads"] = 3
            config["num_key_value_heads"] = 2
        else:
            raise AssertionError(fault)
        save_file(tensors, file)
        (folder / "config.json").write_text(json.dumps(config))


FAULTS = {
    "missing file": "model.safetensors",
    "truncated": "model.safetensors",
    "truncated header": "model.safetensors",
    "empty": "model.safetensors",
    "header beyond file": "model.safetensors",
    "header absurd": "model.safetensors",
    "overlapping offsets": "model.safetensors",
    "offsets out of range": "model.safetensors",
    "config not json": "config.json",
    "config missing": "config.json",
    "wrong dtype": "q_proj.weight",
    "wrong shape": "q_proj.weight",
    "missing tensor": "q_proj.weight",
    "nan": "q_proj.weight[1, 2]",
    "inf": "model.norm.weight[3]",
    "scale 255": "down_proj_scales[2, 1, 0]",
    "unknown architecture": "model_type",
    "unsupported rope": "rope_scaling",
    "impossible size": "hidden_size",
    "heads do not divide": "num_key_value_heads",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unsound_checkpoint_is_refused(gpt_oss, fault):
    _load_all(gpt_oss)
    _break(gpt_oss, fault)
    with pytest.raises(HnlpuError) as caught:
        _load_all(gpt_oss)
    assert FAULTS[fault] in caught.value.where
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "file", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", "absent.safetensors"]
)
def test_shard_must_lie_in_the_folder(tmp_path, file):
    folder = write_checkpoint(tmp_path / "s", GPT_OSS, gpt_oss_tensors(GPT_OSS), n_shards=2)
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "secret.safetensors")
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["lm_head.weight"] = file
    index.write_text(json.dumps(content))
    with pytest.raises(HnlpuError):
        open_checkpoint(folder)


def test_index_must_tell_the_truth(tmp_path):
    folder = write_checkpoint(tmp_path / "s", GPT_OSS, gpt_oss_tensors(GPT_OSS), n_shards=2)
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.ghost"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(HnlpuError, match="model.ghost"):
        open_checkpoint(folder)


def test_hub_id_through_an_offline_cache(tmp_path, monkeypatch, llama):
    hub = pytest.importorskip("huggingface_hub")
    repo = tmp_path / "hub" / "models--someone--tiny"
    commit = "0" * 40
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    blobs = repo / "blobs"
    blobs.mkdir()
    for path in llama.iterdir():
        (blobs / path.name).write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    original = hub.snapshot_download
    monkeypatch.setattr(
        hub,
        "snapshot_download",
        lambda name, **more: original(
            name, cache_dir=str(tmp_path / "hub"), local_files_only=True, **more
        ),
    )
    checkpoint = open_checkpoint("someone/tiny")
    assert checkpoint.shape.name == "tiny"
    assert len(find_tensors(checkpoint).matrices) == 15
    with pytest.raises(HnlpuError, match="someone/other"):
        open_checkpoint("someone/other")


def test_hub_id_without_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingToolError, match=r"hnlpu\[hub\]"):
        open_checkpoint("someone/tiny")
