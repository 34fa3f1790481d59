"""Unloading an array: exponents and positions of two vectors in flight."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped
from blocks import STALLS, beats, run_block, vectors

from hnlpu.rtl.unload import Unload
from hnlpu.rtl.vectors import integer_signature

Y_BITS, POSITION_BITS, N_ROWS = 9, 5, 4


class TwoDeep(Component):
    """An array that takes a vector while the result of the one before it waits; its result is ``x + row``."""

    def __init__(self):
        super().__init__(
            {
                "x": In(integer_signature(6, POSITION_BITS)),
                "y": Out(integer_signature(Y_BITS, POSITION_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unload = unload = Unload(N_ROWS, Y_BITS, POSITION_BITS)
        inner, result = Signal(6), Signal(6)
        holds, valid = Signal(), Signal()
        moves = ~valid | unload.array_y_ready
        m.d.comb += [
            self.x.ready.eq(~holds | moves),
            unload.accepted.eq(self.x.valid & self.x.ready),
            unload.exponent.eq(self.x.p.exponent),
            unload.position.eq(self.x.p.position),
            unload.array_y_valid.eq(valid),
        ]
        for row in range(N_ROWS):
            value = result.as_signed() + row
            m.d.comb += unload.array_y.word_select(row, Y_BITS).eq(value)
        with m.If(self.x.ready):
            m.d.sync += [inner.eq(self.x.p.value), holds.eq(self.x.valid)]
        with m.If(moves):
            m.d.sync += [result.eq(inner), valid.eq(holds)]
        connect(m, unload.y, flipped(self.y))
        return m


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_every_element_with_its_vector(stall):
    rng = np.random.default_rng(1)
    x = rng.integers(-32, 32, 12)
    exponents = rng.integers(-128, 128, 12).tolist()
    found = run_block(
        TwoDeep(),
        {"x": beats(x[:, None], exponent=exponents)},
        {"y": N_ROWS * len(x)},
        stall=stall,
    )
    assert vectors(found["y"]) == (x[:, None] + np.arange(N_ROWS)).tolist()
    assert [beat["exponent"] for beat in found["y"]] == np.repeat(exponents, N_ROWS).tolist()
    assert [beat["position"] for beat in found["y"]] == np.repeat(range(12), N_ROWS).tolist()
