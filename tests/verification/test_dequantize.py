import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from hnlpu.errors import HnlpuError
from hnlpu.verification.dequantize import Tensors, dequantize, hardwired_size, is_hardwired

SHARED = Path(__file__).resolve().parents[3] / "shared" / "checkpoints"
DOWN = "model.layers.0.mlp.experts.down_proj"
GATE_UP = "model.layers.0.mlp.experts.gate_up_proj"


def checkpoint(folder: Path, **tensors: Any) -> Tensors:
    save_file(tensors, folder / "model.safetensors")
    return Tensors(folder)


def test_every_code_and_both_nibbles_by_hand(tmp_path: Path) -> None:
    """Byte b holds inputs 2b (low nibble) and 2b + 1 (high): 0x10 is 0, 0.5."""
    packed = np.array([0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE] * 2, dtype=np.uint8)
    values = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]
    blocks = np.zeros((2, 3, 2, 16), dtype=np.uint8)
    scales = np.full((2, 3, 2), 127, dtype=np.uint8)
    blocks[1, 2, 0], scales[1, 2, 0] = packed, 130
    blocks[1, 2, 1], scales[1, 2, 1] = packed, 126
    tensors = checkpoint(tmp_path, **{f"{DOWN}_blocks": blocks, f"{DOWN}_scales": scales})
    for name in (DOWN, f"{DOWN}_blocks"):
        got = dequantize(tensors, name, 1)
        assert got.shape == (3, 64)
        assert got[2, :32].tolist() == [8 * v for v in values * 2]
        assert got[2, 32:].tolist() == [v / 2 for v in values * 2]
        assert not got[:2].any() and not dequantize(tensors, name, 0).any()
    assert dequantize(tensors, DOWN, 1, 40).tolist() == got[:, :40].tolist()
    assert dequantize(tensors, DOWN, 1, 8).shape == (3, 64)  # more than one block too many
    assert hardwired_size(tensors, f"{DOWN}_blocks") == 2 * 3 * 64
    assert hardwired_size(tensors, f"{DOWN}_scales") == 0


@given(st.binary(min_size=16, max_size=16), st.integers(0, 254))
def test_against_the_formula_of_the_format(tmp_path_factory: Any, data: bytes, scale: int) -> None:
    """E2M1 as bits: sign, two of exponent (bias 1, subnormal at 0), one of mantissa."""

    def e2m1(code: int) -> float:
        sign, exponent, mantissa = code >> 3, code >> 1 & 3, code & 1
        size = (1 + mantissa / 2) * 2.0 ** (exponent - 1) if exponent else mantissa / 2
        return -size if sign else size

    blocks = np.frombuffer(data, dtype=np.uint8).reshape(1, 1, 1, 16)
    tensors = checkpoint(
        tmp_path_factory.mktemp("c"),
        **{f"{GATE_UP}_blocks": blocks, f"{GATE_UP}_scales": np.full((1, 1, 1), scale, np.uint8)},
    )
    expected = [e2m1(nibble) * 2.0 ** (scale - 127) for b in data for nibble in (b & 15, b >> 4)]
    assert dequantize(tensors, GATE_UP, 0).tolist() == [expected]


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64, ml_dtypes.bfloat16])
def test_plain_matrices(tmp_path: Path, kind: Any) -> None:
    values = np.array([[1.5, -0.375, 0.0], [2.0**-9, 448, -6]])
    tensors = checkpoint(tmp_path, **{"a.weight": values.astype(kind)})
    assert dequantize(tensors, "a.weight").tolist() == values.tolist()


def test_bfloat16_by_hand(tmp_path: Path) -> None:
    """A bfloat16 is the upper half of a float32: 0x3FC0 is 1.5, 0xC0A0 is -5."""
    bits = np.array([[0x3FC0, 0xC0A0]], dtype=np.uint16).view(ml_dtypes.bfloat16)
    assert dequantize(checkpoint(tmp_path, w=bits), "w").tolist() == [[1.5, -5.0]]


def test_float_experts_are_stored_inputs_by_outputs(tmp_path: Path) -> None:
    stored = np.arange(24, dtype=np.float32).reshape(2, 3, 4).astype(ml_dtypes.bfloat16)
    tensors = checkpoint(tmp_path, **{DOWN: stored})
    got = dequantize(tensors, DOWN, 1)
    assert got.shape == (4, 3)
    assert got[0].tolist() == [12, 16, 20]


