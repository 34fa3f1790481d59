"""Noise beside its twin, and a twin that may not change what has happened."""

import pytest
from amaranth.sim import Simulator

from hnlpu.errors import HnlpuError
from hnlpu.rtl.stall import Glitch, Noise
from hnlpu.sim.stall import Noise as Twin


def test_every_stream_goes_in_the_twins_cycles():
    n, cycles, on, off = 70, 300, 20, 250  # more streams than the register has bits
    dut, seen = Noise(n), []

    async def bench(ctx):
        for cycle in range(cycles):
            ctx.set(dut.enable, on <= cycle < off)
            seen.append(ctx.get(dut.go))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    twin = Twin()
    twin.switch(on, True)
    twin.switch(off, False)
    streams = [twin.stream(i) for i in range(n)]
    for cycle, go in enumerate(seen):
        assert [stream(cycle) == cycle for stream in streams] == [
            bool(go >> i & 1) for i in range(n)
        ]


def test_pauses_after_the_fact_are_refused():
    twin = Twin()
    twin.switch(0, False)  # as it was
    stream = twin.stream(3)
    assert stream(40) == 40
    twin.switch(41, True)
    assert stream(60) >= 60
    with pytest.raises(HnlpuError, match="while beats are on their way"):
        twin.switch(60, False)


def test_glitches_flip_one_bit_now_and_then_and_count():
    dut = Glitch(13, 5)
    flips, counts = [], []
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        for cycle in range(6000):
            ctx.set(dut.enable, cycle >= 1000)
            await ctx.delay(0)
            flips.append(ctx.get(dut.flip))
            counts.append(ctx.get(dut.count))
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
    assert not any(flips[:1000])
    assert {flip.bit_count() for flip in flips} == {0, 1}
    assert {flip.bit_length() - 1 for flip in flips if flip} == set(range(13))
    made = sum(flip != 0 for flip in flips[:-1])
    assert counts[-1] == made
    assert 5000 / 64 / 2 < made < 5000 / 64 * 1.3  # 3 of 16 draws are no wire
