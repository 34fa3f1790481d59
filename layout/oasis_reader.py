"""Reader of OASIS files (SEMI P39) whose shapes are boxes, whoever wrote them.

Repetitions are expanded, names resolved, the checksum verified. A file that is cut short, altered or holds
other shapes is an error with its place.

Contract (checked by ``tests/layout/test_oasis.py``): boxes of files by klayout, gdstk and
:mod:`hnlpu.layout.oasis_writer` are found as they find them; no damage passes as other boxes.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.layout.oasis_numbers import NumberError, decode_list
from hnlpu.layout.oasis_writer import MAGIC

__all__ = ["Cell", "OasisFile", "Placement", "flatten", "read_oasis"]

#: x0, y0, x1, y1 of each box, in units of the file, (n, 4).
Boxes = npt.NDArray[np.int64]
Layer = tuple[int, int]

_END_BYTES = 256
#: More boxes than a mask of a wafer has: a repetition of more is damage.
_MOST = 1 << 32
_NAMES = range(3, 13)
_SHAPES = {21: "polygon", 22: "path", 23: "trapezoid", 24: "trapezoid", 25: "trapezoid",
           26: "trapezoid", 27: "circle", 32: "element of a program", 33: "geometry of a program"}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """A cell in another: where its origin comes to lie, (n, 2), turned by ``quarters`` and first flipped."""

    cell: str
    at: npt.NDArray[np.int64]
    quarters: int
    flip: bool


@dataclass(slots=True, eq=False)
class Cell:
    """Boxes by layer, in pieces, and placements of other cells."""

    boxes: dict[Layer, list[Boxes]] = field(default_factory=dict)
    placements: list[Placement] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class OasisFile:
    """What a file holds.

    Attributes
    ----------
    path : Path
    units_per_um : float
    cells : dict of str to Cell
    """

    path: Path
    units_per_um: float
    cells: dict[str, Cell]

    def tops(self) -> list[str]:
        """Cells that are in no other."""
        placed = {p.cell for cell in self.cells.values() for p in cell.placements}
        return [name for name in self.cells if name not in placed]

    def layers(self) -> list[Layer]:
        return sorted({layer for cell in self.cells.values() for layer in cell.boxes})


def read_oasis(path: Path) -> OasisFile:
    """Read a file.

    Raises
    ------
    HnlpuError
        It cannot be read, is damaged, or has shapes other than boxes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HnlpuError("cannot read a mask", where=str(path), got=error.strerror or str(error),
                         do="draw it again with hnlpu layout") from error  # fmt: skip
    return _Reader(path, data).read()


def flatten(file: OasisFile, layer: Layer, top: str | None = None) -> Boxes:
    """Every box of a layer where it comes to lie in ``top``, or in the file's one top cell.

    Raises
    ------
    HnlpuError
        No such cell, more than one top cell, or cells that hold each other.
    """
    tops = file.tops()
    if top is None:
        if len(tops) != 1:
            raise HnlpuError("a mask has no one top cell", where=str(file.path),
                             got=", ".join(tops) or "none", do="draw it again")  # fmt: skip
        top = tops[0]
    found: list[Boxes] = []
    for boxes in _flat(file, layer, top, {}, ()):
        found.append(boxes)
    return np.concatenate([np.zeros((0, 4), dtype=np.int64), *found])


def _flat(
    file: OasisFile, layer: Layer, name: str, known: dict[str, Boxes], above: tuple[str, ...]
) -> Iterator[Boxes]:
    if name in above or name not in file.cells:
        raise HnlpuError(
            "a cell holds itself" if name in above else "a cell is placed that is not there",
            where=str(file.path), got=name, do="draw it again",
        )  # fmt: skip
    cell = file.cells[name]
    yield from cell.boxes.get(layer, [])
    for placement in cell.placements:
        if placement.cell not in known:
            below = list(_flat(file, layer, placement.cell, known, (*above, name)))
            known[placement.cell] = np.concatenate([np.zeros((0, 4), dtype=np.int64), *below])
        boxes = _turned(known[placement.cell], placement.quarters, placement.flip)
        if len(boxes):
            shifts = np.tile(placement.at, 2)
            yield (boxes[None] + shifts[:, None]).reshape(-1, 4)


