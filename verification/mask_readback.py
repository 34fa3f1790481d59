"""Mask readback: the weights of a layout, recovered from its mask files and compared with the checkpoint.

    places of vias -> driver of every pin -> values and exponents, as the architecture defines them

Everything that holds no weight must be as the base has it. The comparison is that of
:mod:`hnlpu.verification.readback`; only where pins come from is another.

Contract (checked by ``tests/verification/test_mask_readback.py``): every weight of an intact layout comes back;
a shape moved, added or dropped on any mask is found, and named with its place.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.architecture import plan_from_dict
from hnlpu.base import HIGH, LOW, ArrayPlan
from hnlpu.bundle import write_json
from hnlpu.errors import HnlpuError
from hnlpu.layout.arrays import plan_ground, read_array, read_array_base
from hnlpu.layout.faults import FaultList, Reading
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.masks import read_mask
from hnlpu.layout.rules import Rules, load_rules
from hnlpu.metal import exponents_of_bits
from hnlpu.progress import Progress
from hnlpu.verification.readback import Readback, read_back

__all__ = ["LayoutFiles", "is_layout", "read_masks_back"]


def is_layout(folder: Path) -> bool:
    """Whether :func:`hnlpu.draw_masks` wrote ``folder``."""
    return (folder / "layout.json").is_file()


def read_masks_back(
    layout: Path, checkpoint: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Read every weight of ``layout`` back and compare it with ``checkpoint``.

    Of a layout that was drawn of some matrices only (``match``), these are read.

    Returns
    -------
    dict
        As :func:`hnlpu.verification.readback.readback`, and ``faults``: how many shapes are not as they
        should be; ``first_fault`` names one; ``match``: what names had to hold. Writes ``readback.json`` into the layout.

    Raises
    ------
    HnlpuError
        Files that cannot be read or do not belong together.
    """
    reader = _MaskReader(layout)
    result = read_back(layout / "bundle", checkpoint, reader, progress, reader.match)
    result |= {
        "faults": reader.n_faults,
        "first_fault": reader.first_fault,
        "match": reader.match,
    }
    write_json(layout / "readback.json", result)
    return result


class LayoutFiles:
    """What ``layout.json`` says of a layout.

    Attributes
    ----------
    arrays : dict of str to dict
        Entries of the arrays, by the metal file of the bundle that each was drawn from.
    match : str
        What the names of the matrices that were drawn hold.
    """

    def __init__(self, layout: Path) -> None:
        path = layout / "layout.json"
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            self.arrays: dict[str, dict[str, Any]] = {a["metal"]: a for a in entry["arrays"]}
            self._plans = {b["name"]: plan_from_dict(b["parameters"]) for b in entry["bases"]}
            self._tracks = {b["name"]: int(b["m9_tracks"]) for b in entry["bases"]}
            self._layers = str(entry["layers"])
            self.match = str(entry["match"])
            self._rules: Rules = load_rules(entry["rules"]["set"], layout / entry["rules"]["file"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise HnlpuError("not a layout", where=str(path), got=f"{type(error).__name__}: {error}",
                             do="name a folder written by hnlpu layout") from error  # fmt: skip
        self._layout = layout
        self._grounds: dict[str, Ground] = {}

    def ground(self, base: str) -> Ground:
        """Ground of a base."""
        if base not in self._grounds:
            self._grounds[base] = plan_ground(
                self._plans[base], self._rules, layers=self._layers, n_tracks=self._tracks[base]
            )
        return self._grounds[base]

    def paths(self, array: Mapping[str, Any]) -> dict[str, Path]:
        """Mask files of an array."""
        found = {mask["mask"]: self._layout / mask["file"] for mask in array["masks"]}
        for mask in self.ground(array["base"]).masks:
            if mask not in found:
                raise HnlpuError("a mask is missing", where=f"{self._layout}: {array['name']}",
                                 got=f"no {mask}", do="draw the bundle again")  # fmt: skip
        return found


class _MaskReader:
    """Reads the arrays of a layout; the masks of a base are read once."""

    def __init__(self, layout: Path) -> None:
        self._files = LayoutFiles(layout)
        self._layout = layout
        self.match = self._files.match
        self._bases: dict[str, FaultList] = {}
        self.n_faults = 0
        self.first_fault: str | None = None

    def __call__(
        self, entry: Mapping[str, Any], plan: ArrayPlan, base: Mapping[str, Any]
    ) -> Readback:
        array = self._files.arrays.get(entry["metal"])
        if array is None:
            return _nothing(plan)
        ground = self._files.ground(array["base"])
        if ground.plan != plan:
            raise HnlpuError("a matrix was drawn on another base", where=f"{self._layout}: {entry['name']}",
                             got=array["base"], do="draw the bundle again")  # fmt: skip
        paths = self._files.paths(array)

        def boxes(mask: str) -> Boxes:
            return read_mask(paths[mask], mask)

        if array["base"] not in self._bases:
            self._bases[array["base"]] = read_array_base(ground, boxes)
        reading = read_array(ground, boxes, self._bases[array["base"]])
        if reading.n_faults:
            self.n_faults += reading.n_faults
            self.first_fault = self.first_fault or f"{entry['name']}: {reading.faults[0]}"
        return _readback(plan, reading)


def _readback(plan: ArrayPlan, reading: Reading) -> Readback:
    wiring = plan.read(reading.pins[:, : plan.n_pins])
    bits = reading.pins[:, plan.n_pins :]
    missing = wiring.missing | ~np.isin(bits, (LOW, HIGH)).all(axis=1, keepdims=True)
    return Readback(
        plan=plan,
        multiples=np.where(missing, 0, wiring.values).astype(np.int32),
        missing=missing,
        block_exponents=wiring.block_exponents,
        row_exponents=exponents_of_bits((bits == HIGH).astype(np.int64)),
        n_padding_errors=int(wiring.errors.sum()),
        foreign=[],
    )


def _nothing(plan: ArrayPlan) -> Readback:
    """A matrix that is not drawn: every weight is missing."""
    shape = plan.n_rows, plan.n_columns
    return Readback(
        plan=plan,
        multiples=np.zeros(shape, dtype=np.int32),
        missing=np.ones(shape, dtype=bool),
        block_exponents=np.zeros((plan.n_rows, plan.n_blocks), dtype=np.uint8),
        row_exponents=np.zeros(plan.n_rows, dtype=np.int16),
        n_padding_errors=0,
        foreign=[],
    )
