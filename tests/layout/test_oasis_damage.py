"""Damage of an OASIS file and misuse of the writer are named, and never read as other masks."""

import re
import zlib

import klayout.db as kdb
import numpy as np
import pytest
from oasis_files import MAGIC, START, by_hand, random_vias, write_bundles

from hnlpu.errors import HnlpuError
from hnlpu.layout.oasis import OasisWriter, flatten, read_oasis

VIA = (17, 0)
CELL = b"\x0e\x01A"
SIZE = b"\x14\x7f\x11\x00\x05\x05\x00\x00"  # a rectangle up to its repetition


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.oas"


def test_cut_anywhere(path):
    write_bundles(path)
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(HnlpuError):
            read_oasis(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(HnlpuError):
        read_oasis(path)


@pytest.mark.parametrize("bits", [0x01, 0xFF])
def test_any_byte_changed(path, bits):
    write_bundles(path)
    data = bytearray(path.read_bytes())
    for n in range(len(data)):
        data[n] ^= bits
        path.write_bytes(data)
        with pytest.raises(HnlpuError):
            read_oasis(path)
        data[n] ^= bits


@pytest.mark.parametrize("blocks", [False, True], ids=["plain", "blocks"])
def test_damage_without_a_checksum_is_an_error_or_a_layout(path, blocks):
    """klayout writes no checksum: what is left may be read, but nothing else is raised."""
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    for x0, y0, x1, y1 in random_vias(6, 6).tolist():
        top.shapes(layout.layer(*VIA)).insert(kdb.Box(x0, y0, x1, y1))
    leaf = layout.create_cell("LEAF")
    top.insert(kdb.CellInstArray(leaf.cell_index(), kdb.Trans(5, 6)))
    options = kdb.SaveLayoutOptions()
    options.format = "OASIS"
    options.oasis_write_cblocks = blocks
    options.oasis_compression_level = 2
    layout.write(str(path), options)
    data = path.read_bytes()[:-256]
    end = path.read_bytes()[-256:]
    rng, n_errors = np.random.default_rng(3), 0
    for k in range(300):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 1 + k % 3):
            changed[place] = rng.integers(0, 256)
        cut = rng.integers(0, len(data)) if k % 5 == 0 else len(data)
        path.write_bytes(changed[:cut] + end)
        try:
            flatten(read_oasis(path, most_boxes=1 << 16), VIA, top="TOP", most_boxes=1 << 16)
        except HnlpuError:
            n_errors += 1
    assert n_errors > 150


DAMAGE = {
    "is no OASIS file": b"GDSII" + by_hand(CELL)[5:],
    "has no START record": MAGIC + b"\x02" + START[1:] + by_hand(b"")[-256:],
    "a version of OASIS nobody knows": by_hand(CELL, start=START.replace(b"1.0", b"2.0")),
    "the unit is no length": by_hand(CELL, start=START.replace(b"\xe8\x07", b"\x80\x00")),
    "no kind of real number": by_hand(CELL, start=START.replace(b"\x00\xe8\x07", b"\x08\xe8\x07")),
    "divides by zero": by_hand(CELL, start=START.replace(b"\x00\xe8\x07", b"\x02\x00")),
    "the END record is missing": by_hand(CELL)[:-1],
    "no scheme of validation": by_hand(CELL)[:-1] + b"\x03",
    "the checksum is wrong": by_hand(CELL, 1)[:-1] + b"\x00",
    "a number runs over": by_hand(CELL + b"\x14\x7b\x11\x00" + b"\xff" * 10),
    "numbers of a repetition run over": by_hand(CELL + SIZE + b"\x04\x01" + b"\xff" * 30),
    "is cut short in a string": by_hand(b"") [:-256] + b"\x0e" + number(5000) + by_hand(b"")[-256:],
    "runs into the END record": by_hand(CELL + SIZE + b"\x04\x08\x01"),
    "1000002 x 1000002 copies": by_hand(CELL + SIZE + b"\x01" + number(10**6) * 2 + b"\x01\x01"),
    "1000000000002 copies": by_hand(CELL + SIZE + b"\x02" + number(10**12) + b"\x01"),
    "values in ": by_hand(CELL + SIZE + b"\x04" + number(10**12)),
    "a coordinate is absurdly large": by_hand(CELL + SIZE + b"\x02\x00" + number(1 << 41)),
    "units wide": by_hand(CELL + SIZE + b"\x05\x00" + number(1 << 30) + number(1 << 30)),
    "no type of repetition": by_hand(CELL + SIZE + b"\x0c\x00\x00"),
    "there is none": by_hand(CELL + SIZE + b"\x00"),
    "leaves out what none before": by_hand(CELL + b"\x14\x18\x00\x00"),
    "outside of any cell": by_hand(b"\x14\x18\x00\x00"),
    "a placement names no cell": by_hand(CELL + b"\x11\x30\x00\x00"),
    "a cell is defined twice": by_hand(CELL + CELL),
    "defined twice (got A)": by_hand(b"\x03\x01A" + CELL + b"\x0d\x00"),
    "a cell has no name": by_hand(b"\x0d\x05"),
    "a cell has two names": by_hand(b"\x04\x01A\x00\x04\x01B\x00"),
    "a name is no text": by_hand(b"\x0e\x01\xff"),
    "does not hold": by_hand(CELL + b"\x11\xb0\x01Z\x00\x00"),
    "a cell contains itself": by_hand(CELL + b"\x11\xb0\x01A\x00\x00"),
    "is no rectangle (got POLYGON)": by_hand(CELL + b"\x15\x00"),
    "is no rectangle (got PATH)": by_hand(CELL + b"\x16\x00"),
    "is no rectangle (got TRAPEZOID)": by_hand(CELL + b"\x17\x00"),
    "is no rectangle (got CIRCLE)": by_hand(CELL + b"\x1b\x00"),
    "no record here": by_hand(CELL + b"\x30"),
    "no kind of interval": by_hand(b"\x0b\x01A\x05"),
    "no kind of property value": by_hand(b"\x1c\x14\x01A\x11"),
    "no method of compression": by_hand(CELL + b"\x22\x01\x00\x00"),
    "cannot be decompressed": by_hand(CELL + b"\x22\x00\x02\x02\xff\xff"),
    "a block is absurdly large": by_hand(CELL + b"\x22\x00" + number(10**15) + b"\x02\xff\xff"),
    "another size than it says": by_hand(CELL + b"\x22\x00\x09\x02\x03\x00"),
}  # fmt: skip


