"""Numbers of OASIS: seven bits to a byte, lowest first, the top bit set on all bytes but the last.

A signed number carries its sign in bit 0 and its magnitude above it. Lists of numbers, one for each
via of a mask, are encoded and decoded as arrays.

Checked by ``tests/layout/test_oasis.py`` and ``test_oasis_damage.py``.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["Bytes", "Integers", "decode_list", "encode_list", "signed", "signed_list", "unsigned"]

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


def unsigned(value: int) -> bytes:
    """One number, 0 and up."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """One number of either sign."""
    return unsigned(abs(value) << 1 | (value < 0))


def signed_list(values: Integers) -> Integers:
    """What ``encode_list`` takes for signed numbers."""
    return np.abs(values) << 1 | (values < 0)


def encode_list(values: Integers) -> bytes:
    """Numbers from 0 to ``2**63 - 1``, one after the other."""
    n_bytes = np.ones(len(values), dtype=np.int64)
    for shift in range(7, 63, 7):
        longer = values >= 1 << shift
        if not longer.any():
            break
        n_bytes += longer
    most = int(n_bytes.max(initial=1))
    if most == 1:
        return values.astype(np.uint8).tobytes()
    ends = np.cumsum(n_bytes)
    out = np.empty(int(ends[-1]), dtype=np.uint8)
    starts = ends - n_bytes
    out[starts] = values & 127 | (n_bytes > 1) << 7
    for k in range(1, most):
        some = np.flatnonzero(n_bytes > k)
        out[starts[some] + k] = values[some] >> 7 * k & 127 | (n_bytes[some] > k + 1) << 7
    return out.tobytes()


def decode_list(data: Bytes, starts: Integers, ends: Integers) -> Integers:
    """The numbers whose first and last bytes stand at these places of ``data``.

    Raises
    ------
    OverflowError
        A number of more than 9 bytes, which is more than 63 bits.
    """
    more = ends - starts
    most = int(more.max(initial=0))
    if most > 8:
        raise OverflowError(f"a number of {most + 1} bytes")
    values = (data[starts] & 127).astype(np.int64)
    for k in range(1, most + 1):
        some = np.flatnonzero(more >= k)
        values[some] |= (data[starts[some] + k] & 127).astype(np.int64) << 7 * k
    return values
