"""Model shapes against counts made by hand."""

import json

import pytest
from checkpoints import GPT_OSS, LLAMA

from hnlpu.costmodel.presets import outline_preset
from hnlpu.errors import HnlpuError
from hnlpu.model import read_model_shape


def _read(tmp_path, config):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return read_model_shape(path, name="m")


def test_gpt_oss_weights_by_hand(tmp_path):
    shape = _read(tmp_path, GPT_OSS)
    attention = 40 * 16 + 2 * 40 * 8 + 16 * 40
    experts = 3 * (40 * 64 + 32 * 40)
    assert shape.n_hardwired_weights == attention + 3 * 40 + experts + 12 * 40
    assert shape.n_active_weights == attention + 3 * 40 + experts * 2 // 3 + 12 * 40


def test_llama_weights_by_hand(tmp_path):
    shape = _read(tmp_path, LLAMA)
    layer = 12 * 12 * 2 + 2 * 12 * 4 + 3 * 12 * 34
    assert shape.n_hardwired_weights == shape.n_active_weights == 2 * layer + 10 * 12
    assert shape.head_dim == 4 and shape.tied_embedding and not shape.is_moe


def test_gpt_oss_120b_is_what_the_model_card_says():
    """116.83e9 parameters, 5.13e9 active (gpt-oss model card, table 1), embedding left out."""
    shape = outline_preset("gpt-oss-120b")
    assert shape.n_hardwired_weights == pytest.approx(116.83e9 - 0.579e9, rel=1e-3)
    assert shape.n_active_weights == pytest.approx(5.13e9, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"model_type": None}, "model_type"),
        ({"vocab_size": "12"}, "vocab_size"),
        ({"vocab_size": True}, "vocab_size"),
        ({"num_experts_per_tok": 9}, "num_experts_per_tok"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters"),
        ({"rope_scaling": "linear"}, "rope_scaling"),
    ],
)
def test_impossible_configurations(tmp_path, change, where):
    with pytest.raises(HnlpuError) as caught:
        _read(tmp_path, {**GPT_OSS, **change})
    assert where in caught.value.where


def test_llama_activation_is_checked(tmp_path):
    with pytest.raises(HnlpuError, match="hidden_act"):
        _read(tmp_path, {**LLAMA, "hidden_act": "gelu"})


def test_not_an_object(tmp_path):
    with pytest.raises(HnlpuError, match="one object"):
        _read(tmp_path, [1])
