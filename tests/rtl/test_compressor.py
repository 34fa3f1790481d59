import pytest
from amaranth.hdl import Elaboratable, Module, Signal

from hnlpu.compression import Compression, Input, compress
from hnlpu.rtl.compressor import compress_bits


class Adder(Elaboratable):
    """Inputs, true, around a compressor."""

    def __init__(self, plan: Compression) -> None:
        self.plan = plan
        self.bits = Signal(plan.n_inputs)
        self.enable = Signal(init=1)
        self.out = Signal(len(plan.outputs))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        wires = [
            self.bits[i] if self.plan.polarity[i] == 1 else ~self.bits[i]
            for i in range(self.plan.n_inputs)
        ]
        result = compress_bits(m, "c", self.plan, wires, platform, self.enable)
        m.d.comb += self.out.eq(result)
        return m


def plan_of(columns, free, *, n_cuts=0, inverting=True):
    inputs = tuple(Input(column, free) for column in columns)
    n_columns = sum(1 << column for column in columns).bit_length()
    return compress(inputs, n_columns=n_columns, tracks=5, n_cuts=n_cuts, inverting=inverting)


@pytest.mark.parametrize("inverting", [True, False], ids=["24", "28"])
@pytest.mark.parametrize("free", [True, False], ids=["free", "true"])
@pytest.mark.parametrize("columns", [(0,) * 9, (0, 0, 1, 2, 2), (3, 0, 3, 0, 3), (1,)], ids=str)
def test_every_pattern(simulate, columns, free, inverting):
    plan = plan_of(columns, free, inverting=inverting)
    dut = Adder(plan)
    seen = []

    async def bench(ctx):
        for value in range(1 << len(columns)):
            ctx.set(dut.bits, value)
            seen.append(ctx.get(dut.out))

    simulate(dut, bench, clocked=False)
    assert seen == [
        sum((value >> i & 1) << column for i, column in enumerate(columns))
        for value in range(1 << len(columns))
    ]


def test_bits_behind_cuts_come_later_and_a_stall_loses_nothing(simulate):
    columns = (0,) * 24
    plan = plan_of(columns, True, n_cuts=3)
    dut = Adder(plan)
    values = [0, (1 << 24) - 1, 0xAAAAAA, 0x123456, 1, 1 << 23]
    seen = []

    async def bench(ctx):
        for cycle in range(len(values) + 3):
            bits = 0
            for i, late in enumerate(plan.segment):  # segment j gets the vector of j cycles ago
                if 0 <= cycle - late < len(values):
                    bits |= values[cycle - late] & 1 << i
            ctx.set(dut.bits, bits)
            if cycle >= 3:
                seen.append(ctx.get(dut.out))
            if cycle % 2:
                ctx.set(dut.enable, 0)
                await ctx.tick()
                ctx.set(dut.enable, 1)
            await ctx.tick()

    simulate(dut, bench)
    assert seen == [value.bit_count() for value in values]
