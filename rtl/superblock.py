"""Superblock: the ports of one block of inputs, counted and shifted by the block's exponent.

In phase ``p`` each port passes stub ``p``; the ones are counted, and the count is shifted left by the
exponent that this phase's pins hold:

    count = (sum over ports of taps[phase][port]) << exponents[phase]

Contract (checked by ``tests/rtl/test_superblock.py``): combinational, bit-exact.
"""

from amaranth.hdl import Cat, Const, Module
from amaranth.lib.wiring import In, Out

from hnlpu.compression import Compression
from hnlpu.rtl.cells import PhaseSelect, select_phase
from hnlpu.rtl.compressor import compress_bits
from hnlpu.rtl.hierarchy import SharedComponent, place

__all__ = ["Superblock"]


class Superblock(SharedComponent):
    """Count of one block of product bits per phase, times two to the block's exponent.

    Parameters
    ----------
    phases : int
        Stubs T that meet in a port.
    exponent_values : int
        Number E of exponents.
    plan : Compression
        How the ports are counted; its inputs are the ports.

    Members
    -------
    taps : In(T * n_ports)
        Product bits from the stubs, ``phase * n_ports + port``, in the polarity of the plan.
    exponents : In(T * exponent_bits)
        Constant pins, phase 0 in the low bits; absent for E = 1.
    phase : In(T)
        One-hot.
    count : Out(count_bits)
    """

    def __init__(self, phases: int, exponent_values: int, plan: Compression) -> None:
        self.phases, self.exponent_values, self.plan = phases, exponent_values, plan
        self.n_ports = plan.n_inputs
        self.exponent_bits = (exponent_values - 1).bit_length()
        self.count_bits = (self.n_ports << (exponent_values - 1)).bit_length()
        ports = {
            "taps": In(phases * self.n_ports),
            "phase": In(phases),
            "count": Out(self.count_bits),
        }
        if self.exponent_bits:
            ports["exponents"] = In(phases * self.exponent_bits)
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        kind = "n" if any(adder.inverting for adder in self.plan.adders) else ""
        return (
            f"hn_superblock_p{self.n_ports}_t{self.phases}_e{self.exponent_values}"
            f"_w{self.plan.tracks}{kind}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = [
            select_phase(
                m,
                f"port_{i}",
                [self.taps[p * self.n_ports + i] for p in range(self.phases)],
                self.phase,
                platform,
            )
            for i in range(self.n_ports)
        ]
        total = compress_bits(m, "count", self.plan, ports, platform)
        bits = [total[i] for i in range(len(total))]
        for bit in range(self.exponent_bits):
            pins = [self.exponents[p * self.exponent_bits + bit] for p in range(self.phases)]
            exponent = select_phase(m, f"exponent_{bit}", pins, self.phase, platform)
            step = 1 << bit
            low = [*bits, *[Const(0, 1)] * step]
            high = [*[Const(0, 1)] * step, *bits]
            bits = []
            for i, (stay, moved) in enumerate(zip(low, high, strict=True)):
                select = place(m, f"shift_{bit}_{i}", platform, PhaseSelect, 2)
                m.d.comb += select.a.eq(Cat(stay, moved))
                m.d.comb += select.phase.eq(Cat(~exponent, exponent))
                bits.append(select.y)
        m.d.comb += self.count.eq(Cat(*bits[: self.count_bits]))
        return m
