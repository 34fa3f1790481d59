"""Stalls and glitches: streams that pause and wires that err at random, for verification only.

valid passes only while ``go``; once a beat is on offer it stays until it is taken.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["Glitch", "Noise", "Stall"]


class Stall(SharedComponent):
    """A stream with pauses.

    Parameters
    ----------
    n_bits : int

    Members
    -------
    x, y : In, Out(stream of n_bits)
    go : In(1)
        A beat may pass.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int) -> None:
        self.n_bits = n_bits
        signature = stream.Signature(n_bits)
        super().__init__({"x": In(signature), "y": Out(signature), "go": In(1)})

    @property
    def module_name(self) -> str:
        return f"hn_stall_{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        offered = Signal()
        passing = self.go | offered
        m.d.comb += [
            self.y.payload.eq(self.x.payload),
            self.y.valid.eq(self.x.valid & passing),
            self.x.ready.eq(self.y.ready & passing),
        ]
        m.d.sync += offered.eq(self.x.valid & passing & ~self.y.ready)
        return m


class Noise(SharedComponent):
    """Pseudo-random bits, one by stream; all ones while not enabled.

    Of an LFSR that makes one step per cycle a stream takes a bit or its neighbour's, so that it goes three cycles of four, and neighbours differ.

    Parameters
    ----------
    n : int
    seed : int
        Noises of different seeds differ.

    Members
    -------
    enable : In(1)
    go : Out(n)
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n: int, seed: int = 0) -> None:
        self.n, self.seed = n, seed
        super().__init__({"enable": In(1), "go": Out(n)})

    @property
    def module_name(self) -> str:
        return f"hn_noise_{self.n}" + (f"_{self.seed}" if self.seed else "")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = _random(m, self.seed)
        m.d.comb += self.go.eq(
            Cat(state[7 * i % 63] | state[(11 * i + 29) % 63] | ~self.enable for i in range(self.n))
        )
        return m


class Glitch(SharedComponent):
    """Bits of a link to be inverted: one of them in about one cycle of 64, at random; none while not enabled.

    Parameters
    ----------
    n_bits : int
        Wires.
    seed : int
        Glitches of different seeds differ.

    Members
    -------
    enable : In(1)
    flip : Out(n_bits)
    count : Out(32)
        Bits inverted so far.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int, seed: int) -> None:
        self.n_bits, self.seed = n_bits, seed
        super().__init__({"enable": In(1), "flip": Out(n_bits), "count": Out(32)})

    @property
    def module_name(self) -> str:
        return f"hn_glitch_{self.n_bits}_{self.seed}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = _random(m, self.seed)
        now = self.enable & (state[:6] == 0)
        which = state[20 : 20 + max(1, (self.n_bits - 1).bit_length())]
        m.d.comb += self.flip.eq(Cat(now & (which == i) for i in range(self.n_bits)))
        m.d.sync += self.count.eq(self.count + self.flip.any())
        return m


def _random(m: Module, seed: int) -> Signal:
    """A 63-bit Galois LFSR (x^63 + x^62 + 1, Xilinx XAPP052) that makes one step per cycle."""
    state = Signal(63, init=(0x5DEECE66D2B4A951 * (2 * seed + 1)) & ((1 << 63) - 1))
    m.d.sync += state.eq((state >> 1) ^ (state[0].replicate(63) & (0b11 << 61)))
    return state
