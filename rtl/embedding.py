"""Embedding: a token's row of a table, element after element.

Contract (checked by ``tests/rtl/test_embedding.py``): the booted row of every token, in any pattern of
stalls; an element a cycle, the first valid in the cycle after the token is taken.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Sram
from hnlpu.rtl.vectors import boot_signature, token_signature, vector_signature

__all__ = ["Embedding"]


class Embedding(SharedComponent):
    """Table of vectors.

    Parameters
    ----------
    vocab : int
        Rows; no token is beyond them.
    length : int
        Elements of a row.
    n_bits : int
        Of an element.
    position_bits : int

    Members
    -------
    x : In(token stream)
    y : Out(vector stream)
    boot : In(boot)
        Word ``token * length + i`` is element ``i`` of the token's row.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, vocab: int, length: int, n_bits: int, position_bits: int) -> None:
        self.vocab, self.length = vocab, length
        self.n_bits, self.position_bits = n_bits, position_bits
        token_bits = max(1, (vocab - 1).bit_length())
        super().__init__(
            {
                "x": In(token_signature(token_bits, position_bits)),
                "y": Out(vector_signature(n_bits, position_bits)),
                "boot": In(boot_signature()),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_embedding_{self.vocab}x{self.length}x{self.n_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self.vocab * self.length
        rows = place(m, "rows", platform, Sram, self.n_bits, depth)
        address, next_address = Signal(range(max(2, depth))), Signal(range(max(2, depth)))
        index = Signal(range(max(2, self.length)))
        begin, step = Signal(), Signal()
        m.d.comb += [
            self.y.p.last.eq(index == self.length - 1),
            # The memory's own register holds the element: it is asked again while nothing moves.
            self.y.p.value.eq(rows.read_data),
            step.eq(self.y.valid & self.y.ready),
            self.x.ready.eq(~self.y.valid | (self.y.ready & self.y.p.last)),
            begin.eq(self.x.valid & self.x.ready),
            next_address.eq(Mux(begin, self.x.p.token * self.length, address + step)),
            rows.read_address.eq(next_address),
            rows.write.eq(self.boot.write),
            rows.write_address.eq(self.boot.address),
            rows.write_data.eq(self.boot.data),
        ]
        m.d.sync += address.eq(next_address)
        with m.If(step):
            m.d.sync += [index.eq(index + 1), self.y.valid.eq(~self.y.p.last)]
        with m.If(begin):
            m.d.sync += [
                index.eq(0),
                self.y.valid.eq(1),
                self.y.p.position.eq(self.x.p.position),
            ]
        return m
