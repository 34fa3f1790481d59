"""Round: exact sums, rounded and saturated once, to the grid they belong to.

    y = saturate(round(x / 2**shift))

Contract (checked by ``tests/rtl/test_rounding.py`` against ``hnlpu.sim.fixed_point``): bit-exact, in any
pattern of stalls; an element a cycle, latency 1.
"""

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.fixed_point import round_shift, saturate
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import vector_signature

__all__ = ["Round"]


class Round(SharedComponent):
    """Rounds the elements of a vector.

    Parameters
    ----------
    x_bits, shift, n_bits : int
    position_bits : int

    Members
    -------
    x : In(vector stream)
    y : Out(vector stream)
    saturated : Out(1)
        In the cycle in which an element is clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, x_bits: int, shift: int, n_bits: int, position_bits: int) -> None:
        self.x_bits, self.shift, self.n_bits = x_bits, shift, n_bits
        self.position_bits = position_bits
        super().__init__(
            {
                "x": In(vector_signature(x_bits, position_bits)),
                "y": Out(vector_signature(n_bits, position_bits)),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_round_{self.x_bits}_{self.shift}_{self.n_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        result, clipped = saturate(
            m, round_shift(self.x.p.value, self.shift), self.n_bits, "result"
        )
        take = self.x.valid & self.x.ready
        m.d.comb += [
            self.x.ready.eq(~self.y.valid | self.y.ready),
            self.saturated.eq(take & clipped),
        ]
        m.d.sync += self.y.valid.eq(take | (self.y.valid & ~self.y.ready))
        with m.If(take):
            m.d.sync += [
                self.y.p.value.eq(result),
                self.y.p.position.eq(self.x.p.position),
                self.y.p.last.eq(self.x.p.last),
            ]
        return m
