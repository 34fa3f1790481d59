"""Netlists: streams join blocks, and nothing is left open."""

import pytest
from amaranth.lib.wiring import Out

from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.fork import Fork
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.netlist import Netlist, stream_bits
from hnlpu.rtl.residual import Residual


def small(stalls: bool = False) -> Netlist:
    net = Netlist("small", Library(), stalls=stalls)
    fork = net.add("fork", Fork, 18, 2)
    adder = net.add("adder", Residual, 12, 5)
    net.join(fork, "y_0", adder, "x", "straight")
    fifo = net.add("fifo", Fifo, 18, 3)
    net.join(fork, "y_1", fifo, "x", "around")
    net.join(fifo, "y", adder, "delta", "late")
    back = net.add("back", Fifo, 18, 2)
    net.join(adder, "y", back, "x", "sum")
    net.join(back, "y", fork, "x", "again")
    return net


def test_a_stream_is_three_wires_between_two_blocks():
    text = "".join(small().structure("A loop.").render())
    assert "wire [17:0] straight__payload;" in text
    assert text.count("(straight__valid)") == 2
    assert text.count("(straight__ready)") == 2
    assert ".clk(clk)" in text


def test_edges_tell_the_layout_of_a_payload():
    edges = {edge.name: edge for edge in small().edges}
    assert edges["sum"].layout == {
        "value": (0, 12, True), "position": (12, 5, False), "last": (17, 1, False)
    }  # fmt: skip
    assert edges["straight"].source == "fork.y_0"
    assert edges["straight"].target == "adder.x"


def test_with_stalls_every_stream_passes_one():
    net = small(stalls=True)
    stalls = [block for name, block in net.blocks.items() if name.endswith("_stall")]
    assert len(stalls) == len(net.edges) == 5
    for stall in stalls:
        stall.pins["go"] = "go"
    text = "".join(net.structure("A loop.").render())
    assert text.count("hn_stall_18 ") == 5


def test_an_open_input_is_an_error():
    net = Netlist("open", Library())
    net.add("fifo", Fifo, 8, 2)
    with pytest.raises(ValueError, match=r"fifo\.x__payload is not driven"):
        net.structure("Open.")


def test_a_target_may_take_the_low_bits():
    net = Netlist("low", Library())
    wide, narrow = net.add("wide", Fifo, 9, 2), net.add("narrow", Fifo, 4, 2)
    net.join(wide, "y", narrow, "x", "both", first=0)
    assert narrow.pins["x__payload"] == "both__payload[3:0]"
    assert stream_bits(wide, "y") == 9
    assert wide.ports()["y__payload"][0] == Out
