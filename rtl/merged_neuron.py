"""Merged neuron: one output row of slices that the metal assigns to regions.

Each cycle brings one bit of the inputs of one phase. Slices count it; their counts go out, and the
metal brings each bit back to a slot of its weight in the region that the slice serves. Slots are added
as their weights ask, and one accumulator collects the totals.

Contract (checked by ``tests/rtl/test_merged_neuron.py`` against ``hnlpu.sim.array``): bit-exact, never
overflows, whatever the taps and the slices' regions.
"""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib.wiring import In, Out

from hnlpu.compression import Compression
from hnlpu.merged import MergedPlan
from hnlpu.rtl.accumulator import Accumulator
from hnlpu.rtl.cells import select_phase
from hnlpu.rtl.compressor import compress_bits
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.neuron import row_ports
from hnlpu.rtl.sums import sum_by_mantissa
from hnlpu.sums import split_magnitude

__all__ = ["MergedNeuron", "Slice"]


class Slice(SharedComponent):
    """Count of a few ports: of each the pin whose phase it is.

    Parameters
    ----------
    phases : int
        Pins T of a port.
    plan : Compression
        How the ports are counted; its inputs are the ports.

    Members
    -------
    taps : In(T * n_ports)
        Bits from the stubs, ``phase * n_ports + port``, in the polarity of the plan.
    phase : In(T)
        One-hot.
    count : Out(count_bits)
    """

    def __init__(self, phases: int, plan: Compression) -> None:
        self.phases, self.plan = phases, plan
        self.n_ports, self.count_bits = plan.n_inputs, plan.n_inputs.bit_length()
        super().__init__(
            {
                "taps": In(phases * self.n_ports),
                "phase": In(phases),
                "count": Out(self.count_bits),
            }
        )

    @property
    def module_name(self) -> str:
        kind = "n" if any(adder.inverting for adder in self.plan.adders) else ""
        return f"hn_slice_p{self.n_ports}_t{self.phases}{kind}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: list[Value] = []
        for i in range(self.n_ports):
            own = [self.taps[p * self.n_ports + i] for p in range(self.phases)]
            ports.append(select_phase(m, f"port_{i}", own, self.phase, platform))
        m.d.comb += self.count.eq(compress_bits(m, "count", self.plan, ports, platform))
        return m


class MergedNeuron(SharedComponent):
    """One row of an array of merged regions.

    Parameters
    ----------
    plan : MergedPlan
        The array's parameters.

    Members
    -------
    pins : In(n_pins)
        Stubs, slots and constant stubs, in the order of ``hnlpu.merged``.
    locals : Out(n_local)
        Counts of the slices, for the slots.
    phase_0 : In(T)
        One-hot.
    first, shift, stay, sign, enable : In(1)
        As the accumulator has them.
    y : Out(signed(y_bits))
        The result, after the last enabled cycle of a vector and until the next enabled one.
    """

    clock_ports = ("clk",)

    def __init__(self, plan: MergedPlan) -> None:
        self.plan = plan
        super().__init__(row_ports(plan) | {"locals": Out(plan.n_local)})

    @property
    def module_name(self) -> str:
        return f"hn_neuron_{self.plan.row_name}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        end = plan.n_stubs + plan.n_region_pins
        slots, constants = self.pins[plan.n_stubs : end], self.pins[end:]
        counts: list[Value] = []
        for s in range(plan.n_slices):
            part = place(m, f"slice_{s}", platform, Slice, plan.phases, plan.slice_count)
            first = s * plan.slice_ports
            taps = [
                self.pins[p * plan.n_ports + first :][: plan.slice_ports]
                for p in range(plan.phases)
            ]
            m.d.comb += [part.taps.eq(Cat(*taps)), part.phase.eq(self.phase_0)]
            counts.append(part.count)
        m.d.comb += self.locals.eq(Cat(*counts))

        numbers: list[tuple[int, Value]] = []
        for weight, slot in plan.strip:
            mantissa, _ = split_magnitude(weight)
            numbers.append((mantissa, slots[slot]))
        for i in range(len(plan.constant_ports)):
            pins = [constants[i * plan.phases + p] for p in range(plan.phases)]
            numbers.append((1, select_phase(m, f"constant_{i}", pins, self.phase_0, platform)))
        total = sum_by_mantissa(m, "tree", plan.row_sum, numbers, platform)
        accumulator = place(m, "accumulator", platform, Accumulator, len(total),
                            plan.accumulator_bits, plan.product_bits)  # fmt: skip
        m.d.comb += accumulator.count.eq(total)
        for name in ("first", "shift", "stay", "sign", "enable"):
            m.d.comb += getattr(accumulator, name).eq(getattr(self, name))
        m.d.comb += self.y.eq(accumulator.y)
        return m