@pytest.mark.parametrize("complaint", DAMAGE)
def test_damage_is_named(path, complaint):
    path.write_bytes(DAMAGE[complaint])
    words = {"numbers of a repetition run over": "a number runs over"}.get(complaint, complaint)
    with pytest.raises(HnlpuError, match=re.escape(words)) as caught:
        read_oasis(path)
    assert re.fullmatch(re.escape(str(path)) + r": (byte \d+|cell A).*", caught.value.where)


def test_a_place_in_a_block(path):
    deflate = zlib.compressobj(wbits=-15)
    packed = deflate.compress(SIZE[:1] + b"\x18\x00\x00") + deflate.flush()
    path.write_bytes(by_hand(CELL + bytes([34, 0, 4, len(packed)]) + packed))
    at = len(MAGIC + START + CELL)
    with pytest.raises(HnlpuError, match=rf"byte {at} \(byte 4 of the block there\)"):
        read_oasis(path)
    path.write_bytes(by_hand(CELL + b"\x22\x00\x04\x06\x22\x00\x00\x00\x00\x00"))
    with pytest.raises(HnlpuError):
        read_oasis(path)


def test_a_circle_names_a_cell_of_it(path):
    """A is above the circle of B and C, D below it."""
    places = {b"A": b"B", b"B": b"C", b"C": b"BD", b"D": b""}
    records = b"".join(
        b"\x0e\x01" + name + b"".join(b"\x11\xb0\x01%c\x00\x00" % child for child in children)
        for name, children in places.items()
    )
    path.write_bytes(by_hand(records))
    with pytest.raises(HnlpuError, match=r"cell [BC]: a cell contains itself"):
        read_oasis(path)


def test_a_file_that_is_not_there(tmp_path):
    for name in (tmp_path / "none.oas", tmp_path):
        with pytest.raises(HnlpuError, match="cannot be read"):
            read_oasis(name)


def test_a_hierarchy_that_explodes(path):
    with OasisWriter(path) as writer:
        for level in range(12):
            with writer.cell(f"L{level}"):
                writer.place(f"L{level + 1}", 0, 0, nx=100, ny=100, dx=7, dy=7)
        with writer.cell("L12"):
            writer.boxes(VIA, np.array([[0, 0, 1, 1]]))
    file = read_oasis(path)
    with pytest.raises(HnlpuError, match="too many boxes"):
        flatten(file, VIA, most_boxes=10**6)


def test_the_top_must_be_known(path):
    with OasisWriter(path) as writer:
        for name in ("A", "B"):
            with writer.cell(name):
                pass
    file = read_oasis(path)
    with pytest.raises(HnlpuError, match=r"not one top cell \(got A, B\)"):
        flatten(file, VIA)
    with pytest.raises(HnlpuError, match="no such cell"):
        flatten(file, VIA, top="C")
    assert len(flatten(file, VIA, top="A")) == 0


BOX = np.array([[0, 0, 5, 5]])
MISUSE = {
    "outside of any cell": lambda w: w.boxes(VIA, BOX),
    "placed outside": lambda w: w.place("A", 0, 0),
    "no name of OASIS": lambda w: w.cell("a b").__enter__(),
}
MISUSE_IN_CELL = {
    "has no area": lambda w: w.boxes(VIA, np.array([[0, 0, 5, 5], [3, 3, 3, 9]])),
    "must be integers": lambda w: w.boxes(VIA, BOX / 2),
    "is negative": lambda w: w.boxes((-1, 0), BOX),
    "does not fit 32 bits": lambda w: w.boxes(VIA, BOX + (1 << 31)),
    "fit 32 bits": lambda w: w.array(VIA, (0, 0, 5, 5), nx=1 << 20, dx=1 << 12),
    "both must be positive": lambda w: w.array(VIA, (0, 0, 5, 5), nx=2),
    "nx = 0": lambda w: w.place("A", 0, 0, nx=0),
    "opened inside": lambda w: w.cell("B").__enter__(),
}


@pytest.mark.parametrize("complaint", [*MISUSE, *MISUSE_IN_CELL])
def test_misuse_of_the_writer(path, complaint):
    caught = pytest.raises((ValueError, TypeError, HnlpuError), match=complaint)
    with caught, OasisWriter(path) as writer:
        if complaint in MISUSE:
            MISUSE[complaint](writer)
        with writer.cell("A"):
            MISUSE_IN_CELL[complaint](writer)
    assert list(path.parent.iterdir()) == []


def test_cells_are_written_once_and_placed_ones_always(path):
    missing = pytest.raises(ValueError, match="'B' is placed but never written")
    with missing, OasisWriter(path) as writer, writer.cell("A"):
        writer.place("B", 0, 0)
    with pytest.raises(ValueError, match="'A' is written twice"), OasisWriter(path) as writer:
        for _ in range(2):
            with writer.cell("A"):
                pass
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ValueError, match="no length"):
        OasisWriter(path, unit_nm=0)
