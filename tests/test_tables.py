"""Tables of the vector units against the functions they stand for."""

from math import cos, exp, log, log2, pi, sin, sqrt

import numpy as np
import pytest

from hnlpu.model import RopeShape
from hnlpu.numerics import Numerics
from hnlpu.tables import (
    EXP_BITS,
    RSQRT_BITS,
    exp2_table,
    rope_frequencies,
    rope_magnitude,
    rope_steps,
    rsqrt_table,
    score_scale,
    sigmoid_table,
    sine_table,
)

YARN = RopeShape(150000.0, 32.0, 4096, 32.0, 1.0, truncate=False)  # gpt-oss
ADDER = RopeShape(1000.0, 4.0, 64, 32.0, 1.0, truncate=False)


@pytest.mark.parametrize(("rope", "head_dim"), [(YARN, 64), (ADDER, 16)])
def test_yarn_as_written_down(rope, head_dim):
    """cd(r) = D ln(orig / (2 pi r)) / (2 ln theta); inv = (1 - ramp) / pf + ramp / (factor pf)."""
    d = head_dim

    def cd(r):
        return d * log(rope.original_context / (2 * pi * r)) / (2 * log(rope.theta))

    lo, hi = max(cd(rope.beta_fast), 0), min(cd(rope.beta_slow), d - 1)
    got = rope_frequencies(rope, head_dim)
    for i in range(d // 2):
        pf = rope.theta ** (2 * i / d)
        ramp = min(max((i - lo) / (hi - lo), 0), 1)
        assert got[i] == pytest.approx((1 - ramp) / pf + ramp / (rope.factor * pf), rel=1e-12)
    assert rope_magnitude(rope) == pytest.approx(0.1 * log(rope.factor) + 1)


def test_yarn_cut_to_whole_dimensions():
    whole = rope_frequencies(RopeShape(150000.0, 32.0, 4096, 32.0, 1.0, truncate=True), 64)
    own = rope_frequencies(YARN, 64)
    # lo = 8.09 becomes 8, hi = 17.4 becomes 18 (ten pairs between)
    changed = np.flatnonzero(~np.isclose(whole, own, rtol=1e-12))
    assert changed.min() == 9
    assert changed.max() == 17


def test_plain_rope():
    plain = RopeShape(10000.0)
    assert rope_frequencies(plain, 8) == pytest.approx([1, 0.1, 0.01, 0.001])
    assert rope_magnitude(plain) == 1.0
    assert rope_steps(plain, 8).tolist() == [
        round(2**32 * f / (2 * pi)) for f in (1, 0.1, 0.01, 0.001)
    ]


@pytest.mark.parametrize(("rope", "head_dim"), [(YARN, 64), (ADDER, 16), (RopeShape(), 8)])
def test_score_scale_has_sixteen_bits(rope, head_dim):
    integer, fraction = score_scale(rope, head_dim)
    wanted = log2(exp(1)) / sqrt(head_dim) * rope_magnitude(rope) ** 2
    assert 1 << 15 <= integer <= 1 << 16
    assert abs(integer / 2**fraction - wanted) <= 2.0 ** -(fraction + 1)


@pytest.mark.parametrize("bits", [2, 6, 8, 12])
def test_functions_at_their_places(bits):
    n = 1 << bits
    numerics = Numerics(exp_table_bits=bits, rsqrt_table_bits=bits, rope_table_bits=bits)
    exponential = exp2_table(numerics)
    assert len(exponential) == n
    assert exponential[0] == 1 << (EXP_BITS - 1)
    for i in range(n):
        assert abs(exponential[i] - 2 ** (EXP_BITS - 1 - i / n)) <= 0.5
    root, sine = rsqrt_table(numerics), sine_table(numerics)
    for i in range(n):
        half, j = divmod(i, n // 2)
        m = (1 + (j + 0.5) / (n // 2)) * (1 + half)
        assert abs(root[i] - 2**RSQRT_BITS / sqrt(m)) <= 0.5
        angle = (i + 0.5) / n * pi / 2
        assert abs(sine[i] - sin(angle) * 2**numerics.rope_bits) <= 0.5
        assert abs(sine[n - 1 - i] - cos(angle) * 2**numerics.rope_bits) <= 0.5


@pytest.mark.parametrize("alpha", [1.0, 1.702])
def test_sigmoid(alpha):
    table = sigmoid_table(Numerics(), alpha)
    assert len(table) == 257
    for x, value in zip(np.linspace(-8, 8, 257), table, strict=True):
        assert abs(value - 4096 / (1 + exp(-alpha * x))) <= 0.5
    assert table[128] == 2048
    assert (table + table[::-1]).tolist() == [4096] * 257
