"""Wire: what is between two chips, as registers, for simulation.

Bits arrive ``latency`` cycles after they were sent, in both directions. ``flip_*`` inverts the bits that
leave in this cycle: a transmission error.

Contract (checked by ``tests/rtl/test_link.py``): a delay, and nothing else.
"""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["Wire"]


class Wire(SharedComponent):
    """A delay for the words of a link and for what comes back.

    Parameters
    ----------
    forward_bits, reverse_bits : int
    latency : int
        1 or more.

    Members
    -------
    forward_x, forward_y : In, Out(forward_bits)
        At the sender, at the receiver.
    reverse_x, reverse_y : In, Out(reverse_bits)
        At the receiver, at the sender.
    forward_flip, reverse_flip : In(forward_bits), In(reverse_bits)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, forward_bits: int, reverse_bits: int, latency: int) -> None:
        self.forward_bits, self.reverse_bits, self.latency = forward_bits, reverse_bits, latency
        members: dict[str, Any] = {}
        for name, n_bits in (("forward", forward_bits), ("reverse", reverse_bits)):
            members |= {f"{name}_x": In(n_bits), f"{name}_flip": In(n_bits)}
            members |= {f"{name}_y": Out(n_bits)}
        super().__init__(members)

    @property
    def module_name(self) -> str:
        return f"hn_wire_{self.forward_bits}_{self.reverse_bits}_{self.latency}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in ("forward", "reverse"):
            bits: Value = getattr(self, f"{name}_x") ^ getattr(self, f"{name}_flip")
            for i in range(self.latency):
                later = Signal(len(bits), name=f"{name}_{i}")
                m.d.sync += later.eq(bits)
                bits = later
            m.d.comb += getattr(self, f"{name}_y").eq(bits)
        return m
