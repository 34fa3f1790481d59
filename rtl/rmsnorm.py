"""RMS norm: a vector brought to unit mean square, times its gains.

    y = x * rsqrt(mean(x**2) + epsilon) * gain

The vector is stored while its squares are added. The reciprocal root of the sum comes from a table and one
Newton step, a multiplication a cycle; then the elements are read back, multiplied and rounded once. The
``sqrt(n)`` of the mean is part of the gains.

Contract (checked by ``tests/rtl/test_rmsnorm.py`` against ``hnlpu.sim.rmsnorm``): bit-exact, in any pattern
of stalls; a vector takes ``LATENCY_CYCLES - 1`` cycles more than it has elements, and its first result is on
offer ``LATENCY_CYCLES`` after its last element was taken.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, saturate, shift_round
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import Rom, Sram
from hnlpu.rtl.replay import replay
from hnlpu.rtl.vectors import EXPONENT_BITS, boot_signature, vector_signature
from hnlpu.tables import RSQRT_BITS, rsqrt_table

__all__ = ["LATENCY_CYCLES", "RmsNorm"]

LATENCY_CYCLES = 6


class RmsNorm(SharedComponent):
    """Normalises vectors.

    Parameters
    ----------
    length : int
    epsilon : int
        ``epsilon * n`` in units of a square of the residual grid, at least 1
        (``hnlpu.chip.norm_epsilon``).
    numerics : Numerics
    position_bits : int

    Members
    -------
    x : In(vector stream)
        On the residual grid.
    y : Out(vector stream)
        Of ``value_bits``, in units of ``2**exponent``.
    exponent : Out(signed)
        Follows from the gains and does not change after boot.
    boot : In(boot)
        Word ``i`` is gain ``i``; the word at the next power of two from ``length`` on is the octaves of the
        gains (``hnlpu.chip.Norm``).
    saturated : Out(1)
        In the cycle in which a clipped element is put out.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, length: int, epsilon: int, numerics: Numerics, position_bits: int) -> None:
        self.length, self.epsilon = length, epsilon
        self.numerics, self.position_bits = numerics, position_bits
        largest = length * 4 ** (numerics.residual_bits - 1) + epsilon
        #: Pairs of bits of the sum of squares; a root has half as many octaves.
        self._pairs = max(-(-largest.bit_length() // 2), RSQRT_BITS // 2 + 1)
        #: What a result is shifted by beside the octaves of the root.
        self._shift = RSQRT_BITS + numerics.gamma_bits - numerics.value_bits
        if epsilon < 1:
            raise ValueError(f"epsilon = {epsilon}: a vector of zeros needs at least 1")
        super().__init__(
            {
                "x": In(vector_signature(numerics.residual_bits, position_bits)),
                "y": Out(vector_signature(numerics.value_bits, position_bits)),
                "exponent": Out(signed(EXPONENT_BITS)),
                "boot": In(boot_signature()),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        return (
            f"hn_rmsnorm_{self.length}_e{self.epsilon}_r{n.residual_bits}_v{n.value_bits}"
            f"_g{n.gamma_bits}_t{n.rsqrt_table_bits}_p{self.position_bits}"
        )

    def elaborate(self, platform: object) -> Module:
        m, n = Module(), self.numerics
        take, step = Signal(), Signal()
        store = replay(
            m, platform, n.residual_bits, self.length, write=take, word=self.x.p.value, step=step
        )
        gain = self._gain(m, platform, store.read_address)
        with m.FSM() as fsm:
            with m.State("COLLECT"), m.If(store.filled):
                m.next = "NORMALISE"
            with m.State("NORMALISE"):
                m.next = "SQUARE"
            with m.State("SQUARE"):
                m.next = "PRODUCT"
            with m.State("PRODUCT"):
                m.next = "ROOT"
            with m.State("ROOT"):
                m.next = "STREAM"
            with m.State("STREAM"), m.If(step & store.last):
                m.next = "COLLECT"
        streaming = fsm.ongoing("STREAM")
        m.d.comb += [
            self.x.ready.eq(fsm.ongoing("COLLECT") | (streaming & store.freed)),
            take.eq(self.x.valid & self.x.ready),
            step.eq(streaming & (~self.y.valid | self.y.ready)),
        ]

        total = Signal(2 * self._pairs, init=self.epsilon)
        position = Signal(self.position_bits)
        with m.If(take):
            m.d.sync += total.eq(total + self.x.p.value * self.x.p.value)
        with m.If(store.filled):
            m.d.sync += position.eq(self.x.p.position)
        with m.If(fsm.ongoing("NORMALISE")):
            m.d.sync += total.eq(self.epsilon)
        mantissa, octaves = self._normalised(m, total, fsm.ongoing("NORMALISE"))
        root = self._root(
            m,
            platform,
            mantissa,
            square=fsm.ongoing("SQUARE"),
            product=fsm.ongoing("PRODUCT"),
            root=fsm.ongoing("ROOT"),
        )

        shift = Signal(range(max(self._shift, 0) + self._pairs))
        m.d.comb += shift.eq(self._shift + octaves)
        result = shift_round(store.data.as_signed() * root * gain, shift)
        rounded = Signal(result.shape())
        m.d.comb += rounded.eq(result)
        value, clipped = saturate(m, rounded, n.value_bits, "value")
        m.d.comb += self.saturated.eq(step & clipped)
        m.d.sync += self.y.valid.eq(step | (self.y.valid & ~self.y.ready))
        with m.If(step):
            m.d.sync += [
                self.y.p.value.eq(value),
                self.y.p.position.eq(position),
                self.y.p.last.eq(store.last),
            ]
        return m

    def _gain(self, m: Module, platform: object, address: Value) -> Value:
        """The gain that belongs to ``address`` of the cycle before; and the exponent, from boot too."""
        n, boot = self.numerics, self.boot
        gains = place(m, "gains", platform, Sram, n.gamma_bits, self.length)
        beyond = boot.address[(self.length - 1).bit_length()]
        m.d.comb += [
            gains.write.eq(boot.write & ~beyond),
            gains.write_address.eq(boot.address),
            gains.write_data.eq(boot.data),
            gains.read_address.eq(address),
        ]
        with m.If(boot.write & beyond):
            m.d.sync += self.exponent.eq(boot.data.as_signed() + 1 - n.value_bits)
        return gains.read_data.as_signed()

    def _normalised(self, m: Module, total: Signal, now: Value) -> tuple[Signal, Signal]:
        """``total`` as 1 to 4 with ``RSQRT_BITS`` of fraction, and the power of 4 that it lost."""
        width = 2 * self._pairs
        rest: Value = total
        zeros: list[Value] = []
        for j in reversed(range((self._pairs - 1).bit_length())):
            n_bits = 2 << j
            empty, shifted = Signal(name=f"empty_{n_bits}"), Signal(width, name=f"left_{n_bits}")
            m.d.comb += [
                empty.eq(rest[width - n_bits :] == 0),
                shifted.eq(Mux(empty, Cat(Const(0, n_bits), rest[: width - n_bits]), rest)),
            ]
            rest = shifted
            zeros.insert(0, empty)
        mantissa, octaves = Signal(RSQRT_BITS + 2), Signal(range(self._pairs))
        with m.If(now):
            m.d.sync += [
                mantissa.eq(rest[width - len(mantissa) :]),
                octaves.eq(self._pairs - 1 - Cat(zeros)),
            ]
        return mantissa, octaves

    def _root(
        self,
        m: Module,
        platform: object,
        mantissa: Signal,
        *,
        square: Value,
        product: Value,
        root: Value,
    ) -> Signal:
        """``1 / sqrt(mantissa)``: ``first * (3 - mantissa * first**2) / 2``, a multiplication a cycle."""
        words = tuple(int(word) for word in rsqrt_table(self.numerics))
        table = place(m, "roots", platform, Rom, max(words).bit_length(), words)
        half_bits = self.numerics.rsqrt_table_bits - 1
        above = mantissa[-1]  # from 2 on
        within = Mux(
            above,
            mantissa[RSQRT_BITS + 1 - half_bits : RSQRT_BITS + 1],
            mantissa[RSQRT_BITS - half_bits : RSQRT_BITS],
        )
        m.d.comb += table.address.eq(Cat(within, above))

        first = table.data
        factor = Signal(RSQRT_BITS + 2)  # the square, then the rest, then the root
        result = Signal(2 * len(factor))
        m.d.comb += result.eq(Mux(product, mantissa, first) * Mux(square, first, factor))
        with m.If(square):
            m.d.sync += factor.eq(result >> (RSQRT_BITS - 2))
        with m.If(product):
            m.d.sync += factor.eq(((3 << (2 * RSQRT_BITS + 2)) - result) >> (RSQRT_BITS + 2))
        with m.If(root):
            m.d.sync += factor.eq(round_shift(result, RSQRT_BITS + 1))
        return factor
