"""The sorted list against the twin's sort."""

import numpy as np
import pytest

from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.top_k import TopK
from hnlpu.sim.router import top_k


def lists():
    rng = np.random.default_rng(0)
    yield np.zeros(9, dtype=np.int64)
    yield np.arange(-6, 6)
    yield np.arange(6, -6, -1)
    yield np.array([-32, 31, 31, -32, 31, 0, -1, -32])
    yield np.full(7, -32)
    for n in (1, 2, 5, 30):
        yield rng.integers(-32, 32, n)
        yield rng.integers(-2, 2, n)


@pytest.mark.parametrize("apart", [False, True], ids=["push-clears", "clear-before"])
@pytest.mark.parametrize("k", [1, 2, 4, 16])
def test_keeps_the_largest(simulate, k, apart):
    dut = TopK(6, 5, k)
    found, wanted = [], []

    async def bench(ctx):
        for values in lists():
            if apart:
                ctx.set(dut.clear, 1)
                await ctx.tick()
                ctx.set(dut.clear, 0)
                assert ctx.get(dut.count) == 0
            for i, value in enumerate(values.tolist()):
                ctx.set(dut.clear, i == 0 and not apart)
                ctx.set(dut.push, 1)
                ctx.set(dut.value, value)
                ctx.set(dut.index, i)
                await ctx.tick()
                if i % 3 == 2:  # nothing happens
                    ctx.set(dut.push, 0)
                    ctx.set(dut.clear, 0)
                    await ctx.tick()
            ctx.set(dut.push, 0)
            count = ctx.get(dut.count)
            indices = [ctx.get(dut.indices[i]) for i in range(count)]
            assert [ctx.get(dut.values[i]) for i in range(count)] == values[indices].tolist()
            found.append(indices)
            wanted.append(top_k(values, k).tolist())

    simulate(dut, bench)
    assert found == wanted


def test_emits_its_module():
    library = Library()
    library.prototype(TopK, 18, 9, 64)
    assert list(dict(library.modules())) == ["hn_top_64_of_18_i9"]
