"""Memories: the only modules of a chip whose Verilog is written by hand.

A flow replaces :class:`Sram` by its compiler's macro, and :class:`RegisterFile` by a latch array or
flip-flops. They have no contents at power-up: nothing may be read before it was written.
"""

from hashlib import sha256

from amaranth.hdl import Module, unsigned
from amaranth.lib import memory
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["RegisterFile", "Rom", "Sram"]


def _address_bits(depth: int) -> int:
    return max(1, (depth - 1).bit_length())


class _Memory(SharedComponent):
    """One write port and one read port.

    Parameters
    ----------
    n_bits, depth : int

    Members
    -------
    write : In(1)
    write_address, write_data : In
    read_address : In
    read_data : Out
    """

    clock_ports = ("clk",)
    _registered: bool
    _prefix: str

    def __init__(self, n_bits: int, depth: int) -> None:
        self.n_bits, self.depth = n_bits, depth
        address_bits = _address_bits(depth)
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address_bits),
                "write_data": In(n_bits),
                "read_address": In(address_bits),
                "read_data": Out(n_bits),
            }
        )

    @property
    def module_name(self) -> str:
        return f"{self._prefix}_{self.depth}x{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = store = memory.Memory(
            shape=unsigned(self.n_bits), depth=self.depth, init=[]
        )
        write = store.write_port()
        read = store.read_port(domain="sync" if self._registered else "comb")
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m

    def text(self) -> str:
        word, address = f"[{self.n_bits - 1}:0]", f"[{_address_bits(self.depth) - 1}:0]"
        read = (
            f"  reg {word} read_data;\n  always @(posedge clk) read_data <= store[read_address];\n"
            if self._registered
            else "  assign read_data = store[read_address];\n"
        )
        return (
            f"// Memory of {self.depth} words of {self.n_bits} bits.\n"
            f"module {self.module_name}(clk, write, write_address, write_data, read_address, "
            "read_data);\n"
            f"  input clk;\n  input write;\n  input {address} write_address;\n"
            f"  input {word} write_data;\n  input {address} read_address;\n"
            f"  output {word} read_data;\n"
            f"  reg {word} store [0:{self.depth - 1}];\n"
            "  always @(posedge clk) if (write) store[write_address] <= write_data;\n"
            f"{read}endmodule\n"
        )


class Sram(_Memory):
    """Synchronous memory: ``read_data`` follows ``read_address`` by a cycle.

    A word that is written in the cycle in which it is read comes out as it was before.
    """

    _registered, _prefix = True, "hn_sram"


class RegisterFile(_Memory):
    """Small memory: ``read_data`` follows ``read_address`` at once."""

    _registered, _prefix = False, "hn_regfile"


class Rom(SharedComponent):
    """Table of constants, read at once.

    Parameters
    ----------
    n_bits : int
    words : tuple of int
        Not negative, below ``2**n_bits``.

    Members
    -------
    address : In
    data : Out(n_bits)
    """

    def __init__(self, n_bits: int, words: tuple[int, ...]) -> None:
        self.n_bits, self.words = n_bits, words
        super().__init__({"address": In(_address_bits(len(words))), "data": Out(n_bits)})

    @property
    def module_name(self) -> str:
        key = sha256(repr(self.words).encode()).hexdigest()[:8]
        return f"hn_rom_{len(self.words)}x{self.n_bits}_{key}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = store = memory.Memory(
            shape=unsigned(self.n_bits), depth=len(self.words), init=self.words
        )
        read = store.read_port(domain="comb")
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        return m

    def text(self) -> str:
        bits = _address_bits(len(self.words))
        cases = "".join(
            f"    {bits}'d{i}: data = {self.n_bits}'d{word};\n" for i, word in enumerate(self.words)
        )
        return (
            f"module {self.module_name}(address, data);\n"
            f"  input [{bits - 1}:0] address;\n  output reg [{self.n_bits - 1}:0] data;\n"
            f"  always @* case (address)\n{cases}"
            f"    default: data = {self.n_bits}'d0;\n  endcase\nendmodule\n"
        )
