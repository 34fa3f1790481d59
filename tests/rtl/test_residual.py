"""The residual adder against the twin's arithmetic."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors

from hnlpu.rtl.residual import Residual
from hnlpu.sim.fixed_point import Saturation


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_adds_and_saturates(stall):
    rng = np.random.default_rng(0)
    x, delta = rng.integers(-(1 << 11), 1 << 11, (2, 4, 9))
    x[0], delta[0] = 2047, 1
    x[1], delta[1] = -2048, -1
    found = run_block(
        Residual(12, 5), {"x": beats(x), "delta": beats(delta)}, {"y": x.size}, stall=stall
    )
    saturate = Saturation()
    assert vectors(found["y"]) == saturate(x + delta, 12, "y").tolist()
    assert found["saturated"] == saturate.counts["y"]
    assert [beat["position"] for beat in found["y"]] == np.repeat(range(4), 9).tolist()
