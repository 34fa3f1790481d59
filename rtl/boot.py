"""Boot decoder: which block a boot word is for."""

from hashlib import sha256

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import boot_signature

__all__ = ["BootDecoder"]


class BootDecoder(SharedComponent):
    """Writes of the host, one by block.

    Parameters
    ----------
    windows : tuple of (base, address_bits)
        Aligned windows of addresses, as ``hnlpu.boot`` lays them out.

    Members
    -------
    boot : In(boot)
    writes : Out(n_windows)
        The word is for this window.
    """

    def __init__(self, windows: tuple[tuple[int, int], ...]) -> None:
        self.windows = windows
        super().__init__({"boot": In(boot_signature()), "writes": Out(len(windows))})

    @property
    def module_name(self) -> str:
        key = sha256(repr(self.windows).encode()).hexdigest()[:8]
        return f"hn_boot_{len(self.windows)}_{key}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for i, (base, bits) in enumerate(self.windows):
            hit = (self.boot.address >> bits) == (base >> bits)
            m.d.comb += self.writes[i].eq(self.boot.write & hit)
        return m
