"""First in, first out."""

import numpy as np
import pytest
from blocks import STALLS, run_block
from plain import Plain

from hnlpu.rtl.fifo import Fifo


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("depth", [1, 2, 3, 11])
def test_keeps_the_order(depth, stall):
    beats = [{"value": int(v)} for v in np.random.default_rng(0).integers(0, 1 << 9, 80)]
    found = run_block(Plain(Fifo(9, depth), ("x",), ("y",)), {"x": beats}, {"y": 80}, stall=stall)
    assert found["y"] == beats


@pytest.mark.parametrize("depth", [1, 5, 8])
def test_holds_as_many_as_it_is_deep(simulate, depth):
    dut = Fifo(4, depth)

    async def bench(ctx):
        ctx.set(dut.x.valid, 1)
        for k in range(depth):
            assert ctx.get(dut.x.ready)
            ctx.set(dut.x.payload, k)
            await ctx.tick()
        assert not ctx.get(dut.x.ready)
        await ctx.tick().repeat(3)
        ctx.set(dut.x.valid, 0)
        ctx.set(dut.y.ready, 1)
        for k in range(depth):
            assert ctx.get(dut.y.valid) and ctx.get(dut.y.payload) == k
            await ctx.tick()
        assert not ctx.get(dut.y.valid)

    simulate(dut, bench)


def test_a_beat_a_cycle():
    beats = [{"value": k % 16} for k in range(50)]
    found = run_block(Plain(Fifo(4, 2), ("x",), ("y",)), {"x": beats}, {"y": 50})
    assert found["cycles"] < 55
