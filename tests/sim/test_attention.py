"""Attention against softmax in float64, and by hand."""

from math import log2, sqrt

import numpy as np
import pytest

from hnlpu.model import RopeShape
from hnlpu.numerics import Numerics
from hnlpu.sim.attention import AttentionParameters, attention
from hnlpu.sim.fixed_point import Saturation
from hnlpu.tables import score_scale

NUMERICS = Numerics()
ONE = 1 << NUMERICS.value_fraction
LOG2E = log2(np.e)


def run(q, keys, values, *, positions=None, sinks=None, window=None, saturate=None):
    positions = np.arange(q.shape[1]) if positions is None else positions
    scale, fraction = score_scale(RopeShape(), q.shape[-1])
    if sinks is not None:
        sinks = np.rint(sinks * LOG2E * (1 << NUMERICS.exp_table_bits)).astype(np.int64)
    parameters = AttentionParameters(scale, fraction, sinks, window)
    return attention(
        q, keys, values, positions, parameters, NUMERICS, saturate or Saturation(), "y"
    )


def plain(q, keys, values, sinks=None, window=None):
    """The model's own attention, one query after another, in numbers."""
    n_sequences, n_tokens, n_heads, head_dim = q.shape
    group = n_heads // keys.shape[2]
    out = np.zeros(q.shape)
    for sequence, p, head in np.ndindex(n_sequences, n_tokens, n_heads):
        visible = [j for j in range(p + 1) if window is None or p - window < j]
        scores = keys[sequence, visible, head // group] @ q[sequence, p, head] / sqrt(head_dim)
        if sinks is not None:
            scores = np.append(scores, sinks[head])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        out[sequence, p, head] = weights[: len(visible)] @ values[sequence, visible, head // group]
    return out


@pytest.mark.parametrize("window", [None, 1, 4])
@pytest.mark.parametrize("with_sinks", [False, True])
@pytest.mark.parametrize("group", [1, 3])
def test_is_softmax_attention(group, with_sinks, window):
    rng = np.random.default_rng(group)
    q = rng.normal(0, 1.5 * ONE, (2, 9, 2 * group, 8)).round().astype(np.int64)
    keys, values = rng.normal(0, 1.5 * ONE, (2, 2, 9, 2, 8)).round().astype(np.int64)
    sinks = rng.normal(0, 2, 2 * group) if with_sinks else None
    saturate = Saturation()
    got = run(q, keys, values, sinks=sinks, window=window, saturate=saturate) / ONE
    wanted = plain(q / ONE, keys / ONE, values / ONE, sinks, window)
    assert sum(saturate.counts.values()) == 0
    # Two steps of 1/512 octave move a weight by 0.3 %, of values up to 5; the result is rounded too.
    assert np.abs(got - wanted).max() < 0.015
    assert np.sqrt(np.mean((got - wanted) ** 2)) < 0.0025


def test_by_hand():
    """Two keys whose scores are equal, then a third that is two octaves above."""
    q = np.full((1, 3, 1, 1), ONE)
    keys = np.array([0, 0, round(2 * ONE / LOG2E)]).reshape(1, 3, 1, 1)
    values = np.array([400, 800, -1200]).reshape(1, 3, 1, 1)
    assert run(q, keys, values).ravel().tolist() == [400, 600, -600]


@pytest.mark.parametrize(
    ("window", "wanted"), [(None, [100, 150, 200, 250]), (1, [100, 200, 300, 400]),
                           (2, [100, 150, 250, 350]), (4, [100, 150, 200, 250])],
)  # fmt: skip
def test_window_by_hand(window, wanted):
    """Equal scores: the mean of what can be seen, j with p - window < j <= p."""
    zero = np.zeros((1, 4, 1, 1), dtype=np.int64)
    values = np.array([100, 200, 300, 400]).reshape(1, 4, 1, 1)
    assert run(zero, zero, values, window=window).ravel().tolist() == wanted


def test_a_sink_takes_its_share():
    zero = np.zeros((1, 1, 2, 1), dtype=np.int64)
    values = np.full((1, 1, 1, 1), 1000)
    # As strong as the only key, and a hundred octaves above it.
    out = run(zero, np.zeros((1, 1, 1, 1), dtype=np.int64), values, sinks=np.array([0.0, 69.3]))
    assert out.ravel().tolist() == [500, 0]


def test_new_tokens_see_the_cache():
    rng = np.random.default_rng(1)
    q = rng.normal(0, ONE, (1, 6, 2, 4)).round().astype(np.int64)
    keys, values = rng.normal(0, ONE, (2, 1, 6, 2, 4)).round().astype(np.int64)
    whole = run(q, keys, values)
    for p in range(6):
        part = run(
            q[:, p : p + 1], keys[:, : p + 1], values[:, : p + 1], positions=np.array([p])
        )  # fmt: skip
        assert (part == whole[:, p : p + 1]).all()


def test_counts_what_was_clipped_and_is_visible():
    q = np.full((1, 2, 1, 1), 131071)
    keys = np.array([131071, 131071]).reshape(1, 2, 1, 1)
    values = np.array([131072, 131072]).reshape(1, 2, 1, 1)
    saturate = Saturation()
    out = run(q, keys, values, saturate=saturate)
    # One score of the first token, two of the second; the second key is not visible to the first.
    assert saturate.counts == {"y.scores": 3, "y": 2}
    assert (out == 131071).all()
