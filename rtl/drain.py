"""Drain: what follows an array that holds whole rows: its results, one by one, on a grid.

Contract (checked by ``tests/rtl/test_drain.py`` against ``hnlpu.sim.projection``): bit-exact, in any pattern
of stalls; an element a cycle, the first valid in the cycle after the result is.
"""

from amaranth.hdl import Module
from amaranth.hdl import signed as signed_shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.scale import Scale
from hnlpu.rtl.unload import Unload
from hnlpu.rtl.vectors import EXPONENT_BITS, boot_signature, vector_signature

__all__ = ["Drain"]


class Drain(SharedComponent):
    """Unload and scale.

    Parameters
    ----------
    n_rows, y_bits, n_bits, fraction, has_multipliers, position_bits
        See :class:`hnlpu.rtl.scale.Scale`; ``y_bits`` are those of the array's result.

    Members
    -------
    array_y, array_y_valid, array_y_ready, accepted, exponent, position
        See :class:`hnlpu.rtl.unload.Unload`.
    row_exponents, y, boot, saturated
        See :class:`hnlpu.rtl.scale.Scale`.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        n_rows: int,
        y_bits: int,
        n_bits: int,
        fraction: int,
        has_multipliers: bool,
        position_bits: int,
    ) -> None:
        self.n_rows, self.y_bits, self.n_bits = n_rows, y_bits, n_bits
        self.fraction, self.has_multipliers = fraction, has_multipliers
        self.position_bits = position_bits
        super().__init__(
            {
                "array_y": In(n_rows * y_bits),
                "array_y_valid": In(1),
                "array_y_ready": Out(1),
                "row_exponents": In(n_rows * ROW_EXPONENT_BITS),
                "accepted": In(1),
                "exponent": In(signed_shape(EXPONENT_BITS)),
                "position": In(position_bits),
                "y": Out(vector_signature(n_bits, position_bits)),
                "boot": In(boot_signature()),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        grid = f"{self.n_bits}f{self.fraction}{'m' if self.has_multipliers else ''}"
        return f"hn_drain_{self.n_rows}x{self.y_bits}_{grid}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        unload = place(m, "unload", platform, Unload, self.n_rows, self.y_bits, self.position_bits)
        scale = place(
            m, "scale", platform, Scale, self.n_rows, self.y_bits, self.n_bits, self.fraction,
            self.has_multipliers, self.position_bits,
        )  # fmt: skip
        for name in ("array_y", "array_y_valid", "accepted", "exponent", "position"):
            m.d.comb += getattr(unload, name).eq(getattr(self, name))
        m.d.comb += [
            self.array_y_ready.eq(unload.array_y_ready),
            scale.row_exponents.eq(self.row_exponents),
            self.saturated.eq(scale.saturated),
        ]
        wiring.connect(m, unload.y, scale.x)
        wiring.connect(m, wiring.flipped(self.boot), scale.boot)
        wiring.connect(m, scale.y, wiring.flipped(self.y))
        return m
