import pytest

from hnlpu.rtl.structure import Instance, Port, Structure, concat


def test_renders_ports_wires_instances_and_assigns():
    structure = Structure(
        name="top",
        comment="first line\nsecond line",
        ports=[Port("input", "a", 2), Port("output", "y")],
        wires=[("w", 3), ("v", 1)],
        instances=(Instance("leaf", f"leaf_{i}", (("p", f"a[{i}]"), ("q", "v"))) for i in range(2)),
        assigns=[("y", concat(["a[0]"]))],
    )
    assert "".join(structure.render()) == (
        "// first line\n"
        "// second line\n"
        "module top(a, y);\n"
        "  input [1:0] a;\n"
        "  output y;\n"
        "  wire [2:0] w;\n"
        "  wire v;\n"
        "  leaf leaf_0 (\n    .p(a[0]),\n    .q(v)\n  );\n"
        "  leaf leaf_1 (\n    .p(a[1]),\n    .q(v)\n  );\n"
        "  assign y = {a[0]};\n"
        "endmodule\n"
    )


@pytest.mark.parametrize("bits, text", [(["a"], "{a}"), (["low", "high"], "{high, low}")])
def test_concat_takes_the_least_significant_first(bits, text):
    assert concat(iter(bits)) == text