def _turned(boxes: Boxes, quarters: int, flip: bool) -> Boxes:
    x, y = boxes[:, ::2], boxes[:, 1::2]
    if flip:
        y = -y
    for _ in range(quarters):
        x, y = -y, x
    x, y = np.sort(x, axis=1), np.sort(y, axis=1)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


class _Bytes:
    """Bytes with a place in them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.array = np.frombuffer(data, dtype=np.uint8)
        self.at = 0

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise NumberError("the data end")
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        if value >> 62:
            raise NumberError("a number of more than 62 bits")
        return value

    def signed(self) -> int:
        value = self.unsigned()
        return -(value >> 1) if value & 1 else value >> 1

    def take(self, n: int) -> bytes:
        if n > len(self.data) - self.at:
            raise NumberError("the data end")
        self.at += n
        return self.data[self.at - n : self.at]

    def text(self) -> str:
        return self.take(self.unsigned()).decode("latin-1")

    def real(self) -> float:
        kind = self.unsigned()
        if kind == 6:
            return float(np.frombuffer(self.take(4), dtype="<f4")[0])
        if kind == 7:
            return float(np.frombuffer(self.take(8), dtype="<f8")[0])
        if kind > 7:
            raise NumberError(f"a real number of kind {kind}")
        value = float(self.unsigned())
        below = kind in (2, 3, 4, 5)
        divisor = float(self.unsigned()) if kind in (4, 5) else 1.0
        if (below and kind in (2, 3) and not value) or not divisor:
            raise NumberError("a division by zero")
        value = 1 / value if kind in (2, 3) else value / divisor
        return -value if kind % 2 else value

    def numbers(self, n: int) -> npt.NDArray[np.int64]:
        values, self.at = decode_list(self.array, self.at, n)
        return values

    def delta(self) -> tuple[int, int]:
        value = self.unsigned()
        if value & 1:
            x = value >> 2
            return (-x if value & 2 else x), self.signed()
        length, direction = value >> 4, value >> 1 & 7
        dx = (1, 0, -1, 0, 1, -1, -1, 1)[direction]
        dy = (0, 1, 0, -1, 1, 1, -1, -1)[direction]
        return dx * length, dy * length


_ONE = np.zeros((1, 2), dtype=np.int64)


def _grid(nx: int, ny: int, step: tuple[int, int], other: tuple[int, int]) -> npt.NDArray[np.int64]:
    if nx * ny > _MOST:
        raise NumberError("a repetition of absurd size")
    a, b = np.arange(nx)[None, :, None], np.arange(ny)[:, None, None]
    shifts: npt.NDArray[np.int64] = a * np.array(step) + b * np.array(other)
    return shifts.reshape(-1, 2)


def _repetition(data: _Bytes, last: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Shifts of a repetition, (n, 2)."""
    kind = data.unsigned()
    if kind == 0:
        return last
    if kind == 1:
        nx, ny = data.unsigned() + 2, data.unsigned() + 2
        dx, dy = data.unsigned(), data.unsigned()
        return _grid(nx, ny, (dx, 0), (0, dy))
    if kind in (2, 3):
        n, step = data.unsigned() + 2, data.unsigned()
        return _grid(n, 1, (step, 0) if kind == 2 else (0, step), (0, 0))
    if kind in (4, 5, 6, 7):
        n = data.unsigned() + 1
        grid = data.unsigned() if kind in (5, 7) else 1
        steps = np.concatenate([[0], np.cumsum(data.numbers(n))]) * grid
        zeros = np.zeros_like(steps)
        return np.stack([steps, zeros] if kind < 6 else [zeros, steps], axis=1)
    if kind == 8:
        nx, ny = data.unsigned() + 2, data.unsigned() + 2
        return _grid(nx, ny, data.delta(), data.delta())
    if kind == 9:
        return _grid(data.unsigned() + 2, 1, data.delta(), (0, 0))
    if kind in (10, 11):
        n = data.unsigned() + 1
        grid = data.unsigned() if kind == 11 else 1
        if n > len(data.data):
            raise NumberError("a repetition of absurd size")
        steps = np.array([(0, 0), *(data.delta() for _ in range(n))], dtype=np.int64)
        return np.cumsum(steps, axis=0) * grid
    raise NumberError(f"a repetition of kind {kind}")


