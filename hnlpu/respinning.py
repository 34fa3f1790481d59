"""Respin: what new weights change on masks that exist, and what that costs.

Compares the wiring of two bundles, matrix by matrix, as their masks would be drawn. A matrix whose base
changed, or that only one of them has, needs all its masks anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hnlpu.base import Pins
from hnlpu.costmodel.direct_write import price_direct_write
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.masks import load_masks
from hnlpu.layout.arrays import place_weights, plan_ground
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.ground import Ground
from hnlpu.layout.options import DrawingOptions
from hnlpu.layout.respin import compare_weights, write_eco
from hnlpu.layout.rules import Rules
from hnlpu.progress import Progress, Silent
from hnlpu.verification.bundle_metal import BundleMetal

__all__ = ["RespinOptions", "mask_usd", "respin", "wafer_mm"]


@dataclass(frozen=True)
class RespinOptions(DrawingOptions):
    """How masks are drawn, and where they are made.

    Attributes
    ----------
    node : str
        Node whose masks are priced.
    """

    node: str = "5nm"


def respin(
    old: str | Path,
    new: str | Path,
    options: RespinOptions = RespinOptions(),
    *,
    eco: TextIO | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What it takes to turn the masks of ``old`` into those of ``new``.

    Parameters
    ----------
    old, new : path
        Folders that :func:`hnlpu.generate` wrote.
    options : RespinOptions
    eco : text file, optional
        Receives a Tcl script with every shape that goes and comes.

    Returns
    -------
    dict
        ``rows``: each matrix with its changed weights' shapes; ``masks``: of every mask the shapes removed and
        added, its exposures, and whether it must be made anew; ``chips``: how many chips have a change;
        ``remade``, ``kept``: masks; ``tiles``: pieces of rows, and how many are untouched;
        ``photomasks``: exposures of the masks made anew, on all chips with a change; ``all_photomasks``: of all
        that hold weights; ``usd``: their price, low, mid and high; ``paper_usd``: of the paper's ten on as many
        chips; ``direct_write``: ``hours`` and ``usd`` of a wafer whose masks made anew are written by electron beams
        instead, and up to how many ``wafers`` of a chip that is cheaper than its photomasks, low, mid and high each; None
        where nothing changes, or a matrix needs all masks.

    Raises
    ------
    HnlpuError
        Not bundles, or wires that fit no strip.
    """
    show = progress or Silent()
    rules = options.load()
    price = mask_usd(options.node)
    sides = _Sides(_Side(Path(old)), _Side(Path(new)), rules, options)
    names = sides.names
    rows = []
    for n, name in enumerate(names):
        show("respin", n, len(names), name[1])
        rows.append(_compare(name, sides, eco))
    show("respin", len(names), len(names))
    chips = sorted({row["chip"] for row in rows if row["change"] != "none"}, key=str)
    masks = [_mask(mask, rows, rules) for mask in rules.masks]
    weight_masks = {mask for row in rows for mask in row["exposures"]}
    remade = [mask["mask"] for mask in masks if mask["remade"]]
    exposures = sum(mask["exposures"] for mask in masks if mask["remade"]) * len(chips)
    everything = sum(mask["exposures"] for mask in masks if mask["mask"] in weight_masks)
    return {
        "rows": rows,
        "masks": masks,
        "remade": remade,
        "kept": [mask["mask"] for mask in masks if not mask["remade"]],
        "chips": len(chips),
        "photomasks": exposures,
        "tiles": {
            "total": sum(row["tiles"] for row in rows),
            "untouched": sum(row["tiles"] - row["changed_tiles"] for row in rows),
        },
        "pins": sum(row["pins"] for row in rows),
        "changed_pins": sum(row["changed_pins"] for row in rows),
        "usd": {key: value * exposures for key, value in price.items()},
        "paper_usd": {
            key: value * len(load_masks(options.node).weight_masks["regions"]) * len(chips)
            for key, value in price.items()
        },
        "rules": rules.name,
        "node": options.node,
        "all_photomasks": everything * max(1, len(chips)),
        "direct_write": _direct_write(rows, masks, price, wafer_mm(options.node)),
    }


class _Side:
    """One of the two bundles."""

    def __init__(self, path: Path) -> None:
        self.metal = BundleMetal(path)
        self.entries = {(str(m["chip"]), m["name"]): m for m in self.metal.matrices}

    def pins(self, name: tuple[str, str]) -> Pins:
        """Drivers of a matrix, those of the row exponents last."""
        return array_pins(self.metal.metal(self.entries[name]))


