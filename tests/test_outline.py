"""Outlines of models against counts made by hand."""

import json

import pytest
from checkpoints import GPT_OSS, LLAMA

from hnlpu.errors import HnlpuError
from hnlpu.model import read_model_shape, shape_from_config
from hnlpu.outline import FAMILIES, outline_from_config, outline_of, read_outline

DENSE = {
    "hidden_size": 12, "intermediate_size": 34, "num_attention_heads": 3, "num_key_value_heads": 1,
    "num_hidden_layers": 2, "vocab_size": 10,
}  # fmt: skip
LATENT = {
    "model_type": "deepseek_v3", "hidden_size": 20, "intermediate_size": 30, "moe_intermediate_size": 6,
    "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 3, "first_k_dense_replace": 1,
    "num_attention_heads": 4, "q_lora_rank": 7, "kv_lora_rank": 5, "qk_nope_head_dim": 3,
    "qk_rope_head_dim": 2, "v_head_dim": 4, "num_hidden_layers": 5, "vocab_size": 10,
}  # fmt: skip
QWEN_MOE = DENSE | {
    "model_type": "qwen3_moe", "moe_intermediate_size": 6, "num_experts": 8, "num_experts_per_tok": 2,
    "head_dim": 5,
}  # fmt: skip
MIXTRAL = DENSE | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}


def outline(config):
    return outline_from_config(config, name="m", where="config.json")


def roles(model):
    return {
        item.role: (item.n_rows, item.n_columns, item.count, item.active) for item in model.linears
    }


@pytest.mark.parametrize("name", ["adder2", "adder_mini", "stories260k"])
def test_a_checkpoint_has_the_matrices_of_its_shape(shared_checkpoint, name):
    config = shared_checkpoint(name) / "config.json"
    shape, found = read_model_shape(config), read_outline(config)
    assert found.name == name
    assert found.linears == tuple(shape.linears()) and found.windows == shape.windows
    assert found.n_hardwired_weights == shape.n_hardwired_weights
    assert found.n_active_weights == shape.n_active_weights


@pytest.mark.parametrize(
    "config", [GPT_OSS, LLAMA, LLAMA | {"tie_word_embeddings": False, "head_dim": 6}]
)
def test_both_ways_from_a_configuration_agree(config):
    """From the configuration, and from the shape that the configuration gives."""
    shape = shape_from_config(config, where="config.json", name="m")
    direct, by_shape = outline(config), outline_of(shape)
    different = [key for key in direct.__slots__ if getattr(direct, key) != getattr(by_shape, key)]
    assert different == ["source"]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_dense_families_by_hand(family):
    found = outline(DENSE | {"model_type": family})
    layer = 12 * 12 + 2 * 4 * 12 + 12 * 12 + 3 * 12 * 34
    assert found.n_hardwired_weights == found.n_active_weights == 2 * layer + 10 * 12
    assert found.n_parameters == 2 * layer + 2 * 10 * 12
    assert found.n_embedding_numbers == 120 and found.n_expert_weights == 0 and not found.is_moe
    assert (found.kv_numbers_per_layer, found.attention_macs_per_position) == (2 * 4, 2 * 12)
    assert (found.n_dense_layers, found.dense_intermediate, found.intermediate) == (2, 34, 34)
    assert found.windows == (None, None) and found.window is None


def test_a_tied_embedding_counts_once():
    tied, untied = (outline(LLAMA | {"tie_word_embeddings": tie}) for tie in (True, False))
    assert untied.n_parameters - tied.n_parameters == untied.n_embedding_numbers
    assert untied.n_hardwired_weights == tied.n_hardwired_weights


@pytest.mark.parametrize("family", ["deepseek_v3", "kimi_k2"])
def test_latent_attention_and_experts_by_hand(family):
    found = outline(LATENT | {"model_type": family})
    assert roles(found) == {
        "q_a": (7, 20, 5, 5),
        "q_b": (4 * (3 + 2), 7, 5, 5),
        "kv_a": (5 + 2, 20, 5, 5),
        "kv_b": (4 * (3 + 4), 5, 5, 5),
        "o": (20, 4 * 4, 5, 5),
        "dense_gate": (30, 20, 1, 1),
        "dense_up": (30, 20, 1, 1),
        "dense_down": (20, 30, 1, 1),
        "router": (8, 20, 4, 4),
        "shared_gate": (6, 20, 8, 8),
        "shared_up": (6, 20, 8, 8),
        "shared_down": (20, 6, 8, 8),
        "gate": (6, 20, 32, 12),
        "up": (6, 20, 32, 12),
        "down": (20, 6, 32, 12),
        "unembedding": (10, 20, 1, 1),
    }
    assert found.n_expert_weights == 32 * 3 * 6 * 20
    assert found.kv_numbers_per_layer == 5 + 2
    assert found.attention_macs_per_position == 4 * (5 + 2) + 4 * 5  # scores, weighted sum
    assert (found.kv_heads, found.head_dim, found.q_width) == (1, 5, 20)
    assert (found.n_experts, found.experts_per_token, found.n_shared_experts) == (8, 3, 2)
    assert (found.n_dense_layers, found.dense_intermediate, found.intermediate) == (1, 30, 6)


