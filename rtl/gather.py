"""Gather: slices of a vector that lie on several chips, one after another as one vector.

Slices have one length. Where it does not divide the vector the last ones are padded, or shorter; padding ends here.

Contract (checked by ``tests/rtl/test_gather.py``): every element once, in the order of the slices, no
padding, in any pattern of stalls; an element a cycle, latency 1.
"""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import vector_signature

__all__ = ["Gather"]


class Gather(SharedComponent):
    """Puts slices together.

    Parameters
    ----------
    n_inputs : int
    length : int
        Of a slice.
    total : int
        Of the vector.
    n_bits : int
        Of an element.
    position_bits : int

    Members
    -------
    x_0, x_1, ... : In(vector stream)
        Slices in their order.
    y : Out(vector stream)
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, n_inputs: int, length: int, total: int, n_bits: int, position_bits: int
    ) -> None:
        assert 1 <= total <= n_inputs * length, (n_inputs, length, total)
        self.n_inputs, self.length, self.total = n_inputs, length, total
        self.n_bits, self.position_bits = n_bits, position_bits
        vector = vector_signature(n_bits, position_bits)
        inputs = {f"x_{i}": In(vector) for i in range(n_inputs)}
        super().__init__({**inputs, "y": Out(vector)})

    @property
    def module_name(self) -> str:
        return (
            f"hn_gather_{self.n_inputs}x{self.length}_{self.total}x{self.n_bits}"
            f"_p{self.position_bits}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inputs = [getattr(self, f"x_{i}") for i in range(self.n_inputs)]
        source = Signal(range(max(2, self.n_inputs)))
        index = Signal(range(self.n_inputs * self.length + 1))
        chosen = Signal.like(self.y.payload)
        valid, take, kept, last = Signal(), Signal(), Signal(), Signal()
        free = ~self.y.valid | self.y.ready
        m.d.comb += [
            chosen.eq(Array(x.payload.as_value() for x in inputs)[source]),
            valid.eq(Array(x.valid for x in inputs)[source]),
            kept.eq(index < self.total),
            last.eq((source == self.n_inputs - 1) & chosen.last),
            take.eq(valid & (free | ~kept)),
        ]
        for i, x in enumerate(inputs):
            m.d.comb += x.ready.eq((source == i) & (free | ~kept))
        m.d.sync += self.y.valid.eq((take & kept) | (self.y.valid & ~self.y.ready))
        with m.If(take):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
            with m.If(chosen.last):
                m.d.sync += source.eq(Mux(last, 0, source + 1))
            with m.If(kept):
                m.d.sync += [
                    self.y.p.value.eq(chosen.value),
                    self.y.p.position.eq(chosen.position),
                    self.y.p.last.eq(index == self.total - 1),
                ]
        return m
