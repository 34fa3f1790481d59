"""Vectors of several streams in the order that is asked for."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block

from hnlpu.rtl.merge import Merge


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("n_inputs", [1, 3, 4])
def test_forwards_what_is_selected(n_inputs, stall):
    rng = np.random.default_rng(n_inputs)
    order = rng.integers(0, n_inputs, 12).tolist()
    inputs = {f"x_{i}": [] for i in range(n_inputs)}
    wanted = []
    for position, i in enumerate(order):
        length = int(rng.integers(1, 8))
        vector = beats(rng.integers(-(1 << 8), 1 << 8, (1, length)), [position])
        inputs[f"x_{i}"] += vector
        wanted += vector
    select = [{"mask": 1 << i} for i in order]
    found = run_block(
        Merge(n_inputs, 9, 4), {"select": select, **inputs}, {"y": len(wanted)}, stall=stall
    )
    assert found["y"] == wanted


def test_an_element_a_cycle():
    vectors = np.arange(60).reshape(6, 10)
    inputs = {"x_0": beats(vectors[::2]), "x_1": beats(vectors[1::2])}
    select = [{"mask": 1}, {"mask": 2}] * 3
    found = run_block(Merge(2, 9, 4), {"select": select, **inputs}, {"y": 60})
    assert found["cycles"] < 65
