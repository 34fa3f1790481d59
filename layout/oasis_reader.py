"""Reads OASIS files of rectangles back into arrays, whoever wrote them.

Repetitions are expanded, names and properties skipped, texts too; any other shape than a rectangle
is an error, and so is every kind of damage. The file's checksum, where it has one, is verified before
anything else.

Checked by ``tests/layout/test_oasis.py`` on files of this writer, of klayout and of gdstk, and by
``test_oasis_damage.py`` on files that are cut or edited at every byte.
"""

import zlib
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.layout.hierarchy import (
    MOST_BOXES,
    Layer,
    OasisCell,
    OasisFile,
    Placement,
    parents_first,
)
from hnlpu.layout.oasis_cursor import Cursor
from hnlpu.layout.oasis_records import END_BYTES, MAGIC, Record, Validation

__all__ = ["read_oasis"]

_Reference = int | str
_RECTANGLES = "draw the masks as rectangles, placed with multiples of 90 degrees"
_MOST_EXPANSION = 1100  # DEFLATE makes no more bytes than this from one


def read_oasis(path: Path | str, *, most_boxes: int = MOST_BOXES) -> OasisFile:
    """A layout of rectangles.

    Parameters
    ----------
    path : Path or str
    most_boxes : int
        Boxes and placements, repetitions expanded; more are taken for damage.

    Raises
    ------
    HnlpuError
        The file is damaged, or holds other shapes than rectangles.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HnlpuError(
            "cannot be read", where=str(path), got=str(error.strerror), do="name an OASIS file"
        ) from None
    return _Reader(data, str(path), most_boxes).file()


class _Rows:
    """Rows of numbers as they come: one by one, or many at once."""

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._single = array("q")
        self._many: list[npt.NDArray[np.int64]] = []

    def add(self, offsets: npt.NDArray[np.int64] | None, row: tuple[int, ...]) -> None:
        """A row, at each of the offsets in x and y if there are any."""
        if offsets is None:
            self._single.extend(row)
        else:
            self._many.append(np.tile(offsets, self._n_columns // 2) + np.array(row))

    def joined(self) -> npt.NDArray[np.int64]:
        single = np.array(self._single, dtype=np.int64).reshape(-1, self._n_columns)
        return np.concatenate((single, *self._many))


class _Cell:
    def __init__(self) -> None:
        self.boxes: dict[Layer, _Rows] = {}
        self.placements: dict[tuple[_Reference, int, bool], _Rows] = {}


class _Reader:
    """One pass over the records, with what they take over from the ones before (modal variables)."""

    def __init__(self, data: bytes, path: str, most_boxes: int) -> None:
        self._path, self._left, self._most = path, most_boxes, most_boxes
        self._main = self._cursor = Cursor(data, path)
        self._cells: dict[_Reference, _Cell] = {}
        self._cell: _Cell | None = None
        self._names: dict[int, str] = {}
        self._reset()
        self._actions: dict[int, Callable[[], None]] = {
            Record.PAD: lambda: None,
            Record.CELLNAME: lambda: self._cell_name(len(self._names)),
            Record.CELLNAME_NUMBERED: lambda: self._cell_name(None),
            Record.TEXTSTRING: lambda: self._skip_name(numbered=False),
            Record.TEXTSTRING_NUMBERED: lambda: self._skip_name(numbered=True),
            Record.PROPNAME: lambda: self._skip_name(numbered=False),
            Record.PROPNAME_NUMBERED: lambda: self._skip_name(numbered=True),
            Record.PROPSTRING: lambda: self._skip_name(numbered=False),
            Record.PROPSTRING_NUMBERED: lambda: self._skip_name(numbered=True),
            Record.LAYERNAME: self._skip_layer_name,
            Record.LAYERNAME_TEXT: self._skip_layer_name,
            Record.CELL_NUMBERED: lambda: self._begin_cell(self._cursor.unsigned()),
            Record.CELL: lambda: self._begin_cell(self._cursor.name()),
            Record.XYABSOLUTE: lambda: self._set_relative(False),
            Record.XYRELATIVE: lambda: self._set_relative(True),
            Record.PLACEMENT: lambda: self._placement(scaled=False),
            Record.PLACEMENT_SCALED: lambda: self._placement(scaled=True),
            Record.TEXT: self._skip_text,
            Record.RECTANGLE: self._rectangle,
            Record.PROPERTY: self._skip_property,
            Record.PROPERTY_AGAIN: lambda: None,
            Record.XNAME: lambda: self._skip_extension(numbered=False),
            Record.XNAME_NUMBERED: lambda: self._skip_extension(numbered=True),
            Record.XELEMENT: lambda: self._skip_extension(numbered=False),
            Record.CBLOCK: self._block,
        }

    def _reset(self) -> None:
        self._relative = False
        self._x = self._y = self._placed_x = self._placed_y = 0
        self._layer: int | None = None
        self._datatype: int | None = None
        self._width: int | None = None
        self._height: int | None = None
        self._placed: _Reference | None = None
        self._offsets: npt.NDArray[np.int64] | None = None

    def file(self) -> OasisFile:
        """The whole file."""
        unit_nm, end = self._frame()
        while self._main.pos != end:
            if self._main.pos > end:
                raise self._main.error("a record runs into the END record", f"END at byte {end}")
            self._record()
        cells: dict[str, OasisCell] = {}
        for reference in list(self._cells):
            name, cell = self._name(reference), self._cells.pop(reference)
            if name in cells:
                raise self._main.error("a cell is defined twice", name)
            boxes = {layer: cell.boxes.pop(layer).joined() for layer in sorted(cell.boxes)}
            placements = tuple(
                Placement(self._name(placed), rows.joined(), quarters, mirrored)
                for (placed, quarters, mirrored), rows in cell.placements.items()
            )
            cells[name] = OasisCell(boxes, placements)
        file = OasisFile(self._path, unit_nm, cells)
        parents_first(file)
        return file

    def _name(self, reference: _Reference) -> str:
        if isinstance(reference, str):
            return reference
        if reference not in self._names:
            raise self._main.error("a cell has no name", f"reference number {reference}")
        return self._names[reference]

    def _frame(self) -> tuple[float, int]:
        """Magic, START, and the END record with its checksum; returns the unit and END's place."""
        c = self._main
        if c.data[: len(MAGIC)] != MAGIC:
            raise c.error("is no OASIS file", c.data[: len(MAGIC)] or "an empty file")
        c.pos = len(MAGIC)
        if c.unsigned() != Record.START:
            raise c.error("has no START record", c.data[c.pos - 1])
        if (version := c.string()) != b"1.0":
            raise c.error("a version of OASIS nobody knows", version)
        per_um = c.real()
        if not 0 < per_um < float("inf"):
            raise c.error("the unit is no length", f"{per_um:g} to a micrometre")
        offsets_at_end = c.unsigned()
        if not offsets_at_end:
            self._numbers(c, 12)
        end = len(c.data) - END_BYTES
        if end < c.pos or c.data[end] != Record.END:
            raise c.error("is cut short: the END record is missing", f"{len(c.data)} bytes")
        tail = Cursor(c.data, self._path, end + 1)
        if offsets_at_end:
            self._numbers(tail, 12)
        tail.string()
        scheme, covered = tail.unsigned(), tail.pos
        if scheme > max(Validation):
            raise tail.error("no scheme of validation", scheme)
        if scheme:
            found = int.from_bytes(tail.take(4, "the checksum"), "little")
            checked = memoryview(c.data)[:covered]
            if scheme == Validation.CRC32:
                computed = zlib.crc32(checked)
            else:
                computed = int(np.frombuffer(checked, np.uint8).sum(dtype=np.uint64)) % (1 << 32)
            if found != computed:
                raise tail.error("the checksum is wrong", f"{found:08x}, computed {computed:08x}")
        if not tail.at_end:
            raise tail.error(
                "the END record is not the end", f"{len(c.data) - tail.pos} bytes more"
            )
        return 1000 / per_um, end

    @staticmethod
    def _numbers(cursor: Cursor, n: int) -> None:
        for _ in range(n):
            cursor.unsigned()

    def _record(self) -> None:
        start = self._cursor.pos
        kind = self._cursor.unsigned()
        action = self._actions.get(kind)
        if action is None:
            known = {record.value: record.name for record in Record}
            if Record.POLYGON <= kind <= Record.XGEOMETRY:
                raise self._cursor.error("is no rectangle", known[kind], _RECTANGLES, pos=start)
            raise self._cursor.error("no record here", known.get(kind, kind), pos=start)
        action()

    def _block(self) -> None:
        outer, start = self._cursor, self._cursor.pos - 1
        if outer is not self._main:
            raise outer.error("a compressed block in a block", "CBLOCK", pos=start)
        method, n_bytes, n_packed = outer.unsigned(), outer.unsigned(), outer.unsigned()
        if method:
            raise outer.error("no method of compression", method, pos=start)
        if n_bytes > _MOST_EXPANSION * n_packed:
            got = f"{n_bytes} bytes from {n_packed}"
            raise outer.error("a block is absurdly large", got, pos=start)
        packed = outer.take(n_packed, "a compressed block")
        inflate = zlib.decompressobj(wbits=-15)
        try:
            data = inflate.decompress(packed, n_bytes + 1)
        except zlib.error as error:
            raise outer.error("a block cannot be decompressed", error, pos=start) from None
        if len(data) != n_bytes or not inflate.eof or inflate.unused_data:
            got = f"{len(data)} bytes, not {n_bytes}"
            raise outer.error("a block has another size than it says", got, pos=start)
        self._cursor = Cursor(data, self._path, block_at=start)
        while not self._cursor.at_end:
            self._record()
        self._cursor = outer

    def _cell_name(self, number: int | None) -> None:
        name = self._cursor.name()
        number = self._cursor.unsigned() if number is None else number
        if self._names.setdefault(number, name) != name:
            raise self._cursor.error("a cell has two names", f"{self._names[number]} and {name}")
        self._leave_cell()

    def _skip_name(self, *, numbered: bool) -> None:
        self._cursor.string()
        if numbered:
            self._cursor.unsigned()
        self._leave_cell()

    def _skip_layer_name(self) -> None:
        self._cursor.string()
        for _ in range(2):
            kind = self._cursor.unsigned()
            if kind > 4:
                raise self._cursor.error("no kind of interval", kind)
            self._numbers(self._cursor, (0, 1, 1, 1, 2)[kind])
        self._leave_cell()

    def _skip_extension(self, *, numbered: bool) -> None:
        self._cursor.unsigned()
        self._cursor.string()
        if numbered:
            self._cursor.unsigned()

    def _leave_cell(self) -> None:
        self._cell = None
        self._reset()

    def _begin_cell(self, reference: _Reference) -> None:
        if reference in self._cells:
            raise self._cursor.error("a cell is defined twice", reference)
        self._reset()
        self._cell = self._cells[reference] = _Cell()

    def _set_relative(self, relative: bool) -> None:
        self._relative = relative

    def _drawn_in(self) -> _Cell:
        if self._cell is None:
            raise self._cursor.error("something is drawn outside of any cell", "no CELL record")
        return self._cell

    def _set(self, value: int | None) -> int:
        if value is None:
            raise self._cursor.error("a record leaves out what none before it says", "nothing")
        return value

    def _moved(self, old: int, given: int) -> int:
        if not given:
            return old
        value = self._cursor.signed()
        return self._cursor.near(old + value if self._relative else value)

    def _rectangle(self) -> None:
        c, cell = self._cursor, self._drawn_in()
        info = c.byte()
        if info & 0x01:
            self._layer = c.unsigned()
        if info & 0x02:
            self._datatype = c.unsigned()
        if info & 0x40:
            self._width = c.near(c.unsigned())
        if info & 0x20:
            self._height = c.near(c.unsigned())
        if info & 0x80:
            self._height = self._width
        x = self._x = self._moved(self._x, info & 0x10)
        y = self._y = self._moved(self._y, info & 0x08)
        offsets = self._repetition() if info & 0x04 else None
        layer = self._set(self._layer), self._set(self._datatype)
        box = (x, y, x + self._set(self._width), y + self._set(self._height))
        self._count(1 if offsets is None else len(offsets))
        rows = cell.boxes.get(layer)
        if rows is None:
            rows = cell.boxes[layer] = _Rows(4)
        rows.add(offsets, box)

    def _placement(self, *, scaled: bool) -> None:
        c, cell = self._cursor, self._drawn_in()
        info = c.byte()
        if info & 0x80:
            self._placed = c.unsigned() if info & 0x40 else c.name()
        if self._placed is None:
            raise c.error("a placement names no cell", "nothing")
        quarters = info >> 1 & 3
        if scaled:
            scale = c.real() if info & 0x04 else 1.0
            angle = c.real() if info & 0x02 else 0.0
            if scale != 1 or angle % 90:
                raise c.error("a cell is scaled or turned", f"{scale:g}, {angle:g}", _RECTANGLES)
            quarters = int(angle // 90) % 4
        x = self._placed_x = self._moved(self._placed_x, info & 0x20)
        y = self._placed_y = self._moved(self._placed_y, info & 0x10)
        offsets = self._repetition() if info & 0x08 else None
        self._count(1 if offsets is None else len(offsets))
        key = (self._placed, quarters, bool(info & 0x01))
        cell.placements.setdefault(key, _Rows(2)).add(offsets, (x, y))

    def _skip_text(self) -> None:
        c = self._cursor
        self._drawn_in()
        info = c.byte()
        if info & 0x40:
            if info & 0x20:
                c.unsigned()
            else:
                c.string()
        for bit in (0x01, 0x02, 0x10, 0x08):
            if info & bit:
                c.unsigned()
        if info & 0x04:
            self._repetition()

    def _skip_property(self) -> None:
        c = self._cursor
        info = c.byte()
        if info & 0x04:
            if info & 0x02:
                c.unsigned()
            else:
                c.string()
        if info & 0x08:
            return
        n = info >> 4
        for _ in range(c.unsigned() if n == 15 else n):
            kind = c.unsigned()
            if kind < 8:
                c.real(kind)
            elif kind in (10, 11, 12):
                c.string()
            elif kind < 16:
                c.unsigned()
            else:
                raise c.error("no kind of property value", kind)

    def _count(self, n: int) -> None:
        self._left -= n
        if self._left < 0:
            raise self._too_many(f"over {self._most:,} boxes and placements")

    def _too_many(self, got: str) -> HnlpuError:
        do = "write the file again, or raise most_boxes"
        return self._cursor.error("a repetition is absurdly large", got, do)

    def _repetition(self) -> npt.NDArray[np.int64]:
        """Offsets in x and y of all copies, (n, 2), the first at 0."""
        c = self._cursor
        kind = c.unsigned()
        if kind:
            self._offsets = self._expanded(kind)
        if self._offsets is None:
            raise c.error("a repetition like the last one, and there is none", "type 0")
        return self._offsets

    def _expanded(self, kind: int) -> npt.NDArray[np.int64]:
        c = self._cursor
        if kind in (1, 8):
            n, m = c.unsigned() + 2, c.unsigned() + 2
            if n * m > self._left:
                raise self._too_many(f"{n} x {m} copies")
            if kind == 1:
                u, v = (c.unsigned(), 0), (0, c.unsigned())
            else:
                u, v = c.delta(), c.delta()
            rows = self._steps(m, v)
            return (rows[:, None] + self._steps(n, u)[None, :]).reshape(-1, 2)
        n = c.unsigned() + 2
        if kind in (2, 3):
            step = c.unsigned()
            return self._steps(n, (step, 0) if kind == 2 else (0, step))
        if kind == 9:
            return self._steps(n, c.delta())
        if kind > 11:
            raise c.error("no type of repetition", kind)
        grid = c.near(c.unsigned()) if kind in (5, 7, 11) else 1
        if kind > 9:
            return c.sums(c.delta_list(n - 1), grid)
        places = c.sums(c.unsigned_list(n - 1), grid)
        zeros = np.zeros_like(places)
        return np.stack((places, zeros) if kind < 6 else (zeros, places), axis=1)

    def _steps(self, n: int, step: tuple[int, int]) -> npt.NDArray[np.int64]:
        if n > self._left:
            raise self._too_many(f"{n} copies")
        for distance in step:
            self._cursor.near(n * distance)
        return np.arange(n)[:, None] * np.array(step, dtype=np.int64)
