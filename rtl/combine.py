"""Combine: the results of a token's experts, each with its weight, added up and rounded once.

    y = saturate(round(sum over experts of weight * x / 2**routing_bits))

``Blend`` adds, ``Round`` rounds; between them lie the other chips where experts are spread over several. The
sums are exact and kept element by element, so the order of the experts does not matter.

Contract (checked by ``tests/rtl/test_combine.py`` against ``hnlpu.sim.chip``'s arithmetic): bit-exact, in any
pattern of stalls; an element a cycle, those of the last expert come out with latency 1 (``Blend``: 0).
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.hdl import signed as signed_shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.rounding import Round
from hnlpu.rtl.vectors import route_signature, vector_signature
from hnlpu.widths import blend_bits

__all__ = ["Blend", "Combine"]


class Blend(SharedComponent):
    """Exact weighted sum of vectors.

    Parameters
    ----------
    length : int
        Elements of a vector, 2 or more.
    most : int
        Vectors of a token are at most as many, on all chips together.
    n_own : int
        Width of the masks.
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(vector stream)
    weights : In(route stream)
        One beat for each vector of ``x``. A beat with an empty mask has none: nothing is added.
    y : Out(vector stream of blend_bits)
        One vector for each beat of ``weights`` with ``last``. Without any vector of ``x`` its position is
        not that of the token.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, length: int, most: int, n_own: int, numerics: Numerics, position_bits: int
    ) -> None:
        _check(length)
        self.length, self.most, self.n_own = length, most, n_own
        self.numerics, self.position_bits = numerics, position_bits
        self.sum_bits = blend_bits(most, numerics)
        super().__init__(
            {
                "x": In(vector_signature(numerics.residual_bits, position_bits)),
                "weights": In(route_signature(n_own, numerics.routing_bits)),
                "y": Out(vector_signature(self.sum_bits, position_bits)),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        grid = f"{n.residual_bits}_w{n.routing_bits}"
        return f"hn_blend_{self.length}x{self.most}_{self.n_own}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        weight = self.weights.p
        sums = place(m, "sums", platform, Sram, self.sum_bits, self.length)
        index, next_index = Signal(range(self.length)), Signal(range(self.length))
        first = Signal(init=1)  # of the token's experts
        before, total = (Signal(signed_shape(self.sum_bits), name=n) for n in ("before", "total"))
        take, last, none, offered = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            none.eq(weight.mask == 0),
            offered.eq(self.weights.valid & (self.x.valid | none)),
            take.eq(offered & (~weight.last | self.y.ready)),
            last.eq(index == self.length - 1),
            self.x.ready.eq(take & ~none),
            self.weights.ready.eq(take & last),
            next_index.eq(Mux(take, Mux(last, 0, index + 1), index)),
            sums.read_address.eq(next_index),
            before.eq(Mux(first, 0, sums.read_data)),
            total.eq(before + Mux(none, 0, self.x.p.value * weight.weight)),
            sums.write.eq(take),
            sums.write_address.eq(index),
            sums.write_data.eq(total),
            self.y.valid.eq(offered & weight.last),
            self.y.p.value.eq(total),
            self.y.p.position.eq(self.x.p.position),
            self.y.p.last.eq(last),
        ]
        m.d.sync += index.eq(next_index)
        with m.If(take & last):
            m.d.sync += first.eq(weight.last)
        return m


class Combine(SharedComponent):
    """Weighted sum of vectors, rounded.

    Parameters
    ----------
    length, most, numerics, position_bits
        See :class:`Blend`.
    n_experts : int
        Width of the masks; all experts are here.

    Members
    -------
    x : In(vector stream)
    weights : In(route stream)
        One beat for each vector of ``x``.
    y : Out(vector stream)
        One vector for each beat of ``weights`` with ``last``.
    saturated : Out(1)
        In the cycle in which an element is clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, length: int, most: int, n_experts: int, numerics: Numerics, position_bits: int
    ) -> None:
        _check(length)
        self.blend = (length, most, n_experts, numerics, position_bits)
        self.length, self.most, self.n_experts = length, most, n_experts
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
        return f"hn_combine_{self.length}x{self.most}_{self.n_experts}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n = self.numerics
        blend = place(m, "blend", platform, Blend, *self.blend)
        sum_bits = blend_bits(self.most, n)
        rounding = place(
            m, "rounding", platform, Round, sum_bits, n.routing_bits, n.residual_bits,
            self.position_bits,
        )  # fmt: skip
        wiring.connect(m, wiring.flipped(self.x), blend.x)
        wiring.connect(m, wiring.flipped(self.weights), blend.weights)
        wiring.connect(m, blend.y, rounding.x)
        wiring.connect(m, rounding.y, wiring.flipped(self.y))
        m.d.comb += self.saturated.eq(rounding.saturated)
        return m


def _check(length: int) -> None:
    if length < 2:
        raise ValueError(f"vectors of {length} element(s): a sum would be read while written")
