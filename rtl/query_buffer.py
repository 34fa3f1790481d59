"""Query buffer: the queries of one token, a word for each head.

Contract (checked by ``tests/rtl/test_attention.py``): a vector can be read once ``full``.
"""

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.head_words import HeadWords, head_bits
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.vectors import vector_signature

__all__ = ["QueryBuffer"]


class QueryBuffer(SharedComponent):
    """Holds one vector, and the stream behind it, until ``release``.

    Parameters
    ----------
    n_heads, head_dim : int
    n_bits : int
        Of an element.
    position_bits : int

    Members
    -------
    x : In(vector stream)
    full : Out(1)
        A vector has been written; the next one waits.
    position : Out(position_bits)
        Of this vector.
    release : In(1)
        Take the next one.
    head : In(head_bits(n_heads))
        What to read.
    word : Out(head_dim * n_bits)
        What was read, a cycle later.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_heads: int, head_dim: int, n_bits: int, position_bits: int) -> None:
        self.n_heads, self.head_dim = n_heads, head_dim
        self.n_bits, self.position_bits = n_bits, position_bits
        super().__init__(
            {
                "x": In(vector_signature(n_bits, position_bits)),
                "full": Out(1),
                "position": Out(position_bits),
                "release": In(1),
                "head": In(head_bits(n_heads)),
                "word": Out(head_dim * n_bits),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_queries_{self.n_heads}x{self.head_dim}x{self.n_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = (self.n_bits, self.head_dim, self.n_heads)
        words = place(m, "words", platform, HeadWords, *shape)
        store = place(m, "store", platform, Sram, len(self.word), self.n_heads)
        m.d.comb += [
            words.value.eq(self.x.p.value),
            words.last.eq(self.x.p.last),
            words.valid.eq(self.x.valid),
            self.x.ready.eq(words.ready),
            self.full.eq(words.full),
            words.release.eq(self.release),
            store.write.eq(words.write),
            store.write_address.eq(words.head),
            store.write_data.eq(words.word),
            store.read_address.eq(self.head),
            self.word.eq(store.read_data),
        ]
        with m.If(words.write):
            m.d.sync += self.position.eq(self.x.p.position)
        return m
