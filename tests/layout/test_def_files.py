"""LEF and DEF, read by klayout, are the drawn metal."""

from pathlib import Path

import pytest
from drawings import PLANS, drawn, random_pins, small_floorplan
from klayout import db

from hnlpu.layout.def_files import write_def, write_lef
from hnlpu.layout.geometry import mask_regions, metal_regions
from hnlpu.layout.rules import rule_sets

LAYERS = ("M7", "VIA7", "M8", "VIA8", "M9", "VIA9", "M10")


def read(lef: Path, design: Path) -> dict[str, db.Region]:
    """Every layer of a design, whatever its shapes are for."""
    options = db.LoadLayoutOptions()
    config = options.lefdef_config
    config.lef_files = [str(lef)]
    config.read_lef_with_def = False
    config.dbu = 0.001
    config.macro_resolution_mode = 0
    for purpose in ("routing", "special_routing", "pins", "lef_pins", "via_geometry", "fills"):
        setattr(config, f"produce_{purpose}", True)
        setattr(config, f"{purpose}_suffix", "")
        setattr(config, f"{purpose}_datatype", 0)
    config.produce_obstructions = False
    layout = db.Layout()
    layout.read(str(design), options)
    found: dict[str, db.Region] = {}
    for index in layout.layer_indexes():
        name = layout.get_info(index).name
        region = db.Region(layout.top_cell().begin_shapes_rec(index))
        found[name] = (found.get(name, db.Region()) + region).merged()
    return found


@pytest.mark.parametrize("rules", rule_sets())
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.row_name)
def test_files_are_the_drawn_metal(plan, rules, tmp_path):
    floorplan = small_floorplan(plan, rules)
    pins = random_pins(floorplan)
    with (tmp_path / "base.lef").open("w") as file:
        write_lef(file, floorplan)
    with (tmp_path / "metal.def").open("w") as file:
        write_def(file, floorplan, pins)
    found = read(tmp_path / "base.lef", tmp_path / "metal.def")
    masks = mask_regions(drawn(floorplan, pins))
    metals = metal_regions(floorplan.rules, masks)
    for layer in LAYERS:
        expected = metals[layer] if layer in metals else masks[layer].merged()
        differs = found[layer] ^ expected
        assert differs.is_empty(), (layer, str(differs)[:400])


def test_other_weights_are_other_metal(tmp_path):
    """The comparison above can fail: only in vias."""
    floorplan = small_floorplan(PLANS[0])
    with (tmp_path / "base.lef").open("w") as file:
        write_lef(file, floorplan)
    with (tmp_path / "metal.def").open("w") as file:
        write_def(file, floorplan, random_pins(floorplan, 1))
    found = read(tmp_path / "base.lef", tmp_path / "metal.def")
    masks = mask_regions(drawn(floorplan, random_pins(floorplan, 0)))
    metals = metal_regions(floorplan.rules, masks)
    differ = {
        layer
        for layer in LAYERS
        if not (found[layer] ^ (metals[layer] if layer in metals else masks[layer])).is_empty()
    }
    assert differ == {"VIA8", "VIA9"}
