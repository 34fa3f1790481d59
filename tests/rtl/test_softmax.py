"""Powers of two and reciprocals against the twin."""

import numpy as np
import pytest

from hnlpu.numerics import Numerics
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.softmax import MAX_TOTAL_BITS, Exp2, Reciprocal
from hnlpu.sim.softmax import exp2_terms, reciprocal


@pytest.mark.parametrize(
    ("below_bits", "table_bits"), [(13, 8), (20, 8), (7, 2), (28, 12), (6, 8), (9, 8), (14, 8)]
)
def test_terms(simulate, below_bits, table_bits):
    numerics = Numerics(exp_table_bits=table_bits)
    rng = np.random.default_rng(below_bits)
    # Every octave that leaves something, its borders and halves, and the whole range.
    below = np.concatenate([
        np.arange(40 << 1) << (table_bits - 1),
        (np.arange(40) << table_bits) - 1,
        rng.integers(0, 20 << table_bits, 300),
        rng.integers(0, 1 << below_bits, 200),
        [(1 << below_bits) - 1],
    ])  # fmt: skip
    below = below[(below >= 0) & (below < 1 << below_bits)]
    dut = Exp2(below_bits, numerics)
    found = []

    async def bench(ctx):
        for value in below.tolist():
            ctx.set(dut.below, value)
            await ctx.delay(1e-6)
            found.append(ctx.get(dut.term))

    simulate(dut, bench, clocked=False)
    assert found == exp2_terms(below, numerics).tolist()


@pytest.mark.parametrize("n_bits", [1, 3, 15, 16, 17, 22, MAX_TOTAL_BITS])
def test_reciprocal(simulate, n_bits):
    rng = np.random.default_rng(n_bits)
    powers = 1 << np.arange(n_bits)
    totals = np.concatenate([powers, 2 * powers - 1, powers + 1, rng.integers(1, 1 << n_bits, 20)])
    totals = totals[totals < 1 << n_bits]
    dut = Reciprocal(n_bits)
    found = []

    async def bench(ctx):
        assert ctx.get(dut.done) == 0
        for k, total in enumerate(totals.tolist()):
            ctx.set(dut.total, total)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.total, 0)
            ctx.set(dut.start, 0)
            cycles = 1
            while not ctx.get(dut.done):
                await ctx.tick()
                cycles += 1
            assert cycles == 18
            for _ in range(k % 3):
                await ctx.tick()
            found.append([ctx.get(dut.factor), ctx.get(dut.shift)])
            assert ctx.get(dut.done)

    simulate(dut, bench)
    assert found == np.stack(reciprocal(totals), axis=-1).tolist()


def test_emits_its_modules():
    library = Library()
    library.prototype(Exp2, 20, Numerics())
    library.prototype(Reciprocal, 24)
    names = list(dict(library.modules()))
    assert names[:2] == ["hn_exp2_20_t8", "hn_reciprocal_24"]
    assert len(names) == 3 and names[2].startswith("hn_rom_256x16_")
