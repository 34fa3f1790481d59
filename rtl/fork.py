"""Fork: one stream for several blocks, each of which takes its copy when it likes.

The input waits until the slowest has its copy; no beat is stored.

Contract (checked by ``tests/rtl/test_fork.py``): every output carries the input's beats, in order, in any
pattern of stalls; latency 0.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["Fork"]


class Fork(SharedComponent):
    """Copies of a stream.

    Parameters
    ----------
    n_bits : int
        Of the payload.
    n_outputs : int

    Members
    -------
    x : In(stream of n_bits)
    y_0, y_1, ... : Out(stream of n_bits)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int, n_outputs: int) -> None:
        self.n_bits, self.n_outputs = n_bits, n_outputs
        signature = stream.Signature(n_bits)
        outputs = {f"y_{i}": Out(signature) for i in range(n_outputs)}
        super().__init__({"x": In(signature), **outputs})

    @property
    def module_name(self) -> str:
        return f"hn_fork_{self.n_outputs}x{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = [getattr(self, f"y_{i}") for i in range(self.n_outputs)]
        served, now = Signal(self.n_outputs), Signal(self.n_outputs)
        m.d.comb += [
            now.eq(served | Cat(y.ready for y in outputs)),
            self.x.ready.eq(now.all()),
        ]
        for i, y in enumerate(outputs):
            m.d.comb += [y.payload.eq(self.x.payload), y.valid.eq(self.x.valid & ~served[i])]
        with m.If(self.x.valid):
            m.d.sync += served.eq(now & ~self.x.ready.replicate(self.n_outputs))
        return m
