"""A small layout as an SVG that a page shows: a path for each mask, in nm.

python -m hnlpu.reports.mask_svg taps > docs/metal-taps.svg
python -m hnlpu.reports.mask_svg merged > docs/metal-merged.svg
"""

import sys
from collections.abc import Mapping

import numpy as np

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan
from hnlpu.codebook import E2M1
from hnlpu.layout.arrays import all_boxes, place_metal, plan_ground
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.ground import Ground
from hnlpu.layout.hierarchy import Boxes
from hnlpu.layout.rules import load_rules
from hnlpu.layout.windows import Window, touching
from hnlpu.merged import MergedPlan
from hnlpu.metal import plan_metal
from hnlpu.reports.mask_picture import NAMES, STYLE, corner, metal_boxes
from hnlpu.taps import TapsPlan

__all__ = ["corner_svg", "example"]

#: Lines of the legend across a picture's width, and that width on a page.
_LINES, _WIDTH_PX = 36, 900


def corner_svg(ground: Ground, masks: Mapping[str, Boxes], window: Window) -> str:
    """What lies in a window, masks from the bottom up, and a legend below it."""
    names = NAMES[type(ground)]
    width, height = window.x1 - window.x0, window.y1 - window.y0
    line = width // _LINES
    below = line * (-(-len(names) // 3) + 1)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"',
        f'font-size="{line * 2 // 3}" viewBox="0 0 {width} {height + below}" width="{_WIDTH_PX}">',
        f'<rect width="{width}" height="{height + below}" fill="#fff"/>',
        f'<g transform="translate({-window.x0} {window.y1}) scale(1 -1)">',
    ]
    for mask in names:
        own = touching(masks[mask], window)
        if f"{mask}C" in masks:
            own = metal_boxes(own, touching(masks[f"{mask}C"], window), vertical=mask == "M8")
            own = touching(own, window)
        colour, alpha = STYLE[mask]
        low = np.maximum(own[:, :2], [window.x0, window.y0])
        high = np.minimum(own[:, 2:], [window.x1, window.y1])
        path = "".join(
            f"M{x} {y}h{w}v{h}h{-w}z"
            for (x, y), (w, h) in zip(low.tolist(), (high - low).tolist(), strict=True)
        )
        if path:
            lines.append(f'<path fill="{colour}" fill-opacity="{alpha}" d="{path}"/>')
    lines.append("</g>")
    for i, mask in enumerate(names):
        colour, alpha = STYLE[mask]
        x, y = i % 3 * width // 3, height + line * (i // 3 + 1)
        lines.append(
            f'<rect x="{x}" y="{y - line // 2}" width="{line}" height="{line // 2}" fill="{colour}" '
            f'fill-opacity="{alpha}"/><text x="{x + line * 5 // 4}" y="{y}">{names[mask]}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def example(arch: str) -> str:
    """The corner of a small array with random weights."""
    rng = np.random.default_rng(1)
    rows, columns = (7, 36) if arch == "taps" else (4, 60)
    values = np.array([0, *E2M1.magnitudes, *(-m for m in E2M1.magnitudes)], dtype=np.int16)
    zeros = np.zeros((rows, -(-columns // 32)), dtype=np.uint8)
    matrix = AlignedMatrix(
        "m", rng.choice(values, (rows, columns)), zeros, np.zeros(rows, dtype=np.int16)
    )
    plan: ArrayPlan = TapsPlan(rows, columns)
    if arch != "taps":
        plan = MergedPlan.for_matrices([matrix], phases=3, magnitudes=E2M1.magnitudes)
    metal = plan_metal(matrix, plan)
    ground = plan_ground(plan, load_rules("n5"), matrices=[array_pins(metal)])
    return corner_svg(ground, all_boxes(place_metal(ground, metal)), corner(ground))


if __name__ == "__main__":
    sys.stdout.write(example(sys.argv[1]))
