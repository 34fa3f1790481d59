"""Memories: the simulated component and the Verilog written by hand are the same thing."""

import re

import numpy as np
import pytest
from amaranth.sim import Simulator

from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.memory import RegisterFile, Rom, Sram


@pytest.mark.parametrize("kind", [Sram, RegisterFile])
def test_words_come_back(kind):
    rng = np.random.default_rng(0)
    memory, words = kind(7, 5), {}
    log = []

    async def bench(ctx):
        for _ in range(60):
            address, word, read = (int(rng.integers(n)) for n in (5, 128, 5))
            ctx.set(memory.write, int(rng.integers(2)))
            ctx.set(memory.write_address, address)
            ctx.set(memory.write_data, word)
            ctx.set(memory.read_address, read)
            before = words.get(read)
            if kind is RegisterFile and before is not None:
                log.append((ctx.get(memory.read_data), before))
            if ctx.get(memory.write):
                words[address] = word
            await ctx.tick()
            if kind is Sram and before is not None:
                log.append((ctx.get(memory.read_data), before))

    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(log) > 30
    assert all(got == expected for got, expected in log)


def test_the_text_has_the_ports_of_the_component():
    library = Library()
    parts = [library.prototype(kind, 7, 5) for kind in (Sram, RegisterFile)]
    parts.append(library.prototype(Rom, 4, (1, 2, 15)))
    texts = dict(library.modules())
    for part in parts:
        text = texts[part.module_name]
        header = re.search(r"module (\w+)\((.*?)\);", text, re.DOTALL)
        assert header[1] == part.module_name
        ports = set(header[2].replace("\n", " ").replace(" ", "").split(","))
        assert ports == {*part.signature.members, *part.clock_ports}


def test_a_rom_holds_its_words():
    rom = Rom(4, (3, 0, 9))
    seen = []

    async def bench(ctx):
        for address in range(3):
            ctx.set(rom.address, address)
            await ctx.delay(1e-9)
            seen.append(ctx.get(rom.data))

    simulator = Simulator(rom)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [3, 0, 9]
    assert "2'd2: data = 4'd9;" in rom.text()
