"""Store of a link's receiver: words come in, whole beats go out.

A register file for each word of a beat, so that a beat is read at once; it is offered when its last word
is in. The sender's credits see to it that there is a place for every word.

Contract (checked by ``tests/rtl/test_link.py``): first in, first out; valid and payload from registers; a beat is
offered in the cycle after its last word.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import RegisterFile

__all__ = ["LinkStore", "following"]


def following(counter: Signal, n: int) -> Value:
    """The number after ``counter``, modulo ``n``."""
    return Mux(counter == n - 1, 0, counter + 1)


class LinkStore(SharedComponent):
    """First in, first out, from words to beats.

    Parameters
    ----------
    payload_bits, width : int
    beats : int

    Members
    -------
    put : In(1)
        A word comes; one at least of the places for beats is not in use.
    word : In(width)
    index : Out
        Which word of its beat comes next.
    y : Out(stream of payload_bits)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, payload_bits: int, width: int, beats: int) -> None:
        self.payload_bits, self.width, self.beats = payload_bits, width, beats
        self.words = -(-payload_bits // width)
        super().__init__(
            {
                "put": In(1),
                "word": In(width),
                "index": Out(range(max(2, self.words))),
                "y": Out(stream.Signature(payload_bits)),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_link_store_{self.beats}x{self.payload_bits}_{self.width}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        write_place = Signal(range(max(2, self.beats)))
        read_place = Signal.like(write_place)
        level = Signal(range(self.beats + 1))
        complete, taken = Signal(), Signal()
        columns = []
        for i in range(self.words):
            n_bits = min(self.width, self.payload_bits - i * self.width)
            column = place(m, f"words_{i}", platform, RegisterFile, n_bits, self.beats)
            m.d.comb += [
                column.write.eq(self.put & (self.index == i)),
                column.write_address.eq(write_place),
                column.write_data.eq(self.word[:n_bits]),
                column.read_address.eq(read_place),
            ]
            columns.append(column.read_data)
        m.d.comb += [
            self.y.payload.eq(Cat(columns)),
            self.y.valid.eq(level != 0),
            complete.eq(self.put & (self.index == self.words - 1)),
            taken.eq(self.y.valid & self.y.ready),
        ]
        m.d.sync += level.eq(level + complete - taken)
        with m.If(self.put):
            m.d.sync += self.index.eq(following(self.index, self.words))
        with m.If(complete):
            m.d.sync += write_place.eq(following(write_place, self.beats))
        with m.If(taken):
            m.d.sync += read_place.eq(following(read_place, self.beats))
        return m
