"""Heads as words: the elements of a vector put together, a memory word for each head.

Contract (checked by ``tests/rtl/test_attention.py``): element 0 of a head lies lowest.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["HeadWords", "head_bits"]


def head_bits(n_heads: int) -> int:
    """Width of the number of a head."""
    return max(1, (n_heads - 1).bit_length())


class HeadWords(SharedComponent):
    """Collects one vector and holds the stream behind it until ``release``.

    Parameters
    ----------
    n_bits : int
    head_dim, n_heads : int

    Members
    -------
    value : In(signed n_bits)
    last, valid : In(1)
    ready : Out(1)
        No vector is complete yet.
    write : Out(1)
        ``word`` is complete in this cycle and belongs to ``head``.
    word : Out(head_dim * n_bits)
    head : Out(head_bits(n_heads))
    full : Out(1)
        A vector is complete.
    release : In(1)
        Take the next one.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int, head_dim: int, n_heads: int) -> None:
        self.n_bits, self.head_dim, self.n_heads = n_bits, head_dim, n_heads
        super().__init__(
            {
                "value": In(signed(n_bits)),
                "last": In(1),
                "valid": In(1),
                "ready": Out(1),
                "write": Out(1),
                "word": Out(head_dim * n_bits),
                "head": Out(head_bits(n_heads)),
                "full": Out(1),
                "release": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_head_words_{self.n_heads}x{self.head_dim}x{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before = Signal(self.head_dim * self.n_bits)
        lane = Signal(range(self.head_dim + 1))
        ends = lane == self.head_dim - 1
        take = self.valid & self.ready
        m.d.comb += [
            self.ready.eq(~self.full),
            self.word.eq(Cat(before[self.n_bits :], self.value)),
            self.write.eq(take & ends),
        ]
        with m.If(take):
            m.d.sync += [before.eq(self.word), lane.eq(Mux(ends, 0, lane + 1))]
        with m.If(self.write):
            m.d.sync += self.head.eq(Mux(self.last, 0, self.head + 1))
        m.d.sync += self.full.eq((self.full & ~self.release) | (take & self.last))
        return m
