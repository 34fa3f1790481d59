"""The twin of the whole chip: near floating point when its grids are fine, and the same in any batching."""

import numpy as np
import pytest
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint

from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_loading import weights_from_checkpoint
from hnlpu.errors import HnlpuError
from hnlpu.numerics import Numerics
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.floating import FloatingModel, FloatingWeights

FINE = Numerics(
    activation_bits=16, kv_bits=16, residual_bits=28, residual_fraction=13, value_bits=24,
    value_fraction=12, gamma_bits=18, rsqrt_table_bits=10, score_bits=26, exp_table_bits=12,
    sigmoid_table_bits=14, sigmoid_bits=16, rope_table_bits=14, rope_bits=16, routing_bits=15,
)  # fmt: skip
N_TOKENS = 9  # beyond the window of 4


def _weights(folder, family):
    config, tensors = (GPT_OSS, gpt_oss_tensors) if family == "gpt-oss" else (LLAMA, llama_tensors)
    config = config | {"num_hidden_layers": 2}
    checkpoint = open_checkpoint(write_checkpoint(folder / family, config, tensors(config)))
    return weights_from_checkpoint(checkpoint, "mxfp4")


@pytest.fixture(scope="module", params=["gpt-oss", "llama"])
def weights(request, tmp_path_factory):
    return _weights(tmp_path_factory.mktemp("checkpoints"), request.param)


def _ids(weights, n_sequences=3):
    return np.random.default_rng(1).integers(0, weights.shape.vocab, (n_sequences, N_TOKENS))


def _logits(weights, numerics, ids):
    twin = ChipTwin(weights.chip(numerics), n_sequences=len(ids))
    return twin.forward(ids) * 2.0**-numerics.value_fraction


def test_fine_grids_come_near_floating_point(weights):
    ids = _ids(weights)
    wanted = FloatingModel(FloatingWeights.of_wired(weights), n_sequences=3).forward(ids)
    error = np.abs(_logits(weights, FINE, ids) - wanted)
    # Measured: 2.7e-4 and 6.9e-4 of the largest logit; no token has a near-tie of experts.
    assert error.max() < 2e-3 * np.abs(wanted).max()
    coarse = np.abs(_logits(weights, Numerics(), ids) - wanted)
    assert coarse.mean() > 5 * error.mean()


def test_a_wrong_constant_shows(weights):
    ids = _ids(weights)
    other = FloatingWeights.of_wired(weights)
    name = "model.layers.1.post_attention_layernorm.weight"
    bent = {**other.constants, name: other.constants[name] * 1.25}
    wanted = FloatingModel(
        FloatingWeights(other.shape, bent, other.matrices), n_sequences=3
    ).forward(ids)
    assert np.abs(_logits(weights, FINE, ids) - wanted).max() > 1e-2 * np.abs(wanted).max()


@pytest.mark.parametrize("cuts", [[1] * N_TOKENS, [4, 1, 4], [N_TOKENS - 1, 1]])
def test_in_steps_or_at_once(weights, cuts):
    chip, ids = weights.chip(Numerics()), _ids(weights)
    whole = ChipTwin(chip, n_sequences=3).forward(ids)
    stepped = ChipTwin(chip, n_sequences=3)
    parts = [stepped.forward(part) for part in np.split(ids, np.cumsum(cuts)[:-1], axis=1)]
    assert stepped.position == N_TOKENS
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_together_or_alone(weights):
    chip, ids = weights.chip(Numerics()), _ids(weights)
    together = ChipTwin(chip, n_sequences=3).forward(ids)
    for sequence, own in enumerate(ids):
        assert np.array_equal(ChipTwin(chip).forward([own])[0], together[sequence])


def test_reset_forgets(weights):
    twin, ids = ChipTwin(weights.chip(Numerics())), _ids(weights, 1)
    first = twin.forward(ids)
    assert not np.array_equal(twin.forward(ids), first)
    twin.reset()
    assert twin.position == 0
    assert np.array_equal(twin.forward(ids), first)


def test_tokens_and_context_are_checked(weights):
    twin = ChipTwin(weights.chip(Numerics()), context=4, n_sequences=2)
    vocab = weights.shape.vocab
    for bad in (-1, vocab):
        with pytest.raises(HnlpuError, match=f"sequence 1, token 1: token outside.*got {bad}"):
            twin.forward([[0, 1], [0, bad]])
    twin.forward([[0, 1, 2], [0, 1, 2]])
    with pytest.raises(HnlpuError, match="position 3: more tokens than the context holds"):
        twin.forward([[1, 2], [1, 2]])
    assert twin.position == 3
    twin.forward([[1], [2]])


def test_trace_has_the_names_of_floating_point(weights):
    names = ({}, {})
    chip, ids = weights.chip(FINE), _ids(weights)
    ChipTwin(chip, n_sequences=3, trace=names[0].__setitem__).forward(ids)
    floating = FloatingWeights.of_wired(weights)
    FloatingModel(floating, n_sequences=3, trace=names[1].__setitem__).forward(ids)
    extra = names[0].keys() - names[1].keys()
    assert not names[1].keys() - names[0].keys()
    assert all(name.endswith(("_x", "_cache")) for name in extra)
    for name, values in names[1].items():
        assert values.shape == names[0][name].shape, name
