"""Checksums in one cycle."""

import random

import pytest
from amaranth.hdl import Module, Signal

from hnlpu.rtl.crc import crc
from hnlpu.sim.crc import crc16


@pytest.mark.parametrize("n_bits", [1, 2, 7, 16, 17, 44, 135, 136, 300])
def test_equals_the_twin(simulate, n_bits):
    m = Module()
    word, checksum = Signal(n_bits), Signal(16)
    m.d.comb += checksum.eq(crc(word))
    rng = random.Random(n_bits)

    async def bench(ctx):
        for value in [0, (1 << n_bits) - 1, *(rng.getrandbits(n_bits) for _ in range(60))]:
            ctx.set(word, value)
            assert ctx.get(checksum) == crc16(value, n_bits)

    simulate(m, bench, clocked=False)
