"""Blocks whose streams carry bare payloads, behind streams that ``blocks.run_block`` can drive."""

from typing import Any

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out


class Plain(Component):
    """``dut`` with every payload as the field ``value``."""

    def __init__(self, dut: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        self.dut, self.inputs, self.outputs = dut, inputs, outputs
        signature = stream.Signature(data.StructLayout({"value": unsigned(dut.n_bits)}))
        super().__init__(
            {name: In(signature) for name in inputs} | {name: Out(signature) for name in outputs}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = self.dut
        for name in (*self.inputs, *self.outputs):
            mine, its = getattr(self, name), getattr(self.dut, name)
            source, target = (mine, its) if name in self.inputs else (its, mine)
            m.d.comb += [
                target.valid.eq(source.valid),
                target.payload.eq(source.payload),
                source.ready.eq(target.ready),
            ]
        return m
