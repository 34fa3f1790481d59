"""Channels: many streams over the one link to a neighbour, none of which can block another.

The receiver stores ``depth`` beats of every channel; each place is a credit of the sender, and goes back with
any beat of the other direction. So whatever comes is stored at once, the link never waits for a block, and a
channel whose reader sleeps stops nobody but its own sender.

Channels that have something to send, and credits, take turns.

Contract (checked by ``tests/rtl/test_channels.py``): every channel's beats once, in order, in any pattern of
stalls; ``rx`` is always ready; a beat a cycle.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.widths import channel_bits, index_bits

__all__ = ["Channels"]


def _layout(widths: Sequence[int], n_back: int) -> data.StructLayout:
    """A beat with a channel's payload, a returned credit, or both."""
    layout = data.StructLayout(
        {
            "payload": max(widths, default=1),
            "channel": index_bits(len(widths)),
            "filled": 1,
            "back": index_bits(n_back),
            "credit": 1,
        }
    )
    assert layout.size == channel_bits(widths, n_back)
    return layout


class Channels(SharedComponent):
    """A chip's end of all channels to and from one neighbour.

    Parameters
    ----------
    outgoing, incoming : tuple of int
        Width of every channel.
    depth : int
        Beats that the receiver of a channel stores.

    Members
    -------
    x_0, x_1, ... : In(stream)
        Outgoing channels.
    y_0, y_1, ... : Out(stream)
        Incoming channels.
    tx, rx : Out(stream), In(stream)
        To and from the link.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, outgoing: tuple[int, ...], incoming: tuple[int, ...], depth: int) -> None:
        self.outgoing, self.incoming, self.depth = outgoing, incoming, depth
        self.tx_layout = _layout(outgoing, len(incoming))
        self.rx_layout = _layout(incoming, len(outgoing))
        super().__init__(
            {
                **{f"x_{i}": In(stream.Signature(n)) for i, n in enumerate(outgoing)},
                **{f"y_{i}": Out(stream.Signature(n)) for i, n in enumerate(incoming)},
                "tx": Out(stream.Signature(self.tx_layout)),
                "rx": In(stream.Signature(self.rx_layout)),
            }
        )

    @property
    def module_name(self) -> str:
        widths = ("_".join(map(str, each)) or "none" for each in (self.outgoing, self.incoming))
        return f"hn_channels_{self.depth}_out_{'_in_'.join(widths)}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        free = Signal()
        m.d.comb += free.eq(~self.tx.valid | self.tx.ready)
        sends = self._send(m, free)
        credit = self._receive(m, platform, free)
        m.d.sync += self.tx.valid.eq(sends | credit | (self.tx.valid & ~self.tx.ready))
        return m

    def _send(self, m: Module, free: Value) -> Value:
        """Credits, and whose turn it is; whether a beat of a channel goes out."""
        n = len(self.outgoing)
        inputs = [getattr(self, f"x_{i}") for i in range(n)]
        credits_ = [
            Signal(range(self.depth + 1), init=self.depth, name=f"credits_{i}") for i in range(n)
        ]
        waiting = Signal(max(1, n))
        grant = _in_turn(m, "sent", waiting, free)
        m.d.comb += waiting.eq(
            Cat(x.valid & (c != 0) for x, c in zip(inputs, credits_, strict=True))
        )
        for i, (x, credit) in enumerate(zip(inputs, credits_, strict=True)):
            returned = self.rx.valid & self.rx.p.credit & (self.rx.p.back == i)
            sent = Signal(name=f"sent_{i}")
            m.d.comb += [sent.eq(grant[i] & free), x.ready.eq(sent)]
            m.d.sync += credit.eq(credit + returned - sent)
        with m.If(free):
            m.d.sync += self.tx.p.filled.eq(waiting.any())
            for i, x in enumerate(inputs):
                with m.If(grant[i]):
                    m.d.sync += [self.tx.p.payload.eq(x.payload), self.tx.p.channel.eq(i)]
        sends: Value = waiting.any() & free
        return sends

    def _receive(self, m: Module, platform: object, free: Value) -> Value:
        """Stores, and places to give back; whether a credit goes out."""
        n = len(self.incoming)
        owed = [Signal(range(self.depth + 1), name=f"owed_{i}") for i in range(n)]
        waiting = Signal(max(1, n))
        grant = _in_turn(m, "returned", waiting, free)
        m.d.comb += [self.rx.ready.eq(1), waiting.eq(Cat(each != 0 for each in owed))]
        for i, n_bits in enumerate(self.incoming):
            store = place(m, f"store_{i}", platform, Fifo, n_bits, self.depth)
            y = getattr(self, f"y_{i}")
            m.d.comb += [
                store.x.payload.eq(self.rx.p.payload[:n_bits]),
                store.x.valid.eq(self.rx.valid & self.rx.p.filled & (self.rx.p.channel == i)),
                y.payload.eq(store.y.payload),
                y.valid.eq(store.y.valid),
                store.y.ready.eq(y.ready),
            ]
            m.d.sync += owed[i].eq(owed[i] + (y.valid & y.ready) - (grant[i] & free))
        with m.If(free):
            m.d.sync += self.tx.p.credit.eq(waiting.any())
            for i in range(n):
                with m.If(grant[i]):
                    m.d.sync += self.tx.p.back.eq(i)
        credit: Value = waiting.any() & free
        return credit


def _in_turn(m: Module, name: str, waiting: Signal, free: Value) -> Signal:
    """One-hot: the first that waits behind the one whose turn was last, else the first of all."""
    n = len(waiting)
    grant = Signal(n, name=f"{name}_grant")
    behind = Signal(n, name=f"{name}_behind")  # those after the last one
    later, first = Signal(n, name=f"{name}_later"), Signal(n, name=f"{name}_first")
    m.d.comb += [
        later.eq(waiting & behind),
        first.eq(Mux(later.any(), later, waiting)),
        grant.eq(first & (~first + 1)),
    ]
    with m.If(free & waiting.any()):
        m.d.sync += behind.eq(~(grant | (grant - 1)))
    return grant
