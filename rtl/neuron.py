"""Hardwired-Neuron: one output row of a weight matrix as taps on shared lines.

A weight is not stored: the metal connects stub ``i`` of the row, once and for all, to the line that
carries the right multiple of input ``i``:

    y = sum over i of LINE_MULTIPLES[taps[i]] * 2**exponent(block of i) * x[i]

Each cycle brings one bit of the products of one phase. Superblocks count and shift them, a tree adds
the counts, and one accumulator, which shifts right once per bit-time, collects them least significant
bit first; the last bit-time weighs negative.

Contract (checked by ``tests/rtl/test_array.py`` against ``hnlpu.sim.array``): bit-exact, never
overflows, whatever the taps and pins.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from hnlpu.base import BasePlan
from hnlpu.rtl.adder_tree import balanced_sum, compress
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.superblock import Superblock

__all__ = ["Neuron"]


class Neuron(SharedComponent):
    """One row of a tap-crossbar array.

    Parameters
    ----------
    plan : BasePlan
        The array's parameters.

    Members
    -------
    taps : In(n_stubs)
        Product bits, ``phase * n_ports + port``.
    exponents : In(n_exponent_pins)
        Constant pins, ``(superblock * T + phase) * exponent_bits + bit``; absent for E = 1.
    phase : In(T)
        One-hot.
    first, last_phase, sign : In(1)
        First cycle of a vector; last phase of a bit-time; last bit-time.
    enable : In(1)
        Take this cycle's bits.
    y : Out(signed(y_bits))
        The result, after the last enabled cycle of a vector and until the next enabled one.
    """

    clock_ports = ("clk",)

    def __init__(self, plan: BasePlan) -> None:
        self.plan = plan
        ports = {
            "taps": In(plan.n_stubs),
            "phase": In(plan.phases),
            "first": In(1),
            "last_phase": In(1),
            "sign": In(1),
            "enable": In(1),
            "y": Out(plan.y_bits),
        }
        if plan.n_exponent_pins:
            ports["exponents"] = In(plan.n_exponent_pins)
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        return f"hn_neuron_{self.plan.row_name}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        counts = []
        for s in range(plan.n_superblocks):
            shape = (plan.superblock_ports, plan.phases, plan.exponent_values)
            block = place(m, f"superblock_{s}", platform, Superblock, *shape)
            low = s * plan.superblock_ports
            m.d.comb += block.phase.eq(self.phase)
            m.d.comb += block.taps.eq(
                Cat(
                    self.taps[p * plan.n_ports + low :][: plan.superblock_ports]
                    for p in range(plan.phases)
                )
            )
            if plan.n_exponent_pins:
                width = plan.phases * plan.exponent_bits
                m.d.comb += block.exponents.eq(self.exponents[s * width : (s + 1) * width])
            counts.append(block.count)
        total = balanced_sum(m, "tree", counts, platform)

        # acc + total, or acc + ~total + 1 in the last bit-time.
        acc = Signal(plan.accumulator_bits, reset_less=True)
        low = Signal(plan.product_bits - 1, reset_less=True)
        columns = [
            [
                acc[i] & ~self.first,
                total[i] ^ self.sign if i < len(total) else self.sign,
                *([self.sign] if i == 0 else []),
            ]
            for i in range(len(acc))
        ]
        next_acc = compress(m, "accumulate", columns, platform, n_bits=len(acc))
        with m.If(self.enable):
            with m.If(self.last_phase & ~self.sign):
                m.d.sync += [
                    acc.eq(next_acc.as_signed() >> 1),
                    low.eq(Cat(low[1:], next_acc[0])),
                ]
            with m.Else():
                m.d.sync += acc.eq(next_acc)
        m.d.comb += self.y.eq(Cat(low, acc))
        return m
