"""Reads the fields of OASIS records from bytes; whatever does not fit is an ``HnlpuError``.

Lists of repetitions are decoded as arrays. The pieces of a two-number displacement are told apart
without a loop: after an even number a new displacement begins, and within a run of odd ones every
second number does.

Checked by ``tests/layout/test_oasis.py`` and ``test_oasis_damage.py``.
"""

from struct import unpack_from

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.layout.oasis_numbers import Integers, decode_list

__all__ = ["FAR", "Cursor"]

FAR = 1 << 40
"""Coordinates beyond it are damage; sums of allowed ones stay far from 64 bits."""

#: x and y of the eight directions of a one-number displacement: E, N, W, S, NE, NW, SW, SE.
_DIRECTIONS = np.array(
    [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=np.int64
)
_AGAIN = "write the file again, or fetch an undamaged copy"


class Cursor:
    """A place in the bytes of a file or of one of its compressed blocks.

    Parameters
    ----------
    data : bytes
    where : str
        The file.
    pos : int
        Where to begin.
    block_at : int or None
        Where in the file the block lies whose content ``data`` is.
    """

    def __init__(self, data: bytes, where: str, pos: int = 0, block_at: int | None = None) -> None:
        self.data, self.pos = data, pos
        self.block_at = block_at
        self._where = where
        self._array = np.frombuffer(data, dtype=np.uint8)

    @property
    def at_end(self) -> bool:
        return self.pos >= len(self.data)

    def error(self, what: str, got: object, do: str = _AGAIN, pos: int | None = None) -> HnlpuError:
        """An error at this place, or at another one of the same bytes."""
        pos = self.pos if pos is None else pos
        place = f"byte {pos}"
        if self.block_at is not None:
            place = f"byte {self.block_at} (byte {pos} of the block there)"
        return HnlpuError(what, where=f"{self._where}: {place}", got=str(got), do=do)

    def _cut(self, wanted: str) -> HnlpuError:
        return self.error(f"is cut short in {wanted}", f"{len(self.data) - self.pos} bytes more")

    def byte(self) -> int:
        if self.pos >= len(self.data):
            raise self._cut("a record")
        self.pos += 1
        return self.data[self.pos - 1]

    def unsigned(self) -> int:
        value = self.byte()
        if value < 128:
            return value
        value &= 127
        shift = 7
        while value < 1 << 63:
            more = self.byte()
            value |= (more & 127) << shift
            if more < 128:
                break
            shift += 7  # klayout fills the END record with zeros at the end of a number
        if value >= 1 << 63:
            raise self.error("a number runs over", "more than 63 bits")
        return value

    def signed(self) -> int:
        value = self.unsigned()
        return -(value >> 1) if value & 1 else value >> 1

    def take(self, n: int, what: str) -> bytes:
        if n > len(self.data) - self.pos:
            raise self._cut(what)
        self.pos += n
        return self.data[self.pos - n : self.pos]

    def string(self) -> bytes:
        return self.take(self.unsigned(), "a string")

    def name(self) -> str:
        start, text = self.pos, self.string()
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise self.error("a name is no text", text[:20], pos=start) from None

    def real(self, kind: int | None = None) -> float:
        """A real number, whose kind may have been read already."""
        start = self.pos
        kind = self.unsigned() if kind is None else kind
        if kind > 7:
            raise self.error("no kind of real number", kind, pos=start)
        if kind > 5:
            form, n = ("<f", 4) if kind == 6 else ("<d", 8)
            return float(unpack_from(form, self.take(n, "a real number"))[0])
        top = float(self.unsigned()) if kind not in (2, 3) else 1.0
        bottom = self.unsigned() if kind > 1 else 1
        if not bottom:
            raise self.error("a real number divides by zero", f"{top:g}/0", pos=start)
        return (-top if kind & 1 else top) / bottom

    def near(self, value: int) -> int:
        """A coordinate, if it is one."""
        if abs(value) > FAR:
            raise self.error("a coordinate is absurdly large", value)
        return value

    def delta(self) -> tuple[int, int]:
        """A displacement: one number along one of eight directions, or two."""
        value = self.unsigned()
        if value & 1:
            x = -(value >> 2) if value & 2 else value >> 2
            return self.near(x), self.near(self.signed())
        x, y = _DIRECTIONS[value >> 1 & 7].tolist()
        return x * self.near(value >> 4), y * self.near(value >> 4)

    def unsigned_list(self, n: int) -> Integers:
        """``n`` numbers, none a coordinate too large."""
        starts, ends = self._bounds(n, n)
        return self._decoded(starts, ends)

    def delta_list(self, n: int) -> Integers:
        """``n`` displacements, (n, 2)."""
        starts, ends = self._bounds(n, 2 * n)
        odd = (self._array[starts] & 1).astype(np.bool_)
        index = np.arange(len(odd))
        # Since when all numbers are odd; every second one of them begins a displacement.
        since = np.maximum.accumulate(np.where(odd, 0, index + 1))
        since = np.concatenate(([0], since[:-1]))
        first = np.flatnonzero((index - since) % 2 == 0)[:n]
        two = odd[first]
        used = first[-1] + two[-1] + 1 if len(first) else 0
        if len(first) < n or used > len(starts):
            raise self._cut("a repetition")
        values = self._decoded(starts[:used], ends[:used], most=FAR << 4)
        value, out = values[first], np.empty((n, 2), dtype=np.int64)
        out[:] = _DIRECTIONS[value >> 1 & 7] * (value >> 4)[:, None]
        x, y = value[two], values[first[two] + 1]
        out[two, 0] = np.where(x & 2, -(x >> 2), x >> 2)
        out[two, 1] = np.where(y & 1, -(y >> 1), y >> 1)
        return out

    def _bounds(self, n: int, most: int) -> tuple[Integers, Integers]:
        """First and last bytes of the next numbers: at least ``n``, up to ``most`` if they are there."""
        left = len(self.data) - self.pos
        if n > left:
            raise self.error("a repetition is absurdly large", f"{n} values in {left} bytes")
        window = self._array[self.pos : self.pos + 9 * most]
        ends = np.flatnonzero(window < 128)[:most] + self.pos
        if len(ends) < n:
            if len(window) == 9 * most:
                raise self.error("a number runs over", "more than 63 bits")
            raise self._cut("a repetition")
        return np.concatenate(([self.pos], ends[:-1] + 1)), ends

    def _decoded(self, starts: Integers, ends: Integers, most: int = FAR) -> Integers:
        try:
            values = decode_list(self._array, starts, ends)
        except OverflowError as error:
            raise self.error("a number runs over", error) from None
        if len(values):
            if int(values.max()) > most:
                raise self.error("a coordinate is absurdly large", int(values.max()))
            self.pos = int(ends[-1]) + 1
        return values

    def sums(self, steps: npt.NDArray[np.int64], grid: int) -> npt.NDArray[np.int64]:
        """Places after each step of so many grid units, the first at 0."""
        far = float(np.abs(steps).sum(dtype=np.float64)) * grid
        if far > 2 * FAR:
            raise self.error("a repetition is absurdly large", f"{far:.3g} units wide")
        out = np.zeros((len(steps) + 1, *steps.shape[1:]), dtype=np.int64)
        np.cumsum(steps, axis=0, out=out[1:])
        out *= grid
        return out
