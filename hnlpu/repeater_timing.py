"""Repeaters: a library's FO4, and plain lines by the distance of their repeaters.

Contract (checked by ``tests/test_timing.py``): a longer line takes longer; slews grow with the
distance.
"""

from collections.abc import Iterator
from typing import Any

from hnlpu.layout.line_chain import chain_lines, plain_segments
from hnlpu.layout.rules import Rules
from hnlpu.layout.spef import HEADER, spef_net
from hnlpu.rtl.liberty_cells import CellLibrary, LibraryCell
from hnlpu.rtl.mapping import Netlist
from hnlpu.sta import Constraints, analyse
from hnlpu.timing_scale import TimingScale

__all__ = ["fo4_ps", "time_plain_lines"]

#: Distances that are tried, in those of the rules.
_DISTANCES = (0.25, 0.5, 1.0, 2.0, 4.0)
_FO4_STAGES = 8
#: Segments of a chain of plain wires; two of them are measured, far from the ends.
_SEGMENTS = 6


def fo4_ps(library: CellLibrary) -> float:
    """Delay of an inverter that drives four, mean of both edges, in a chain of them."""
    inverter = library.inverter
    netlist = Netlist("fo4", inputs={"clk": "clk", "a": "a"})
    net = "a"
    for i in range(_FO4_STAGES):
        netlist.add(f"stage_{i}", inverter.name, **{inverter.input: net, inverter.output: f"s{i}"})
        for k in range(3):
            netlist.add(f"load_{i}_{k}", inverter.name, **{inverter.input: f"s{i}"})
        net = f"s{i}"
    netlist.add("end", inverter.name, **{inverter.input: net, inverter.output: "y"})
    netlist.outputs["y"] = "y"
    constraints = Constraints(input_max_ns={"a": 0.0}, input_slew_ns=0.05, outputs=("y",))
    (path,) = analyse(library.path, netlist.verilog(), "fo4", constraints, ["-path_delay max"])
    assert path is not None
    delays = [stage.delay_ns for stage in path.stages if stage.pin.endswith(f"/{inverter.output}")]
    # The last two stages but the end: both edges, in the slews of a long chain.
    return sum(delays[-3:-1]) / 2 * 1e3


def time_plain_lines(
    rules: Rules,
    layer: str,
    load_ff_per_um: float,
    library: CellLibrary,
    repeater: LibraryCell,
    scale: TimingScale,
) -> Iterator[dict[str, Any]]:
    """A line of a layer by the distance of its repeaters.

    Parameters
    ----------
    rules : Rules
    layer : str
        ``M8`` or ``M10``.
    load_ff_per_um : float
        Of stubs and pins, spread along the line.
    library : CellLibrary
    repeater : LibraryCell
    scale : TimingScale

    Yields
    ------
    dict
        ``um`` between repeaters; ``delay_ps`` of one with its wire, ``ps_per_mm``, ``slew_ps`` at
        its end, at the node.
    """
    for um in (share * rules.silicon.repeater_distance_um for share in _DISTANCES):
        netlist = Netlist("hn_plain", inputs={"clk": "clk", "a": "a"})
        segments = plain_segments(rules, layer, um, _SEGMENTS, load_ff_per_um)
        chain = chain_lines(netlist, "line", "a", segments, repeater, {})
        spef = HEADER.format(name="hn_plain")
        spef += "".join(spef_net(wire, *scale.wire("value")) for wire in chain.wires)
        constraints = Constraints(
            input_max_ns={"a": 0.0}, input_slew_ns=0.1, outputs=(chain.far,)
        )  # fmt: skip
        asked = [f"-path_delay max -to [get_ports {chain.far}]"]
        (path,) = analyse(library.path, netlist.verilog(), "hn_plain", constraints, asked, spef)
        assert path is not None
        inputs = [stage for stage in path.stages if stage.pin.endswith(f"/{repeater.input}")]
        to_ps = scale.time["value"] * 1e3
        delay = (inputs[-1].arrival_ns - inputs[-3].arrival_ns) / 2 * to_ps
        yield {
            "layer": layer,
            "um": um,
            "load_ff_per_um": load_ff_per_um,
            "delay_ps": delay,
            "ps_per_mm": delay / um * 1e3,
            "slew_ps": max(stage.slew_ns for stage in inputs[2:]) * to_ps,
        }
