"""Rounding against the twin's."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors

from hnlpu.rtl.rounding import Round
from hnlpu.sim.fixed_point import Saturation, round_shift


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(
    ("x_bits", "shift", "n_bits"), [(9, 0, 9), (9, 3, 4), (12, 5, 8), (6, 5, 3)]
)
def test_equals_the_twin(x_bits, shift, n_bits, stall):
    low, high = -(1 << (x_bits - 1)), (1 << (x_bits - 1)) - 1
    x = np.random.default_rng(shift).integers(low, high + 1, (9, 7))
    x[0, :4] = low, high, high - 1, 1 << shift >> 1
    found = run_block(Round(x_bits, shift, n_bits, 5), {"x": beats(x)}, {"y": x.size}, stall=stall)
    saturate = Saturation()
    assert vectors(found["y"]) == saturate(round_shift(x, shift), n_bits, "y").tolist()
    assert found["saturated"] == saturate.counts["y"]
    assert [beat["position"] for beat in found["y"]] == np.repeat(range(9), 7).tolist()
