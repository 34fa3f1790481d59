"""Models of what joins chips beside the blocks, with pauses on every side: channels and links, attention on rows."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from flows import Sink, Source
from slow import more
from test_attention import Case, Column
from test_channels import Pair

from hnlpu.link_plan import LinkPlan
from hnlpu.rtl.cut import Cut
from hnlpu.rtl.gather import Gather
from hnlpu.sim import cycle_collectives
from hnlpu.sim.cycle_attention import AttentionParts, RowAttention
from hnlpu.sim.cycle_channels import Channels, Store
from hnlpu.sim.cycle_collectives import Reduce
from hnlpu.sim.cycle_link import join_link
from hnlpu.sim.cycle_streams import Fork
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Network
from hnlpu.widths import channel_bits


def in_rtl(dut, inputs, readies, boot=None, more=0):
    """Cycles of the beats of every stream: ``inputs`` are cycles and payloads (fields), ``readies`` cycles.

    ``boot`` are words by address, written one a cycle; ``more`` cycles follow the last beat that is asked for.
    """
    words = list((boot or {}).items())
    found = {name: [] for name in (*inputs, *readies)}

    async def bench(ctx):
        left = more
        for cycle in range(20_000):
            if boot:
                ctx.set(dut.boot.write, cycle < len(words))
                address, word = words[min(cycle, len(words) - 1)]
                ctx.set(dut.boot.address, address)
                ctx.set(dut.boot.data, word)
            for name, (offers, payloads) in inputs.items():
                port, n = getattr(dut, name), len(found[name])
                there = n < len(offers) and cycle >= offers[n]
                ctx.set(port.valid, there)
                if there:
                    for part, value in payloads[n].items():
                        ctx.set(getattr(port.p, part), value)
            for name, cycles in readies.items():
                n = len(found[name])
                ctx.set(getattr(dut, name).ready, n < len(cycles) and cycle >= cycles[n])
            for name, seen in found.items():
                port = getattr(dut, name)
                if ctx.get(port.valid) and ctx.get(port.ready):
                    seen.append(cycle)
            if all(len(found[name]) == len(cycles) for name, cycles in readies.items()):
                if not left:
                    return
                left -= 1
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def cycles_of(rng, n, most):
    """Mostly one beat after the other, now and then a long pause."""
    return np.cumsum(1 + rng.integers(0, 1 + most, n) * (rng.random(n) < 0.6)).tolist()


class Ends:
    """A network with sources and sinks, whose streams are called as the ports of a block in RTL."""

    def __init__(self, passage=None):
        self.network, self.passage = Network(), passage or Passage()

    def add(self, model, name="block", **parameters):
        return self.network.add(model(name, self.passage, **parameters))

    def source(self, name, cycles, block, port):
        self.network.join(
            self.network.add(Source(f"{name} source", cycles)), "y", block, port, name
        )

    def sink(self, name, cycles, block, port):
        self.network.join(block, port, self.network.add(Sink(f"{name} sink", cycles)), "x", name)

    def wire(self, source, output, target, port):
        name = f"{source.name}.{output}"
        self.network.join(source, output, target, port, name, traced=False)

    def found(self):
        self.network.run()
        return {c.name: list(c.moved) for c in self.network.channels.values() if c.traced}


def channels(ends, name, n_out, n_in, depth):
    block = ends.add(Channels, name, n_out=n_out, n_in=n_in, depth=depth)
    stores = [ends.add(Store, f"{name}_store_{i}", depth=depth) for i in range(n_in)]
    for i, store in enumerate(stores):
        ends.wire(block, f"store_{i}", store, "x")
        ends.wire(store, "freed", block, f"freed_{i}")
    return block, stores


@pytest.mark.parametrize("pace", [(0, 0), (4, 4), *more((3, 0), (0, 9))])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("latency", [4, *more(1)])
def test_channels(pace, depth, latency):
    there, back, n = (3, 7, 2), (5, 4), 40
    rng = np.random.default_rng([*pace, depth, latency])
    dut, ends, inputs, readies = Pair(there, back, depth, latency), Ends(), {}, {}
    blocks = {
        "a": channels(ends, "a", len(there), len(back), depth),
        "b": channels(ends, "b", len(back), len(there), depth),
    }
    for near, far, widths, others in (("a", "b", there, back), ("b", "a", back, there)):
        bits = channel_bits(widths, len(others))
        sender, receiver = join_link(
            ends.network, near, ends.passage, LinkPlan(bits, bits, latency, 16)
        )
        ends.wire(blocks[near][0], "tx", sender, "x")
        ends.wire(receiver, "y", blocks[far][0], "rx")
        for i in range(len(widths)):
            offers, readies[f"{far}_y_{i}"] = (cycles_of(rng, n, most) for most in pace)
            inputs[f"{near}_x_{i}"] = offers, [{"word": 1}] * n
            ends.source(f"{near}_x_{i}", offers, blocks[near][0], f"x_{i}")
            ends.sink(f"{far}_y_{i}", readies[f"{far}_y_{i}"], blocks[far][1][i], "y")
    assert ends.found() == in_rtl(dut, inputs, readies)


@pytest.mark.parametrize("pace", [(0, 0), (2, 2), *more((3, 0), (0, 3))])
@pytest.mark.parametrize("rows", [2, 4])
@pytest.mark.parametrize("window", [None, 2])
def test_attention_on_rows(pace, rows, window):
    case = Case(context=9, n_kv_heads=2, sinks=None, window=window)
    n_tokens, heads = 7, {"q": case.n_heads, "k": case.n_kv_heads, "v": case.n_kv_heads}
    rng = np.random.default_rng([*pace, rows])
    ends, inputs, readies = Ends(Passage(positions=list(range(n_tokens)))), {}, {}
    sizes = {"n_heads": case.n_heads, "n_kv_heads": case.n_kv_heads, "head_dim": case.head_dim}
    blocks, parts = [], []
    for row in range(rows):
        blocks.append(
            ends.add(RowAttention, f"row {row}", **sizes, window=window, rows=rows, row=row)
        )
        parts.append(ends.add(AttentionParts, f"parts {row}", head_dim=case.head_dim))
        ends.wire(blocks[row], "sums", parts[row], "sums")
        for port, n_heads in heads.items():
            length = n_heads * case.head_dim
            offers = cycles_of(rng, n_tokens * length, pace[0])
            payloads = [
                {"position": p, "last": i == length - 1}
                for p in range(n_tokens)
                for i in range(length)
            ]
            inputs[f"{port}_{row}"] = offers, payloads
            ends.source(f"{port}_{row}", offers, blocks[row], port)
        readies[f"y_{row}"] = cycles_of(rng, n_tokens * case.n_heads * case.head_dim, pace[1])
        ends.sink(f"y_{row}", readies[f"y_{row}"], blocks[row], "y")
    for port, sources in (("peak", blocks), ("parts", parts)):
        reduces = [ends.add(Reduce, f"{port} reduce {i}", n_others=rows - 1) for i in range(rows)]
        for row, (block, source) in enumerate(zip(blocks, sources, strict=True)):
            fork = ends.add(Fork, f"{port} fork {row}", n_outputs=rows)
            ends.wire(source, port, fork, "x")
            for to, reduce in enumerate(reduces):
                place = (row - to) % rows
                ends.wire(fork, f"y_{to}", reduce, f"others_{place - 1}" if place else "x")
            ends.wire(reduces[row], "y", block, f"{port}_of_all")
    assert ends.found() == in_rtl(Column(case, rows), inputs, readies, case.boot())


def lasts(*lengths):
    return [{"last": i == length - 1} for length in lengths for i in range(length)]


@pytest.mark.parametrize("pace", [(0, 0), (2, 2), *more((3, 0), (0, 3))])
@pytest.mark.parametrize(
    "lengths, total", [((4, 4, 4), 10), ((4, 4, 2), 10), ((3, 3), 6), ((2,), 1)]
)
def test_gather(pace, lengths, total):
    rng, vectors, ends, inputs = np.random.default_rng([*pace, total]), 5, Ends(), {}
    block = ends.add(cycle_collectives.Gather, lengths=lengths, total=total)
    for i, length in enumerate(lengths):
        inputs[f"x_{i}"] = cycles_of(rng, vectors * length, pace[0]), lasts(*[length] * vectors)
        ends.source(f"x_{i}", inputs[f"x_{i}"][0], block, f"x_{i}")
    readies = cycles_of(rng, vectors * total, pace[1])
    ends.sink("y", readies, block, "y")
    dut = Gather(len(lengths), lengths[0], total, 5, 3)
    given = in_rtl(dut, inputs, {"y": readies}, more=20)
    assert ends.found() == given


@pytest.mark.parametrize("pace", [(0, 0), (2, 2), *more((3, 0), (0, 3))])
@pytest.mark.parametrize(
    "n, first, length", [(9, 0, 3), (9, 3, 3), (9, 6, 3), (9, 6, 5), (9, 8, 4)]
)
def test_cut(pace, n, first, length):
    rng, vectors, ends = np.random.default_rng([*pace, first, length]), 5, Ends()
    block = ends.add(cycle_collectives.Cut, n=n, first=first, length=length)
    offers, readies = (
        cycles_of(rng, vectors * k, most) for k, most in zip((n, length), pace, strict=True)
    )
    ends.source("x", offers, block, "x")
    ends.sink("y", readies, block, "y")
    dut = Cut(n, first, length, 5, 3)
    inputs = {"x": (offers, lasts(*[n] * vectors))}
    assert ends.found() == in_rtl(dut, inputs, {"y": readies}, more=20)
