"""Writes masks as OASIS, cell by cell, straight to disk: memory does not grow with the shapes.

Boxes of equal size that stand in a row share one RECTANGLE record, with the gaps between them as
multiples of their greatest common divisor: one byte for each via before compression. Rows or columns,
whichever are fewer, become the records. Blocks of records are compressed (DEFLATE), and the file ends
with a CRC32 of itself.

Checked by ``tests/layout/test_oasis.py``: klayout, gdstk and ``read_oasis`` see the same boxes; the
same calls make the same bytes.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.layout.hierarchy import Boxes, Layer
from hnlpu.layout.oasis_numbers import Integers, encode_list, signed, signed_list, unsigned
from hnlpu.layout.oasis_records import END_BYTES, MAGIC, Record, Validation

__all__ = ["OasisWriter"]

_Bools = npt.NDArray[np.bool_]
_Pairs = npt.NDArray[np.uint64]

_HALF = np.uint64(32)

_SLICE = 1 << 16  # boxes that are encoded at a time
_FAR = (1 << 31) - 1  # coordinates of other readers have 32 bits

# Bits of a RECTANGLE's second byte: what the record says itself and does not take from the last one.
_LAYER_AND_SIZE, _XY, _REPEATED = 0x63, 0x18, 0x04


class OasisWriter:
    """A file under construction; it appears at its path when the ``with`` block ends well.

    Parameters
    ----------
    path : Path or str
    unit_nm : float
        Length of a database unit.
    layer_names : mapping of (layer, datatype) to str
        Names that viewers show.
    compression : int
        Level of DEFLATE, 1 to 9; 0 leaves the records as they are.
    block_bytes : int
        Records are compressed when they have gathered to this size.
    """

    def __init__(
        self,
        path: Path | str,
        unit_nm: float = 1.0,
        *,
        layer_names: Mapping[Layer, str] | None = None,
        compression: int = 6,
        block_bytes: int = 1 << 18,
    ) -> None:
        if not 0 < unit_nm < float("inf"):
            raise ValueError(f"unit_nm = {unit_nm!r} is no length")
        self.path, self.unit_nm = Path(path), unit_nm
        self._names = dict(layer_names or {})
        self._compression, self._block_bytes = compression, block_bytes
        self._part = self.path.with_name(self.path.name + ".part")
        self._pending = bytearray()
        self._crc = 0
        self._cell: str | None = None
        self._written: set[str] = set()
        self._placed: set[str] = set()

    def __enter__(self) -> Self:
        names = [
            unsigned(Record.LAYERNAME)
            + _name(name)
            + b"\3"
            + unsigned(layer)
            + b"\3"
            + unsigned(kind)
            for (layer, kind), name in sorted(self._names.items())
        ]
        self._file = self._part.open("wb")
        self._write(MAGIC)
        # The last 13 numbers: tables of names have no place of their own.
        self._write(
            unsigned(Record.START) + _string(b"1.0") + _real(1000 / self.unit_nm) + bytes(13)
        )
        self._write(b"".join(names))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._end()
        except BaseException:
            self._drop()
            raise
        if kind is None:
            self._file.close()
            os.replace(self._part, self.path)
        else:
            self._drop()

    @contextmanager
    def cell(self, name: str) -> Iterator[None]:
        """What is drawn inside the ``with`` block belongs to this cell.

        Raises
        ------
        ValueError
            A cell inside a cell, a second one of this name, or a name that OASIS cannot hold.
        """
        if self._cell is not None:
            raise ValueError(f"cell {name!r} is opened inside cell {self._cell!r}")
        if name in self._written:
            raise ValueError(f"cell {name!r} is written twice")
        self._write(unsigned(Record.CELL) + _name(name))
        self._cell = name
        self._written.add(name)
        yield
        self._flush()
        self._cell = None

    def boxes(self, layer: Layer, boxes: Boxes) -> None:
        """Draw boxes, in any order.

        Parameters
        ----------
        layer : (layer, datatype)
        boxes : int64 array (n, 4)
            x0, y0, x1, y1 in database units, x0 < x1 and y0 < y1.
        """
        boxes = self._checked(layer, boxes)
        if not len(boxes):
            return
        size = _pair(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        by_row = _Runs(boxes[:, 0], boxes[:, 1], size, upright=False)
        by_column = _Runs(boxes[:, 1], boxes[:, 0], size, upright=True)
        runs = by_row if by_row.n_runs <= by_column.n_runs else by_column
        for start in range(0, len(boxes), _SLICE):
            self._add(encode_list(runs.fields(layer, slice(start, start + _SLICE))))

    def array(
        self,
        layer: Layer,
        box: tuple[int, int, int, int],
        nx: int = 1,
        ny: int = 1,
        dx: int = 0,
        dy: int = 0,
    ) -> None:
        """Draw a box ``nx * ny`` times, ``dx`` and ``dy`` database units apart."""
        x0, y0, x1, y1 = map(int, self._checked(layer, np.array([box]))[0])
        repeated = self._repetition(x1, y1, nx, ny, dx, dy)
        info = _LAYER_AND_SIZE | _XY | (_REPEATED if repeated else 0)
        numbers = (Record.RECTANGLE, info, *layer, x1 - x0, y1 - y0)
        self._add(b"".join(map(unsigned, numbers)) + signed(x0) + signed(y0) + repeated)

    def place(
        self, name: str, x: int, y: int, nx: int = 1, ny: int = 1, dx: int = 0, dy: int = 0
    ) -> None:
        """Place a cell, which may be written later, ``nx * ny`` times."""
        if self._cell is None:
            raise ValueError(f"cell {name!r} is placed outside of any cell")
        x, y = int(x), int(y)
        repeated = self._repetition(x, y, nx, ny, dx, dy)
        self._placed.add(name)
        info = 0xB8 if repeated else 0xB0  # a name, x, y and the repetition follow
        head = unsigned(Record.PLACEMENT) + bytes([info]) + _name(name)
        self._add(head + signed(x) + signed(y) + repeated)

    def _checked(self, layer: Layer, boxes: Boxes) -> Boxes:
        boxes = np.asarray(boxes)
        if self._cell is None:
            raise ValueError(f"boxes of layer {layer} are drawn outside of any cell")
        if min(layer) < 0:
            raise ValueError(f"layer {layer} is negative")
        if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iu":
            raise TypeError(f"boxes are {boxes.dtype} {boxes.shape}, must be integers (n, 4)")
        boxes = boxes.astype(np.int64, copy=False)
        empty = np.flatnonzero((boxes[:, :2] >= boxes[:, 2:]).any(axis=1))
        if len(empty):
            box = boxes[empty[0]].tolist()
            raise ValueError(f"boxes[{empty[0]}] = {box} has no area ({len(empty)} such boxes)")
        if len(boxes):
            self._near(int(boxes.min()))
            self._near(int(boxes.max()))
        return boxes

    def _near(self, value: int) -> None:
        if abs(value) > _FAR:
            raise HnlpuError(
                "a coordinate does not fit 32 bits",
                where=f"{self.path}: cell {self._cell}",
                got=f"{value} units of {self.unit_nm:g} nm",
                do="split the array or use a larger unit",
            )

    def _repetition(self, x: int, y: int, nx: int, ny: int, dx: int, dy: int) -> bytes:
        for n, step, axis in ((nx, dx, "x"), (ny, dy, "y")):
            if n < 1 or step < (n > 1):
                raise ValueError(f"n{axis} = {n} with d{axis} = {step}: both must be positive")
        self._near(x)
        self._near(y)
        self._near(x + (nx - 1) * dx)
        self._near(y + (ny - 1) * dy)
        if nx > 1 and ny > 1:
            return b"".join(map(unsigned, (1, nx - 2, ny - 2, dx, dy)))
        if nx > 1:
            return b"".join(map(unsigned, (2, nx - 2, dx)))
        if ny > 1:
            return b"".join(map(unsigned, (3, ny - 2, dy)))
        return b""

    def _add(self, records: bytes) -> None:
        self._pending += records
        if len(self._pending) >= self._block_bytes:
            self._flush()

    def _flush(self) -> None:
        records, self._pending = bytes(self._pending), bytearray()
        if self._compression:
            deflate = zlib.compressobj(self._compression, wbits=-15)
            packed = deflate.compress(records) + deflate.flush()
            numbers = (Record.CBLOCK, 0, len(records), len(packed))
            block = b"".join(map(unsigned, numbers)) + packed
            records = min(records, block, key=len)
        self._write(records)

    def _write(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._file.write(data)

    def _end(self) -> None:
        missing = sorted(self._placed - self._written)
        if missing:
            raise ValueError(f"{self.path}: cell {missing[0]!r} is placed but never written")
        head, scheme = unsigned(Record.END), unsigned(Validation.CRC32)
        n_padding = END_BYTES - len(head) - 2 - len(scheme) - 4
        self._write(head + _string(bytes(n_padding)) + scheme)
        self._file.write(pack("<I", self._crc))

    def _drop(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class _Runs:
    """Boxes in the order of their records: by size, then by row, then along it.

    Parameters
    ----------
    along, across : int64 arrays (n,)
        The lower corners; a run has one ``across``.
    size : uint64 array (n,)
        Width and height, 32 bits each.
    upright : bool
        A run goes along y.
    """

    def __init__(self, along: Integers, across: Integers, size: _Pairs, *, upright: bool) -> None:
        self._low = int(along.min()), int(across.min())
        place = _pair(across - self._low[1], along - self._low[0])
        if (size == size[0]).all():
            place.sort()
            self._size = np.broadcast_to(size[:1], size.shape)
        else:
            order = np.lexsort((place, size))
            place, self._size = place[order], size[order]
        self._place, self._upright = place, upright

    def _starts(self, part: slice) -> tuple[_Bools, _Bools]:
        across, size = self._place[part] >> _HALF, self._size[part]
        new_size = np.ones(len(size), dtype=np.bool_)
        new_size[1:] = size[1:] != size[:-1]
        new_run = new_size.copy()
        new_run[1:] |= across[1:] != across[:-1]
        return new_size, new_run

    @property
    def n_runs(self) -> int:
        """Records that hold all boxes."""
        return int(self._starts(slice(None))[1].sum())

    def fields(self, layer: Layer, part: slice) -> Integers:
        """The records of a part of the boxes, as one list of numbers."""
        new_size, new_run = self._starts(part)
        size, place = self._size[part], self._place[part]
        along = _second(place) + self._low[0]
        starts = np.flatnonzero(new_run)
        n_boxes = np.diff(starts, append=len(place))
        across = _first(place[starts]) + self._low[1]
        first = new_size[starts]

        gaps = np.diff(along, prepend=along[0])
        gaps[starts] = 0
        grid = np.gcd.reduceat(gaps, starts)
        widest = np.maximum.reduceat(gaps, starts)
        repeated = n_boxes > 1
        even = repeated & (widest > 0) & (np.add.reduceat(gaps, starts) == widest * (n_boxes - 1))
        uneven = repeated & ~even
        gridded = uneven & (grid > 1)

        n_fields = 4 + 4 * first + 2 * repeated + even + gridded + uneven * (n_boxes - 1)
        ends = np.cumsum(n_fields)
        fields = np.empty(int(ends[-1]), dtype=np.int64)
        at = ends - n_fields
        fields[at] = Record.RECTANGLE
        fields[at + 1] = _XY | first * _LAYER_AND_SIZE | repeated * _REPEATED
        head = at[first] + 2
        sizes = size[starts[first]]
        fields[head], fields[head + 1] = layer
        fields[head + 2], fields[head + 3] = _first(sizes), _second(sizes)
        at += 2 + 4 * first
        fields[at + self._upright] = signed_list(along[starts])
        fields[at + (not self._upright)] = signed_list(across)
        at += 2
        fields[at[repeated]] = np.select([even, gridded], [2, 5], 4)[repeated] + (
            self._upright * np.where(even, 1, 2)[repeated]
        )
        fields[at[repeated] + 1] = n_boxes[repeated] - 2
        fields[at[even] + 2] = widest[even]
        fields[at[gridded] + 2] = grid[gridded]

        body = at + 2 + gridded - 1 - starts  # a box's gap stands here plus the box's own index
        listed = np.flatnonzero(np.repeat(uneven, n_boxes) & ~new_run)
        run = np.repeat(np.arange(len(starts)), n_boxes)[listed]
        fields[body[run] + listed] = gaps[listed] // np.maximum(grid, 1)[run]
        return fields


def _pair(first: Integers, second: Integers) -> _Pairs:
    return first.astype(np.uint64) << _HALF | second.astype(np.uint64)


def _first(pairs: _Pairs) -> Integers:
    return (pairs >> _HALF).astype(np.int64)


def _second(pairs: _Pairs) -> Integers:
    return (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _string(text: bytes) -> bytes:
    return unsigned(len(text)) + text


def _name(name: str) -> bytes:
    if not name or not all("!" <= letter <= "~" for letter in name):
        raise ValueError(f"{name!r} is no name of OASIS: printable ASCII without spaces")
    return _string(name.encode())


def _real(value: float) -> bytes:
    return b"\0" + unsigned(int(value)) if value == int(value) else b"\7" + pack("<d", value)
