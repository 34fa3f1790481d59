from pathlib import Path

import numpy as np
import pytest

from hnlpu.errors import HnlpuError
from hnlpu.verification.netlist import NONE, ONE, ZERO, Netlist, read_header, read_netlist

BASE = """\
// module comment(a, b);
(* keep, note = "x" *)
module base(clk, q, \\od{d; , p);
  input clk; /* output p; */
  output [3:0] q;
  output \\od{d; ;
  input [3:0] p;
  assign q = {3'd0, clk} + 4'd1;
  always @(posedge clk) begin end
endmodule
module below(z); input z; endmodule
"""

# Drivers: base bits 0 clk, 1-4 q, 5 odd, 6-9 p; then the metal's own clk 10, out 11-14, last 15.
Q, ODD, CLK = 1, 5, 10

METAL = """\
module metal(clk, out, last);
  input clk;
  output [3:0] out;
  output last;
  wire [3:0] q, w;
  wire odd;
%s
endmodule
"""


def read(tmp_path: Path, body: str, metal: str = METAL) -> Netlist:
    (tmp_path / "base.v").write_text(BASE)
    (tmp_path / "metal.v").write_text(metal % body)
    return read_netlist(tmp_path / "metal.v", read_header(tmp_path / "base.v"))


def pins(p: str, more: str = "") -> str:
    return f"  base b (.clk(clk), .q(q), .\\od{{d; (odd), .p({p}));\n{more}"


def p_of(netlist: Netlist) -> list[int]:
    drivers = netlist.pins[3]
    assert drivers is not None
    return [int(driver) for driver in drivers]


def test_header_is_in_order_and_ends_with_its_module(tmp_path: Path) -> None:
    (tmp_path / "base.v").write_text(BASE)
    header = read_header(tmp_path / "base.v")
    assert header.name == "base"
    assert [(p.direction, p.name, p.n_bits) for p in header.ports] == [
        ("input", "clk", 1),
        ("output", "q", 4),
        ("output", "\\od{d; ", 1),
        ("input", "p", 4),
    ]
    assert header.starts == (0, 1, 5, 6, 10)


def test_ansi_header(tmp_path: Path) -> None:
    text = "module m(input a, output wire [1:0] b, c, output d);\nendmodule\n"
    (tmp_path / "m.v").write_text(text)
    ports = read_header(tmp_path / "m.v").ports
    assert [(p.direction, p.n_bits) for p in ports] == [
        ("input", 1), ("output", 2), ("output", 2), ("output", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("q", [Q, Q + 1, Q + 2, Q + 3]),
        ("{q[0], q[1], q[2], q[3]}", [Q + 3, Q + 2, Q + 1, Q]),
        ("{q[2:1], 2'b10}", [ZERO, ONE, Q + 1, Q + 2]),
        ("{{q[3], {odd, clk}}, 1'h1}", [ONE, CLK, ODD, Q + 3]),
        ("{2{q[1], 1'b0}}", [ZERO, Q + 1, ZERO, Q + 1]),
        ("{4{odd}}", [ODD] * 4),
        ("4'd5", [ONE, ZERO, ONE, ZERO]),
        ("4'bx1z0", [ZERO, NONE, ONE, NONE]),
        ("{ 1'o1 ,\n q[0] /* , odd */ , \\odd , (* a *) q [ 2 ] }", [Q + 2, ODD, Q, ONE]),
        ("{q[9], q[0:1], odd}", [ODD, NONE, NONE, NONE]),  # out of range, wrong way round
        ("undeclared", [NONE] * 4),
        ("q[1:0]", [Q, Q + 1, NONE, NONE]),  # too narrow
        ("{odd, q}", [Q, Q + 1, Q + 2, Q + 3]),  # too wide
        ("", [NONE] * 4),
        ("out", [NONE] * 4),  # nothing drives it
    ],
)
def test_expressions(tmp_path: Path, expression: str, expected: list[int]) -> None:
    netlist = read(tmp_path, pins(expression))
    assert p_of(netlist) == expected
    assert netlist.foreign == []


@pytest.mark.parametrize(
    "expression",
    ["~q", "q & w", "q + 4'd1", "{q[0], ~q[1], 2'd0}", "(q)", "odd ? q : w", "{q[0], {}, odd}",
     "{w[0]{q}}", "$signed(q)", "f(q, w)", "q[odd]", "5", "'b1", "{q", "q}", "{q,}", "a b",
     "{q[0] q[1]}", "2'b12", "0'd1", "{{q[0], ~q[1]}, odd}", "q[1:0][0]"],
)  # fmt: skip
def test_what_is_no_wire_is_foreign_and_connects_nothing(tmp_path: Path, expression: str) -> None:
    netlist = read(tmp_path, pins(expression))
    assert p_of(netlist) == [NONE] * 4
    assert [item.line for item in netlist.foreign] == [7]


