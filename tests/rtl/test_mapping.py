"""A mapped netlist computes what the module does, in gates of the library alone."""

from itertools import product

import pytest
from timers import LIBRARY

from hnlpu.rtl.array import base_modules
from hnlpu.rtl.liberty_cells import CellLibrary, read_cells
from hnlpu.rtl.mapping import Netlist, map_module
from hnlpu.taps import TapsPlan

PLAN = TapsPlan(1, 6, 2, 2, cuts=1)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "tiny.lib"
    path.write_text(LIBRARY)
    return read_cells(path)


@pytest.fixture(scope="module")
def texts():
    return {name: "".join(text) for name, text in base_modules(PLAN) if name != PLAN.name}


def settle(netlist: Netlist, library: CellLibrary, values: dict[str, int]) -> dict[str, int]:
    """Values of all nets that follow from the inputs."""
    known = {"1'b0": 0, "1'b1": 1} | values
    waiting = list(netlist.gates)
    while waiting:
        left = []
        for gate in waiting:
            cell = library.cells[gate.kind]
            if all(gate.pins[pin] in known for pin in cell.loads_ff):
                for output, function in cell.functions.items():
                    text = function
                    for pin in cell.loads_ff:
                        text = text.replace(pin, str(known[gate.pins[pin]]))
                    text = text.replace("!", "1-").replace("+", "|").replace("*", "&")
                    known[gate.pins[output]] = eval(text)
            else:
                left.append(gate)
        assert len(left) < len(waiting)
        waiting = left
    return known


@pytest.mark.parametrize("module, inverted", [("hn_full_adder", 0), ("hn_full_adder_n", 1)])
def test_adders(library, texts, module, inverted):
    if module not in texts:
        texts = texts | {module: _adder(module)}
    netlist = map_module([texts[module]], module, library)
    for bits in product((0, 1), repeat=3):
        nets = settle(netlist, library, dict(zip("abc", bits, strict=True)))
        total = nets[netlist.outputs["sum"]] ^ inverted, nets[netlist.outputs["carry"]] ^ inverted
        assert total[0] + 2 * total[1] == sum(bits)


def _adder(module: str) -> str:
    from hnlpu.rtl.cells import FullAdder, InvertingFullAdder
    from hnlpu.rtl.hierarchy import Library

    modules = Library()
    for kind in (FullAdder, InvertingFullAdder):
        modules.prototype(kind)
    return dict(modules.modules())[module]


def test_a_row(library, texts):
    """Cells know where they stand; clocks are not gated; every net has one driver."""
    name = next(name for name in texts if name.startswith("hn_neuron"))
    netlist = map_module(texts.values(), name, library)
    kinds = {gate.kind for gate in netlist.gates}
    assert kinds <= set(library.cells)
    registers = [gate for gate in netlist.gates if gate.kind == "DFFX"]
    assert (
        len(registers) == PLAN.accumulator_bits + PLAN.product_bits - 1 + PLAN.row_count.n_registers
    )
    assert {gate.pins["CK"] for gate in registers} == {"clk"}
    assert {"accumulator", "port_0"} <= {gate.name for gate in netlist.gates}
    drivers = [
        net
        for gate in netlist.gates
        for pin, net in gate.pins.items()
        if pin in library.cells[gate.kind].functions
    ]
    assert len(set(drivers)) == len(drivers) and not set(drivers) & set(netlist.inputs)
    assert netlist.aliases["port_0.y"][0] in drivers
    assert f"module {name}(" in netlist.verilog()


def test_pins_move():
    netlist = Netlist("n")
    one = netlist.add("one", "INVX", A="a", Y="b")
    two = netlist.add("two", "INVX", A="b", Y="c")
    netlist.connect(two, "A", "a")
    assert [load[0] for load in netlist.loads()["a"]] == [one, two]
    assert netlist.loads()["b"] == [(one, "Y", "INVX")]
