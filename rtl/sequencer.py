"""Sequencer: the handshake of an array and the counters that all its rows share.

A vector takes T * B cycles in each segment of a row, and vectors follow one another every T * B cycles.
Segment ``j`` works ``j`` cycles behind segment 0, the accumulator ``n_cuts`` cycles behind it.

Without registers in the sources the input is read where the stream offers it: a vector counts while it is
offered, and is taken in the last cycle. With registers it is taken once the last segment has copied it.
A result that is not taken stops the whole array.

Contract (checked by ``tests/rtl/test_array.py``): no vector lost, doubled or changed under stalls on
either side.
"""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.base import CONSTANT_BITS, constant_lines
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
    n_segments, n_cuts : int
        Segments of a row, and cycles from segment 0 to the accumulator.
    registered : bool
        The sources keep their inputs.

    Members
    -------
    x_valid, x_ready : In(1), Out(1)
    y_valid, y_ready : Out(1), In(1)
    phase_{j}, bit_time_{j}, late_{j}, early_{j} : Out(T), Out(B), Out(B), Out(B)
        To the sources and neurons of segment ``j``, as they define them.
    constants_{j} : Out(n_constant_lines)
        Constant lines that follow the segment's bit-times: 1, 2 and 3 in each pair but the last bit-time.
    load_{j} : Out(1)
        Registered only: the sources of the segment take their inputs.
    advance : Out(1)
        Registers at cuts take what is before them.
    first, shift, stay, sign, enable : Out(1)
        To the accumulators.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        phases: int,
        product_bits: int,
        n_segments: int = 1,
        n_cuts: int = 0,
        registered: bool = False,
    ) -> None:
        self.phases, self.product_bits = phases, product_bits
        self.n_segments, self.n_cuts, self.registered = n_segments, n_cuts, registered
        ports = {name: In(1) for name in ("x_valid", "y_ready")}
        outputs = ("x_ready", "y_valid", "advance", "first", "shift", "stay", "sign", "enable")
        ports |= {name: Out(1) for name in outputs}
        for j in range(n_segments):
            ports[f"phase_{j}"] = Out(phases)
            for name in ("bit_time", "late", "early"):
                ports[f"{name}_{j}"] = Out(product_bits)
            ports[f"constants_{j}"] = Out(constant_lines(product_bits))
            if registered:
                ports[f"load_{j}"] = Out(1)
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        name = f"hn_sequencer_t{self.phases}_b{self.product_bits}"
        return f"{name}_s{self.n_segments}_c{self.n_cuts}{'r' if self.registered else ''}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        phase = Signal(self.phases, init=1)  # one-hot, like the bit-time
        bit_time = Signal(self.product_bits, init=1)
        advance, active, last = self.advance, Signal(), Signal()
        m.d.comb += [
            advance.eq(~(self.y_valid & ~self.y_ready)),
            last.eq(phase[-1] & bit_time[-1]),
        ]
        with m.If(advance & active):
            m.d.sync += phase.eq(Cat(phase[-1], phase[:-1]))
            with m.If(phase[-1]):
                m.d.sync += bit_time.eq(Cat(bit_time[-1], bit_time[:-1]))
        if self.registered:
            running, start = Signal(), Signal()
            m.d.comb += active.eq(running)
            loads: list[Value] = [start]
            for j in range(1, self.n_segments):
                loads.append(self._later(m, f"load_{j}_pending", loads[-1]))
            # A vector is on offer until its last copy is made; it must not start twice.
            copying = Cat(*loads[1:]).any()
            m.d.comb += start.eq(self.x_valid & ~copying & (~running | last))
            m.d.comb += self.x_ready.eq(advance & loads[-1])
            m.d.comb += [
                getattr(self, f"load_{j}").eq(advance & load) for j, load in enumerate(loads)
            ]
            with m.If(advance):
                m.d.sync += running.eq(start | (running & ~last))
        else:
            m.d.comb += active.eq(self.x_valid)
            m.d.comb += self.x_ready.eq(advance & last)

        stage: list[Value] = [phase, bit_time, active]
        for j in range(max(self.n_segments, self.n_cuts + 1)):
            if j:
                stage = [
                    self._later(m, f"{name}_in_{j}", value, init)
                    for name, value, init in zip(
                        ("phase", "bit_time", "active"), stage, (1, 1, 0), strict=True
                    )
                ]
            if j < self.n_segments:
                late = Cat(*(stage[1][b:].any() for b in range(self.product_bits)))
                m.d.comb += [
                    getattr(self, f"phase_{j}").eq(stage[0]),
                    getattr(self, f"bit_time_{j}").eq(stage[1]),
                    getattr(self, f"late_{j}").eq(late),
                    getattr(self, f"early_{j}").eq(~late),
                    getattr(self, f"constants_{j}").eq(self._constants(stage[1])),
                ]
            if j == self.n_cuts:
                self._accumulator(m, *stage)
        return m

    def _constants(self, bit_time: Value) -> Value:
        lines: list[Value] = []
        for first in range(0, self.product_bits - 1, CONSTANT_BITS):
            low = bit_time[first]
            high = bit_time[first + 1] if first + 2 < self.product_bits else Const(0, 1)
            lines += [low, high, low | high]
        return Cat(*lines)

    def _later(self, m: Module, name: str, value: Value, init: int = 0) -> Signal:
        register = Signal(len(value), name=name, init=init)
        with m.If(self.advance):
            m.d.sync += register.eq(value)
        return register

    def _accumulator(self, m: Module, phase: Value, bit_time: Value, active: Value) -> None:
        shift = phase[-1] & ~bit_time[-1]
        done = active & phase[-1] & bit_time[-1]
        m.d.comb += [
            self.first.eq(phase[0] & bit_time[0]),
            self.shift.eq(shift),
            self.stay.eq(~shift),
            self.sign.eq(bit_time[-1]),
            self.enable.eq(self.advance & active),
        ]
        m.d.sync += self.y_valid.eq((self.advance & done) | (self.y_valid & ~self.y_ready))
