"""Cycles of a link between chips: a sender and a receiver, joined by the wire and by the credits that come back.

Two blocks, since a sender goes on while beats wait at the far end. Both follow the law of the link
(``hnlpu.sim.link``), which holds for a link without errors.
"""

from hnlpu.link_plan import LinkPlan
from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.link import LinkTwin
from hnlpu.sim.network import Block, Network, Process

__all__ = ["LinkReceiver", "LinkSender", "join_link"]


class LinkSender(Block):
    """Takes a beat when the wire is free for it and a credit is there."""

    def __init__(self, name: str, passage: Passage, *, plan: LinkPlan) -> None:
        super().__init__(name)
        self.twin = LinkTwin(plan)

    def process(self) -> Process:
        x, credit, wire = self.inputs["x"], self.inputs["credit"], self.outputs["wire"]
        beats, credits_ = 0, self.twin.plan.beats
        for _ in range(credits_):
            credit.take(0)
        while True:
            beats += 1
            if len(credit.moved) < beats - credits_:
                credit.need = beats - credits_
                yield credit.came
            if beats > credits_:
                credit.take(0)
            ready = self.twin.sender_ready()
            assert ready is not None
            x.take(ready)
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            wire.give(self.twin.send(x.moved[beats - 1]))


class LinkReceiver(Block):
    """Offers what has arrived, and sends a credit back for what was taken."""

    def __init__(self, name: str, passage: Passage) -> None:
        super().__init__(name)

    def sender(self) -> LinkSender:
        """The other end."""
        sender = self.inputs["wire"].source
        assert isinstance(sender, LinkSender)
        return sender

    def far_end(self) -> Block:
        """Whose beats come."""
        return self.sender().inputs["x"].source

    def process(self) -> Process:
        wire, y, credit = self.inputs["wire"], self.outputs["y"], self.outputs["credit"]
        twin, beats = self.sender().twin, 0
        for _ in range(twin.plan.beats):
            wire.take(0)
        while True:
            beats += 1
            if len(wire.moved) < beats:
                wire.need = beats
                yield wire.came
            valid = twin.receiver_valid()
            assert valid is not None
            received = y.give(valid)
            if received < 0:
                yield y.gone
                received = y.moved[-1]
            twin.receive(received)
            wire.take(0)
            credit.give(received)


def join_link(
    network: Network, name: str, passage: Passage, plan: LinkPlan
) -> tuple[LinkSender, LinkReceiver]:
    """Both ends of a link in ``network``, still without the streams before (``x``) and behind (``y``) them."""
    sender = LinkSender(f"{name}_sender", passage, plan=plan)
    receiver = LinkReceiver(f"{name}_receiver", passage)
    network.add(sender)
    network.add(receiver)
    network.join(sender, "wire", receiver, "wire", f"{name}.wire", traced=False)
    network.join(receiver, "credit", sender, "credit", f"{name}.credit", traced=False)
    return sender, receiver
