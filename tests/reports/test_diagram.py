"""The block diagram: what is folded, what is drawn, and that nothing of the netlist is forgotten."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chips import gpt_oss_chip, llama_chip
from hand_made import expert_chip, plain_chip

from hnlpu.errors import HnlpuError
from hnlpu.reports.diagram import diagram_figure, mermaid, write_diagram
from hnlpu.reports.layout import Arrow, lay_out, ranks
from hnlpu.reports.units import KINDS, PLUMBING, block_kind, read_units

PAGE = Path(__file__).parents[2] / "docs" / "chip.md"


def test_an_array_is_one_unit_with_its_feed_drain_and_gate():
    units = read_units(plain_chip(1))
    assert [u.name for u in units.units.values()] == [
        "embedding", "layer_0_mlp_residual", "layer_0_mlp_norm", "layer_0_down", "head_logits",
        "sampler", "host",
    ]  # fmt: skip
    assert units.units["head_logits"].size == "2 to 4"
    ends = {(link.source, link.target, link.stream, link.waits) for link in units.links}
    assert ("layer_0_mlp_norm", "layer_0_down", "layer_0_mlp_norm", False) in ends
    assert ("embedding", "layer_0_mlp_residual", "embedding", True) in ends  # past the FIFO
    assert ("embedding", "layer_0_mlp_norm", "embedding", False) in ends


def test_only_experts_are_selected():
    links = read_units(expert_chip()).links
    chosen = [link.target for link in links if link.stream == "layer_0_chosen"]
    assert chosen == [f"layer_0_expert_{e}_down" for e in range(3)]


def test_layers_that_differ_are_not_alike():
    chip = plain_chip()
    assert read_units(chip).alike()
    for block in chip["blocks"]:
        if block["name"] == "layer_1_down":
            block["module"] = "hn_drain_3x8_p4"
    assert not read_units(chip).alike()


def test_unknown_blocks_and_old_bundles_are_refused():
    chip = plain_chip()
    chip["blocks"][0]["module"] = "hn_mystery_4"
    with pytest.raises(HnlpuError, match="unknown kind.*hn_mystery_4"):
        read_units(chip)
    chip = plain_chip()
    del chip["arrays"][0]["feed"]
    with pytest.raises(HnlpuError, match="generate the bundle again"):
        read_units(chip)


def test_a_column_is_the_longest_way():
    arrows = [Arrow("a", "b", "s"), Arrow("b", "c", "s"), Arrow("a", "c", "s")]
    assert ranks("abc", arrows) == {"a": 0, "b": 1, "c": 2}
    with pytest.raises(ValueError, match="a circle among b, c"):
        ranks("abc", [*arrows, Arrow("c", "b", "s")])


def test_nothing_stands_on_anything_else():
    nodes = ["a", *"qkv", "z"]
    arrows = [Arrow("a", n, "x") for n in "qkv"] + [Arrow(n, "z", n) for n in "qkv"]
    layout = lay_out(
        nodes, [*arrows, Arrow("a", "z", "x", above=True)], dict.fromkeys(nodes, 1.0), 0.2
    )
    middle = [layout.heights[place] for place in layout.columns[1].places]
    assert len(middle) == 4
    assert all(a - b >= 0.6 - 1e-9 for a, b in pairwise(middle))
    level = [layout.heights[node] for node in "akz"]
    assert max(level) - min(level) < 0.01


def test_experts_are_one_stack():
    text = mermaid(expert_chip())
    assert 'layer_0_expert_0_down[["expert<br>down<br>array<br>2 to 2<br>x 3"]]' in text
    assert "layer_0_expert_1_down" not in text
    assert "  layer_0_routing -->|chosen| layer_0_expert_0_down\n" in text


def test_the_same_chip_is_drawn_the_same(tmp_path):
    write_diagram(plain_chip(), tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert first.keys() == {"diagram.png", "diagram.svg", "diagram.mmd"}
    write_diagram(plain_chip(), tmp_path)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def _texts(figure: Any) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].texts)


def test_every_stream_is_named():
    words = _texts(diagram_figure(plain_chip())).replace("\n", "")
    for name in (
        "token",
        "embedding",
        "mlp_norm",
        "down",
        "mlp_residual",
        "head_logits",
        "sampled",
    ):
        assert name in words


@pytest.fixture(scope="module", params=[gpt_oss_chip, llama_chip], ids=["gpt-oss", "llama"])
def netlist(request, tmp_path_factory):
    bundle = request.param(tmp_path_factory.mktemp("chip"))
    return json.loads((bundle / "chip.json").read_text())


def test_every_block_of_a_netlist_has_its_place(netlist):
    chip = netlist
    units = read_units(chip)
    for block in chip["blocks"]:
        kind = block_kind(block["module"])
        assert (kind in PLUMBING) != (kind in KINDS)
        assert kind in PLUMBING or block["name"] in units.units
    assert len([u for u in units.units.values() if u.kind.name == "array"]) == len(chip["arrays"])
    inner = {name for name, unit in units.units.items() if unit.kind.name != "host"}
    assert inner == {link.source for link in units.links} - {"host"}
    drawn = set(re.findall(r"^ +(\w+)\[", mermaid(chip), re.MULTILINE))
    first = {u.name for u in units.units.values() if u.layer in (0, None) and not u.expert}
    assert drawn - {n for n in drawn if n.startswith("from_") or n == "next"} == first


def test_the_diagram_of_the_page_has_the_links_of_the_code(netlist):
    shown = PAGE.read_text(encoding="utf-8").split("```mermaid\n")[1].split("```")[0]
    links = _links(mermaid(netlist))
    if any("routing" in link for link in links):  # the page shows a chip with experts
        assert _links(shown) == links
    else:
        assert {link for link in links if "mlp" not in link and "swiglu" not in link} - {
            "  layer_0_down -->|down| layer_0_mlp_residual"
        } <= set(_links(shown))


def _links(text: str) -> list[str]:
    return [line for line in text.splitlines() if " -->|" in line]
