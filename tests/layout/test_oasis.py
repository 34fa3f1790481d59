"""Masks come back from OASIS files as they went in, by our reader and by others, from any writer."""

import tracemalloc
from itertools import product
from pathlib import Path

import gdstk
import klayout.db as kdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oasis_files import (
    START,
    by_hand,
    gdstk_boxes,
    in_order,
    klayout_boxes,
    random_vias,
    same,
    write_bundles,
)

from hnlpu.errors import HnlpuError
from hnlpu.layout.oasis import OasisWriter, flatten, layers, read_oasis

VIA, METAL = (17, 0), (18, 2)


def write_one(path: Path, boxes, **options) -> None:
    with OasisWriter(path, **options) as writer, writer.cell("TOP"):
        writer.boxes(VIA, boxes)


box = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h),
    st.integers(-(10**9), 10**9) | st.integers(0, 6),
    st.integers(-(10**9), 10**9) | st.integers(0, 3),
    st.integers(1, 10**9) | st.integers(1, 2),
    st.integers(1, 10**9) | st.just(1),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(box, min_size=1, max_size=60), st.sampled_from([0, 6]))
def test_boxes_come_back(tmp_path_factory, boxes, compression):
    path = tmp_path_factory.mktemp("oasis") / "a.oas"
    write_one(path, np.array(boxes), compression=compression)
    file = read_oasis(path)
    assert same(file.cells["TOP"].boxes[VIA], boxes)
    assert same(flatten(file, VIA), boxes)


def test_the_largest_boxes(tmp_path):
    far = (1 << 31) - 1
    boxes = [(-far, -far, far, far), (far - 1, -far, far, far), (-far, -far, far, 1 - far)]
    write_one(tmp_path / "a.oas", np.array(boxes))
    assert same(flatten(read_oasis(tmp_path / "a.oas"), VIA), boxes)


