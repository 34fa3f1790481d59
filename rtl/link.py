"""Link: a stream from one chip to another, in words, with credits.

The sender takes a beat when it has a credit and sends its words, one a cycle; it starts with one credit for
each beat that the receiver can store, so that no word ever meets a full store. A beat that leaves the
receiver sends its credit back. Everything that leaves a chip leaves it from a register.

    forward   bit 0 valid, then the data; low words first
    reverse   one cycle high: one credit

Both ends must leave reset in the same ``latency`` cycles; ``rtl/reliable_link.py`` has no such condition, and
repairs errors.

Contract (checked by ``tests/rtl/test_link.py`` against ``hnlpu.sim.link``): every beat once, in order; the
cycles of the twin, exactly; no path through a chip without a register.
"""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hnlpu.link_plan import CRC_BITS, LinkPlan
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.link_end import ReceivingEnd, SendingEnd
from hnlpu.rtl.link_store import LinkStore
from hnlpu.rtl.reliable_link import ReliableReceiver, ReliableSender
from hnlpu.rtl.wire import Wire

__all__ = ["Link", "LinkReceiver", "LinkSender", "link_ends"]


class LinkSender(SendingEnd):
    """The sending end of a link without ``crc``."""

    @property
    def module_name(self) -> str:
        plan = self.plan
        return f"hn_link_sender_{plan.payload_bits}x{plan.width}_{plan.beats}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words, width = self.plan.words, self.plan.width
        credits_ = Signal(range(self.plan.beats + 1), init=self.plan.beats, name="credits")
        left = Signal(range(max(2, words)))  # words that still wait
        pending = Signal(words * width)
        valid = Signal()
        take = Signal()
        m.d.comb += [
            self.x.ready.eq((left == 0) & (credits_ != 0)),
            take.eq(self.x.valid & self.x.ready),
            self.forward.eq(Cat(valid, pending[:width])),
        ]
        m.d.sync += [
            credits_.eq(credits_ + self.reverse - take),
            valid.eq(take | (left != 0)),
        ]
        with m.If(take):
            m.d.sync += [pending.eq(self.x.payload), left.eq(words - 1)]
        with m.Elif(left != 0):
            m.d.sync += [pending.eq(pending >> width), left.eq(left - 1)]
        return m


class LinkReceiver(ReceivingEnd):
    """The receiving end of a link without ``crc``."""

    @property
    def module_name(self) -> str:
        plan = self.plan
        return f"hn_link_receiver_{plan.payload_bits}x{plan.width}_{plan.beats}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        store = place(m, "store", platform, LinkStore, plan.payload_bits, plan.width, plan.beats)
        wiring.connect(m, store.y, wiring.flipped(self.y))
        m.d.comb += [store.put.eq(self.forward[0]), store.word.eq(self.forward[1:])]
        m.d.sync += self.reverse.eq(self.y.valid & self.y.ready)
        return m


def link_ends(plan: LinkPlan) -> tuple[type[SharedComponent], type[SharedComponent]]:
    """Sender and receiver of a link, to be placed with ``plan``; equal ports with and without ``crc``."""
    return (ReliableSender, ReliableReceiver) if plan.crc else (LinkSender, LinkReceiver)


class Link(SharedComponent):
    """Both ends and the wire, for simulation.

    Parameters
    ----------
    plan : LinkPlan

    Members
    -------
    x, y : In, Out(stream of payload_bits)
    forward_flip, reverse_flip : In(forward_bits), In(reverse_bits)
        Bits to be inverted on the wire.
    sending : Out(1)
        A word leaves the sender in this cycle.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, plan: LinkPlan) -> None:
        self.plan = plan
        signature = stream.Signature(plan.payload_bits)
        super().__init__(
            {
                "x": In(signature),
                "y": Out(signature),
                "forward_flip": In(plan.forward_bits),
                "reverse_flip": In(plan.reverse_bits),
                "sending": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        plan = self.plan
        kind = f"_crc_{plan.timeout}" if plan.crc else ""
        return f"hn_link_{plan.payload_bits}x{plan.width}_{plan.beats}_{plan.latency}{kind}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        sender_kind, receiver_kind = link_ends(plan)
        sender = place(m, "sender", platform, sender_kind, plan)
        receiver = place(m, "receiver", platform, receiver_kind, plan)
        wire = place(m, "wires", platform, Wire, plan.forward_bits, plan.reverse_bits, plan.latency)
        wiring.connect(m, wiring.flipped(self.x), sender.x)
        wiring.connect(m, receiver.y, wiring.flipped(self.y))
        pairs: list[tuple[Value, Value]] = [
            (wire.forward_x, sender.forward),
            (receiver.forward, wire.forward_y),
            (wire.reverse_x, receiver.reverse),
            (sender.reverse, wire.reverse_y),
            (wire.forward_flip, self.forward_flip),
            (wire.reverse_flip, self.reverse_flip),
            (self.sending, sender.forward[CRC_BITS if plan.crc else 0]),
        ]
        m.d.comb += [target.eq(source) for target, source in pairs]
        return m
