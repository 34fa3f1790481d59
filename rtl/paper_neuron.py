"""Paper's neuron: one output row with an accumulator per region.

Each cycle brings one bit of the inputs of one phase. Every region counts its ports and accumulates; the
accumulated numbers, each times the constant magnitude of its region, are added up:

    y = sum over regions v of v * accumulated[v]

Contract (checked by ``tests/rtl/test_paper_neuron.py`` against ``hnlpu.sim.array``): bit-exact, never
overflows, whatever the pins.
"""

from amaranth.hdl import Module, Value

from hnlpu.paper import PaperPlan
from hnlpu.rtl.accumulator import Accumulator
from hnlpu.rtl.cells import select_phase
from hnlpu.rtl.compressor import compress_bits
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.neuron import row_ports
from hnlpu.rtl.sums import sum_by_mantissa
from hnlpu.sums import split_magnitude

__all__ = ["PaperNeuron"]


class PaperNeuron(SharedComponent):
    """One row of an array of the paper's neurons.

    Parameters
    ----------
    plan : PaperPlan
        The array's parameters.

    Members
    -------
    pins : In(n_pins)
        Stubs and constant stubs, in the order of ``hnlpu.paper``.
    phase_0 : In(T)
        One-hot.
    first, shift, stay, sign, enable : In(1)
        As the accumulators have them.
    y : Out(signed(y_bits))
        The result, after the last enabled cycle of a vector and until the next enabled one.
    """

    clock_ports = ("clk",)

    def __init__(self, plan: PaperPlan) -> None:
        self.plan = plan
        super().__init__(row_ports(plan))

    @property
    def module_name(self) -> str:
        return f"hn_neuron_{self.plan.row_name}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        constants = self.pins[plan.n_stubs :]
        sums: list[tuple[int, Value]] = []
        first = 0
        for region in plan.row_regions:
            ports: list[Value] = []
            for i in range(first, first + region.n_ports):
                own = [self.pins[p * plan.n_ports + i] for p in range(plan.phases)]
                ports.append(select_phase(m, f"port_{i}", own, self.phase_0, platform))
            first += region.n_ports
            for i in range(region.count.n_inputs - region.n_ports):
                own = [constants[i * plan.phases + p] for p in range(plan.phases)]
                ports.append(select_phase(m, f"constant_{i}", own, self.phase_0, platform))
            name = f"count_{region.magnitude}"
            count = compress_bits(m, name, region.count, ports, platform)
            accumulator = place(m, f"accumulator_{region.magnitude}", platform, Accumulator,
                                len(count), region.accumulator_bits,
                                plan.product_bits)  # fmt: skip
            m.d.comb += accumulator.count.eq(count)
            for control in ("first", "shift", "stay", "sign", "enable"):
                m.d.comb += getattr(accumulator, control).eq(getattr(self, control))
            mantissa, _ = split_magnitude(region.magnitude)
            sums.append((mantissa, accumulator.y))
        m.d.comb += self.y.eq(sum_by_mantissa(m, "tree", plan.row_sum, sums, platform))
        return m
