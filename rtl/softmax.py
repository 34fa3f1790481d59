"""Softmax without a rescaled sum: powers of two of what lies below the largest, and one reciprocal.

    term   = round(2**-below * 2**15)
    1 / total = factor * 2**-shift

Contract (checked by ``tests/rtl/test_softmax.py`` against ``hnlpu.sim.softmax``): bit-exact.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import bit_length, shift_round
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Rom
from hnlpu.tables import EXP_BITS, RECIPROCAL_BITS, exp2_table

__all__ = ["MAX_TOTAL_BITS", "SHIFT_BITS", "Exp2", "Reciprocal"]

#: Width of a reciprocal's shift, and of the longest total whose shift fits.
SHIFT_BITS = 6
MAX_TOTAL_BITS = (1 << SHIFT_BITS) - RECIPROCAL_BITS


class Exp2(SharedComponent):
    """``2**-below``, rounded once to a grid that all terms share; combinational.

    Parameters
    ----------
    below_bits : int
    numerics : Numerics

    Members
    -------
    below : In(below_bits)
        Not negative, in octaves with ``exp_table_bits`` of fraction.
    term : Out(EXP_BITS)
        1.0 is ``2**(EXP_BITS - 1)``.
    """

    def __init__(self, below_bits: int, numerics: Numerics) -> None:
        self.below_bits, self.numerics = below_bits, numerics
        super().__init__({"below": In(below_bits), "term": Out(EXP_BITS)})

    @property
    def module_name(self) -> str:
        return f"hn_exp2_{self.below_bits}_t{self.numerics.exp_table_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        table_bits = self.numerics.exp_table_bits
        words = tuple(int(word) for word in exp2_table(self.numerics))
        table = place(m, "table", platform, Rom, EXP_BITS, words)
        m.d.comb += table.address.eq(self.below[:table_bits])
        if self.below_bits <= table_bits:
            m.d.comb += self.term.eq(table.data)
            return m
        octaves = self.below[table_bits:]
        near = octaves[: EXP_BITS.bit_length()]
        # From EXP_BITS + 1 octaves on nothing is left, not even a half to be rounded up.
        term = shift_round(table.data, near)
        m.d.comb += self.term.eq(Mux(octaves > EXP_BITS, 0, term))
        return m


class Reciprocal(SharedComponent):
    """``1 / total``, by restoring division: a bit of the quotient per cycle.

    Parameters
    ----------
    n_bits : int
        At most ``MAX_TOTAL_BITS``.

    Members
    -------
    total : In(n_bits)
        Positive; read in the cycle of ``start`` only.
    start : In(1)
    done : Out(1)
        From ``RECIPROCAL_BITS + 2`` cycles after ``start`` until the cycle of the next one.
    factor : Out(RECIPROCAL_BITS + 1)
    shift : Out(SHIFT_BITS)
        Both are valid while ``done``.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, n_bits: int) -> None:
        assert n_bits <= MAX_TOTAL_BITS, n_bits
        self.n_bits = n_bits
        super().__init__(
            {
                "total": In(n_bits),
                "start": In(1),
                "done": Out(1),
                "factor": Out(RECIPROCAL_BITS + 1),
                "shift": Out(SHIFT_BITS),
            }
        )

    @property
    def module_name(self) -> str:
        return f"hn_reciprocal_{self.n_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = max(self.n_bits, RECIPROCAL_BITS)
        n_bits = bit_length(m, self.total, "total_bits")
        aligned = Signal(width)
        m.d.comb += aligned.eq(self.total << (width - n_bits)[: width.bit_length()])

        divisor = Signal(RECIPROCAL_BITS)
        # The remainder stays below the divisor and is doubled for the next bit.
        remainder = Signal(RECIPROCAL_BITS + 1)
        # A one runs up to the top as the bits of the quotient come in behind it.
        quotient = Signal(RECIPROCAL_BITS + 2)
        fits = remainder >= divisor
        m.d.comb += [
            self.done.eq(quotient[-1]),
            self.factor.eq(quotient[:-1]),
        ]
        with m.If(self.start):
            m.d.sync += [
                divisor.eq(aligned[-RECIPROCAL_BITS:]),
                remainder.eq(1 << (RECIPROCAL_BITS - 1)),
                quotient.eq(1),
                self.shift.eq(n_bits + (RECIPROCAL_BITS - 1)),
            ]
        with m.Elif(~self.done):
            m.d.sync += [
                remainder.eq(Cat(Const(0, 1), Mux(fits, remainder - divisor, remainder))),
                quotient.eq(Cat(fits, quotient)),
            ]
        return m
