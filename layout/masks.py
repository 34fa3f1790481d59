"""Masks: the drawing of an array as OASIS files, one per mask.

A base is drawn once, in a folder of its own; the masks that hold weights stand in a folder per matrix: a cell with
what the base has there, and a cell for some rows each with the shapes of the weights. Files are streamed: no more
than the shapes of some rows are held at a time.

Contract (checked by ``tests/layout/test_masks.py``): what is written is what is drawn, box by box; same
weights, same bytes.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hnlpu.layout.arrays import Weights
from hnlpu.layout.drawing import Pattern, base_shapes
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ground import Ground
from hnlpu.layout.oasis import Boxes, OasisWriter, flatten, read_oasis
from hnlpu.layout.strip_drawing import strip_base
from hnlpu.layout.strips import Strips

__all__ = ["MaskFile", "layer_number", "read_mask", "write_base", "write_weights"]

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


def write_base(ground: Ground, folder: Path) -> list[MaskFile]:
    """Masks of a base that hold no weights, ``folder/M9.oas`` and so on."""
    written = []
    for mask in ground.masks:
        if mask in ground.weight_masks:
            continue
        with OasisWriter(folder / f"{mask}.oas") as writer:
            n = _write_base(writer, ground, mask)
            with writer.cell("TOP"):
                writer.place("BASE", 0, 0)
        written.append(MaskFile(mask, folder / f"{mask}.oas", n, 0))
    return written


def write_weights(
    weights: Weights,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[MaskFile]:
    """The masks that hold the weights of one matrix.

    Parameters
    ----------
    weights : Weights
    folder : Path
    progress : function of (int, int), optional
        Rows drawn, of how many.
    """
    ground = weights.ground
    n_rows = ground.plan.n_rows
    n_chunk = max(1, _CHUNK // ground.n_row_pins)
    counts = dict.fromkeys(ground.weight_masks, 0)
    cells = ["BASE"]
    with ExitStack() as stack:
        writers = {
            mask: stack.enter_context(OasisWriter(folder / f"{mask}.oas")) for mask in counts
        }
        bases = {mask: _write_base(writer, ground, mask) for mask, writer in writers.items()}
        for first in range(0, n_rows, n_chunk):
            rows = slice(first, min(first + n_chunk, n_rows))
            shapes = weights.boxes(rows)
            cells.append(f"ROWS_{first}")
            for mask, writer in writers.items():
                with writer.cell(cells[-1]):
                    writer.boxes(layer_number(mask), shapes[mask])
                counts[mask] += len(shapes[mask])
            progress(rows.stop, n_rows)
        for writer in writers.values():
            with writer.cell("TOP"):
                for cell in cells:
                    writer.place(cell, 0, 0)
    return [MaskFile(mask, folder / f"{mask}.oas", bases[mask], n) for mask, n in counts.items()]


def _write_base(writer: OasisWriter, ground: Ground, mask: str) -> int:
    """The cell ``BASE``, what a mask holds of the base; how many boxes that is."""
    if isinstance(ground, Strips):
        return _write_strips(writer, ground, mask)
    assert isinstance(ground, Floorplan)
    return _write_patterns(writer, base_shapes(ground).get(mask, []))


def _write_patterns(writer: OasisWriter, patterns: Iterable[Pattern]) -> int:
    n = 0
    with writer.cell("BASE"):
        for pattern in patterns:
            layer = layer_number(pattern.mask)
            writer.array(layer, pattern.box, pattern.nx, pattern.ny, pattern.dx, pattern.dy)
            n += pattern.nx * pattern.ny
    return n


def _write_strips(writer: OasisWriter, strips: Strips, mask: str) -> int:
    """A cell for even rows and one for odd ones, placed segment by segment, and what is fixed."""
    base, layer = strip_base(strips), layer_number(mask)
    row = base.row.get(mask)
    rows = () if row is None else ("EVEN", "ODD")[: strips.plan.n_rows]
    for parity, name in enumerate(rows):
        assert row is not None
        with writer.cell(name):
            writer.boxes(layer, strips.mirrored(row) if parity else row)
    fixed = base.fixed.get(mask)
    with writer.cell("BASE"):
        if fixed is not None:
            writer.boxes(layer, fixed)
        for segment in range(strips.n_segments):
            first, n = strips.segment(segment)
            for parity, name in enumerate(rows):
                y = int(strips.row_y_nm(np.array(first))) + parity * strips.row_nm
                if n > parity:
                    writer.place(name, 0, y, 1, (n - parity + 1) // 2, 0, 2 * strips.row_nm)
    n_fixed = 0 if fixed is None else len(fixed)
    return n_fixed + (0 if row is None else len(row) * strips.plan.n_rows)


def read_mask(path: Path, mask: str) -> Boxes:
    """Every box of a mask file, (n, 4) in nm.

    Raises
    ------
    HnlpuError
        A file that is cut short, edited into something unreadable, or holds other shapes than boxes.
    """
    return flatten(read_oasis(path), layer_number(mask), top="TOP")
