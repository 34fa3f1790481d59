"""Geometry: drawn masks as regions of klayout, and the metal that they make.

klayout is the extra ``layout``; drawing and the fast readback work without it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hnlpu.errors import MissingToolError
from hnlpu.layout.drawing import Pattern, expand_all, via_boxes
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.rules import METALS, Rules

if TYPE_CHECKING:
    from klayout import db

__all__ = ["klayout_db", "mask_boxes", "mask_regions", "metal_regions", "write_gds"]


def klayout_db() -> Any:
    """The module ``klayout.db``.

    Raises
    ------
    MissingToolError
        klayout is not installed.
    """
    try:
        from klayout import db
    except ImportError as error:
        raise MissingToolError(
            "klayout is not installed",
            where="design rule checks, extraction and pictures of masks",
            got=str(error),
            do="pip install 'hnlpu[layout]'; drawing and the fast readback work without it",
        ) from error
    return db


def mask_boxes(
    patterns: Mapping[str, Iterable[Pattern]],
    rules: Rules,
    vias: Mapping[str, npt.NDArray[np.int64]],
) -> dict[str, Boxes]:
    """Every box of every mask: for arrays that fit into memory.

    Parameters
    ----------
    patterns : mapping of str to patterns
        What does not depend on weights, by mask.
    rules : Rules
    vias : mapping of str to int64 array (n, 2)
        Centres of the weights' vias by mask.
    """
    found = {mask: expand_all(own) for mask, own in patterns.items()}
    for mask, centres in vias.items():
        own = via_boxes(rules, mask, centres)
        found[mask] = np.concatenate([found[mask], own]) if mask in found else own
    return found


def mask_regions(boxes: Mapping[str, Boxes]) -> "dict[str, db.Region]":
    """Regions of klayout, as drawn: nothing is merged."""
    db = klayout_db()
    regions = {}
    for mask, own in boxes.items():
        region = db.Region()
        region.merged_semantics = False
        for box in own.tolist():
            region.insert(db.Box(*box))
        regions[mask] = region
    return regions


def metal_regions(rules: Rules, masks: "Mapping[str, db.Region]") -> "dict[str, db.Region]":
    """The metal of each layer: wires merged, and without what a mask of cuts takes away."""
    db = klayout_db()
    metals = {}
    for layer in METALS:
        wires = masks.get(layer, db.Region()).merged()
        cuts = masks.get(f"{layer}C")
        metals[layer] = (wires - cuts).merged() if rules.metals[layer].cut and cuts else wires
    return metals


def write_gds(path: Path, files: Mapping[str, Path]) -> None:
    """All masks of an array in one GDS file, each on its layer.

    Parameters
    ----------
    path : Path
    files : mapping of str to Path
        OASIS files by mask.
    """
    db = klayout_db()
    whole = db.Layout()
    whole.dbu = 0.001
    top = whole.create_cell("ARRAY")
    for mask, file in files.items():
        own = db.Layout()
        own.read(str(file))
        cell = whole.create_cell(mask)
        cell.copy_tree(own.top_cell())
        top.insert(db.CellInstArray(cell.cell_index(), db.Trans()))
    options = db.SaveLayoutOptions()
    options.format = "GDS2"
    options.gds2_write_timestamps = False
    whole.write(str(path), options)
