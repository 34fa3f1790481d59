"""Hardwired-Neuron: one output row of a weight matrix as taps on shared lines.

A weight is not stored: the metal connects each stub of the row, once and for all, to the line that
carries the right multiple of its input:

    y = sum over inputs k of value[k] * 2**exponent(block of k) * x[k]

Each cycle brings one bit of the products of one phase. The bits are counted (superblocks shift their
counts by the block's exponent), and one accumulator collects the counts.

Contract (checked by ``tests/rtl/test_array.py`` against ``hnlpu.sim.array``): bit-exact, never
overflows, whatever the taps and pins.
"""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib.wiring import In, Out

from hnlpu.base import ArrayPlan
from hnlpu.rtl.accumulator import Accumulator
from hnlpu.rtl.cells import select_phase
from hnlpu.rtl.compressor import compress_bits
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.superblock import Superblock
from hnlpu.taps import TapsPlan

__all__ = ["Neuron", "row_ports"]


def row_ports(plan: ArrayPlan) -> dict[str, object]:
    """Ports that the row module of every architecture has, beside ``n_local`` outputs."""
    ports: dict[str, object] = {"pins": In(plan.n_pins)}
    ports |= {f"phase_{j}": In(plan.phases) for j in range(plan.n_segments)}
    if plan.n_cuts:
        ports["advance"] = In(1)
    ports |= {name: In(1) for name in ("first", "shift", "stay", "sign", "enable")}
    return ports | {"y": Out(plan.y_bits)}


class Neuron(SharedComponent):
    """One row of a tap-crossbar array.

    Parameters
    ----------
    plan : TapsPlan
        The array's parameters.

    Members
    -------
    pins : In(n_pins)
        Stubs, constant stubs and exponent pins, in the order of ``hnlpu.taps``.
    phase_{j} : In(T)
        One-hot, for segment ``j``.
    advance : In(1)
        Registers at cuts take what is before them; absent without cuts.
    first, shift, stay, sign, enable : In(1)
        As the accumulator has them.
    y : Out(signed(y_bits))
        The result, after the last enabled cycle of a vector and until the next enabled one.
    """

    clock_ports = ("clk",)

    def __init__(self, plan: TapsPlan) -> None:
        self.plan = plan
        super().__init__(row_ports(plan))

    @property
    def module_name(self) -> str:
        return f"hn_neuron_{self.plan.row_name}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, row = self.plan, self.plan.row_count
        stubs = self.pins[: plan.n_stubs]
        end = plan.n_stubs + plan.phases * len(plan.constant_ports)
        constants, exponents = self.pins[plan.n_stubs : end], self.pins[end:]

        def phase(input_: int) -> Value:
            result: Value = getattr(self, f"phase_{row.segment[input_]}")
            return result

        inputs: list[Value] = []
        for s in range(plan.n_superblocks):
            count = plan.superblock_count
            assert count is not None
            block = place(m, f"superblock_{s}", platform, Superblock, plan.phases,
                          plan.exponent_values, count)  # fmt: skip
            first = s * count.n_inputs
            taps = [stubs[p * plan.n_ports + first :][: count.n_inputs] for p in range(plan.phases)]
            width = plan.phases * plan.exponent_bits
            m.d.comb += [
                block.phase.eq(phase(len(inputs))),
                block.taps.eq(Cat(*taps)),
                block.exponents.eq(exponents[s * width : (s + 1) * width]),
            ]
            inputs += [block.count[i] for i in range(plan.shifted_bits)]
        if not plan.n_superblocks:
            for i in range(plan.n_ports):
                own = [stubs[p * plan.n_ports + i] for p in range(plan.phases)]
                inputs.append(select_phase(m, f"port_{i}", own, phase(i), platform))
        for i in range(len(plan.constant_ports)):
            own = [constants[i * plan.phases + p] for p in range(plan.phases)]
            here = phase(len(inputs))
            inputs.append(select_phase(m, f"constant_{i}", own, here, platform))
        enable = self.advance if plan.n_cuts else None
        total = compress_bits(
            m, "tree" if plan.n_superblocks else "count", row, inputs, platform, enable
        )

        accumulator = place(m, "accumulator", platform, Accumulator, len(total),
                            plan.accumulator_bits, plan.product_bits)  # fmt: skip
        m.d.comb += accumulator.count.eq(total)
        for name in ("first", "shift", "stay", "sign", "enable"):
            m.d.comb += getattr(accumulator, name).eq(getattr(self, name))
        m.d.comb += self.y.eq(accumulator.y)
        return m
