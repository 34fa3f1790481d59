import numpy as np
import pytest

from hnlpu.base import LINE_MULTIPLES
from hnlpu.rtl.source import Source
from hnlpu.sim.source import source_lines


def run(simulate, bits, phases, vectors, stall):
    """Lines of each advancing cycle, one list of rows per vector."""
    dut = Source(bits, phases)
    n_cycles = (bits + 4) * phases
    seen = []

    async def bench(ctx):
        def present(vector):
            packed = sum((int(v) % (1 << bits)) << (p * bits) for p, v in enumerate(vector))
            ctx.set(dut.x, packed)

        present(vectors[0])
        ctx.set(dut.load, 1)
        await ctx.tick()
        for k in range(len(vectors)):
            rows = []
            for cycle in range(n_cycles):
                ctx.set(dut.load, 0)
                ctx.set(dut.enable, 0)
                for _ in range(stall(cycle)):
                    await ctx.tick()
                rows.append(ctx.get(dut.lines))
                ctx.set(dut.enable, 1)
                if cycle == n_cycles - 1 and k + 1 < len(vectors):  # back to back
                    present(vectors[k + 1])
                    ctx.set(dut.load, 1)
                await ctx.tick()
            seen.append(rows)

    simulate(dut, bench)
    return seen


@pytest.mark.parametrize("bits, phases", [(2, 1), (4, 1), (4, 3), (8, 2), (8, 3), (11, 5), (16, 1)])
@pytest.mark.parametrize("stall", [lambda k: 0, lambda k: k % 3], ids=["no-stall", "stalls"])
def test_matches_golden(simulate, bits, phases, stall):
    rng = np.random.default_rng(bits * phases)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    x = rng.integers(low, high + 1, (8, phases))
    x[0], x[1], x[2], x[3] = low, high, 0, -1
    x[4] = [(low, high)[p % 2] for p in range(phases)]
    seen = run(simulate, bits, phases, x, stall)
    pack = 1 << np.arange(len(LINE_MULTIPLES))
    assert seen == [(source_lines(row, bits + 4) @ pack).tolist() for row in x]


def test_every_four_bit_input(simulate):
    x = np.arange(-8, 8)
    seen = run(simulate, 4, 1, x[:, None], lambda k: 0)
    for value, rows in zip(x, seen, strict=True):
        for line, multiple in enumerate(LINE_MULTIPLES):
            word = sum(((row >> line) & 1) << b for b, row in enumerate(rows))
            assert word == multiple * int(value) % 256


def test_twin_by_hand():
    """-3 in four bits: 1x is 1101 and 6x is 11101110, least significant bit first, signs repeated."""
    lines = source_lines(np.array([-3]), 8)
    assert lines[:, LINE_MULTIPLES.index(1)].tolist() == [1, 0, 1, 1, 1, 1, 1, 1]
    assert lines[:, LINE_MULTIPLES.index(6)].tolist() == [0, 1, 1, 1, 0, 1, 1, 1]
    assert not lines[:, 0].any()


def test_twin_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"x\[1\] = 11 times 12 does not fit 8 bits"):
        source_lines(np.array([0, 11]), 8)
