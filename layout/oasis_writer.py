"""Writer of OASIS files (SEMI P39) with boxes only, streamed.

Boxes of one size on one height are a single record: the first place, and the distances of the others, about
a byte each. Records are collected in compressed blocks; the file ends with a checksum.

Contract (checked by ``tests/layout/test_oasis.py``): klayout, gdstk and :mod:`hnlpu.layout.oasis_reader` find
the boxes that were written; same boxes, same bytes; memory holds one block and one call's boxes.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from hnlpu.layout.oasis_numbers import encode_list, signed, unsigned

__all__ = ["MAGIC", "OasisWriter"]

MAGIC = b"%SEMI-OASIS\r\n"
_START, _END, _CELL, _PLACEMENT, _RECTANGLE, _CBLOCK = 1, 2, 14, 17, 20, 34
_END_BYTES, _CRC32 = 256, 1
#: Bytes of records in a compressed block.
_BLOCK = 1 << 18
#: What a rectangle's record tells, in its info byte.
_SQUARE, _WIDTH, _HEIGHT, _X, _Y, _REPEATED, _DATATYPE, _LAYER = (1 << n for n in range(7, -1, -1))


class OasisWriter:
    """Writes one file; use it in a ``with`` statement.

    Parameters
    ----------
    path : Path
    unit_nm : float
        Length of a unit of coordinates.
    """

    def __init__(self, path: Path, unit_nm: float = 1.0) -> None:
        self._path, self._units_per_um = path, 1000 / unit_nm
        self._file: BinaryIO
        self._crc = 0
        self._block = bytearray()
        self._modal: tuple[int, ...] = ()
        self._written: set[str] = set()
        self._placed: set[str] = set()

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        unit = self._units_per_um
        real = b"\x00" + unsigned(int(unit)) if unit.is_integer() else b"\x07" + np.float64(unit).tobytes()
        self._write(MAGIC + bytes([_START]) + _string("1.0") + real + bytes([0] + [0] * 12))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            unknown = self._placed - self._written
            assert not unknown, f"cells placed and not written: {sorted(unknown)}"
            # The record has 256 bytes: its number, a string of zeros, the scheme and four bytes of checksum.
            n = _END_BYTES - 1 - 2 - 1 - 4
            self._write(bytes([_END]) + unsigned(n) + bytes(n) + bytes([_CRC32]))
            self._file.write(self._crc.to_bytes(4, "little"))
        self._file.close()

    @contextmanager
    def cell(self, name: str) -> Iterator[None]:
        """A cell: what is written within, belongs to it."""
        assert name not in self._written, f"cell {name} is written twice"
        self._written.add(name)
        self._write(bytes([_CELL]) + _string(name))
        self._modal = ()
        yield
        self._flush()

    def array(
        self,
        layer: tuple[int, int],
        box: tuple[int, int, int, int],
        nx: int = 1,
        ny: int = 1,
        dx: int = 0,
        dy: int = 0,
    ) -> None:
        """A box, ``nx`` times by ``dx`` and ``ny`` times by ``dy``."""
        x0, y0, x1, y1 = box
        repetition = b""
        if nx > 1 and ny > 1:
            repetition = b"\x01" + b"".join(map(unsigned, (nx - 2, ny - 2, dx, dy)))
        elif nx > 1:
            repetition = b"\x02" + unsigned(nx - 2) + unsigned(dx)
        elif ny > 1:
            repetition = b"\x03" + unsigned(ny - 2) + unsigned(dy)
        self._rectangle(layer, x1 - x0, y1 - y0, x0, y0, repetition)

    def boxes(self, layer: tuple[int, int], boxes: npt.NDArray[np.int64]) -> None:
        """Many boxes, (n, 4): x0, y0, x1, y1."""
        if not len(boxes):
            return
        x, y = boxes[:, 0], boxes[:, 1]
        width, height = boxes[:, 2] - x, boxes[:, 3] - y
        order = np.lexsort((x, y, height, width))
        x, y, width, height = x[order], y[order], width[order], height[order]
        new = np.ones(len(x), dtype=bool)
        new[1:] = (np.diff(y) != 0) | (np.diff(width) != 0) | (np.diff(height) != 0)
        firsts = np.flatnonzero(new)
        lasts = np.append(firsts[1:], len(x)) - 1
        steps = np.append(np.diff(x), 0)
        steps[lasts] = 0  # from a run to the next
        grid = max(1, int(np.gcd.reduce(steps)))
        data, places = encode_list(steps // grid)
        kind = b"\x05" if grid > 1 else b"\x04"
        spacing = unsigned(grid) if grid > 1 else b""
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            repetition = b""
            if last > first:
                own = data[places[first] : places[last]]
                repetition = kind + unsigned(last - first - 1) + spacing + own
            self._rectangle(layer, int(width[first]), int(height[first]), int(x[first]),
                            int(y[first]), repetition)  # fmt: skip

    def place(
        self, cell: str, x: int, y: int, nx: int = 1, ny: int = 1, dx: int = 0, dy: int = 0
    ) -> None:
        """Another cell in this one, as often as :meth:`array` repeats a box."""
        self._placed.add(cell)
        repetition = b""
        if nx > 1 and ny > 1:
            repetition = b"\x01" + b"".join(map(unsigned, (nx - 2, ny - 2, dx, dy)))
        elif nx > 1:
            repetition = b"\x02" + unsigned(nx - 2) + unsigned(dx)
        elif ny > 1:
            repetition = b"\x03" + unsigned(ny - 2) + unsigned(dy)
        info = 0b10110000 | (8 if repetition else 0)
        record = bytes([_PLACEMENT, info]) + _string(cell) + signed(x) + signed(y) + repetition
        self._append(record)

    def _rectangle(
        self, layer: tuple[int, int], width: int, height: int, x: int, y: int, repetition: bytes
    ) -> None:
        info, body = _X | _Y, b""
        shape = (*layer, width, height)
        if self._modal[:2] != layer:
            info, body = info | _LAYER | _DATATYPE, unsigned(layer[0]) + unsigned(layer[1])
        if self._modal != shape:
            if width == height:
                info, body = info | _SQUARE | _WIDTH, body + unsigned(width)
            else:
                info |= _WIDTH | _HEIGHT
                body += unsigned(width) + unsigned(height)
        elif width == height:
            info |= _SQUARE
        self._modal = shape
        body += signed(x) + signed(y)
        if repetition:
            info |= _REPEATED
        self._append(bytes([_RECTANGLE, info]) + body + repetition)

    def _append(self, record: bytes) -> None:
        self._block += record
        if len(self._block) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._block:
            pack = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = pack.compress(bytes(self._block)) + pack.flush()
            head = bytes([_CBLOCK, 0]) + unsigned(len(self._block)) + unsigned(len(data))
            self._write(head + data)
            self._block.clear()

    def _write(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._file.write(data)


def _string(text: str) -> bytes:
    data = text.encode("ascii")
    return unsigned(len(data)) + data
