"""Small OASIS files for the tests of layout: by our writer, by hand, and as other tools see them."""

import zlib
from pathlib import Path

import gdstk
import klayout.db as kdb
import numpy as np

from hnlpu.layout.oasis import Boxes, Layer, OasisWriter

MAGIC = b"%SEMI-OASIS\r\n"
START = b"\x01\x03" + b"1.0" + b"\x00\xe8\x07" + bytes(13)  # 1 nm


def in_order(boxes) -> Boxes:
    boxes = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    return boxes[np.lexsort(boxes.T)]


def same(a, b) -> bool:
    return np.array_equal(in_order(a), in_order(b))


def random_vias(n_bundles: int, n_rows: int, seed: int = 0) -> Boxes:
    """One via for each stub row of each bundle, on one of 15 lines."""
    line = np.random.default_rng(seed).integers(0, 15, (n_rows, n_bundles))
    x = (np.arange(n_bundles) * 960 + 60 * line).ravel()
    y = np.repeat(np.arange(n_rows) * 80, n_bundles)
    return np.stack((x, y, x + 32, y + 32), axis=1)


def write_bundles(path: Path) -> None:
    """Two layers in three levels: irregular rows, an array and placed arrays."""
    with OasisWriter(path, layer_names={(17, 0): "V4"}) as writer:
        with writer.cell("TOP"):
            writer.place("BUNDLE", -500, 700, nx=3, ny=2, dx=5000, dy=900)
            writer.place("BUNDLE", 20000, -40)
            writer.boxes((18, 2), np.array([[-7, -9, 30000, 5]]))
        with writer.cell("BUNDLE"):
            writer.place("STUB", 11, 13, ny=4, dy=100)
            writer.boxes((17, 0), random_vias(5, 8))
        with writer.cell("STUB"):
            writer.array((18, 2), (0, 0, 40, 20), nx=4, dx=60)


def by_hand(records: bytes, scheme: int = 0, start: bytes = START) -> bytes:
    """A file of these records with a valid frame."""
    n_padding = 256 - 4 - (4 if scheme else 0)
    data = MAGIC + start + records + b"\x02"
    data += bytes([n_padding & 127 | 128, n_padding >> 7]) + bytes(n_padding) + bytes([scheme])
    if scheme:
        checksum = zlib.crc32(data) if scheme == 1 else sum(data) % (1 << 32)
        data += checksum.to_bytes(4, "little")
    return data


def klayout_boxes(layout: kdb.Layout, layer: Layer) -> Boxes:
    """All boxes of a layer below the top cell."""
    region = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*layer)))
    region.merged_semantics = False
    boxes = [polygon.bbox() for polygon in region.each()]
    return in_order([[b.left, b.bottom, b.right, b.top] for b in boxes])


def gdstk_boxes(library: gdstk.Library, layer: Layer) -> Boxes:
    """The same by gdstk."""
    (top,) = library.top_level()
    polygons = top.get_polygons(layer=layer[0], datatype=layer[1])
    grid = library.unit / library.precision
    corners = [np.concatenate(polygon.bounding_box()) * grid for polygon in polygons]
    return in_order(np.rint(corners))
