"""Rotary position embedding: pairs ``(i, i + n/2)`` of a head, turned by an angle that grows with the position.

    first  = a * cosine - b * sine
    second = b * cosine + a * sine

The first half of a head waits in a memory for the second. When ``b`` comes, both results are there: one is
put out at once, the other takes the place of ``a``, from where it follows while the first half of the next
head comes in behind it.

Contract (checked by ``tests/rtl/test_rope.py`` against ``hnlpu.sim.rope``): bit-exact, an element a cycle,
in any pattern of stalls; the first result of a head is on offer in the cycle after its element
``head_dim / 2`` was taken.
"""

from hashlib import sha256

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, saturate
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.memory import RegisterFile, Rom
from hnlpu.rtl.vectors import vector_signature
from hnlpu.tables import PHASE_BITS, sine_table

__all__ = ["Rope"]


class Rope(SharedComponent):
    """Rotates heads, one after another.

    Parameters
    ----------
    head_dim : int
        Even.
    steps : tuple of int
        Turns per position of each pair (``hnlpu.tables.rope_steps``).
    numerics : Numerics
    position_bits : int
    sequence_bits : int
        Upper bits of a position that number its sequence.

    Members
    -------
    x : In(vector stream)
        Whole heads; the elements of a head have one position.
    y : Out(vector stream)
    saturated : Out(1)
        In the cycle in which a clipped element is put out.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        head_dim: int,
        steps: tuple[int, ...],
        numerics: Numerics,
        position_bits: int,
        sequence_bits: int = 0,
    ) -> None:
        if head_dim % 2 or len(steps) != head_dim // 2:
            raise ValueError(
                f"{len(steps)} steps for a head of {head_dim}: one for each pair of elements is needed"
            )
        self.head_dim, self.steps = head_dim, tuple(int(step) for step in steps)
        self.numerics, self.position_bits = numerics, position_bits
        self.sequence_bits = sequence_bits
        vector = vector_signature(numerics.value_bits, position_bits)
        super().__init__({"x": In(vector), "y": Out(vector), "saturated": Out(1)})

    @property
    def module_name(self) -> str:
        n = self.numerics
        key = sha256(repr(self.steps).encode()).hexdigest()[:8]
        return (
            f"hn_rope_{self.head_dim}_{key}_v{n.value_bits}_t{n.rope_table_bits}_r{n.rope_bits}"
            f"_p{self.position_bits}" + (f"s{self.sequence_bits}" if self.sequence_bits else "")
        )

    def elaborate(self, platform: object) -> Module:
        m, n, half = Module(), self.numerics, self.head_dim // 2
        x, y = self.x, self.y
        # A turned element needs a bit more than its pair until it is saturated.
        held = place(m, "held", platform, RegisterFile, n.value_bits + 1, half)
        rotating, draining = Signal(), Signal()
        places = range(max(half, 2))  # not zero bits, which are not Verilog
        fill, index = Signal(places), Signal(places)
        free, take, turn, drain = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(~y.valid | y.ready),
            # A place is free once its element goes out, and be it in this cycle.
            x.ready.eq(free | ~(rotating | (draining & (fill == index)))),
            take.eq(x.valid & x.ready & ~rotating),
            turn.eq(x.valid & free & rotating),
            drain.eq(draining & free),
        ]

        # The first half comes in; what is left of the head before goes out in front of it.
        filled = take & (fill == half - 1)
        with m.If(take):
            m.d.sync += fill.eq(Mux(filled, 0, fill + 1))
        last = index == half - 1
        following = Signal.like(index)
        m.d.comb += following.eq(Mux(turn | drain, Mux(last, 0, index + 1), index))
        m.d.sync += [
            index.eq(following),
            rotating.eq(filled | (rotating & ~(turn & last))),
            draining.eq((turn & last) | (draining & ~(drain & last))),
        ]

        position, drain_position, drain_last = (
            Signal(self.position_bits),
            Signal(self.position_bits),
            Signal(),
        )
        next_position = Mux(take, x.p.position, position)
        m.d.sync += position.eq(next_position)
        with m.If(turn):
            m.d.sync += [drain_position.eq(position), drain_last.eq(x.p.last)]

        sine, cosine = self._sine_cosine(m, platform, next_position, following)
        a, b = held.read_data.as_signed(), x.p.value
        first = round_shift(a * cosine - b * sine, n.rope_bits)
        second = round_shift(b * cosine + a * sine, n.rope_bits)
        m.d.comb += [
            held.write.eq(take | turn),
            held.write_address.eq(Mux(rotating, index, fill)),
            held.write_data.eq(Mux(rotating, second, b)),
            held.read_address.eq(index),
        ]

        turned = Signal(signed(n.value_bits + 1))
        m.d.comb += turned.eq(Mux(rotating, first, a))
        value, clipped = saturate(m, turned, n.value_bits, "value")
        put = turn | drain
        m.d.comb += self.saturated.eq(put & clipped)
        m.d.sync += y.valid.eq(put | (y.valid & ~y.ready))
        with m.If(put):
            m.d.sync += [
                y.p.value.eq(value),
                y.p.position.eq(Mux(rotating, position, drain_position)),
                y.p.last.eq(draining & drain_last & last),
            ]
        return m

    def _sine_cosine(
        self, m: Module, platform: object, position: Value, index: Value
    ) -> tuple[Signal, Signal]:
        """Sine and cosine, a cycle later, of the turns that pair ``index`` makes until ``position``."""
        n = self.numerics
        words = tuple(int(word) for word in sine_table(n))
        steps = place(m, "steps", platform, Rom, PHASE_BITS, self.steps)
        rising, falling = (
            place(m, name, platform, Rom, max(words).bit_length(), words)
            for name in ("rising", "falling")
        )
        phase = Signal(PHASE_BITS)
        quadrant = phase[-2:]
        within = phase[PHASE_BITS - 2 - n.rope_table_bits : PHASE_BITS - 2]
        m.d.comb += [
            steps.address.eq(index),
            phase.eq(position[: self.position_bits - self.sequence_bits] * steps.data),
            rising.address.eq(within),
            falling.address.eq(~within),
        ]
        sine, cosine = (Signal(signed(n.rope_bits + 2), name=name) for name in ("sine", "cosine"))
        odd, below, left = quadrant[0], quadrant[1], quadrant[0] ^ quadrant[1]
        up, down = Mux(odd, falling.data, rising.data), Mux(odd, rising.data, falling.data)
        m.d.sync += [sine.eq(Mux(below, -up, up)), cosine.eq(Mux(left, -down, down))]
        return sine, cosine
