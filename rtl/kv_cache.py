"""KV cache: keys or values of every position of one layer, a word for each head of a position.

A word holds the integers of a head and the power of two they are in units of. Nothing is ever cleared: a
new sequence writes over the old one from position 0 on, and what lies behind its position is not read.

Contract (checked by ``tests/rtl/test_attention.py``): a vector can be read once ``full``.
"""

from amaranth.hdl import Cat, Module
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.head_words import HeadWords, head_bits
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.vectors import integer_signature
from hnlpu.widths import largest_exponent

__all__ = ["KvCache", "exponent_bits"]


def exponent_bits(numerics: Numerics) -> int:
    """Width of the (unsigned) exponents in the cache."""
    return max(1, largest_exponent(numerics).bit_length())


class KvCache(SharedComponent):
    """Cache of keys, or of values.

    Parameters
    ----------
    n_heads, head_dim : int
        Of keys and values.
    context : int
        Positions.
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(integer stream)
        Exponents go from 0 to ``largest_exponent``, one per head.
    keep : In(1)
        The beat's vector belongs into this cache; if not, it only passes.
    full : Out(1)
        A vector has been written; the next one waits.
    release : In(1)
        Take the next one.
    position : In(position_bits)
    head : In(head_bits(n_heads))
        What to read.
    word : Out(head_dim * kv_bits)
    exponent : Out(exponent_bits)
        What was read, a cycle later.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, n_heads: int, head_dim: int, context: int, numerics: Numerics, position_bits: int
    ) -> None:
        self.n_heads, self.head_dim, self.context = n_heads, head_dim, context
        self.numerics, self.position_bits = numerics, position_bits
        super().__init__(
            {
                "x": In(integer_signature(numerics.kv_bits, position_bits)),
                "keep": In(1),
                "full": Out(1),
                "release": In(1),
                "position": In(position_bits),
                "head": In(head_bits(n_heads)),
                "word": Out(head_dim * numerics.kv_bits),
                "exponent": Out(exponent_bits(numerics)),
            }
        )

    @property
    def module_name(self) -> str:
        return (
            f"hn_kv_cache_{self.context}x{self.n_heads}x{self.head_dim}x{self.numerics.kv_bits}"
            f"_e{exponent_bits(self.numerics)}_p{self.position_bits}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n_bits, heads = self.numerics.kv_bits, self.n_heads
        words = place(m, "words", platform, HeadWords, n_bits, self.head_dim, heads)
        store = place(
            m, "store", platform, Sram, len(self.word) + len(self.exponent), self.context * heads
        )
        m.d.comb += [
            words.value.eq(self.x.p.value),
            words.last.eq(self.x.p.last),
            words.valid.eq(self.x.valid),
            self.x.ready.eq(words.ready),
            self.full.eq(words.full),
            words.release.eq(self.release),
            store.write.eq(words.write & self.keep),
            store.write_address.eq(self.x.p.position * heads + words.head),
            store.write_data.eq(Cat(words.word, self.x.p.exponent[: len(self.exponent)])),
            store.read_address.eq(self.position * heads + self.head),
            Cat(self.word, self.exponent).eq(store.read_data),
        ]
        return m
