"""The float64 model against transformers' own logits, and by hand."""

import numpy as np
import pytest

from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_loading import weights_from_checkpoint
from hnlpu.sim.floating import FloatingModel, FloatingWeights


@pytest.mark.parametrize("name", ["adder2", "adder_mini"])
@pytest.mark.parametrize("end", ["", "_short"])
def test_equals_transformers(shared_checkpoint, name, end):
    checkpoint = open_checkpoint(shared_checkpoint(name))
    with np.load(checkpoint.folder / "reference.npz") as file:
        ids, wanted = file[f"ids{end}"], file[f"logits{end}"]
    model = FloatingModel(FloatingWeights.of_checkpoint(checkpoint), n_sequences=len(ids))
    assert np.abs(model.forward(ids) - wanted).max() < 1e-4


def test_a_story_greedily(shared_checkpoint):
    checkpoint = open_checkpoint(shared_checkpoint("stories260k"))
    model, token = FloatingModel(FloatingWeights.of_checkpoint(checkpoint)), 1
    written = [token := int(model.forward([[token]])[0, -1].argmax()) for _ in range(6)]
    assert written == [403, 407, 261, 378, 432, 383]  # " Once upon a time, there"


def test_wired_weights_are_the_stored_ones_where_these_are_on_the_grid(gpt_oss, llama):
    for folder, same in ((gpt_oss, True), (llama, False)):
        checkpoint = open_checkpoint(folder)
        stored = FloatingWeights.of_checkpoint(checkpoint)
        wired = FloatingWeights.of_wired(weights_from_checkpoint(checkpoint, "mxfp4"))
        equal = [np.array_equal(stored.matrices[n], m) for n, m in wired.matrices.items()]
        assert all(equal) if same else not any(equal)
        assert wired.constants.keys() == stored.constants.keys()


def test_row_scales_are_part_of_the_weights(llama):
    checkpoint = open_checkpoint(llama)
    weights = weights_from_checkpoint(checkpoint, "fp4")
    wired = FloatingWeights.of_wired(weights)
    stored = FloatingWeights.of_checkpoint(checkpoint)
    assert any(matrix.row_scales is not None for matrix in weights.matrices.values())
    for name, matrix in wired.matrices.items():
        error = np.abs(matrix - stored.matrices[name])
        assert error.mean() < 0.15 * np.abs(stored.matrices[name]).mean()


def test_in_steps_or_at_once(gpt_oss):
    weights = FloatingWeights.of_checkpoint(open_checkpoint(gpt_oss))
    ids = np.random.default_rng(0).integers(0, 12, (2, 8))
    model = FloatingModel(weights, n_sequences=2)
    whole = model.forward(ids)
    model.reset()
    stepped = np.concatenate([model.forward(ids[:, t : t + 1]) for t in range(8)], axis=1)
    assert np.allclose(stepped, whole, rtol=0, atol=1e-9)


def test_window_and_sink_by_hand(gpt_oss):
    """One layer, window 4: token 0 does not reach the result at position 4, but the sink does."""
    checkpoint = open_checkpoint(gpt_oss)
    weights = FloatingWeights.of_checkpoint(checkpoint)
    ids = np.array([[1, 2, 3, 4, 5], [9, 2, 3, 4, 5]])
    # One at a time: a matrix product may round its rows differently.
    logits = np.concatenate([FloatingModel(weights).forward(each[None]) for each in ids])
    assert np.array_equal(logits[0, 4], logits[1, 4])
    assert not np.allclose(logits[0, 3], logits[1, 3])
    name = "model.layers.0.self_attn.sinks"
    other = FloatingWeights(
        weights.shape, {**weights.constants, name: weights.constants[name] + 3}, weights.matrices
    )
    assert not np.allclose(FloatingModel(other).forward(ids[:1]), logits[:1])
