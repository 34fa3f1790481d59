"""The gated activations against the twin."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors

from hnlpu.numerics import Numerics
from hnlpu.rtl.swiglu import Swiglu
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.swiglu import swiglu

GRIDS = {
    "default": Numerics(),
    "narrow": Numerics(value_bits=11, value_fraction=5, sigmoid_table_bits=4, sigmoid_bits=9),
    "wide": Numerics(
        residual_bits=24, value_bits=24, value_fraction=12, sigmoid_table_bits=5, sigmoid_bits=16
    ),
    "knots-only": Numerics(value_fraction=4, sigmoid_table_bits=8),  # nothing to interpolate
    "no-edge": Numerics(value_bits=10, value_fraction=8),  # all values inside the table
}


def run(gate, up, interleaved, limit, numerics, stall=STALLS["no-stall"]):
    if interleaved:
        inputs = {"x": beats(np.stack([gate, up], axis=-1).reshape(len(gate), -1))}
    else:
        inputs = {"gate": beats(gate), "up": beats(up)}
    dut = Swiglu(interleaved, limit, numerics, 6)
    found = run_block(dut, inputs, {"y": gate.size}, stall=stall)
    saturate = Saturation()
    assert vectors(found["y"]) == swiglu(gate, up, limit, numerics, saturate, "y").tolist()
    assert found["saturated"] == saturate.counts["y"]
    positions = [beat["position"] for beat in found["y"]]
    assert positions == np.repeat(range(len(gate)), gate.shape[1]).tolist()
    return saturate.counts["y"], found["cycles"]


def corners(numerics):
    """Extremes of the grid and what lies beside every limit of the arithmetic, all by all."""
    high = (1 << (numerics.value_bits - 1)) - 1
    one = 1 << numerics.value_fraction
    values = {-high - 1, -high, high, 0, 1, -1, one, -one}
    values |= {
        sign * octaves * one + d for sign in (-1, 1) for octaves in (7, 8) for d in (-1, 0, 1)
    }
    kept = [v for v in sorted(values) if -high - 1 <= v <= high]
    gate, up = np.meshgrid(kept, kept)
    return gate, up


@pytest.mark.parametrize("limit", [None, 7.0])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("numerics", GRIDS.values(), ids=GRIDS)
def test_corners(numerics, interleaved, limit):
    run(*corners(numerics), interleaved, limit, numerics)


@pytest.mark.parametrize("limit", [None, 7.0, 2.5])
@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("interleaved", [False, True])
def test_random_values_in_stalls(interleaved, stall, limit):
    rng = np.random.default_rng(1)
    numerics = GRIDS["default"]
    gate, up = rng.integers(-(1 << 12), 1 << 12, (2, 5, 11))
    gate[-1], up[-1] = (1 << 17) - 1, -(1 << 17)
    n_saturated, _ = run(gate, up, interleaved, limit, numerics, stall)
    assert (n_saturated > 0) == (limit is None)


@pytest.mark.parametrize("interleaved", [False, True])
def test_an_element_a_cycle(interleaved):
    ones = np.ones((4, 15), dtype=int)
    assert run(ones, ones, interleaved, None, GRIDS["narrow"])[1] < 65 + 60 * interleaved
