"""Fifo: a stream with room for beats that its taker is not ready for.

Valid and ready depend on registers only, so that it also cuts long paths and breaks loops.

Contract (checked by ``tests/rtl/test_fifo.py``): the beats of the input, in order; ``depth`` are accepted
while none is taken; a beat a cycle from a depth of 2 on; latency 1.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import RegisterFile

__all__ = ["Fifo"]


class Fifo(SharedComponent):
    """First in, first out.

    Parameters
    ----------
    n_bits : int
        Of the payload.
    depth : int
        Any number from 1 on.

    Members
    -------
    x : In(stream of n_bits)
    y : Out(stream of n_bits)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int, depth: int) -> None:
        self.n_bits, self.depth = n_bits, depth
        signature = stream.Signature(n_bits)
        super().__init__({"x": In(signature), "y": Out(signature)})

    @property
    def module_name(self) -> str:
        return f"hn_fifo_{self.depth}x{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        store = place(m, "words", platform, RegisterFile, self.n_bits, self.depth)
        write_place, read_place = self._place("write_place"), self._place("read_place")
        level = Signal(range(self.depth + 1))
        put, taken = Signal(), Signal()
        m.d.comb += [
            self.x.ready.eq(level != self.depth),
            self.y.valid.eq(level != 0),
            self.y.payload.eq(store.read_data),
            put.eq(self.x.valid & self.x.ready),
            taken.eq(self.y.valid & self.y.ready),
            store.write.eq(put),
            store.write_address.eq(write_place),
            store.write_data.eq(self.x.payload),
            store.read_address.eq(read_place),
        ]
        m.d.sync += level.eq(level + put - taken)
        with m.If(put):
            m.d.sync += write_place.eq(self._after(write_place))
        with m.If(taken):
            m.d.sync += read_place.eq(self._after(read_place))
        return m

    def _place(self, name: str) -> Signal:
        # Verilog has no signals without a bit.
        return Signal(range(max(2, self.depth)), name=name)

    def _after(self, place_: Value) -> Value:
        return Mux(place_ == self.depth - 1, 0, place_ + 1)
