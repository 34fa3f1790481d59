"""The router against softmax in float64, and by hand."""

import numpy as np
import pytest

from hnlpu.numerics import Numerics
from hnlpu.sim.router import octaves, route, top_k


def test_top_k_by_hand():
    values = np.array([[3, 9, -1, 9], [-5, -5, -5, -5], [-8, 1, 2, 3]])
    assert top_k(values, 1).tolist() == [[1], [0], [3]]
    assert top_k(values, 3).tolist() == [[1, 3, 0], [0, 1, 2], [3, 2, 1]]


def test_octaves_by_hand():
    n = Numerics(value_fraction=8, exp_table_bits=8)
    # One is 23637 / 2**14 = 1.4427 octaves.
    logits = np.array([0, 256, -256, 1, 131071])
    assert octaves(logits, n).tolist() == [0, 369, -369, 1, 189095]


def test_weights_by_hand():
    n = Numerics(routing_bits=12)
    logits = np.array([[0, 0, 0, 0], [0, 2560, 2560, -99], [177, 0, -256, -2560]])
    chosen, weights = route(logits, 2, n)
    assert chosen.tolist() == [[0, 1], [1, 2], [0, 1]]
    # 177 / 256 is ln(2) nearly: 255 of 256 steps of an octave.
    assert weights.tolist() == [[2048, 2048], [2048, 2048], [2728, 1368]]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_is_softmax_over_the_chosen(k):
    n = Numerics()
    logits = np.random.default_rng(k).normal(0, 500, (200, 9)).round().astype(np.int64)
    chosen, weights = route(logits, k, n)
    kept = np.take_along_axis(logits, chosen, axis=-1) / (1 << n.value_fraction)
    exact = np.exp(kept - kept.max(axis=-1, keepdims=True))
    exact /= exact.sum(axis=-1, keepdims=True)
    # Two roundings to steps of 1/256 octave change a term by at most 0.28 %.
    assert np.abs(weights / (1 << n.routing_bits) - exact).max() < 2.5e-3
    assert (np.diff(weights, axis=-1) <= 0).all()
    assert np.abs(weights.sum(axis=-1) - (1 << n.routing_bits)).max() <= k
