"""Rows of a table."""

import numpy as np
import pytest
from blocks import STALLS, run_block, vectors

from hnlpu.rtl.embedding import Embedding


def run(vocab, length, tokens, stall=STALLS["no-stall"]):
    rng = np.random.default_rng(vocab)
    table = rng.integers(-(1 << 11), 1 << 11, (vocab, length))
    table[0, 0], table[-1, -1] = -2048, 2047
    found = run_block(
        Embedding(vocab, length, 12, 5),
        {"x": [{"token": token, "position": 31 - i} for i, token in enumerate(tokens)]},
        {"y": len(tokens) * length},
        stall=stall,
        boot=dict(enumerate(table.ravel().tolist())),
    )
    assert vectors(found["y"]) == table[tokens].tolist()
    positions = 31 - np.repeat(range(len(tokens)), length)
    assert [beat["position"] for beat in found["y"]] == positions.tolist()
    return found["cycles"] - table.size  # without the boot


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(("vocab", "length"), [(1, 1), (1, 3), (5, 1), (8, 4), (13, 7)])
def test_gives_the_rows(vocab, length, stall):
    tokens = np.random.default_rng(0).integers(0, vocab, 10).tolist()
    run(vocab, length, [vocab - 1, 0, 0, *tokens], stall)


def test_an_element_a_cycle():
    assert run(3, 10, [0, 1, 2, 2, 1]) < 60
