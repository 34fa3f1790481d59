"""Cut: a slice of every vector, padded with zeros where it reaches beyond the vector.

Contract (checked by ``tests/rtl/test_cut.py``): the slice, in any pattern of stalls; combinational.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import integer_signature, vector_signature

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
    kind : str
        Of both streams: ``integers`` or ``vector``.

    Members
    -------
    x : In(stream)
    y : Out(stream)
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        n: int,
        first: int,
        length: int,
        n_bits: int,
        position_bits: int,
        kind: str = "integers",
    ) -> None:
        assert kind in ("integers", "vector"), kind
        self.n, self.first, self.length, self.kind = n, first, length, kind
        self.n_bits, self.position_bits = n_bits, position_bits
        signature = integer_signature if kind == "integers" else vector_signature
        stream = signature(n_bits, position_bits)
        super().__init__({"x": In(stream), "y": Out(stream)})

    @property
    def module_name(self) -> str:
        kind = "" if self.kind == "integers" else f"_{self.kind}"
        size = f"{self.first}_{self.length}of{self.n}x{self.n_bits}"
        return f"hn_cut_{size}_p{self.position_bits}{kind}"

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
            self.y.p.position.eq(self.x.p.position),
            self.y.p.last.eq(index == self.first + self.length - 1),
        ]
        if self.kind == "integers":
            m.d.comb += self.y.p.exponent.eq(self.x.p.exponent)
        with m.If(give):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        return m