@pytest.mark.parametrize(
    "statement",
    ["nand g (w[0], q[0], q[1]);", "reg r;", "always @(posedge clk) w <= q;", "always @(*) w = q;",
     "full_adder f (.a(q[0]));", "assign w = q ^ 4'd1;", "assign #1 w = q;", "initial w = 0;",
     "base second (.p(q));", "wire v = q[0] | q[1];", "`define X 1", "wand a;", "tri b;",
     "base #(.N(1)) again (.p(q));", "function f; input a; f = a; endfunction", "supply1 s;",
     "endmodule module other(a); input a"],
)  # fmt: skip
def test_foreign_statements_are_found_with_their_line(tmp_path: Path, statement: str) -> None:
    netlist = read(tmp_path, pins("q") + statement)
    assert p_of(netlist) == [Q, Q + 1, Q + 2, Q + 3]
    assert netlist.foreign[0].line == 8


def test_aliases_in_any_order(tmp_path: Path) -> None:
    """A chain of 200 assigns, the far end first; concatenations on the left; nets declared last."""
    chain = [f"  assign c{i} = c{i + 1};\n" for i in range(200)]
    chain += ["  assign {c200, u} = {q[3], 1'b1};\n  wire u;\n  wire d = odd;\n"]
    chain += [f"  wire c{i};\n" for i in range(201)]
    netlist = read(tmp_path, pins("{c0, u, d, w[2]}", "".join(chain) + "  assign w = 2'd3;\n"))
    assert p_of(netlist) == [ZERO, ODD, ONE, Q + 3]
    assert netlist.foreign == []


def test_ascending_vectors_and_outputs(tmp_path: Path) -> None:
    body = pins("{v[0], v[3]}", "  wire [0:3] v;\n  assign v = q;\n  assign last = clk;\n"
                "  assign out = {2'b01, v[1:2]};")  # fmt: skip
    netlist = read(tmp_path, body)
    assert p_of(netlist)[:2] == [Q, Q + 3]
    assert netlist.outputs[0] is None
    assert netlist.outputs[1] is not None and netlist.outputs[2] is not None
    assert netlist.outputs[1].tolist() == [Q + 1, Q + 2, ONE, ZERO]
    assert netlist.outputs[2].tolist() == [CLK]


def test_shorts_and_loops_drive_nothing(tmp_path: Path) -> None:
    more = "  assign w[0] = q[0];\n  assign w[0] = q[1];\n  assign w[1] = w[2];\n" \
           "  assign w[2] = w[1];\n  assign w[3] = w[3];"  # fmt: skip
    assert p_of(read(tmp_path, pins("w", more))) == [NONE] * 4


def test_a_driven_input_is_a_short(tmp_path: Path) -> None:
    assert p_of(read(tmp_path, pins("{4{clk}}", "  assign clk = odd;"))) == [NONE] * 4


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("  assign w = q;", "holds no base"),
        (pins("q").replace(".p(", ".nope("), "no such pin"),
        (pins("q").replace(".p(q)", ".p(q), .p(q)"), "connected twice"),
        (pins("q") + "wire [7:0] q;", "declared twice"),
        (pins("q") + "wire [999999999:0] huge;", "too wide"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, body: str, what: str) -> None:
    with pytest.raises(HnlpuError, match=what):
        read(tmp_path, body)


@pytest.mark.parametrize("text", ["", "wire x;", "module m(a, b); input a; endmodule",
                                  "module m #(parameter N = 1) (a); input a; endmodule"])  # fmt: skip
def test_headers_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.v").write_text(text)
    with pytest.raises(HnlpuError):
        read_header(tmp_path / "m.v")
    with pytest.raises(HnlpuError, match="cannot read Verilog"):
        read_header(tmp_path / "absent.v")


def test_a_module_that_breaks_off(tmp_path: Path) -> None:
    with pytest.raises(HnlpuError, match="does not end"):
        read(tmp_path, pins("q"), METAL.replace("endmodule", ""))


def test_pins_by_position_are_foreign(tmp_path: Path) -> None:
    netlist = read(tmp_path, "  base b (clk, q, odd, q);")
    assert p_of(netlist) == [NONE] * 4 and len(netlist.foreign) == 1


def test_wide_concatenation_counts_from_the_right(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    picks = rng.integers(0, 4, 4)
    text = "{" + ", ".join(f"q[{i}]" for i in reversed(picks)) + "}"
    assert p_of(read(tmp_path, pins(text))) == (picks + Q).tolist()
