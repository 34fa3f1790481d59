"""The kernel of the model of cycles: pipelines calculated by hand, decisions in time, deadlocks by name."""

import pytest
from flows import Sink, Source

from hnlpu.errors import HnlpuError
from hnlpu.sim.cycle_streams import Adder, Fifo, Fork
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import At, Block, Network


class Together(Block):
    """Gives all that it was given at the end: takes ``n`` beats, then gives as many."""

    def __init__(self, name, n):
        super().__init__(name)
        self.n = n

    def process(self):
        x, y = self.inputs["x"], self.outputs["y"]
        x.need = 0
        while True:
            for _ in range(self.n):
                x.take(0)
            x.need += self.n
            if len(x.moved) < x.need:
                yield x.came
            cycle = x.moved[-1] + 1
            for _ in range(self.n):
                if y.give(cycle) < 0:
                    yield y.gone
                cycle = y.moved[-1] + 1


def chain(source, *blocks):
    network = Network()
    channels = []
    network.add(source)
    for before, block in zip((source, *blocks), blocks, strict=False):
        network.add(block)
        port = "y"
        channels.append(network.join(before, port, block, "x", f"{before.name}_{block.name}"))
    return network, channels


def test_a_beat_moves_when_both_are_ready():
    network, (stream,) = chain(Source("source", [0, 1, 7, 8]), Sink("sink", [0, 5, 6, 10]))
    network.run()
    # there in 0, 6 (after the second moved in 5), 7, 8; taken from 0, 5, 6, 10 on
    assert list(stream.moved) == [0, 5, 7, 10]
    assert network.beats() == 4
    assert network.latest() == 10


def test_time_is_passed_over():
    far = 10**15
    network, (stream,) = chain(Source("source", [0, far]), Sink("sink", [5, 0]))
    network.run()
    assert list(stream.moved) == [5, far]


def test_fifo_of_two():
    network, (x, y) = chain(
        Source("source", [0, 1, 2, 3]),
        Fifo("fifo", Passage(), depth=2),
        Sink("sink", [10, 0, 0, 20]),
    )
    network.run()
    # Two are taken at once, the third in the cycle after the first has left.
    assert list(x.moved) == [0, 1, 11, 12]
    assert list(y.moved) == [10, 11, 12, 20]


def test_a_pause_lets_a_beat_wait_and_then_stays_on_offer():
    network, (stream,) = chain(Source("source", [0, 1, 2]), Sink("sink", [0, 9, 0]))
    stream.pause = lambda cycle: -(-cycle // 4) * 4
    network.run()
    # on offer from 0; from 4 on, taken in 9; there again in 10, on offer in 12
    assert list(stream.moved) == [0, 9, 12]


def skip_around(depth):
    """A fork whose copies meet again: one of them waits for three beats, the other must wait in a FIFO."""
    network, passage = Network(), Passage()
    source, fork = (
        network.add(Source("source", [0, 1, 2])),
        network.add(Fork("fork", passage, n_outputs=2)),
    )
    long, fifo = network.add(Together("long", 3)), network.add(Fifo("skip", passage, depth=depth))
    adder, sink = network.add(Adder("adder", passage)), network.add(Sink("sink", [0, 0, 8]))
    network.join(source, "y", fork, "x", "in")
    network.join(fork, "y_0", long, "x", "long_in")
    network.join(fork, "y_1", fifo, "x", "skip_in")
    network.join(fifo, "y", adder, "x", "skip_out")
    network.join(long, "y", adder, "delta", "long_out")
    out = network.join(adder, "y", sink, "x", "out")
    return network, out


def test_fork_and_join():
    network, out = skip_around(3)
    network.run()
    # The last copy is taken in 2, the first is given in 3 and added there, on offer in 4.
    assert list(network.channels["long_out"].moved) == [3, 4, 5]
    assert list(network.channels["skip_out"].moved) == [3, 4, 5]
    assert list(out.moved) == [4, 5, 8]


def test_a_deadlock_is_named():
    # Two places would do: the third copy goes to the long way, though the other one waits.
    network, _ = skip_around(1)
    with pytest.raises(HnlpuError, match="nothing can move") as error:
        network.run()
    assert error.value.where == "cycle 1"
    assert error.value.got.split("; ") == [
        "fork waits for skip's x to be taken",
        "skip waits for adder's x to be taken",
        "adder waits for long's y",
        "long waits for fork's y_0",
    ]


class Arbiter(Block):
    """Takes from two inputs whichever is on offer first, ``a`` if both are: decides cycle by cycle."""

    def process(self):
        a, b = self.inputs["a"], self.inputs["b"]
        self.order = []
        cycle = 0
        while a.offered >= 0 or b.offered >= 0 or not self.order:
            yield At(cycle)
            offers = [(c.offered, c.source.name, c) for c in (a, b) if 0 <= c.offered]
            if offers:
                offered, name, channel = min(offers, key=lambda o: (max(o[0], cycle), o[1]))
                if offered > cycle:
                    cycle = offered
                    continue
                channel.take(cycle)
                self.order.append((cycle, name))
            cycle += 1
            yield At(cycle)


def test_decisions_know_all_that_was_before():
    network = Network()
    a, b = network.add(Source("a", [5, 6])), network.add(Source("b", [4, 6, 7]))
    arbiter = network.add(Arbiter("arbiter"))
    network.join(a, "y", arbiter, "a", "first")
    network.join(b, "y", arbiter, "b", "second")
    network.run()
    assert arbiter.order == [(4, "b"), (5, "a"), (6, "a"), (7, "b"), (8, "b")]
