"""Slices of vectors."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors

from hnlpu.rtl.cut import Cut


@pytest.mark.parametrize("kind", ["integers", "vector"])
@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(
    ("n", "first", "length"),
    [
        (6, 0, 3),
        (6, 3, 3),
        (6, 1, 2),
        (5, 3, 3),
        (5, 5, 2),
        (5, 8, 2),
        (1, 0, 1),
        (1, 0, 4),
        (7, 6, 1),
    ],
)
def test_slices_and_their_padding(n, first, length, stall, kind):
    rng = np.random.default_rng(n)
    x = rng.integers(-50, 50, (6, n))
    positions, exponents = [7, 0, 3, 2, 2, 1], rng.integers(-9, 9, 6).tolist()
    block_floating = {"exponent": exponents} if kind == "integers" else {}
    found = run_block(
        Cut(n, first, length, 7, 3, kind),
        {"x": beats(x, positions, **block_floating)},
        {"y": 6 * length},
        stall=stall,
    )
    wanted = np.pad(x, ((0, 0), (0, first + length)))[:, first : first + length]
    assert vectors(found["y"]) == wanted.tolist()
    assert [beat["position"] for beat in found["y"]] == np.repeat(positions, length).tolist()
    if block_floating:
        assert [beat["exponent"] for beat in found["y"]] == np.repeat(exponents, length).tolist()
