"""Clock gate of an array: an array that has no vector stands still.

The clock runs while a vector is on offer, or was taken and its result is not yet gone, and during reset. The
edge that ends a cycle passes if the array has work in that cycle; an idle array changes nothing at an edge, so
the gate changes no result (``hnlpu.verification.chip`` compares whole chips).
"""

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent

__all__ = ["ClockGate"]


class ClockGate(SharedComponent):
    """Gate of one array's clock, written by hand: Amaranth has no clocks made of signals.

    A flow replaces it by the library's integrated clock gate behind the same enable.

    Members
    -------
    x_valid, x_ready, y_valid, y_ready : In(1)
        The array's streams.
    gated : Out(1)
        The array's clock.
    """

    clock_ports = ("clk", "rst")

    def __init__(self) -> None:
        inputs = ("x_valid", "x_ready", "y_valid", "y_ready")
        super().__init__({**{name: In(1) for name in inputs}, "gated": Out(1)})

    @property
    def module_name(self) -> str:
        return "hn_clock_gate"

    def elaborate(self, platform: object) -> Module:
        raise NotImplementedError("a clock gate exists in Verilog only")

    def text(self) -> str:
        return """\
// The clock of an array, while it has work.
module hn_clock_gate(clk, rst, x_valid, x_ready, y_valid, y_ready, gated);
  input clk, rst, x_valid, x_ready, y_valid, y_ready;
  output gated;
  reg pending;
  reg enable;
  always @(posedge clk)
    pending <= ~rst & ((x_valid & x_ready) | (pending & ~(y_valid & y_ready)));
  always @(negedge clk) enable <= rst | x_valid | y_valid | pending;
  assign gated = clk & enable;
endmodule
"""
