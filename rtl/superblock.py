"""Superblock: the ports of one block of inputs, counted and shifted by the block's exponent.

In phase ``p`` each port passes stub ``p``; the ones are counted, and the count is shifted left by the
exponent that this phase's pins hold:

    count = (sum over ports of taps[phase][port]) << exponents[phase]

Contract (checked by ``tests/rtl/test_superblock.py``): combinational, bit-exact.
"""

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.adder_tree import compress
from hnlpu.rtl.cells import PhaseSelect
from hnlpu.rtl.hierarchy import SharedComponent, place

__all__ = ["Superblock"]


class Superblock(SharedComponent):
    """Count of one block of product bits per phase, times two to the block's exponent.

    Parameters
    ----------
    n_ports : int
        Ports, one per input of a block.
    phases : int
        Stubs T that meet in a port.
    exponent_values : int
        Number E of exponents; 1 leaves the shifter out.

    Members
    -------
    taps : In(T * n_ports)
        Product bits from the stubs, ``phase * n_ports + port``.
    exponents : In(T * exponent_bits)
        Constant pins, phase 0 in the low bits; absent for E = 1.
    phase : In(T)
        One-hot.
    count : Out(count_bits)
    """

    def __init__(self, n_ports: int, phases: int, exponent_values: int) -> None:
        self.n_ports, self.phases, self.exponent_values = n_ports, phases, exponent_values
        self.exponent_bits = (exponent_values - 1).bit_length()
        self.count_bits = (n_ports << (exponent_values - 1)).bit_length()
        ports = {
            "taps": In(phases * n_ports),
            "phase": In(phases),
            "count": Out(self.count_bits),
        }
        if self.exponent_bits:
            ports["exponents"] = In(phases * self.exponent_bits)
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        return f"hn_superblock_p{self.n_ports}_t{self.phases}_e{self.exponent_values}"

    def elaborate(self, platform: object) -> Module:
        m = Module()

        def selected(name: str, inputs: list[Value]) -> Value:
            if self.phases == 1:
                return inputs[0]
            select = place(m, name, platform, PhaseSelect, self.phases)
            m.d.comb += [select.a.eq(Cat(*inputs)), select.phase.eq(self.phase)]
            return select.y

        ports = [
            selected(f"port_{i}", [self.taps[p * self.n_ports + i] for p in range(self.phases)])
            for i in range(self.n_ports)
        ]
        count = compress(m, "count", [ports], platform, n_bits=self.n_ports.bit_length())
        for bit in range(self.exponent_bits):
            pins = [self.exponents[p * self.exponent_bits + bit] for p in range(self.phases)]
            exponent = selected(f"exponent_{bit}", pins)
            count = Mux(exponent, count << (1 << bit), count)
        m.d.comb += self.count.eq(count)
        return m
