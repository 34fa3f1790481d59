"""Mask check: design rules, and what the metal joins, of a drawn layout.

Of a tap crossbar rules are checked on every distinct tile of the base with a via wherever a weight may put one,
which proves them for any weights; of every array they are checked as drawn. Metal is followed from port to port by
klayout's netlist extraction: in small arrays everywhere, in large ones in samples.

Contract (checked by ``tests/verification/test_mask_readback.py``): an intact layout has no violation; each kind of
damage gives one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.layout.arrays import follow_array, read_array
from hnlpu.layout.drawing import base_shapes
from hnlpu.layout.drc import check_rules
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.geometry import klayout_db, mask_boxes, mask_regions
from hnlpu.layout.ground import Ground
from hnlpu.layout.masks import read_mask
from hnlpu.layout.windows import every_via, segment_windows, tile_windows, touching
from hnlpu.progress import Progress, Silent
from hnlpu.verification.mask_readback import LayoutFiles

__all__ = ["check_layout"]

#: Pins of an array that are all followed.
_WHOLE = 20_000
_SAMPLES = 4


def check_layout(
    layout: Path, *, whole: bool = False, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Violations of a layout's masks.

    Parameters
    ----------
    layout : Path
        A folder that :func:`hnlpu.draw_masks` wrote.
    whole : bool
        Check and follow everything, however large.

    Returns
    -------
    list of dict
        ``array``, ``rule``, ``layer`` and ``box`` (nm) of each.

    Raises
    ------
    MissingToolError
        klayout is not installed.
    """
    klayout_db()
    show = progress or Silent()
    files = LayoutFiles(layout)
    found: list[dict[str, Any]] = []
    checked: set[str] = set()
    arrays = list(files.arrays.values())
    for n, array in enumerate(arrays):
        show("check", n, len(arrays), array["name"])
        ground = files.ground(array["base"])
        if array["base"] not in checked and isinstance(ground, Floorplan):
            checked.add(array["base"])
            found += _any_weights(array["base"], ground)
        found += _array(files, array, ground, whole)
    show("check", len(arrays), len(arrays))
    return found


def _entry(array: str, rule: str, layer: str, box: tuple[int, ...]) -> dict[str, Any]:
    return {"array": array, "rule": rule, "layer": layer, "box": list(box)}


def _any_weights(name: str, floorplan: Floorplan) -> list[dict[str, Any]]:
    """Rules on every distinct tile, with every via."""
    shapes = mask_boxes(base_shapes(floorplan), floorplan.rules, {})
    found = []
    for window in tile_windows(floorplan):
        own = {mask: touching(boxes, window) for mask, boxes in shapes.items()}
        vias = mask_boxes({}, floorplan.rules, every_via(floorplan, window))
        for mask, boxes in vias.items():
            own[mask] = np.concatenate([own[mask], touching(boxes, window)])
        violations = check_rules(floorplan.rules, mask_regions(own))
        found += [_entry(f"{name}, any weights", v.rule, v.layer, v.box) for v in violations]
    return found


def _array(
    files: LayoutFiles, array: Mapping[str, Any], ground: Ground, whole: bool
) -> list[dict[str, Any]]:
    name = array["name"]
    masks = {mask: read_mask(path, mask) for mask, path in files.paths(array).items()}
    small = whole or ground.plan.n_rows * ground.n_row_pins <= _WHOLE
    windows = [None] if small else segment_windows(ground, _SAMPLES)
    found = []
    expected = read_array(ground, masks.__getitem__).pins
    for window in windows:
        own = masks
        if window is not None:
            own = {mask: touching(boxes, window) for mask, boxes in masks.items()}
        regions = mask_regions(own)
        found += [
            _entry(name, v.rule, v.layer, v.box)
            for v in check_rules(ground.rules, regions, cut_exposures=ground.cut_exposures)
        ]
        extraction = follow_array(ground, regions, window)
        found += [_entry(name, f.what, f.where, (f.x, f.y, f.x, f.y)) for f in extraction.faults]
        followed = extraction.pins >= 0
        for row, pin in np.argwhere(followed & (extraction.pins != expected)).tolist():
            found.append(_entry(name, "another driver than the via's place says",
                                f"row {row}, pin {pin}", (0, 0, 0, 0)))  # fmt: skip
    return found
