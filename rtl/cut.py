"""Cut: a slice of every vector, padded with zeros where it reaches beyond the vector.

Contract (checked by ``tests/rtl/test_cut.py``): the slice, in any pattern of stalls; combinational.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import integer_signature

__all__ = ["Cut"]


class Cut(SharedComponent):
    """Takes a slice out of vectors.

    Parameters
    ----------
    n : int
        Elements of a vector.
    first, length : int
        The slice; its end, or all of it, may lie beyond the vector.
    n_bits : int
        Of an element.
    position_bits : int

    Members
    -------
    x : In(integer stream)
    y : Out(integer stream)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n: int, first: int, length: int, n_bits: int, position_bits: int) -> None:
        self.n, self.first, self.length = n, first, length
        self.n_bits, self.position_bits = n_bits, position_bits
        stream = integer_signature(n_bits, position_bits)
        super().__init__({"x": In(stream), "y": Out(stream)})

    @property
    def module_name(self) -> str:
        return f"hn_cut_{self.first}_{self.length}of{self.n}x{self.n_bits}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The last element is kept on offer while the zeros behind it are given.
        end = max(self.n, self.first + self.length)
        index = Signal(range(max(2, end)))
        inside, padding, last, give = Signal(), Signal(), Signal(), Signal()
        done = Signal()
        m.d.comb += [
            inside.eq((index >= self.first) & (index < self.first + self.length)),
            padding.eq(index >= self.n),
            last.eq(index == end - 1),
            self.y.valid.eq(self.x.valid & inside),
            give.eq(self.x.valid & (self.y.ready | ~inside)),
            done.eq(last if end > self.n else self.x.p.last),
            self.x.ready.eq((self.y.ready | ~inside) & ((index < self.n - 1) | done)),
            self.y.p.value.eq(Mux(padding, 0, self.x.p.value)),
            self.y.p.exponent.eq(self.x.p.exponent),
            self.y.p.position.eq(self.x.p.position),
            self.y.p.last.eq(index == self.first + self.length - 1),
        ]
        with m.If(give):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        return m
