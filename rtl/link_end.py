"""Ports of a link's two ends, with and without CRC."""

from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from hnlpu.link_plan import LinkPlan
from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["ReceivingEnd", "SendingEnd"]


class SendingEnd(SharedComponent):
    """The sending end.

    Parameters
    ----------
    plan : LinkPlan

    Members
    -------
    x : In(stream of payload_bits)
    forward : Out(forward_bits)
    reverse : In(reverse_bits)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, plan: LinkPlan) -> None:
        self.plan = plan
        super().__init__(
            {
                "x": In(stream.Signature(plan.payload_bits)),
                "forward": Out(plan.forward_bits),
                "reverse": In(plan.reverse_bits),
            }
        )


class ReceivingEnd(SharedComponent):
    """The receiving end.

    Parameters
    ----------
    plan : LinkPlan

    Members
    -------
    forward : In(forward_bits)
    reverse : Out(reverse_bits)
    y : Out(stream of payload_bits)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, plan: LinkPlan) -> None:
        self.plan = plan
        super().__init__(
            {
                "forward": In(plan.forward_bits),
                "reverse": Out(plan.reverse_bits),
                "y": Out(stream.Signature(plan.payload_bits)),
            }
        )
