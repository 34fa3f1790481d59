"""Claim: of the experts that a token is routed to, those that this chip holds.

``Pick`` passes their beats and no others. ``Claim`` also marks a token's last one, and has an empty beat for a
token of which no expert is here.

Contract (checked by ``tests/rtl/test_claim.py``): every beat of an own expert once, in order, in any pattern of
stalls.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import route_signature

__all__ = ["Claim", "Pick"]


class _Routes(SharedComponent):
    """A filter of routes.

    Parameters
    ----------
    n_experts : int
        On all chips.
    first, n_own : int
        The experts of this chip.
    routing_bits : int

    Members
    -------
    x : In(route stream)
        Masks of all experts.
    y : Out(route stream)
        Masks of own experts.
    """

    def __init__(self, n_experts: int, first: int, n_own: int, routing_bits: int) -> None:
        self.n_experts, self.first, self.n_own = n_experts, first, n_own
        self.routing_bits = routing_bits
        super().__init__(
            {
                "x": In(route_signature(n_experts, routing_bits)),
                "y": Out(route_signature(n_own, routing_bits)),
            }
        )

    @property
    def module_name(self) -> str:
        kind = type(self).__name__.lower()
        return f"hn_{kind}_{self.first}_{self.n_own}of{self.n_experts}_w{self.routing_bits}"


class Pick(_Routes):
    """Beats of own experts; ``last`` says nothing. Combinational."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mask = self.x.p.mask[self.first : self.first + self.n_own]
        m.d.comb += [
            self.y.valid.eq(self.x.valid & mask.any()),
            self.x.ready.eq(self.y.ready | ~mask.any()),
            self.y.p.mask.eq(mask),
            self.y.p.weight.eq(self.x.p.weight),
        ]
        return m


class Claim(_Routes):
    """Beats of own experts, the last of a token marked; an empty one (no mask, no weight) where none is."""

    clock_ports = ("clk", "rst")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mask = self.x.p.mask[self.first : self.first + self.n_own]
        own = mask.any()
        # A beat is held until it is known whether another one follows.
        held, ends, take = Signal.like(self.y.payload), Signal(), Signal()
        holds = held.mask.any()
        m.d.comb += [
            self.y.valid.eq(ends | (self.x.valid & own & holds)),
            self.y.p.mask.eq(held.mask),
            self.y.p.weight.eq(Mux(holds, held.weight, 0)),
            self.y.p.last.eq(ends),
            self.x.ready.eq(~ends & (~own | ~holds | self.y.ready)),
            take.eq(self.x.valid & self.x.ready),
        ]
        with m.If(ends & self.y.ready):
            m.d.sync += [ends.eq(0), held.mask.eq(0)]
        with m.If(take):
            m.d.sync += ends.eq(self.x.p.last)
            with m.If(own):
                m.d.sync += [held.mask.eq(mask), held.weight.eq(self.x.p.weight)]
        return m
