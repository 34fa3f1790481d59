"""Masks: the drawing of an array as OASIS files, one per mask.

A base is drawn once, in a folder of its own; the masks that hold weights, VIA8 and VIA9, stand in a folder per
matrix: a cell with what the base has there, and a cell for some rows each with the weights' vias. Files are
streamed: no more than the vias of some rows are held at a time.

Contract (checked by ``tests/layout/test_masks.py``): what is written is what is drawn, box by box; same
weights, same bytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hnlpu.layout.drawing import Pattern, array_pins, base_shapes, via_boxes, weight_vias
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.oasis import Boxes, OasisWriter, flatten, read_oasis
from hnlpu.layout.rules import Rules
from hnlpu.metal import MetalPlan

__all__ = ["WEIGHT_MASKS", "MaskFile", "layer_number", "mask_files", "read_mask", "write_base",
           "write_weights"]  # fmt: skip

#: Masks that hold weights.
WEIGHT_MASKS = ("VIA8", "VIA9")
#: Pins drawn at a time.
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class MaskFile:
    """One written mask.

    Attributes
    ----------
    mask : str
    path : Path
    n_base, n_weights : int
        Shapes of the base in it, and of the weights.
    """

    mask: str
    path: Path
    n_base: int
    n_weights: int


def layer_number(mask: str) -> tuple[int, int]:
    """GDS layer and datatype: ``M8`` is 8/0, its cuts 8/1, ``VIA8`` 8/10."""
    number = int(mask.removeprefix("VIA").removeprefix("M").removesuffix("C"))
    return number, 10 if mask.startswith("VIA") else 1 if mask.endswith("C") else 0


def mask_files(rules: Rules) -> tuple[str, ...]:
    """Masks that files are written for: the ports on M7, and every mask that tap crossbars use."""
    return tuple(mask for mask in ("M7", *rules.masks) if mask not in ("VIA10", "M11"))


def write_base(floorplan: Floorplan, folder: Path) -> list[MaskFile]:
    """Masks of a base that hold no weights, ``folder/M9.oas`` and so on."""
    patterns = base_shapes(floorplan)
    written = []
    for mask in mask_files(floorplan.rules):
        if mask in WEIGHT_MASKS:
            continue
        with OasisWriter(folder / f"{mask}.oas") as writer:
            n = _write_cell(writer, "BASE", patterns.get(mask, []))
            with writer.cell("TOP"):
                writer.place("BASE", 0, 0)
        written.append(MaskFile(mask, folder / f"{mask}.oas", n, 0))
    return written


def write_weights(
    floorplan: Floorplan,
    plan: MetalPlan,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[MaskFile]:
    """The masks that hold the weights of one matrix.

    Parameters
    ----------
    floorplan : Floorplan
        Of the matrix's base.
    plan : MetalPlan
    folder : Path
    progress : function of (int, int), optional
        Rows drawn, of how many.
    """
    patterns = base_shapes(floorplan)
    n_rows = floorplan.plan.n_rows
    n_chunk = max(1, _CHUNK // floorplan.n_row_pins)
    writers = {mask: OasisWriter(folder / f"{mask}.oas") for mask in WEIGHT_MASKS}
    counts = dict.fromkeys(WEIGHT_MASKS, 0)
    bases = {}
    cells = ["BASE"]
    for mask, writer in writers.items():
        writer.__enter__()
        bases[mask] = _write_cell(writer, "BASE", patterns.get(mask, []))
    for first in range(0, n_rows, n_chunk):
        rows = slice(first, min(first + n_chunk, n_rows))
        vias = weight_vias(floorplan, array_pins(plan, rows), first)
        cells.append(f"ROWS_{first}")
        for mask, writer in writers.items():
            with writer.cell(cells[-1]):
                writer.boxes(layer_number(mask), via_boxes(floorplan.rules, mask, vias[mask]))
            counts[mask] += len(vias[mask])
        progress(rows.stop, n_rows)
    for writer in writers.values():
        with writer.cell("TOP"):
            for cell in cells:
                writer.place(cell, 0, 0)
        writer.__exit__(None, None, None)
    return [
        MaskFile(mask, folder / f"{mask}.oas", bases[mask], counts[mask]) for mask in WEIGHT_MASKS
    ]


def _write_cell(writer: OasisWriter, name: str, patterns: Iterable[Pattern]) -> int:
    """A cell of patterns; how many boxes it has."""
    n = 0
    with writer.cell(name):
        for pattern in patterns:
            layer = layer_number(pattern.mask)
            writer.array(layer, pattern.box, pattern.nx, pattern.ny, pattern.dx, pattern.dy)
            n += pattern.nx * pattern.ny
    return n


def read_mask(path: Path, mask: str) -> Boxes:
    """Every box of a mask file, (n, 4) in nm.

    Raises
    ------
    HnlpuError
        A file that is cut short, edited into something unreadable, or holds other shapes than boxes.
    """
    return flatten(read_oasis(path), layer_number(mask), top="TOP")
