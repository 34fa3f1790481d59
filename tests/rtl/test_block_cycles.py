"""Models of blocks beside the blocks, in shapes that no small chip has, with pauses on either side."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from flows import Sink, Source
from slow import more

from hnlpu.numerics import Numerics
from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.quantizer import Quantizer
from hnlpu.rtl.rmsnorm import RmsNorm
from hnlpu.rtl.rope import Rope
from hnlpu.sim import cycle_streams, cycle_vectors
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Network

N = Numerics()
#: A block, its model and parameters, and after how many beats a vector ends.
CASES = {
    "quantizer of two heads": (
        lambda: Quantizer(5, 2, 16, 8, 4), cycle_vectors.Quantizer, {"length": 5}, 10,
    ),
    "quantizer of one element": (
        lambda: Quantizer(1, 3, 16, 8, 4), cycle_vectors.Quantizer, {"length": 1}, 3,
    ),
    "rope of two heads": (lambda: Rope(6, (1, 2, 3), N, 4), cycle_vectors.Rope, {"head_dim": 6}, 12),
    "rope of a pair": (lambda: Rope(2, (1,), N, 4), cycle_vectors.Rope, {"head_dim": 2}, 4),
    "norm": (lambda: RmsNorm(7, 1, N, 4), cycle_vectors.Norm, {"length": 7}, 7),
    "fifo of one": (lambda: Fifo(3, 1), cycle_streams.Fifo, {"depth": 1}, None),
    "fifo of five": (lambda: Fifo(3, 5), cycle_streams.Fifo, {"depth": 5}, None),
}  # fmt: skip


def in_rtl(dut, offers, readies, length):
    """Cycles of the beats at both ends."""
    taken, given = [], []

    async def bench(ctx):
        for cycle in range(5000):
            valid = len(taken) < len(offers) and cycle >= offers[len(taken)]
            ctx.set(dut.x.valid, valid)
            if length is not None:
                ctx.set(dut.x.p.last, (len(taken) + 1) % length == 0)
            ready = cycle >= readies[len(given)]
            ctx.set(dut.y.ready, bool(ready))
            if valid and ctx.get(dut.x.ready):
                taken.append(cycle)
            if ready and ctx.get(dut.y.valid):
                given.append(cycle)
                if len(given) == len(readies):
                    return
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return taken, given


@pytest.mark.parametrize("pace", [(0, 0), (1, 2), *more((3, 0), (0, 3), (3, 3))])
@pytest.mark.parametrize("case", CASES)
def test_as_the_block(case, pace):
    make, model, parameters, length = CASES[case]
    rng = np.random.default_rng(list(pace))
    beats = 4 * (length or 6)
    # Now and then a long pause, mostly one beat after the other.
    offers, readies = (
        np.cumsum(1 + rng.integers(0, 1 + most, beats) * (rng.random(beats) < 0.6)).tolist()
        for most in pace
    )
    network, passage = Network(), Passage()
    source, sink = network.add(Source("source", offers)), network.add(Sink("sink", readies))
    block = network.add(model("block", passage, **parameters))
    x = network.join(source, "y", block, "x", "x")
    y = network.join(block, "y", sink, "x", "y")
    network.run()
    assert in_rtl(make(), offers, readies, length) == (list(x.moved), list(y.moved))
