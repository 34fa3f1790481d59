"""Residual adder: two vector streams, element by element, saturated.

    y = saturate(x + delta)

Contract (checked by ``tests/rtl/test_residual.py`` against ``hnlpu.sim.fixed_point``): bit-exact, in any
pattern of stalls.
"""

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.fixed_point import saturate
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import vector_signature

__all__ = ["Residual"]


class Residual(SharedComponent):
    """Adds what a layer computed to what went around it.

    Parameters
    ----------
    n_bits : int
        Of the residual grid.
    position_bits : int

    Members
    -------
    x, delta : In(vector stream)
        Of the same token; the position is that of ``x``.
    y : Out(vector stream)
    saturated : Out(1)
        In the cycle in which a clipped element is taken.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int, position_bits: int) -> None:
        self.n_bits, self.position_bits = n_bits, position_bits
        vector = vector_signature(n_bits, position_bits)
        super().__init__(
            {"x": In(vector), "delta": In(vector), "y": Out(vector), "saturated": Out(1)}
        )

    @property
    def module_name(self) -> str:
        return f"hn_residual_{self.n_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, clipped = saturate(m, self.x.p.value + self.delta.p.value, self.n_bits, "total")
        free = ~self.y.valid | self.y.ready
        take = self.x.valid & self.delta.valid & free
        m.d.comb += [
            self.x.ready.eq(take),
            self.delta.ready.eq(take),
            self.saturated.eq(take & clipped),
        ]
        m.d.sync += self.y.valid.eq(take | (self.y.valid & ~self.y.ready))
        with m.If(take):
            m.d.sync += [
                self.y.p.value.eq(total),
                self.y.p.position.eq(self.x.p.position),
                self.y.p.last.eq(self.x.p.last),
            ]
        return m
