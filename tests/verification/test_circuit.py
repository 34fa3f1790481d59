"""Gates read back from Verilog mean what the text says."""

import numpy as np
import pytest

from hnlpu.errors import HnlpuError
from hnlpu.verification.circuit import Arrays, every_input, read_circuits

GATES = """
module gates(a, b, c, clk, inverted, both, either, parity, chosen, stored, constant);
  input a, b, c, clk;
  output inverted, both, either, parity, chosen, constant;
  output reg stored;
  assign inverted = ~a;
  assign both = a & b;
  assign either = a | b;
  assign parity = a ^ b;
  assign chosen = c ? b : a;
  assign constant = 1'b1;
  always @(posedge clk) if (c) stored <= b;
endmodule
"""


def test_gates():
    circuit = read_circuits([GATES])["gates"]
    a, b, c, old = every_input(4)
    (register,) = circuit.registers
    outputs, state = circuit.evaluate(
        Arrays(16), {"a": [a], "b": [b], "c": [c]}, {register.output: old}
    )
    expected = {
        "inverted": ~a,
        "both": a & b,
        "either": a | b,
        "parity": a ^ b,
        "chosen": np.where(c, b, a),
        "stored": old,
        "constant": np.ones(16, dtype=bool),
    }
    assert {name: bits[0].tolist() for name, bits in outputs.items()} == {
        name: bits.tolist() for name, bits in expected.items()
    }
    assert state[register.output].tolist() == np.where(c, b, old).tolist()


def test_flattens_what_is_asked_for():
    outer = """
    module outer(x, y); input [1:0] x; output [1:0] y;
      inner one(.a(x[0]), .y(y[1])); inner two(.a(x[1]), .y(y[0]));
    endmodule
    module inner(a, y); input a; output y; assign y = ~a; endmodule
    """
    circuits = read_circuits([outer])
    assert {cell.module for cell in circuits["outer"].cells} == {"inner"}
    with pytest.raises(HnlpuError, match="cell cannot be evaluated"):
        circuits["outer"].evaluate(Arrays(4), {"x": every_input(2)})
    flat = read_circuits([outer], ["outer"])
    assert not flat["outer"].cells
    outputs, _ = flat["outer"].evaluate(Arrays(4), {"x": every_input(2)})
    x = every_input(2)
    assert [bits.tolist() for bits in outputs["y"]] == [(~x[1]).tolist(), (~x[0]).tolist()]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("wire open; assign y = a & open;", "no driver"),
        ("assign y = a; assign y = b;", "two drivers"),
        ("assign y = a & z; wire z = y | b;", "loop"),
        ("always @* if (a) y = b;", "latches are not supported"),
        ("always @(posedge a) y <= b;", "not on the clock"),
        ("assign y = ;", "yosys failed"),
    ],
)
def test_refuses(body, message):
    kind = "reg" if "always" in body else "wire"
    text = f"module m(clk, a, b, y); input clk, a, b; output y; {kind} y;\n{body}\nendmodule"
    with pytest.raises(HnlpuError, match=message):
        read_circuits([text])
