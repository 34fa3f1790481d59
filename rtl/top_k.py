"""The largest of a stream: a sorted list into which elements are inserted as they come.

Every place of the list compares itself with the element on offer. Those that are smaller move down by one,
and the element takes the first place that became free. An element that is equal to one of the list comes
after it, so among equals the first one wins.

Contract (checked by ``tests/rtl/test_top_k.py`` against ``hnlpu.sim.router``): exact, an element per cycle.
"""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["TopK"]


class TopK(SharedComponent):
    """The ``k`` largest elements so far, largest first, the first one first among equals.

    Parameters
    ----------
    n_bits : int
        Of a value (signed).
    index_bits : int
        Of what comes along with a value: its number, or anything else.
    k : int

    Members
    -------
    value : In(signed n_bits)
    index : In(index_bits)
    push : In(1)
        Insert ``value`` and ``index``; the list has them from the next cycle on.
    clear : In(1)
        Forget the list first; together with ``push``, the element is the first one of a new list.
    values : Out(ArrayLayout(signed n_bits, k))
    indices : Out(ArrayLayout(index_bits, k))
        In order of rank: to be indexed, by constants or signals.
    count : Out(range(k + 1))
        Places that are filled; the others mean nothing.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int, index_bits: int, k: int) -> None:
        self.n_bits, self.index_bits, self.k = n_bits, index_bits, k
        super().__init__(
            {
                "value": In(signed(n_bits)),
                "index": In(index_bits),
                "push": In(1),
                "clear": In(1),
                "values": Out(data.ArrayLayout(signed(n_bits), k)),
                "indices": Out(data.ArrayLayout(unsigned(index_bits), k)),
                "count": Out(range(k + 1)),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_top_{self.k}_of_{self.n_bits}_i{self.index_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        moves = Signal(self.k)
        for i in range(self.k):
            filled = (self.count > i) & ~self.clear
            m.d.comb += moves[i].eq(~filled | (self.value > self.values[i]))
        for i in range(self.k):
            with m.If(self.push & moves[i]):
                if i == 0:
                    value, index = self.value, self.index
                else:  # a list is sorted: with a place, all behind it move
                    value = Mux(moves[i - 1], self.values[i - 1], self.value)
                    index = Mux(moves[i - 1], self.indices[i - 1], self.index)
                m.d.sync += [self.values[i].eq(value), self.indices[i].eq(index)]
        kept = Mux(self.clear, 0, self.count)
        m.d.sync += self.count.eq(Mux(self.push & (kept != self.k), kept + 1, kept))
        return m