class _Reader:
    """Records of a file, one after the other, and what they mean."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._file = path, _Bytes(data)
        self._data = self._file
        self._cells: dict[str | int, Cell] = {}
        self._names: dict[int, str] = {}
        self._placed: list[tuple[Cell, str | int, npt.NDArray[np.int64], int, bool]] = []
        self._n_names = 0
        self._cell: Cell | None = None

    def _fail(self, what: str, got: str) -> HnlpuError:
        return HnlpuError(what, where=f"{self._path}: byte {self._file.at}", got=got,
                          do="draw it again with hnlpu layout")  # fmt: skip

    def read(self) -> OasisFile:
        if self._file.data[: len(MAGIC)] != MAGIC:
            raise self._fail("not an OASIS file", repr(self._file.data[: len(MAGIC)]))
        self._file.at = len(MAGIC)
        try:
            units = self._start()
            self._records()
        except NumberError as error:
            raise self._fail("damaged mask file", str(error)) from error
        except zlib.error as error:
            raise self._fail("damaged mask file", str(error)) from error
        named: dict[str, Cell] = {}
        for key, cell in self._cells.items():
            named[self._name(key)] = cell
        if len(named) < len(self._cells):
            raise self._fail("damaged mask file", "two cells of one name")
        for cell, key, at, quarters, flip in self._placed:
            name = self._name(key)
            if name not in named:
                raise self._fail("damaged mask file", f"cell {name} is placed and not there")
            cell.placements.append(Placement(name, at, quarters, flip))
        return OasisFile(self._path, units, named)

    def _name(self, key: str | int) -> str:
        if isinstance(key, str):
            return key
        if key not in self._names:
            raise self._fail("damaged mask file", f"cell number {key} has no name")
        return self._names[key]

    def _start(self) -> float:
        if self._data.unsigned() != 1:
            raise NumberError("no record START")
        version = self._data.text()
        if version != "1.0":
            raise NumberError(f"version {version!r}")
        units = self._data.real()
        if not 0 < units < 1e9:
            raise NumberError(f"{units} units per micron")
        self._offsets_at_end = self._data.unsigned() != 0
        if not self._offsets_at_end:
            for _ in range(12):
                self._data.unsigned()
        return units

    def _end(self, begin: int) -> None:
        data = self._data
        if self._offsets_at_end:
            for _ in range(12):
                data.unsigned()
        data.take(data.unsigned())
        scheme, end = data.unsigned(), data.at
        if scheme > 2:
            raise NumberError(f"a checksum of kind {scheme}")
        if scheme:
            check = int.from_bytes(data.take(4), "little")
            body = data.data[:end]
            own = zlib.crc32(body) if scheme == 1 else int(data.array[:end].sum(dtype=np.uint64)) & 0xFFFFFFFF
            if own != check:
                raise NumberError("the checksum does not fit: the file was altered")
        if data.at != len(data.data) or data.at - begin != _END_BYTES:
            raise NumberError("the end is not where it should be")

    def _records(self) -> None:
        file = self._file
        while True:
            if self._data is not file and self._data.at == len(self._data.data):
                self._data = file
            begin = self._data.at
            kind = self._data.unsigned()
            if kind == 2 and self._data is file:
                self._end(begin)
                return
            if kind == 34 and self._data is file:
                self._block()
            else:
                self._record(kind)

    def _block(self) -> None:
        file = self._file
        if file.unsigned() != 0:
            raise NumberError("an unknown compression")
        n, packed = file.unsigned(), file.unsigned()
        data = zlib.decompress(file.take(packed), -15, min(n, 1 << 30))
        if len(data) != n:
            raise NumberError("a compressed block of another size")
        self._data = _Bytes(data)

    def _record(self, kind: int) -> None:
        data = self._data
        if kind == 0:
            return
        if kind in _NAMES:
            self._name_record(kind)
        elif kind in (13, 14):
            key: str | int = data.unsigned() if kind == 13 else data.text()
            if key in self._cells:
                raise NumberError(f"cell {key} is there twice")
            self._cell = self._cells[key] = Cell()
            self._reset()
        elif kind in (15, 16):
            self._relative = kind == 16
        elif kind in (17, 18):
            self._placement(kind == 18)
        elif kind == 19:
            self._text()
        elif kind == 20:
            self._rectangle()
        elif kind in (28, 29):
            self._property(kind == 29)
        elif kind in (30, 31):
            data.unsigned()
            data.text()
            if kind == 31:
                data.unsigned()
        elif kind in _SHAPES:
            raise self._fail("a mask holds a shape that is no box", _SHAPES[kind])
        else:
            raise NumberError(f"a record of kind {kind}")

    def _reset(self) -> None:
        """Modal variables at the begin of a cell."""
        self._relative = False
        self._layer: list[int | None] = [None, None]
        self._size: list[int | None] = [None, None]
        self._at = {"box": [0, 0], "place": [0, 0], "text": [0, 0]}
        self._shifts = _ONE
        self._last_placed: str | int | None = None

    def _name_record(self, kind: int) -> None:
        data = self._data
        if kind in (11, 12):
            data.text()
            for _ in range(2):
                interval = data.unsigned()
                for _ in range({0: 0, 1: 1, 2: 1, 3: 1, 4: 2}.get(interval, 0)):
                    data.unsigned()
            return
        name = data.text()
        if kind == 3:
            self._names[self._n_names] = name
            self._n_names += 1
        elif kind % 2 == 0:
            number = data.unsigned()
            if kind == 4:
                self._names[number] = name

    def _coordinates(self, what: str, has_x: bool, has_y: bool) -> tuple[int, int]:
        at = self._at[what]
        for i, has in enumerate((has_x, has_y)):
            if has:
                value = self._data.signed()
                at[i] = at[i] + value if self._relative else value
        return at[0], at[1]

    def _repeat(self, has: bool) -> npt.NDArray[np.int64]:
        if not has:
            return _ONE
        self._shifts = _repetition(self._data, self._shifts)
        return self._shifts

    def _here(self) -> Cell:
        if self._cell is None:
            raise NumberError("a shape outside of cells")
        return self._cell

    def _placement(self, real: bool) -> None:
        cell, data = self._here(), self._data
        info = data.byte()
        if info & 128:
            self._last_placed = data.unsigned() if info & 64 else data.text()
        if self._last_placed is None:
            raise NumberError("a placement of no cell")
        quarters = info >> 1 & 3
        if real:
            size = data.real() if info & 4 else 1.0
            angle = data.real() if info & 2 else 0.0
            if size != 1 or angle % 90:
                raise self._fail("a cell is placed turned or scaled", f"{angle} degrees, {size} times")
            quarters = int(angle // 90) % 4
        x, y = self._coordinates("place", bool(info & 32), bool(info & 16))
        at = self._repeat(bool(info & 8)) + (x, y)
        self._placed.append((cell, self._last_placed, at, quarters, bool(info & 1)))

    def _rectangle(self) -> None:
        cell, data = self._here(), self._data
        info = data.byte()
        for i, bit in enumerate((1, 2)):
            if info & bit:
                self._layer[i] = data.unsigned()
        if info & 64:
            self._size[0] = data.unsigned()
        if info & 128:
            if info & 32:
                raise NumberError("a square with a height")
            self._size[1] = self._size[0]
        elif info & 32:
            self._size[1] = data.unsigned()
        x, y = self._coordinates("box", bool(info & 16), bool(info & 8))
        shifts = self._repeat(bool(info & 4))
        layer, datatype = self._layer
        width, height = self._size
        if layer is None or datatype is None or width is None or height is None:
            raise NumberError("a box without layer or size")
        box = np.array([x, y, x + width, y + height])
        cell.boxes.setdefault((layer, datatype), []).append(np.tile(shifts, 2) + box)

    def _text(self) -> None:
        data = self._data
        info = data.byte()
        if info & 64:
            _ = data.unsigned() if info & 32 else data.text()
        for bit in (1, 2):
            if info & bit:
                data.unsigned()
        self._coordinates("text", bool(info & 16), bool(info & 8))
        self._repeat(bool(info & 4))

    def _property(self, again: bool) -> None:
        if again:
            return
        data = self._data
        info = data.byte()
        if info & 4:
            _ = data.unsigned() if info & 2 else data.text()
        if info & 8:
            return
        n = info >> 4
        if n == 15:
            n = data.unsigned()
        for _ in range(n):
            kind = data.unsigned()
            if kind <= 7:
                data.at -= 1
                data.real()
            elif kind in (8, 13, 14, 15):
                data.unsigned()
            elif kind == 9:
                data.signed()
            elif kind in (10, 11, 12):
                data.text()
            else:
                raise NumberError(f"a property of kind {kind}")
