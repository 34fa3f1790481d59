"""Rotary embedding against complex rotation."""

from math import pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.model import RopeShape
from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.rope import rope, sine_cosine
from hnlpu.tables import PHASE_BITS, rope_frequencies, rope_steps

TURN = 1 << PHASE_BITS


def angle_error(numerics: Numerics) -> float:
    """Half a segment of the table, and the rounding of sine and cosine, in radians."""
    half_segment = pi / 4 / (1 << numerics.rope_table_bits)
    return half_segment + sqrt(0.5) / (1 << numerics.rope_bits)


@pytest.mark.parametrize("table_bits, bits", [(10, 12), (2, 6), (4, 7), (14, 16)])
def test_sine_and_cosine(table_bits, bits):
    numerics = Numerics(rope_table_bits=table_bits, rope_bits=bits)
    quarters = [(q * (TURN // 4) + d) % TURN for q in range(4) for d in (-1, 0, 1)]
    phase = np.array([*np.random.default_rng(0).integers(0, TURN, 5000), *quarters])
    sine, cosine = (part / (1 << bits) for part in sine_cosine(phase, numerics))
    exact = np.exp(2j * pi * phase / TURN)
    assert np.abs(cosine + 1j * sine - exact).max() <= angle_error(numerics)


def test_sine_and_cosine_are_symmetrical():
    numerics = Numerics()
    phase = np.random.default_rng(0).integers(0, TURN, 500)
    sine, cosine = sine_cosine(phase, numerics)
    further = sine_cosine((phase + TURN // 4) % TURN, numerics)
    assert np.array_equal(further, [cosine, -sine])
    mirrored = sine_cosine(TURN - 1 - phase, numerics)  # the segment on the other side of 0
    assert np.array_equal(mirrored, [-sine, cosine])


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 3), st.integers(0, 1 << 17))
def test_is_complex_rotation(seed, half, n_heads, position):
    numerics, saturate = Numerics(), Saturation()
    rng = np.random.default_rng(seed)
    x = rng.integers(-(1 << 16), 1 << 16, (1, n_heads, 2 * half))  # cannot leave 18 bits
    steps = rng.integers(0, TURN, half)
    y = rope(x, np.array([position]), steps, numerics, saturate, "y")
    turns = [position * int(step) % TURN / TURN for step in steps]
    pairs = x[..., :half] + 1j * x[..., half:]
    error = np.abs(y[..., :half] + 1j * y[..., half:] - pairs * np.exp(2j * pi * np.array(turns)))
    assert (error <= np.abs(pairs) * angle_error(numerics) + sqrt(0.5)).all()
    assert saturate.counts == {"y": 0}


@pytest.mark.parametrize(
    "shape",
    [
        RopeShape(10000.0),
        RopeShape(150000.0, 32.0, 32.0, 1.0, 4096, False),
    ],
    ids=["plain", "yarn"],
)
def test_steps_are_the_models_frequencies(shape):
    """The phase at the far end of a long context, in real radians."""
    numerics, saturate = Numerics(), Saturation()
    position, half = 100_000, 32
    x = np.zeros((1, 1, 2 * half), dtype=np.int64)
    x[..., :half] = 1 << 16
    y = rope(x, np.array([position]), rope_steps(shape, 2 * half), numerics, saturate, "y")
    exact = np.exp(1j * position * rope_frequencies(shape, 2 * half))
    error = np.abs((y[0, 0, :half] + 1j * y[0, 0, half:]) / (1 << 16) - exact)
    rounding = 2 * pi * position / 2 / TURN  # half a unit of a step, for every position
    assert error.max() <= angle_error(numerics) + rounding + 2.0**-16


def test_scores_depend_on_the_distance():
    numerics, saturate = Numerics(), Saturation()
    rng = np.random.default_rng(0)
    q, k = rng.integers(-(1 << 15), 1 << 15, (2, 1, 1, 16))
    steps = rng.integers(0, TURN, 8)
    at = np.array([40, 45, 1040, 1045])
    turned = {
        int(p): (rope(q, p[None], steps, numerics, saturate, "q"),
                 rope(k, p[None], steps, numerics, saturate, "k"))
        for p in at
    }  # fmt: skip
    near, far = ((turned[p + 5][0] * turned[p][1]).sum() for p in (40, 1040))
    size = np.linalg.norm(q) * np.linalg.norm(k)
    assert abs(near - far) <= 5 * angle_error(numerics) * size


def test_corners():
    numerics, saturate = Numerics(), Saturation()
    low, high = -(1 << 17), (1 << 17) - 1
    eighth = TURN // 8
    x = np.array([[[0, 0]], [[low, low]], [[low, low]], [[high, low]]])
    y = rope(x, np.array([3, 1, 3, 0]), np.array([eighth]), numerics, saturate, "y")
    assert y[0].tolist() == [[0, 0]]
    # (-1 - i) turned by an eighth is -i sqrt(2), and by three eighths +sqrt(2): both are clipped.
    assert y[1, 0, 1] == low and abs(int(y[1, 0, 0])) < 500
    assert y[2, 0, 0] == high and abs(int(y[2, 0, 1])) < 500
    # At position 0 a pair keeps its place but for half a segment.
    assert np.abs(y[3] - x[3]).max() <= angle_error(numerics) * sqrt(2) * (1 << 17) + 1
    assert saturate.counts["y"] >= 2