def test_a_tied_head_is_the_embedding(tmp_path: Path) -> None:
    embedding = np.array([[1.0, 2.0]], dtype=np.float32)
    tensors = checkpoint(tmp_path, **{"model.embed_tokens.weight": embedding})
    assert dequantize(tensors, "lm_head.weight").tolist() == [[1, 2]]
    save_file({"model.embed_tokens.weight": embedding, "lm_head.weight": 3 * embedding},
              tmp_path / "model.safetensors")  # fmt: skip
    assert dequantize(Tensors(tmp_path), "lm_head.weight").tolist() == [[3, 6]]


def test_shards(tmp_path: Path) -> None:
    for n in (1, 2):
        save_file({f"w{n}": np.full((1, 1), n, np.float32)}, tmp_path / f"part-{n}.safetensors")
    index = {"weight_map": {"w1": "part-1.safetensors", "w2": "part-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    tensors = Tensors(tmp_path)
    assert list(tensors) == ["w1", "w2"]
    assert dequantize(tensors, "w2").tolist() == [[2]]


def test_same_bits_sees_type_shape_and_sign_of_zero(tmp_path: Path) -> None:
    one = np.array([1, 0, 0, 0], dtype=np.float32)
    variants = [one, -one, one.astype(np.float16), one.reshape(2, 2), one.view(np.int32)]
    files = []
    for n, variant in enumerate(variants):
        save_file({"t": np.ascontiguousarray(variant)}, tmp_path / f"{n}.safetensors")
        files.append(Tensors(tmp_path / f"{n}.safetensors"))
    assert [files[0].same_bits("t", other) for other in files] == [True] + 4 * [False]
    assert not files[0].same_bits("absent", files[0])


def test_names() -> None:
    wired = ["lm_head.weight", "model.layers.0.mlp.gate_proj.weight", f"{DOWN}_blocks", GATE_UP,
             "model.layers.3.mlp.router.weight"]  # fmt: skip
    rest = ["model.norm.weight", "model.embed_tokens.weight", f"{DOWN}_bias",
            "model.layers.0.input_layernorm.weight", "model.layers.0.self_attn.sinks"]  # fmt: skip
    assert all(map(is_hardwired, wired)) and not any(map(is_hardwired, rest))


def test_bad_checkpoints_are_refused(tmp_path: Path) -> None:
    blocks, scales = np.zeros((1, 2, 1, 16), np.uint8), np.full((1, 2, 1), 255, np.uint8)
    tensors = checkpoint(
        tmp_path,
        **{
            f"{DOWN}_blocks": blocks,
            f"{DOWN}_scales": scales,
            f"{GATE_UP}_blocks": blocks,
            f"{GATE_UP}_scales": scales[:, :1],
            "ints": np.zeros((2, 2), np.int8),
            "line": np.zeros(2, np.float32),
        },
    )
    for arguments, what in (
        ((DOWN, 0), "not a number"),
        ((DOWN, 1), "no such expert"),
        ((DOWN, None), "needs the expert"),
        ((GATE_UP, 0), "do not fit"),
        (("ints",), "not a tensor of floating-point"),
        (("line",), "not a matrix"),
        (("absent",), "no such tensor"),
    ):
        with pytest.raises(HnlpuError, match=what):
            dequantize(tensors, *arguments)
    with pytest.raises(HnlpuError, match="cannot read tensors"):
        Tensors(tmp_path / "nowhere")
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(HnlpuError, match="cannot read tensors"):
        Tensors(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(HnlpuError, match="list of shards"):
        Tensors(tmp_path)


@pytest.mark.skipif(not (SHARED / "adder_mini").is_dir(), reason="no shared checkpoints")
def test_a_trained_checkpoint_is_on_the_grid() -> None:
    tensors = Tensors(SHARED / "adder_mini")
    weights = dequantize(tensors, GATE_UP, 3)
    assert weights.shape == (64, 32)
    odd = np.abs(weights[weights != 0])
    odd = odd / 2 ** np.floor(np.log2(odd))
    assert set(odd.tolist()) <= {1.0, 1.5}
