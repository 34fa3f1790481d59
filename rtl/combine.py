"""Combine: the results of a token's experts, each with its weight, added up and rounded once.

    y = saturate(round(sum over experts of weight * x / 2**routing_bits))

The sums are exact and kept element by element, so the order of the experts does not matter.

Contract (checked by ``tests/rtl/test_combine.py`` against ``hnlpu.sim.chip``'s arithmetic): bit-exact, in any
pattern of stalls; an element a cycle, those of the last expert come out with latency 1.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.hdl import signed as signed_shape
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, saturate
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.vectors import route_signature, vector_signature

__all__ = ["Combine"]


class Combine(SharedComponent):
    """Weighted sum of vectors.

    Parameters
    ----------
    length : int
        Elements of a vector, 2 or more.
    n_experts : int
        Vectors of a token are at most as many.
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(vector stream)
    weights : In(route stream)
        One beat for each vector of ``x``; the mask is not used.
    y : Out(vector stream)
        One vector for each beat of ``weights`` with ``last``.
    saturated : Out(1)
        In the cycle in which an element is clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, length: int, n_experts: int, numerics: Numerics, position_bits: int) -> None:
        if length < 2:
            raise ValueError(f"vectors of {length} element(s): a sum would be read while written")
        self.length, self.n_experts = length, n_experts
        self.numerics, self.position_bits = numerics, position_bits
        vector = vector_signature(numerics.residual_bits, position_bits)
        super().__init__(
            {
                "x": In(vector),
                "weights": In(route_signature(n_experts, numerics.routing_bits)),
                "y": Out(vector),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        grid = f"{n.residual_bits}_w{n.routing_bits}"
        return f"hn_combine_{self.length}x{self.n_experts}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n, weight = self.numerics, self.weights.p
        # A product has a bit more than its factors, a sum as many more as it has terms in bits.
        sum_bits = n.residual_bits + n.routing_bits + 1 + self.n_experts.bit_length()
        sums = place(m, "sums", platform, Sram, sum_bits, self.length)
        index, next_index = Signal(range(self.length)), Signal(range(self.length))
        first = Signal(init=1)  # of the token's experts
        before, total = Signal(signed_shape(sum_bits)), Signal(signed_shape(sum_bits))
        take, out = Signal(), Signal()
        m.d.comb += [
            take.eq(
                self.x.valid & self.weights.valid & (~weight.last | ~self.y.valid | self.y.ready)
            ),
            out.eq(take & weight.last),
            self.x.ready.eq(take),
            self.weights.ready.eq(take & self.x.p.last),
            next_index.eq(Mux(take, Mux(self.x.p.last, 0, index + 1), index)),
            sums.read_address.eq(next_index),
            before.eq(Mux(first, 0, sums.read_data)),
            total.eq(before + self.x.p.value * weight.weight),
            sums.write.eq(take),
            sums.write_address.eq(index),
            sums.write_data.eq(total),
        ]
        result, clipped = saturate(m, round_shift(total, n.routing_bits), n.residual_bits, "result")
        m.d.comb += self.saturated.eq(out & clipped)
        m.d.sync += [
            index.eq(next_index),
            self.y.valid.eq(out | (self.y.valid & ~self.y.ready)),
        ]
        with m.If(take & self.x.p.last):
            m.d.sync += first.eq(weight.last)
        with m.If(out):
            m.d.sync += [
                self.y.p.value.eq(result),
                self.y.p.position.eq(self.x.p.position),
                self.y.p.last.eq(self.x.p.last),
            ]
        return m
