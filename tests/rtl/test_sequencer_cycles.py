"""The model of an array's cycles beside its sequencer, with cuts and registers that no small chip has."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.sim import Simulator

from hnlpu.rtl.sequencer import Sequencer
from hnlpu.sim.cycle_arrays import Array
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Block, Network

VECTORS = 12


class Feeder(Block):
    """Offers a vector some cycles after the one before was taken."""

    def __init__(self, gaps):
        super().__init__("feeder")
        self.gaps = gaps

    def process(self):
        y = self.outputs["y"]
        taken = 0
        for gap in self.gaps:
            if y.give(taken + gap) < 0:
                yield y.gone
            taken = y.moved[-1]


class Taker(Block):
    """Takes a result some cycles after it is on offer."""

    def __init__(self, delays):
        super().__init__("taker")
        self.delays = delays
        self.offered = []

    def process(self):
        x = self.inputs["x"]
        for delay in self.delays:
            if x.offered < 0:
                yield x.offering
            self.offered.append(x.offered)
            x.take(x.offered + delay)


def in_rtl(parameters, gaps, delays):
    """Cycles in which vectors are taken, results come on offer and are taken."""
    dut = Sequencer(**parameters)
    taken, offered, gone = [], [], []

    async def bench(ctx):
        due, since = gaps[0], None
        for cycle in range(20_000):
            ctx.set(dut.x_valid, len(taken) < VECTORS and cycle >= due)
            valid = ctx.get(dut.y_valid)
            if valid and since is None:
                since = cycle
                offered.append(cycle)
            ready = valid and cycle >= since + delays[len(gone)]
            ctx.set(dut.y_ready, int(bool(ready)))
            if ready:
                gone.append(cycle)
                since = None
            if ctx.get(dut.x_valid) and ctx.get(dut.x_ready):
                taken.append(cycle)
                if len(taken) < VECTORS:
                    due = cycle + gaps[len(taken)]
            if len(gone) == VECTORS:
                return
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return taken, offered, gone


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("segments", "cuts"), [(1, 0), (1, 1), (2, 2), (3, 3)], ids=["plain", "1 cut", "2", "3"]
)
def test_as_the_sequencer(segments, cuts, seed):
    rng = np.random.default_rng(seed)
    phases, bits = int(rng.integers(1, 4)), int(rng.integers(3, 6))
    parameters = {
        "phases": phases, "product_bits": bits, "n_segments": segments, "n_cuts": cuts,
        "registered": segments > 1,
    }  # fmt: skip
    # A feed offers a vector two cycles after the last one at the earliest: it collects one element or more.
    gaps = (2 + rng.integers(0, 2 * phases * bits, VECTORS) * rng.integers(0, 2, VECTORS)).tolist()
    delays = (rng.integers(0, 3 * phases * bits, VECTORS) * rng.integers(0, 2, VECTORS)).tolist()
    plan = SimpleNamespace(
        interval_cycles=phases * bits, n_segments=segments, n_cuts=cuts, holds_input=segments > 1
    )
    network = Network()
    feeder, taker = network.add(Feeder(gaps)), network.add(Taker(delays))
    array = network.add(Array("array", Passage(), plan=plan))
    x = network.join(feeder, "y", array, "x", "x")
    y = network.join(array, "y", taker, "x", "y")
    network.run()
    assert in_rtl(parameters, gaps, delays) == (list(x.moved), taker.offered, list(y.moved))
