"""Design rules: drawn masks against the rules of their layers, with klayout's geometry.

Widths, spaces, line ends, areas, and by how much wires enclose vias. A via must lie on metal below and above
it; two vias may not overlap, nor be nearer than their space.

Rules of vias hold for a drawing if they hold with a via at *every* place where a weight may put one, for a
drawing with fewer vias breaks none of them: so one check of every distinct tile proves any weights.

Contract (checked by ``tests/layout/test_drawing.py``): each kind of violation is found where it was made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hnlpu.layout.geometry import klayout_db, metal_regions
from hnlpu.layout.rules import METALS, VIAS, Rules

if TYPE_CHECKING:
    from klayout import db

__all__ = ["Violation", "check_rules"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that breaks a rule; nm."""

    rule: str
    layer: str
    box: tuple[int, int, int, int]


def check_rules(
    rules: Rules, masks: "Mapping[str, db.Region]", *, cut_exposures: int = 1
) -> list[Violation]:
    """Every violation in some masks.

    Parameters
    ----------
    rules : Rules
    masks : mapping of str to Region
        As :func:`hnlpu.layout.geometry.mask_regions` gives them.
    cut_exposures : int
        Exposures that the cuts of neighbouring tracks take in turn; each must keep the rules by itself.
    """
    metals = metal_regions(rules, masks)
    found: list[Violation] = []
    for layer in METALS:
        found += _check_metal(rules, layer, metals[layer])
        cuts = masks.get(f"{layer}C")
        if cuts:
            for own in _exposures(rules, layer, cuts, cut_exposures):
                found += _check_cuts(rules, layer, own)
    for via in VIAS:
        if masks.get(via):
            found += _check_via(rules, via, masks[via], metals)
    return found


def _boxes(shapes: Any) -> Iterator[tuple[int, int, int, int]]:
    """Boxes around polygons, or around edge pairs."""
    for shape in shapes.each():
        box = shape.bbox()
        yield box.left, box.bottom, box.right, box.top


def _violations(rule: str, layer: str, shapes: Any) -> list[Violation]:
    return [Violation(rule, layer, box) for box in _boxes(shapes)]


def _check_metal(rules: Rules, layer: str, metal: "db.Region") -> Iterator[Violation]:
    db = klayout_db()
    rule = rules.metals[layer]
    yield from _violations("width", layer, metal.width_check(rule.width_nm))
    yield from _violations("space", layer, metal.space_check(rule.space_nm))
    if rule.end_space_nm > rule.space_nm:
        near = metal.space_check(rule.end_space_nm, metrics=db.Region.Projection)
        horizontal = rule.direction == "horizontal"
        ends = [pair for pair in near.each() if (pair.first.dx() == 0) == horizontal]
        yield from _violations("end space", layer, db.EdgePairs(ends))
    least = round(rule.min_area_um2 * 1e6)
    yield from _violations("area", layer, metal.with_area(0, least, False))


def _exposures(rules: Rules, layer: str, cuts: "db.Region", n: int) -> "Iterator[db.Region]":
    """Cuts by the exposure that their track is on."""
    db = klayout_db()
    if n == 1:
        yield cuts
        return
    upright, pitch = rules.metals[layer].direction == "vertical", rules.metals[layer].pitch_nm
    parts = [db.Region() for _ in range(n)]
    for cut in cuts.each():
        middle = cut.bbox().center()
        parts[(middle.x if upright else middle.y) // pitch % n].insert(cut)
    yield from parts


def _check_cuts(rules: Rules, layer: str, cuts: "db.Region") -> Iterator[Violation]:
    rule = rules.metals[layer]
    merged = cuts.merged()
    yield from _violations("cut width", f"{layer}C", merged.width_check(rule.end_space_nm))
    yield from _violations("cut space", f"{layer}C", merged.space_check(rule.cut_space_nm))


def _check_via(
    rules: Rules, layer: str, vias: "db.Region", metals: "Mapping[str, db.Region]"
) -> Iterator[Violation]:
    db = klayout_db()
    rule = rules.vias[layer]
    merged = vias.merged()
    wrong = [p for p in merged.each() if not p.is_box() or p.bbox().width() != rule.size_nm
             or p.bbox().height() != rule.size_nm]  # fmt: skip
    yield from _violations("size", layer, db.Region(wrong))
    yield from _violations("space", layer, merged.space_check(rule.space_nm))
    number = int(layer[3:])
    sides = {
        f"M{number}": (rule.lower_side_nm, rule.lower_end_nm),
        f"M{number + 1}": (rule.upper_side_nm, rule.upper_end_nm),
    }
    for metal, (side, end) in sides.items():
        horizontal = rules.metals[metal].direction == "horizontal"
        dx, dy = (end, side) if horizontal else (side, end)
        bare = merged.sized(dx, dy, 2) - metals[metal]
        yield from _violations(f"enclosure by {metal}", layer, bare.merged())
