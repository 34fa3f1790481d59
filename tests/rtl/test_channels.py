"""Two ends of a link's channels, wired to one another through pipes of some latency."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out
from blocks import STALLS, run_block
from slow import more

from hnlpu.link_plan import LinkPlan
from hnlpu.rtl.channels import Channels
from hnlpu.rtl.link import Link
from hnlpu.widths import channel_bits


def signature(n_bits):
    return stream.Signature(data.StructLayout({"word": n_bits}))


class Pair(Component):
    """``a`` sends channels of ``there`` to ``b``, and ``b`` those of ``back`` to ``a``."""

    def __init__(self, there, back, depth, latency):
        self.there, self.back, self.depth, self.latency = there, back, depth, latency
        super().__init__(
            {
                **{f"a_x_{i}": In(signature(n)) for i, n in enumerate(there)},
                **{f"b_y_{i}": Out(signature(n)) for i, n in enumerate(there)},
                **{f"b_x_{i}": In(signature(n)) for i, n in enumerate(back)},
                **{f"a_y_{i}": Out(signature(n)) for i, n in enumerate(back)},
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.a = a = Channels(self.there, self.back, self.depth)
        m.submodules.b = b = Channels(self.back, self.there, self.depth)
        ends = {"a": (a, self.there, self.back), "b": (b, self.back, self.there)}
        for name, (end, outgoing, incoming) in ends.items():
            for i in range(len(outgoing)):
                outer, inner = getattr(self, f"{name}_x_{i}"), getattr(end, f"x_{i}")
                m.d.comb += [
                    inner.payload.eq(outer.payload),
                    inner.valid.eq(outer.valid),
                    outer.ready.eq(inner.ready),
                ]
            for i in range(len(incoming)):
                outer, inner = getattr(self, f"{name}_y_{i}"), getattr(end, f"y_{i}")
                m.d.comb += [
                    outer.payload.eq(inner.payload),
                    outer.valid.eq(inner.valid),
                    inner.ready.eq(outer.ready),
                ]
        for name, source, target in (("there", a, b), ("back", b, a)):
            n_bits = len(source.tx.payload.as_value())
            link = Link(LinkPlan(n_bits, n_bits, self.latency, 16))
            m.submodules[name] = link
            for left, right in ((source.tx, link.x), (link.y, target.rx)):
                m.d.comb += [
                    right.payload.eq(left.payload),
                    right.valid.eq(left.valid),
                    left.ready.eq(right.ready),
                ]
        return m


def words(rng, n, n_bits):
    return [{"word": int(w)} for w in rng.integers(0, 1 << n_bits, n)]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("depth", [1, 5, *more(2)])
@pytest.mark.parametrize(("there", "back"), [((3,), ()), ((5, 2), (7,)), ((4, 4, 4), (4, 4, 4))])
def test_every_beat_once_in_order(there, back, depth, stall):
    rng = np.random.default_rng(depth)
    sent = {f"a_x_{i}": words(rng, 40 + 5 * i, n) for i, n in enumerate(there)}
    sent |= {f"b_x_{i}": words(rng, 30 + 5 * i, n) for i, n in enumerate(back)}
    wanted = {("b" if n[0] == "a" else "a") + f"_y{n[3:]}": beats for n, beats in sent.items()}
    counts = {name: len(beats) for name, beats in wanted.items()}
    found = run_block(Pair(there, back, depth, 2), sent, counts, stall=stall)
    assert {name: found[name] for name in wanted} == wanted


def test_a_reader_that_sleeps_stops_no_other_channel():
    rng = np.random.default_rng(0)
    sent = {f"a_x_{i}": words(rng, 60 if i else 3, 8) for i in range(2)}
    # Nothing takes channel 0; its beats fit its store.
    found = run_block(Pair((8, 8), (), 3, 4), sent, {"b_y_1": 60})
    assert found["b_y_1"] == sent["a_x_1"]


def test_channels_take_turns():
    sent = {f"a_x_{i}": [{"word": i}] * 50 for i in range(3)}
    found = run_block(Pair((2, 2, 2), (), 16, 1), sent, {f"b_y_{i}": 50 for i in range(3)})
    assert found["cycles"] < 3 * 50 + 20  # a beat a cycle, none starves


def test_width_of_a_beat():
    assert channel_bits((5, 9), 3) == 9 + 1 + 1 + 2 + 1
    assert channel_bits((), 0) == 5
