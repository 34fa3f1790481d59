"""Sequencer: the handshake of an array and the phase and bit counters that all its rows share.

An accepted vector takes T * B cycles; while the last of them runs, the next vector may already be
accepted, so vectors follow one another every T * B cycles. A result that is not taken stops the array
before the next vector overwrites it.

Contract (checked by ``tests/rtl/test_array.py``): no vector lost, doubled or changed under stalls on
either side.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["Sequencer"]


class Sequencer(SharedComponent):
    """Control of one array.

    Parameters
    ----------
    phases : int
        Phases T per bit-time.
    product_bits : int
        Bit-times B per vector.

    Members
    -------
    x_valid, x_ready : In(1), Out(1)
    y_valid, y_ready : Out(1), In(1)
    load, enable, first, last_phase, sign : Out(1)
    phase : Out(T), one-hot
        To the source units and neurons, as they define them.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, phases: int, product_bits: int) -> None:
        self.phases, self.product_bits = phases, product_bits
        super().__init__(
            {
                "x_valid": In(1),
                "x_ready": Out(1),
                "y_valid": Out(1),
                "y_ready": In(1),
                "load": Out(1),
                "enable": Out(1),
                "first": Out(1),
                "last_phase": Out(1),
                "sign": Out(1),
                "phase": Out(phases, init=1),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_sequencer_t{self.phases}_b{self.product_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        running = Signal()
        bit_time = Signal(self.product_bits, init=1)  # one-hot, like the phase
        last = Signal()
        m.d.comb += [
            self.first.eq(self.phase[0] & bit_time[0]),
            self.last_phase.eq(self.phase[-1]),
            self.sign.eq(bit_time[-1]),
            self.enable.eq(running & ~(self.y_valid & ~self.y_ready)),
            last.eq(self.enable & self.sign & self.last_phase),
            self.x_ready.eq(~running | last),
            self.load.eq(self.x_valid & self.x_ready),
        ]
        m.d.sync += running.eq(self.load | (running & ~last))
        m.d.sync += self.y_valid.eq(last | (self.y_valid & ~self.y_ready))
        with m.If(self.enable):
            m.d.sync += self.phase.eq(Cat(self.phase[-1], self.phase[:-1]))
            with m.If(self.last_phase):
                m.d.sync += bit_time.eq(Cat(bit_time[-1], bit_time[:-1]))
        return m
