"""Small checkpoints, laid out exactly as on the hub."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

GPT_OSS = {
    "model_type": "gpt_oss",
    "hidden_size": 40,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "vocab_size": 12,
    "num_local_experts": 3,
    "num_experts_per_tok": 2,
    "sliding_window": 4,
    "max_position_embeddings": 64,
    "rope_scaling": {"rope_type": "yarn", "factor": 4.0},
    "tie_word_embeddings": False,
}

#: 8 query heads, 4 key and value heads, 16 experts of which four are taken.
SIXTEEN_EXPERTS = GPT_OSS | {
    "hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 32,
    "num_local_experts": 16, "num_experts_per_tok": 4,
}  # fmt: skip

LLAMA = {
    "model_type": "llama",
    "hidden_size": 12,
    "intermediate_size": 34,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "vocab_size": 10,
    "max_position_embeddings": 32,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
}


def on_grid(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """BF16 weights on the MXFP4 grid, a few octaves apart from block to block."""
    units = np.array([0, 1, 2, 3, 4, 6, 8, 12, -1, -2, -3, -4, -6, -8, -12], dtype=np.float64)
    values = rng.choice(units, shape)
    blocks = rng.integers(-6, -3, (*shape[:-1], -(-shape[-1] // 32)))
    exponents = np.repeat(blocks, 32, axis=-1)[..., : shape[-1]]
    return np.ldexp(values, exponents).astype(ml_dtypes.bfloat16)


def gpt_oss_tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Every tensor of a gpt-oss checkpoint with ``config``."""
    rng = np.random.default_rng(seed)
    hidden, inner, experts = (
        config[k] for k in ("hidden_size", "intermediate_size", "num_local_experts")
    )
    q_rows = config["num_attention_heads"] * config["head_dim"]
    kv_rows = config["num_key_value_heads"] * config["head_dim"]

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(ml_dtypes.bfloat16)

    tensors = {
        "model.embed_tokens.weight": floats(config["vocab_size"], hidden),
        "lm_head.weight": on_grid(rng, (config["vocab_size"], hidden)),
        "model.norm.weight": floats(hidden),
    }
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}."
        tensors |= {
            f"{stem}{norm}_layernorm.weight": floats(hidden) for norm in ("input", "post_attention")
        }
        sizes = {"q": q_rows, "k": kv_rows, "v": kv_rows}
        for role, rows in sizes.items():
            tensors[f"{stem}self_attn.{role}_proj.weight"] = on_grid(rng, (rows, hidden))
            tensors[f"{stem}self_attn.{role}_proj.bias"] = floats(rows)
        tensors[f"{stem}self_attn.o_proj.weight"] = on_grid(rng, (hidden, q_rows))
        tensors[f"{stem}self_attn.o_proj.bias"] = floats(hidden)
        tensors[f"{stem}self_attn.sinks"] = floats(config["num_attention_heads"])
        tensors[f"{stem}mlp.router.weight"] = on_grid(rng, (experts, hidden))
        tensors[f"{stem}mlp.router.bias"] = floats(experts)
        for role, rows, columns in (("gate_up", 2 * inner, hidden), ("down", hidden, inner)):
            name = f"{stem}mlp.experts.{role}_proj"
            blocks = -(-columns // 32)
            packed = rng.integers(0, 256, (experts, rows, blocks, 16), dtype=np.uint8)
            if columns % 32:
                packed[:, :, -1, columns % 32 // 2 :] = 0
            tensors[f"{name}_blocks"] = packed
            tensors[f"{name}_scales"] = rng.integers(
                121, 125, (experts, rows, blocks), dtype=np.uint8
            )
            tensors[f"{name}_bias"] = floats(experts, rows)
    return tensors


def llama_tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Every tensor of a Llama checkpoint with ``config``, F32 and off the grid."""
    rng = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head = hidden // config["num_attention_heads"]
    kv_rows = config["num_key_value_heads"] * head

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {
        "model.embed_tokens.weight": floats(config["vocab_size"], hidden),
        "model.norm.weight": floats(hidden),
    }
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}."
        tensors |= {
            f"{stem}input_layernorm.weight": floats(hidden),
            f"{stem}post_attention_layernorm.weight": floats(hidden),
            f"{stem}self_attn.q_proj.weight": floats(hidden, hidden),
            f"{stem}self_attn.k_proj.weight": floats(kv_rows, hidden),
            f"{stem}self_attn.v_proj.weight": floats(kv_rows, hidden),
            f"{stem}self_attn.o_proj.weight": floats(hidden, hidden),
            f"{stem}mlp.gate_proj.weight": floats(inner, hidden),
            f"{stem}mlp.up_proj.weight": floats(inner, hidden),
            f"{stem}mlp.down_proj.weight": floats(hidden, inner),
        }
    return tensors


def write_checkpoint(
    folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray], n_shards: int = 1
) -> Path:
    """Lay a checkpoint out as a Hugging Face folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if n_shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    weight_map = {}
    for shard in range(n_shards):
        names = sorted(tensors)[shard::n_shards]
        file = f"model-{shard + 1:05}-of-{n_shards:05}.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file)
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
