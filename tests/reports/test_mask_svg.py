"""The pictures of docs/metal.md are those of the layout as it is drawn now."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hnlpu.reports.mask_svg import example

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("arch", ["taps", "merged"])
def test_the_page_shows_what_is_drawn(arch):
    """Refresh with ``python -m hnlpu.reports.mask_svg ARCH > docs/metal-ARCH.svg``."""
    drawn = example(arch)
    assert (DOCS / f"metal-{arch}.svg").read_text(encoding="utf-8") == drawn
    assert f"(metal-{arch}.svg)" in (DOCS / "metal.md").read_text(encoding="utf-8")


def test_every_box_is_a_rectangle_inside_the_picture():
    root = ElementTree.fromstring(example("taps"))
    _, _, width, _ = map(int, root.attrib["viewBox"].split())
    paths = root.findall(".//{*}path")
    assert len(paths) == 7
    for path in paths:
        boxes = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path.attrib["d"])
        assert "".join("M{} {}h{}v{}h-{}z".format(*box) for box in boxes) == path.attrib["d"]
        assert all(int(x) + int(w) <= width and w == back for x, _, w, _, back in boxes)
