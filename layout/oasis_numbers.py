"""Numbers of the OASIS format (SEMI P39): seven bits a byte, low bits first, many at a time.

A signed number has its sign in bit 0. A list of numbers is encoded and decoded without a loop over them.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["NumberError", "decode_list", "encode_list", "signed", "unsigned"]

_MOST_BYTES = 9  # 63 bits


class NumberError(ValueError):
    """Bytes that are no number, or run out."""


def unsigned(value: int) -> bytes:
    """One number from 0."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """One number with its sign."""
    return unsigned(abs(value) << 1 | (value < 0))


def encode_list(values: npt.NDArray[np.int64]) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Numbers from 0, one after the other, and where each begins (n + 1,)."""
    lengths = np.ones(len(values), dtype=np.int64)
    for n in range(1, _MOST_BYTES):
        lengths += values >= np.int64(1) << (7 * n)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    out = np.zeros(int(starts[-1]), dtype=np.uint8)
    for n in range(int(lengths.max(initial=0))):
        has = lengths > n
        byte = values[has] >> (7 * n) & 127 | np.where(lengths[has] > n + 1, 128, 0)
        out[starts[:-1][has] + n] = byte
    return out.tobytes(), starts


def decode_list(
    data: npt.NDArray[np.uint8], start: int, n: int
) -> tuple[npt.NDArray[np.int64], int]:
    """``n`` numbers from byte ``start`` of ``data``, and the byte after them.

    Raises
    ------
    NumberError
        The data end before, or a number has more than 63 bits.
    """
    if n == 0:
        return np.zeros(0, dtype=np.int64), start
    if n > len(data) - start:
        raise NumberError("numbers run beyond the end")
    window = data[start : start + n]
    ends = np.flatnonzero(window < 128)
    while len(ends) < n and start + len(window) < len(data):
        window = data[start : start + 2 * len(window)]
        ends = np.flatnonzero(window < 128)
    if len(ends) < n:
        raise NumberError("numbers run beyond the end")
    ends = ends[:n]
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if int(lengths.max()) > _MOST_BYTES:
        raise NumberError("a number of more than 63 bits")
    values = np.zeros(n, dtype=np.int64)
    for i in range(int(lengths.max())):
        has = lengths > i
        values[has] |= (window[starts[has] + i].astype(np.int64) & 127) << (7 * i)
    return values, start + int(ends[-1]) + 1