@pytest.mark.parametrize("upright", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("gaps", [[4], [4] * 5, [8, 12, 8], [3, 5, 7], [0, 0], [200, 1000, 600]])
def test_every_kind_of_run(tmp_path, gaps, upright):
    along, across = np.cumsum([-7, *gaps]), np.array([-1000, 5, 40])
    x, y = np.meshgrid(along, across)
    x, y = (y.ravel(), x.ravel()) if upright else (x.ravel(), y.ravel())
    boxes = np.stack((x, y, x + 2, y + 3), axis=1)
    boxes = np.concatenate((boxes, boxes + [1, 1, 9, 1], [[0, 0, 700, 1]]))
    write_one(tmp_path / "a.oas", boxes)
    assert same(flatten(read_oasis(tmp_path / "a.oas"), VIA), boxes)
    layout = kdb.Layout()
    layout.read(str(tmp_path / "a.oas"))
    once = np.unique(boxes, axis=0)  # klayout drops copies that lie on each other
    assert same(np.unique(klayout_boxes(layout, VIA), axis=0), once)
    assert len(once) < len(boxes) or len(klayout_boxes(layout, VIA)) == len(boxes)
    assert same(gdstk_boxes(gdstk.read_oas(tmp_path / "a.oas"), VIA), boxes)


def test_hierarchy_is_what_klayout_and_gdstk_see(tmp_path):
    path = tmp_path / "a.oas"
    write_bundles(path)
    file = read_oasis(path)
    assert (file.tops, layers(file), file.unit_nm) == (("TOP",), (VIA, METAL), 1.0)
    layout = kdb.Layout()
    layout.read(str(path))
    assert str(layout.get_info(layout.layer(*VIA))) == "V4 (17/0)"
    library = gdstk.read_oas(path)
    assert gdstk.oas_validate(path)[0]
    for layer, n in ((VIA, 7 * 40), (METAL, 7 * 16 + 1)):
        flat = flatten(file, layer)
        assert len(flat) == n
        assert np.array_equal(in_order(flat), klayout_boxes(layout, layer))
        assert np.array_equal(in_order(flat), gdstk_boxes(library, layer))


def test_a_flattened_cell_and_a_window(tmp_path):
    write_bundles(tmp_path / "a.oas")
    file = read_oasis(tmp_path / "a.oas")
    assert len(flatten(file, METAL, top="BUNDLE")) == 16
    assert len(flatten(file, VIA, top="STUB")) == 0
    assert len(flatten(file, (99, 0))) == 0
    everything = flatten(file, METAL)
    for x, y in product((-600, 0, 4411, 9999, 50000), (-10, 700, 1750)):
        x1, y1 = x + 400, y + 35
        touching = everything[
            (everything[:, 0] <= x1)
            & (everything[:, 2] >= x)
            & (everything[:, 1] <= y1)
            & (everything[:, 3] >= y)
        ]
        assert same(flatten(file, METAL, window=(x, y, x1, y1)), touching)


@pytest.mark.parametrize("unit_nm", [1.0, 0.5, 5.0, 0.3])
def test_unit(tmp_path, unit_nm):
    write_one(tmp_path / "a.oas", np.array([[0, 0, 1, 1]]), unit_nm=unit_nm)
    assert read_oasis(tmp_path / "a.oas").unit_nm == pytest.approx(unit_nm, rel=1e-15)
    layout = kdb.Layout()
    layout.read(str(tmp_path / "a.oas"))
    assert layout.dbu * 1000 == pytest.approx(unit_nm)


def test_same_bytes_whatever_the_order(tmp_path):
    boxes = random_vias(40, 50)
    shuffled = np.random.default_rng(1).permutation(boxes)
    for name, these in (("a", boxes), ("b", boxes), ("c", shuffled)):
        write_one(tmp_path / name, these)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_bytes_per_via(tmp_path):
    boxes = random_vias(180, 1500)
    for name, compression, most in (("a", 6, 0.75), ("b", 0, 1.2)):
        write_one(tmp_path / name, boxes, compression=compression)
        assert (tmp_path / name).stat().st_size / len(boxes) < most
        assert same(flatten(read_oasis(tmp_path / name), VIA), boxes)


def test_memory_does_not_grow_with_the_boxes(tmp_path):
    chunk = random_vias(200, 100)  # 640 kB
    tracemalloc.start()
    with OasisWriter(tmp_path / "a.oas") as writer, writer.cell("TOP"):
        for k in range(100):
            writer.boxes(VIA, chunk + [0, 8000 * k, 0, 8000 * k])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000  # the boxes are 64 MB
    assert (tmp_path / "a.oas").stat().st_size < 2_000_000
    assert len(read_oasis(tmp_path / "a.oas").cells["TOP"].boxes[VIA]) == 2_000_000


def klayout_layout() -> kdb.Layout:
    """Boxes, repeated boxes, squares, texts, properties, and placements of every orientation."""
    layout = kdb.Layout()
    layout.dbu = 0.001
    top, leaf = layout.create_cell("TOP cell*"), layout.create_cell("LEAF")
    via, metal = layout.layer(*VIA), layout.layer(*METAL)
    for x0, y0, x1, y1 in random_vias(6, 20).tolist():
        leaf.shapes(via).insert(kdb.Box(x0, y0, x1, y1))
    for x, y in product(range(12), range(9)):
        leaf.shapes(metal).insert(kdb.Box(100 * x, 70 * y, 100 * x + 30, 70 * y + 20))
    leaf.shapes(metal).insert(kdb.Box(-400, -1, -300, 500)).set_property("net", 17)
    leaf.shapes(metal).insert(kdb.Text("label", 5, 7))
    for k, mirrored in product(range(4), (False, True)):
        turned = kdb.Trans(k, mirrored, 30000 * k, -20000 * mirrored)
        top.insert(kdb.CellInstArray(leaf.cell_index(), turned))
    steps = kdb.Vector(9000, 40), kdb.Vector(-30, 8000)
    top.insert(kdb.CellInstArray(leaf.cell_index(), kdb.Trans(1, True, 5, 90000), *steps, 3, 2))
    return layout


@pytest.mark.parametrize("strict", [False, True], ids=["free", "strict"])
@pytest.mark.parametrize("level", [0, 2, 10])
@pytest.mark.parametrize("blocks", [False, True], ids=["plain", "blocks"])
def test_files_of_klayout(tmp_path, strict, level, blocks):
    options = kdb.SaveLayoutOptions()
    options.format = "OASIS"
    options.oasis_write_cblocks = blocks
    options.oasis_compression_level = level
    options.oasis_strict_mode = strict
    options.oasis_recompress = level == 10
    options.oasis_substitution_char = "_"
    options.oasis_write_std_properties_ext = 2
    layout = klayout_layout()
    layout.write(str(tmp_path / "a.oas"), options)
    file = read_oasis(tmp_path / "a.oas")
    assert file.tops == ("TOP_cell*",)
    for layer in (VIA, METAL):
        assert np.array_equal(in_order(flatten(file, layer)), klayout_boxes(layout, layer))
    part = klayout_boxes(layout, VIA)
    part = part[(part[:, 0] <= 31000) & (part[:, 2] >= 29000) & (part[:, 1] <= 2000)]
    part = part[part[:, 3] >= -1000]
    assert len(part) and same(flatten(file, VIA, window=(29000, -1000, 31000, 2000)), part)


REPETITIONS = [
    {"columns": 4, "rows": 3, "spacing": (0.05, 0.07)},
    {"columns": 4, "rows": 1, "spacing": (0.05, 0.07)},
    {"columns": 1, "rows": 3, "spacing": (0.05, 0.07)},
    {"columns": 4, "rows": 3, "v1": (0.05, 0.02), "v2": (-0.01, 0.09)},
    {"columns": 4, "rows": 1, "v1": (0.05, 0.02), "v2": (-0.01, 0.09)},
    {"offsets": [(0.05, 0.02), (-0.01, 0.09), (0.3, 0), (0, -3), (0.2, 0.2)]},
    {"x_offsets": [0.02, 0.5, 0.7, 100]},
    {"y_offsets": [0.02, 0.5, 0.7, 100]},
]


@pytest.mark.parametrize("validation", [None, "crc32", "checksum32"])
@pytest.mark.parametrize("level", [0, 6])
def test_files_of_gdstk(tmp_path, validation, level):
    library = gdstk.Library(unit=1e-6, precision=1e-9)
    leaf, middle, top = (library.new_cell(name) for name in ("LEAF", "MIDDLE", "TOP"))
    for k, options in enumerate(REPETITIONS):
        made = gdstk.rectangle((k, 0), (k + 0.02, 0.02 + 0.01 * (k % 2)), layer=17, datatype=0)
        made.repetition = gdstk.Repetition(**options)
        made.set_property("net", [k, "a", 1.5])
        leaf.add(made)
        placed = gdstk.Reference(leaf, (10 * k, 3))
        placed.repetition = gdstk.Repetition(**options)
        middle.add(placed)
    middle.add(gdstk.rectangle((0, 0), (1, 1), layer=17, datatype=0), gdstk.Label("x", (0, 0)))
    for k, mirrored in product(range(4), (False, True)):
        at, angle = (400 * k, 900 * mirrored), k * np.pi / 2
        top.add(gdstk.Reference(middle, at, rotation=angle, x_reflection=mirrored))
    library.write_oas(tmp_path / "a.oas", compression_level=level, validation=validation)
    flat = flatten(read_oasis(tmp_path / "a.oas"), VIA)
    assert len(flat) > 8 * 45 * 45
    assert np.array_equal(in_order(flat), gdstk_boxes(library, VIA))


def rectangle(*fields: int) -> bytes:
    return bytes([20, *fields])


FIRST = rectangle(0x7B, 17, 0, 10, 5, 40, 60)  # layer 17/0, 10 x 5 at (20, 30)


@pytest.mark.parametrize("scheme", [0, 1, 2])
@pytest.mark.parametrize(
    "records, corners",
    [
        (FIRST, [(20, 30)]),
        (FIRST + rectangle(0x10, 6), [(20, 30), (3, 30)]),
        (b"\x10" + FIRST + rectangle(0x10, 7), [(20, 30), (17, 30)]),  # relative
        (b"\x10" + FIRST + b"\x0f" + rectangle(0x08, 6), [(20, 30), (20, 3)]),
        (FIRST + rectangle(0x14, 0, 2, 1, 4), [(20, 30), (0, 30), (4, 30), (8, 30)]),
        (
            FIRST + rectangle(0x04, 3, 0, 9) + rectangle(0x14, 2, 0),
            [(20, 30), (20, 30), (20, 39), (1, 30), (1, 39)],
        ),
        # Displacements: east 2, southwest 1, then (-3, +4) in two numbers, then north 1.
        (
            FIRST + rectangle(0x04, 10, 3, 32, 16 | 6 << 1, 15, 8, 16 | 1 << 1),
            [(20, 30), (20, 30), (22, 30), (21, 29), (18, 33), (18, 34)],
        ),
        (
            FIRST + rectangle(0x04, 11, 2, 10, 13, 3, 5, 5, 16),
            [(20, 30), (20, 30), (50, 20), (60, 0), (70, 0)],
        ),
        (
            FIRST + rectangle(0x04, 8, 0, 0, 17, 4, 33, 3),
            [(20, 30), (20, 30), (24, 32), (28, 29), (32, 31)],
        ),
        (FIRST + rectangle(0x04, 9, 0, 16 | 5 << 1), [(20, 30), (20, 30), (19, 31)]),
    ],
)
def test_records_by_hand(tmp_path, records, corners, scheme):
    (tmp_path / "a.oas").write_bytes(by_hand(b"\x0e\x01A" + records, scheme))
    expected = [(x, y, x + 10, y + 5) for x, y in corners]
    file = read_oasis(tmp_path / "a.oas")
    assert same(file.cells["A"].boxes[VIA], expected)
    layout = kdb.Layout()  # the hand is checked too
    layout.read(str(tmp_path / "a.oas"))
    assert same(klayout_boxes(layout, VIA), expected)


def test_squares_names_by_number_and_placements_by_hand(tmp_path):
    square = rectangle(0xDB, 17, 0, 10, 40, 60)
    records = b"\x0d\x01" + b"\x11\xf0\x00\x00\x14\x11\x23\x0e" + b"\x0d\x00" + square
    records += b"\x03\x04LEAF\x03\x03TOP"  # names follow their use
    (tmp_path / "a.oas").write_bytes(by_hand(records))
    file = read_oasis(tmp_path / "a.oas")
    assert set(file.cells) == {"LEAF", "TOP"}
    # The second placement, 90 degrees and mirrored: (x, y) goes to (y, x).
    assert same(flatten(file, VIA), [(20, 40, 30, 50), (30 + 7, 20 + 10, 40 + 7, 30 + 10)])


def test_a_scaled_placement_may_not_scale(tmp_path):
    leaf = b"\x0e\x01B" + FIRST
    turned = b"\x0e\x01A" + b"\x12\xb6\x01B\x00\x01\x00\xb4\x01\x00\x00" + leaf  # scale 1, 180
    (tmp_path / "a.oas").write_bytes(by_hand(turned))
    assert same(flatten(read_oasis(tmp_path / "a.oas"), VIA), [(-30, -35, -20, -30)])
    for other in (turned.replace(b"\x00\x01\x00\xb4", b"\x00\x02\x00\xb4"),
                  turned.replace(b"\xb4\x01", b"\xb3\x01")):  # fmt: skip
        (tmp_path / "a.oas").write_bytes(by_hand(other))
        with pytest.raises(HnlpuError, match="scaled or turned"):
            read_oasis(tmp_path / "a.oas")


def test_other_units_by_hand(tmp_path):
    start = START.replace(b"\x00\xe8\x07", b"\x04\xd0\x0f\x03")  # 2000/3 to a micrometre
    (tmp_path / "a.oas").write_bytes(by_hand(b"", start=start))
    assert read_oasis(tmp_path / "a.oas").unit_nm == pytest.approx(1.5)
