"""Slices put together."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors

from hnlpu.rtl.gather import Gather


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(
    ("n_inputs", "length", "total"),
    [(2, 3, 6), (2, 3, 5), (3, 4, 9), (4, 1, 4), (4, 2, 3), (1, 5, 5), (4, 1, 1)],
)
def test_in_order_and_without_padding(n_inputs, length, total, stall):
    slices = np.random.default_rng(total).integers(-50, 50, (n_inputs, 6, length))
    positions = [7, 0, 3, 2, 2, 1]
    found = run_block(
        Gather(n_inputs, length, total, 7, 3),
        {f"x_{i}": beats(rows, positions) for i, rows in enumerate(slices)},
        {"y": 6 * total},
        stall=stall,
    )
    wanted = slices.transpose(1, 0, 2).reshape(6, -1)[:, :total]
    assert vectors(found["y"]) == wanted.tolist()
    assert [beat["position"] for beat in found["y"]] == np.repeat(positions, total).tolist()
