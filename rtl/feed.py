"""Feed: a vector stream, element after element, for arrays that want a whole vector at once.

A vector is collected, then offered to the arrays that always take it, and, once it is known which, to the
selected ones. When all have it the next one may come.

Contract (checked by ``tests/rtl/test_feed.py``): every vector reaches every array it is for, once, and does
not change while it is on offer; on offer in the cycle after its last element came.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.hdl import signed as signed_shape
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import EXPONENT_BITS, integer_signature, mask_signature

__all__ = ["Feed"]


class Feed(SharedComponent):
    """Offers vectors to arrays.

    Parameters
    ----------
    n_columns : int
        Elements of a vector.
    n_bits : int
        Of an element.
    n_always, n_selected : int
        Arrays that take every vector, and arrays that take those they are selected for.
    position_bits : int

    Members
    -------
    x : In(integer stream)
    select : In(mask stream)
        Of each vector, the selected arrays; only if there are such arrays. May be empty.
    array_x : Out(n_columns * n_bits)
        Element 0 lowest.
    array_valid, array_ready : Out, In(n_always + n_selected)
        The handshake of every array, the always-arrays first.
    exponent, position : Out
        Of the vector on offer.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, n_columns: int, n_bits: int, n_always: int, n_selected: int, position_bits: int
    ) -> None:
        self.n_columns, self.n_bits, self.position_bits = n_columns, n_bits, position_bits
        self.n_always, self.n_selected = n_always, n_selected
        n = n_always + n_selected
        select = {"select": In(mask_signature(n_selected))} if n_selected else {}
        super().__init__(
            {
                "x": In(integer_signature(n_bits, position_bits)),
                **select,
                "array_x": Out(n_columns * n_bits),
                "array_valid": Out(n),
                "array_ready": In(n),
                "exponent": Out(signed_shape(EXPONENT_BITS)),
                "position": Out(position_bits),
            }
        )

    @property
    def module_name(self) -> str:
        arrays = f"a{self.n_always}_s{self.n_selected}"
        return f"hn_feed_{self.n_columns}x{self.n_bits}_{arrays}_p{self.position_bits}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The elements need no reset: none is on offer before all were written.
        elements = Signal(self.n_columns * self.n_bits, reset_less=True)
        index = Signal(range(max(2, self.n_columns)))  # Verilog has none without a bit
        full, selected = Signal(), Signal()
        pending, left = Signal.like(self.array_valid), Signal.like(self.array_valid)
        take, mask_taken, done = Signal(), Signal(), Signal()
        m.d.comb += [
            self.x.ready.eq(~full),
            take.eq(self.x.valid & ~full),
            # Arrays see a vector only while it is on offer: no wire moves while it is collected.
            self.array_x.eq(elements & full.replicate(len(elements))),
            self.array_valid.eq(pending),
            left.eq(pending & ~self.array_ready),
            done.eq(full & selected & ~left.any()),
        ]
        with m.If(take):
            m.d.sync += [
                elements.word_select(index, self.n_bits).eq(self.x.p.value),
                self.exponent.eq(self.x.p.exponent),
                self.position.eq(self.x.p.position),
                index.eq(index + 1),
            ]
        m.d.sync += pending.eq(left)
        with m.If(take & self.x.p.last):
            m.d.sync += [
                index.eq(0),
                full.eq(1),
                selected.eq(self.n_selected == 0),
                pending[: self.n_always].eq((1 << self.n_always) - 1),
            ]
        with m.If(done):
            m.d.sync += full.eq(0)
        if self.n_selected:
            m.d.comb += [
                self.select.ready.eq(full & ~selected),
                mask_taken.eq(self.select.valid & self.select.ready),
            ]
            with m.If(mask_taken):
                m.d.sync += [
                    selected.eq(1),
                    pending.eq(Cat(left[: self.n_always], self.select.p.mask)),
                ]
        return m
