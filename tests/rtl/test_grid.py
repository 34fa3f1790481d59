"""Chips of a grid as netlists: they fit together, and every block is booted."""

import io
import json
import re

import pytest
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint

from hnlpu.boot import Window
from hnlpu.bundle import read_manifest
from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_plan import plans_from_manifest
from hnlpu.errors import HnlpuError
from hnlpu.exact_links import exact_links
from hnlpu.generator import GenerateOptions, generate
from hnlpu.grid import Grid, Tile
from hnlpu.link_plan import LinkOptions
from hnlpu.outline import outline_of
from hnlpu.rtl.grid import system_netlist
from hnlpu.session import RunOptions, run
from hnlpu.sim.cycle_chip import chip_layout
from hnlpu.verification.chip_sources import chips_of
from hnlpu.verification.readback import readback
from hnlpu.widths import vector_bits

GRIDS = {
    "experts": (GPT_OSS, gpt_oss_tensors, Grid(1, 2), None),
    "dense": (LLAMA, llama_tensors, Grid(2, 1), "int4"),
}


@pytest.fixture(scope="module", params=["experts", pytest.param("dense", marks=pytest.mark.slow)])
def bundle(request, tmp_path_factory):
    """Both have slices that are padded: 3 experts on 2 chips, vectors of 12 and 34 in slices of 8 and 24."""
    config, tensors, grid, fmt = GRIDS[request.param]
    folder = tmp_path_factory.mktemp("grid")
    source = write_checkpoint(folder / "source", config, tensors(config))
    options = GenerateOptions(fmt, context=12, grid=grid, link=LinkOptions(width=9, latency=2))
    generate(source, folder / "bundle", options)
    return source, folder / "bundle"


def description(bundle):
    return chips_of(json.loads((bundle / "chip.json").read_text()))


def test_every_weight_and_constant_is_read_back(bundle):
    source, folder = bundle
    report = readback(folder, source)
    assert report["weights"] == report["expected"] > 0
    assert report["image_words"] == read_manifest(folder)["chip"]["boot_words"] > 0
    for count in ("missing", "mismatches", "image_mismatches", "constant_mismatches"):
        assert report[count] == 0, count


def test_a_part_that_no_chip_has_is_missing(bundle, tmp_path):
    """The checker can fail: an array less in the manifest."""
    source, folder = bundle
    manifest = json.loads((folder / "manifest.json").read_text())
    last = [m for m in manifest["matrices"] if m["role"] == "o"][-1]
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "manifest.json").unlink()
    manifest["matrices"].remove(last)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert readback(tmp_path, source)["missing"] == last["n_weights"] > 0


def test_windows_of_all_chips_are_apart(bundle):
    windows = [w for chip in description(bundle[1]).values() for w in chip["boot"]]
    end = 0
    for window in windows:
        assert window["base"] % (1 << window["address_bits"]) == 0
        assert window["base"] >= end
        end = window["base"] + (1 << window["address_bits"])


def test_what_one_chip_sends_the_other_receives(bundle):
    chips = description(bundle[1])
    sent, received = set(), set()
    for tile, chip in chips.items():
        for stream in chip["streams"]:
            name, _, other = stream["name"].rpartition("_to_")
            if re.fullmatch(r"r\d+c\d+", other):
                sent.add((str(tile), other, name))
            name, _, other = stream["name"].rpartition("_from_")
            if re.fullmatch(r"r\d+c\d+", other):
                received.add((other, str(tile), name))
    assert sent == received
    assert len(sent) >= 2 * len(chips)


def test_the_model_of_cycles_has_the_same_streams_and_links(bundle):
    manifest, chips = read_manifest(bundle[1]), description(bundle[1])
    plans = plans_from_manifest(manifest)
    windows = {
        tile: tuple(Window(w["block"], w["base"], w["address_bits"], ()) for w in chip["boot"])
        for tile, chip in chips.items()
    }
    links = system_netlist(plans, windows).links
    for tile, chip in chips.items():
        layout = chip_layout(plans[tile])
        streams = [edge.name for edge in layout.edges if edge.traced]
        assert streams == [stream["name"] for stream in chip["streams"]]
        for other, link in links[tile].out_links.items():
            assert layout.blocks[f"{other}_sender"].parameters["plan"] == link


def test_links_carry_the_bits_that_a_simulated_system_counts(bundle):
    source, folder = bundle
    manifest, shape = read_manifest(folder), open_checkpoint(source).shape
    plans = plans_from_manifest(manifest)
    plan = plans[Tile()]
    roles = {m["name"]: m["role"] for m in manifest["matrices"]}
    widths = {roles[name]: place.base.y_bits for name, place in plan.arrays.items()}
    model, n = outline_of(shape), plan.numerics
    exact = exact_links(model, plan.grid, lambda item, _: widths.get(item.role, 0), n)
    expected = {
        r"layer_\d_[qkv]_sum_column": exact.projection,
        r"layer_\d_attention_peak_column": exact.peak,
        r"layer_\d_attention_parts_column": exact.values(plan.context),
        r"layer_\d_(attention|swiglu)_seen_(row|column)": exact.value,
        r"layer_\d_o_sum_row": exact.output,
        r"layer_\d_o_slices": vector_bits(exact.residual, plan.position_bits),
        r"layer_\d_experts_(row|column)": vector_bits(exact.residual, plan.position_bits),
        r"layer_\d_(experts|down)_sum_row": exact.hidden(experts=model.is_moe)[0],
        r"layer_\d_(experts|down)_sum_column": exact.hidden(experts=model.is_moe)[1],
        r"embedding|head_logits_(row|column)": None,  # not a collective of the plan of a system
    }
    links = system_netlist(plans, {tile: () for tile in plans}).links
    seen = set()
    for chip in links.values():
        for other in chip.out_links:
            for name, n_bits in chip.channels(other)[0]:
                (kind,) = (pattern for pattern in expected if re.fullmatch(pattern, name))
                assert expected[kind] in (None, n_bits), name
                seen.add(kind)
    assert len(seen) >= 4


def test_only_the_first_chip_has_the_host_port(bundle):
    for tile, chip in description(bundle[1]).items():
        names = {block["name"] for block in chip["blocks"]}
        assert ({"host", "embedding", "sampler"} <= names) == (tile == Tile())
        assert ("host" in names) == (tile == Tile())


def test_arrays_of_a_shape_share_a_base(bundle):
    manifest = read_manifest(bundle[1])
    by_chip = {}
    for matrix in manifest["matrices"]:
        if matrix["role"] in ("q", "o", "unembedding"):
            by_chip.setdefault(matrix["name"], set()).add(matrix["base"])
    assert all(len(bases) == 1 for bases in by_chip.values())


def test_a_context_too_short_for_the_rows(bundle):
    plans = plans_from_manifest(read_manifest(bundle[1]))
    plan = plans[Tile()]
    if plan.grid.rows > 1:
        with pytest.raises(HnlpuError, match="too short for the grid"):
            type(plan)(plan.shape, plan.numerics, 3, plan.arrays, grid=plan.grid)


def test_a_timeline_of_several_chips_is_refused_before_anything_is_written(bundle, tmp_path):
    written = io.StringIO()
    options = RunOptions(tokens=[1], timeline=tmp_path / "out")
    with pytest.raises(HnlpuError, match="are of one chip"):
        run(bundle[1], options, stream=written)
    assert written.getvalue() == "" and not (tmp_path / "out").exists()