class _Sides:
    """Both bundles, and the grounds of the bases that they share: one for all matrices, as they are drawn."""

    def __init__(self, old: _Side, new: _Side, rules: Rules, options: RespinOptions) -> None:
        self.old, self.new = old, new
        self._rules, self._options = rules, options
        self._grounds: dict[str, Ground] = {}

    @property
    def names(self) -> list[tuple[str, str]]:
        """Chip and name of every matrix."""
        return list(dict.fromkeys([*self.old.entries, *self.new.entries]))

    def same_base(self, name: tuple[str, str]) -> bool:
        """Whether both have a matrix, on bases alike."""
        entries = [side.entries.get(name) for side in (self.old, self.new)]
        if None in entries:
            return False
        one, other = (
            side.metal.bases[side.entries[name]["base"]]["parameters"]
            for side in (self.old, self.new)
        )
        return bool(one == other)

    def ground(self, base: str) -> Ground:
        """Ground of a base of the old bundle, on which the matrices of both find room."""
        if base not in self._grounds:
            plan = self.old.metal.plan(base)
            own = (
                n for n in self.names if self.same_base(n) and self.old.entries[n]["base"] == base
            )
            pins = (side.pins(name) for name in own for side in (self.old, self.new))
            self._grounds[base] = plan_ground(
                plan, self._rules, layers=self._options.layers, n_tracks=self._options.tracks,
                matrices=pins,
            )  # fmt: skip
        return self._grounds[base]


def _compare(name: tuple[str, str], sides: _Sides, eco: TextIO | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name[1], "chip": name[0]}
    old, new = (side.entries.get(name) for side in (sides.old, sides.new))
    if old is None or new is None:
        held = old or new
        assert held is not None
        lost = {"change": "only in one bundle", "weights": held["n_weights"]}
        return row | lost | _whole(held["n_weights"])
    if not sides.same_base(name):
        return (
            row | {"change": "another base", "weights": new["n_weights"]} | _whole(new["n_weights"])
        )
    ground = sides.ground(old["base"])
    pins = (side.pins(name) for side in (sides.old, sides.new))
    change = compare_weights(*(place_weights(ground, own, name[1]) for own in pins))
    if eco is not None:
        write_eco(eco, name[1], change)
    return row | {
        "change": "weights" if change.n_changed_pins else "none",
        "weights": new["n_weights"],
        "pins": change.n_pins,
        "changed_pins": change.n_changed_pins,
        "removed": {mask: len(boxes) for mask, boxes in change.removed.items()},
        "added": {mask: len(boxes) for mask, boxes in change.added.items()},
        "exposures": {mask: ground.exposures(mask) for mask in ground.weight_masks},
        "exposed_um2": change.exposed_um2,
        "area_um2": ground.area_um2,
        "tiles": change.n_tiles,
        "changed_tiles": change.n_changed_tiles,
    }


def _whole(n_weights: int) -> dict[str, Any]:
    """Of a matrix that must be drawn as a whole: every weight counts as a pin and a tile."""
    return {
        "pins": n_weights,
        "changed_pins": n_weights,
        "removed": {},
        "added": {},
        "exposures": {},
        "exposed_um2": {},
        "area_um2": 0.0,
        "tiles": n_weights,
        "changed_tiles": n_weights,
    }


def _mask(mask: str, rows: list[dict[str, Any]], rules: Rules) -> dict[str, Any]:
    whole = any(row["change"] in ("another base", "only in one bundle") for row in rows)
    removed = sum(row["removed"].get(mask, 0) for row in rows)
    added = sum(row["added"].get(mask, 0) for row in rows)
    return {
        "mask": mask,
        "removed": removed,
        "added": added,
        "exposures": max([rules.exposures(mask), *(row["exposures"].get(mask, 0) for row in rows)]),
        "remade": whole or removed + added > 0,
    }


def _direct_write(
    rows: list[dict[str, Any]],
    masks: list[dict[str, Any]],
    price: Mapping[str, float],
    wafer_mm: float,
) -> dict[str, dict[str, float]] | None:
    """What it costs to write the masks made anew, as shares of the arrays' area, onto a wafer."""
    remade = [mask for mask in masks if mask["remade"]]
    area = sum(row["area_um2"] for row in rows)
    if not remade or not area or not all(row["exposed_um2"] for row in rows):
        return None
    shares = {
        mask["mask"]: sum(row["exposed_um2"].get(mask["mask"], 0.0) for row in rows) / area
        for mask in remade
    }
    exposures = sum(mask["exposures"] for mask in remade)
    ends = ("low", "mid", "high")
    low, mid, high = (price[end] * exposures for end in ends)
    written = price_direct_write(shares, (low, mid, high), wafer_mm)
    return {
        "hours": dict(zip(ends, written.hours, strict=True)),
        "usd": dict(zip(ends, written.usd_per_wafer, strict=True)),
        "wafers": dict(zip(ends, written.wafers, strict=True)),
    }


def wafer_mm(node: str) -> float:
    """Diameter of a node's wafers."""
    return DataFile("nodes.toml").quantity(f"{node}.wafer_diameter", "mm").value


def mask_usd(node: str) -> dict[str, float]:
    """Price of one DUV mask of a node."""
    stack = load_masks(node)
    price = DataFile("nodes.toml").quantity(f"{node}.mask_set_usd", "USD")
    units = stack.units()
    return {"low": price.low / units, "mid": price.value / units, "high": price.high / units}
