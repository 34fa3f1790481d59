"""Compressor: the adder cells of a compression plan.

Contract (checked by ``tests/rtl/test_compressor.py``): the outputs, weighed by their columns, are the sum
of the inputs, each weighed by its column and delayed by the cuts that lie behind it.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hnlpu.compression import Compression, Register
from hnlpu.rtl.cells import FullAdder, HalfAdder, InvertingFullAdder
from hnlpu.rtl.hierarchy import place

__all__ = ["compress_bits"]


def compress_bits(
    m: Module,
    name: str,
    plan: Compression,
    inputs: Sequence[Value],
    platform: object,
    enable: Value | None = None,
) -> Value:
    """Add ``inputs`` as ``plan`` says.

    Parameters
    ----------
    m : Module
        Receives the cells as submodules ``{name}_{index}``.
    plan : Compression
    inputs : sequence of 1-bit values
        As they are on the wires: complemented where the plan gives them polarity -1.
    enable : 1-bit value, optional
        Advance the registers at cuts.

    Returns
    -------
    Value
        The sum, true, one bit per column.
    """
    wires: dict[int, Value] = dict(enumerate(inputs))
    registers: list[tuple[Signal, Value]] = []
    for i, step in enumerate(plan.steps):
        if isinstance(step, Register):
            register = Signal(name=f"{name}_cut_{step.output}", reset_less=True)
            registers.append((register, wires[step.input]))
            wires[step.output] = register
            continue
        kind = InvertingFullAdder if step.inverting else FullAdder
        cell = place(m, f"{name}_{i}", platform, kind if len(step.inputs) == 3 else HalfAdder)
        for pin, bit, inverted in zip("abc", step.inputs, step.inverted, strict=False):
            m.d.comb += getattr(cell, pin).eq(~wires[bit] if inverted else wires[bit])
        wires[step.sum], wires[step.carry] = cell.sum, cell.carry
    if registers:
        assert enable is not None, "a plan with cuts needs an enable"
        with m.If(enable):
            m.d.sync += [register.eq(value) for register, value in registers]
    result = []
    for output in plan.outputs:
        if output is None:
            result.append(Const(0, 1))
        else:
            result.append(wires[output] if plan.polarity[output] == 1 else ~wires[output])
    return Cat(*result)
