"""The activations' twin against float64 and by hand."""

import numpy as np
import pytest

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.swiglu import sigmoid, swiglu

NUMERICS = Numerics()


@pytest.mark.parametrize("alpha", [1.0, 1.702])
def test_sigmoid_is_close(alpha):
    x = np.arange(-(1 << 13), 1 << 13)
    wanted = 1 / (1 + np.exp(-alpha * x / 256))
    # Half a unit of the table, half of the interpolation, and its bend: h**2 / 8 * alpha**2 * 0.0962.
    bend = (16 / 256) ** 2 / 8 * alpha**2 * 0.0963
    edge = 1 / (1 + np.exp(8 * alpha))  # beyond the table it is 0 or 1
    error = np.abs(sigmoid(x, alpha, NUMERICS) / 4096 - wanted)
    assert error.max() < max(1 / 4096 + bend, edge)


def test_sigmoid_by_hand():
    assert sigmoid(np.array([0, -2048, -2049, 2047, 2048, 131071]), 1.0, NUMERICS).tolist() == [
        2048,
        1,  # 4096 * 0.000335
        0,
        4095,  # the last segment rises from 4095 to 4095
        4096,
        4096,
    ]


@pytest.mark.parametrize("limit", [None, 7.0])
def test_close_to_float64(limit):
    rng = np.random.default_rng(0)
    gate, up = rng.normal(0, 4, (2, 5000))
    gate, up = np.round(gate * 256), np.round(up * 256)
    saturate = Saturation()
    found = swiglu(gate.astype(np.int64), up.astype(np.int64), limit, NUMERICS, saturate, "y")
    g, u, alpha = gate / 256, up / 256, 1.0
    if limit is not None:
        g, u, alpha = np.minimum(g, limit), np.clip(u, -limit, limit) + 1, 1.702
    wanted = u * g / (1 + np.exp(-alpha * g))
    # The sigmoid's own error (above) times what it is multiplied with, and the last rounding.
    bound = np.abs(u * g) * 7e-4 + 0.51 / 256
    assert (np.abs(found / 256 - wanted) <= bound).all()
    assert saturate.counts["y"] == 0


def test_limits_by_hand():
    """gate 9 counts as 7, up -20 as -7: (-7 + 1) * 7 * sigmoid(11.9) = -42."""
    saturate = Saturation()
    one = 256
    y = swiglu(
        np.array([9 * one, 9 * one, -9 * one]), np.array([-20 * one, 20 * one, 3 * one]), 7.0,
        NUMERICS, saturate, "y",
    )  # fmt: skip
    assert y.tolist() == [-42 * one, 56 * one, 0]


def test_saturates_and_counts():
    saturate = Saturation()
    big = np.array([1 << 16, -(1 << 16)])
    y = swiglu(big[[0, 0]], big, None, NUMERICS, saturate, "y")
    assert y.tolist() == [(1 << 17) - 1, -(1 << 17)]
    assert saturate.counts == {"y": 2}