def test_queries_without_a_low_rank():
    found = roles(outline({key: value for key, value in LATENT.items() if key != "q_lora_rank"}))
    assert found["q"] == (20, 20, 5, 5) and "q_a" not in found


def test_every_other_layer_may_have_experts():
    found = outline(LATENT | {"moe_layer_freq": 2})  # layers 2 and 4 of 0 to 4
    assert found.n_dense_layers == 3 and roles(found)["gate"] == (6, 20, 16, 6)
    assert outline(LATENT | {"first_k_dense_replace": 5}).n_experts == 0


def test_qwen_experts_by_hand():
    found = roles(outline(QWEN_MOE))
    assert found["router"] == (8, 12, 2, 2)
    assert found["gate"] == found["up"] == (6, 12, 16, 4) and found["down"] == (12, 6, 16, 4)
    assert found["q"] == (15, 12, 2, 2) and "dense_gate" not in found
    mixed = outline(QWEN_MOE | {"mlp_only_layers": [0]})
    assert roles(mixed)["gate"] == (6, 12, 8, 2) and roles(mixed)["dense_gate"] == (34, 12, 1, 1)
    dense = outline(QWEN_MOE | {"decoder_sparse_step": 3})
    assert (dense.n_experts, dense.n_dense_layers) == (0, 2) and roles(dense)["gate"] == (
        34,
        12,
        2,
        2,
    )


def test_mixtral_by_hand():
    found = roles(outline(MIXTRAL))
    assert found["gate"] == (34, 12, 16, 4) and found["router"] == (8, 12, 2, 2)


@pytest.mark.parametrize(
    ("config", "windows"),
    [
        (DENSE | {"model_type": "mistral", "sliding_window": 7}, (7, 7)),
        (DENSE | {"model_type": "mistral", "sliding_window": None}, (None, None)),
        (DENSE | {"model_type": "llama", "sliding_window": 7}, (None, None)),
        (DENSE | {"model_type": "qwen2", "sliding_window": 7}, (None, None)),
        (
            DENSE | {"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True,
                     "max_window_layers": 1},
            (None, 7),
        ),
        (
            DENSE | {"model_type": "qwen3", "sliding_window": 7, "use_sliding_window": True,
                     "layer_types": ["sliding_attention", "full_attention"]},
            (7, None),
        ),
    ],
)  # fmt: skip
def test_windows(config, windows):
    found = outline(config)
    assert found.windows == windows
    assert found.n_windowed_layers == sum(item is not None for item in windows)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "tiny" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(LATENT))
    found = read_outline(path)
    assert (found.name, found.source, found.family) == ("tiny", str(path), "deepseek-v3")
    with pytest.raises(HnlpuError, match="cannot read"):
        read_outline(tmp_path / "none.json")
    path.write_text("{")
    with pytest.raises(HnlpuError, match="not valid JSON"):
        read_outline(path)


def test_an_unknown_family_lists_the_known():
    with pytest.raises(HnlpuError, match=f"config.json: model_type.*{', '.join(FAMILIES)}"):
        outline(DENSE | {"model_type": "gpt2"})
    with pytest.raises(HnlpuError, match="one object"):
        outline([])


@pytest.mark.parametrize(
    ("config", "key", "value"),
    [
        (LATENT, "kv_lora_rank", None),
        (LATENT, "q_lora_rank", 0),
        (LATENT, "v_head_dim", "4"),
        (LATENT, "n_routed_experts", True),
        (LATENT, "num_experts_per_tok", 9),
        (LATENT, "first_k_dense_replace", 6),
        (LATENT, "first_k_dense_replace", -1),
        (LATENT, "moe_layer_freq", 0),
        (LATENT, "moe_intermediate_size", None),
        (QWEN_MOE, "num_experts", None),
        (QWEN_MOE, "mlp_only_layers", 3),
        (MIXTRAL, "num_experts_per_tok", None),
        (MIXTRAL, "num_key_value_heads", 2),
        (GPT_OSS, "layer_types", ["full_attention"] * 9),
        (GPT_OSS, "layer_types", [["full_attention"]] * 3),
        (LLAMA, "intermediate_size", 1 << 32),
        (LLAMA, "num_hidden_layers", 0),
        (LLAMA, "vocab_size", 1.5),
    ],
)
def test_a_bad_value_is_refused_by_file_and_key(config, key, value):
    with pytest.raises(HnlpuError) as caught:
        outline(config | {key: value})
    file, _, keys = caught.value.where.partition(": ")
    assert file == "config.json" and key in keys.split(" and ")
