"""Pictures of drawn masks: a corner of a base with its weights, layer by layer in colour, and density maps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.masks import read_mask
from hnlpu.layout.strips import Strips
from hnlpu.layout.windows import Window, touching
from hnlpu.verification.mask_readback import LayoutFiles

__all__ = ["NAMES", "STYLE", "corner", "draw_pictures", "metal_boxes"]

#: Masks from the bottom up, and how they are shown.
STYLE = {
    "M7": ("#9a9a9a", 0.5),
    "VIA7": ("#404040", 0.9),
    "M8": ("#3a6fb0", 0.55),
    "M9": ("#c9a227", 0.45),
    "M10": ("#b04a5a", 0.45),
    "M11": ("#4f8a5b", 0.45),
    "VIA8": ("#0b2545", 1.0),
    "VIA9": ("#5a0f1c", 1.0),
    "VIA10": ("#1d4427", 1.0),
}
_TAPS = {
    "M7": "M7: ports",
    "VIA7": "VIA7",
    "M8": "M8: lines, pads",
    "M9": "M9: stubs",
    "M10": "M10: lines, strap",
    "VIA8": "VIA8: weights, pads",
    "VIA9": "VIA9: weights",
}
_REGIONS = {
    "M7": "M7: ports",
    "VIA7": "VIA7",
    "M8": "M8: stubs",
    "M9": "M9: jogs, rails",
    "M10": "M10: lines, landings",
    "M11": "M11: overflow",
    "VIA8": "VIA8",
    "VIA9": "VIA9",
    "VIA10": "VIA10",
}
NAMES: dict[type[Ground], dict[str, str]] = {Floorplan: _TAPS, Strips: _REGIONS}
_MAP = 200  # fields of a density map along its longer side


def draw_pictures(layout: Path, kind: str = "png") -> list[Path]:
    """One picture per base, of its first array, beside ``layout.json``: ``BASE.png``.

    Parameters
    ----------
    layout : Path
        A folder that :func:`hnlpu.draw_masks` wrote.
    kind : str
        ``png`` or ``svg``.
    """
    files = LayoutFiles(layout)
    seen: set[str] = set()
    written = []
    for array in files.arrays.values():
        if array["base"] in seen:
            continue
        seen.add(array["base"])
        ground = files.ground(array["base"])
        paths = files.paths(array)
        masks = {mask: read_mask(path, mask) for mask, path in paths.items()}
        path = layout / f"{array['base']}.{kind}"
        figure = _picture(array["name"], ground, masks)
        figure.savefig(path, dpi=130, metadata={"Date" if kind == "svg" else "Software": None})
        written.append(path)
    return written


def corner(ground: Ground) -> Window:
    """The source, some rows, and as much of them as shows single vias."""
    right = 9000
    if isinstance(ground, Floorplan):
        kinds, kind = ground.stations.kinds, ground.stations.kind
        right = int(2.2 * kinds[kind[0]].width_nm)
    right = min(ground.width_nm, right)
    rows = max(2, int(right * 0.62 / ground.row_nm) + 1)
    last = min(rows, ground.plan.n_rows) - 1
    top = int(ground.row_y_nm(np.array(last))) + ground.row_nm
    return Window(0, 0, right, min(top, ground.height_nm))


def metal_boxes(boxes: Boxes, cuts: Boxes, *, vertical: bool) -> Boxes:
    """Wires without what cuts take away; both lie on tracks."""
    along = 1 if vertical else 0
    pieces: list[tuple[int, ...]] = []
    for box in boxes.tolist():
        own = [
            c for c in cuts.tolist()
            if c[1 - along] < box[3 - along] and c[3 - along] > box[1 - along]
        ]  # fmt: skip
        at = box[along]
        for cut in sorted(own, key=lambda c: int(c[along])):
            if cut[along] > at:
                pieces.append(_piece(box, along, at, cut[along]))
            at = max(at, cut[along + 2])
        if at < box[along + 2]:
            pieces.append(_piece(box, along, at, box[along + 2]))
    return np.array(pieces, dtype=np.int64).reshape(-1, 4)


def _piece(box: Sequence[int], along: int, low: int, high: int) -> tuple[int, ...]:
    piece = list(box)
    piece[along], piece[along + 2] = low, high
    return tuple(piece)


def _picture(name: str, ground: Ground, masks: dict[str, Boxes]) -> Figure:
    window = corner(ground)
    names = NAMES[type(ground)]
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    axes = figure.subplots(1, 2, width_ratios=[2.2, 1])
    for mask in names:
        colour, alpha = STYLE[mask]
        own = touching(masks[mask], window)
        cuts = masks.get(f"{mask}C")
        if cuts is not None:
            own = metal_boxes(own, touching(cuts, window), vertical=mask == "M8")
        _boxes(axes[0], own / 1000, colour, alpha)
    axes[0].set(xlim=(window.x0 / 1000, window.x1 / 1000), ylim=(window.y0 / 1000, window.y1 / 1000),
                xlabel="um", ylabel="um", aspect="equal", title=f"{name}: corner with the source")  # fmt: skip
    handles = [Patch(color=STYLE[m][0], alpha=STYLE[m][1], label=names[m]) for m in names]
    axes[0].legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.08),
                   ncols=(len(names) + 1) // 2, frameon=False, fontsize=8)  # fmt: skip
    vias = np.concatenate([masks["VIA8"], masks["VIA9"]])
    extent = (0, ground.width_nm / 1000, 0, ground.height_nm / 1000)
    image = axes[1].imshow(
        density(vias, ground), origin="lower", extent=extent, cmap="viridis", aspect="auto"
    )
    axes[1].set(xlabel="um", title="share of area under VIA8 and VIA9")
    figure.colorbar(image, ax=axes[1], shrink=0.8)
    return figure


def _boxes(axes: object, boxes: npt.NDArray[np.float64], colour: str, alpha: float) -> None:
    patches = [Rectangle((b[0], b[1]), b[2] - b[0], b[3] - b[1]) for b in boxes.tolist()]
    axes.add_collection(  # type: ignore[attr-defined]
        PatchCollection(patches, facecolor=colour, alpha=alpha, edgecolor="none")
    )


def density(boxes: Boxes, ground: Ground) -> npt.NDArray[np.float64]:
    """Share of the area of each field of a map that small boxes cover, (fields high, fields wide)."""
    width, height = ground.width_nm, ground.height_nm
    step = max(width, height) / min(_MAP, max(2, int(max(width, height) / 2000)))
    nx, ny = max(1, round(width / step)), max(1, round(height / step))
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    counts, _, _ = np.histogram2d(
        centre[:, 1], centre[:, 0], bins=(ny, nx), range=((0, height), (0, width)), weights=area
    )
    shares: npt.NDArray[np.float64] = counts / (width / nx * height / ny)
    return shares
