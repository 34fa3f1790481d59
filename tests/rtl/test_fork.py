"""Copies of a stream."""

import numpy as np
import pytest
from blocks import STALLS, run_block
from plain import Plain

from hnlpu.rtl.fork import Fork


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_every_output_has_every_beat(n_outputs, stall):
    beats = [{"value": int(v)} for v in np.random.default_rng(0).integers(0, 1 << 7, 60)]
    names = [f"y_{i}" for i in range(n_outputs)]
    dut = Plain(Fork(7, n_outputs), ("x",), tuple(names))
    found = run_block(dut, {"x": beats}, dict.fromkeys(names, 60), stall=stall)
    for name in names:
        assert found[name] == beats


def test_an_output_does_not_wait_for_another(simulate):
    """Nor does it get a beat twice; the input goes with the last."""
    dut = Fork(3, 3)

    async def bench(ctx):
        ctx.set(dut.x.payload, 5)
        ctx.set(dut.x.valid, 1)
        for i in (1, 2, 0):
            outputs = [dut.y_0, dut.y_1, dut.y_2]
            assert ctx.get(outputs[i].valid) and ctx.get(outputs[i].payload) == 5
            assert not ctx.get(dut.x.ready)
            ctx.set(outputs[i].ready, 1)
            assert ctx.get(dut.x.ready) == (i == 0)
            await ctx.tick()
            ctx.set(outputs[i].ready, 0)
            assert ctx.get(outputs[i].valid) == (i == 0)  # that of the next beat
        assert [ctx.get(y.valid) for y in outputs] == [1, 1, 1]

    simulate(dut, bench)
