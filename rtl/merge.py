"""Merge: whole vectors of several streams, one after another, in the order that is asked for.

Contract (checked by ``tests/rtl/test_merge.py``): one vector of the selected input per beat of ``select``, in
any pattern of stalls; an element a cycle, latency 1.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import mask_signature, vector_signature

__all__ = ["Merge"]


class Merge(SharedComponent):
    """Forwards the vectors of selected inputs.

    Parameters
    ----------
    n_inputs : int
    n_bits : int
        Of an element.
    position_bits : int

    Members
    -------
    select : In(mask stream)
        One-hot: the input whose vector is next.
    x_0, x_1, ... : In(vector stream)
    y : Out(vector stream)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_inputs: int, n_bits: int, position_bits: int) -> None:
        self.n_inputs, self.n_bits, self.position_bits = n_inputs, n_bits, position_bits
        vector = vector_signature(n_bits, position_bits)
        inputs = {f"x_{i}": In(vector) for i in range(n_inputs)}
        super().__init__({"select": In(mask_signature(n_inputs)), **inputs, "y": Out(vector)})

    @property
    def module_name(self) -> str:
        return f"hn_merge_{self.n_inputs}x{self.n_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inputs = [getattr(self, f"x_{i}") for i in range(self.n_inputs)]
        mask, chosen = self.select.p.mask, Signal.like(self.y.payload)
        free, take = Signal(), Signal()
        words = [
            x.p.as_value() & mask[i].replicate(len(chosen.as_value())) for i, x in enumerate(inputs)
        ]
        m.d.comb += [
            chosen.eq(_any(words)),
            free.eq(~self.y.valid | self.y.ready),
            take.eq(self.select.valid & (mask & Cat(x.valid for x in inputs)).any() & free),
            self.select.ready.eq(take & chosen.last),
        ]
        for i, x in enumerate(inputs):
            m.d.comb += x.ready.eq(self.select.valid & mask[i] & free)
        m.d.sync += self.y.valid.eq(take | (self.y.valid & ~self.y.ready))
        with m.If(take):
            m.d.sync += self.y.payload.eq(chosen)
        return m


def _any(words: Sequence[Value]) -> Value:
    """All words or-ed, as a tree."""
    while len(words) > 1:
        pairs = [a | b for a, b in zip(words[::2], words[1::2], strict=False)]
        words = [*pairs, *words[2 * len(pairs) :]]
    return words[0]
