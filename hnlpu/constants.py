"""Constants: how the metal adds a number of its own to each row.

A complemented line carries ``-x - 1``, so a row lacks one unit for each negative tap. The metal knows the
number and adds it bit by bit: *constant lines*, shared by all rows, carry 1, 2 or 3 in one pair of
bit-times and nothing else, and *constant ports* of the row, each at a column of its adders, have stubs for
some of them.

Contract (checked by ``tests/test_regions.py``): every number up to ``most`` can be wired, and is read back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.base import CONSTANT_BITS, CONSTANT_VALUES, LOW, ArrayPlan, Pins

__all__ = ["ConstantPort", "constant_ports", "read_constants", "wire_constants"]


@dataclass(frozen=True, slots=True)
class ConstantPort:
    """A port through which the metal adds a row's constant: T stubs on constant lines.

    Attributes
    ----------
    column : int
        Its bits weigh ``2**column``.
    pairs : tuple of int
        Pair of bit-times whose constant lines stub ``p`` is meant for.
    """

    column: int
    pairs: tuple[int, ...]


def constant_ports(
    phases: int, product_bits: int, most: int, top: int | None = None
) -> tuple[ConstantPort, ...]:
    """Ports enough for any number from 0 to ``most``.

    Parameters
    ----------
    phases : int
        Stubs of a port.
    product_bits : int
        Bit-times B; the last one weighs negative and is left out.
    most : int
    top : int, optional
        Highest column that a port may have, with ``most`` given in units of it: the bits below it are
        added besides. Left out, the lowest column is chosen from which one stub per pair is enough.
    """
    n_bits = product_bits - 1
    last = max(0, (n_bits - CONSTANT_BITS) // CONSTANT_BITS * CONSTANT_BITS)
    largest = _largest(product_bits, last // CONSTANT_BITS)
    if top is None:
        top = max(0, most.bit_length() - last - largest.bit_length())
        most >>= top
    wanted = [
        (column, list(range(0, min(n_bits, top - column), CONSTANT_BITS)))
        for column in range(0, top, n_bits)
    ]
    # What is left fits pairs of bits, and several stubs of the last whole pair where it is more.
    bits = list(range(0, most.bit_length(), CONSTANT_BITS))
    if bits and (bits[-1] > last or most >> last > largest):
        bits = [*range(0, last, CONSTANT_BITS), *[last] * ceil((most >> last) / largest)]
    wanted.append((top, bits))
    return tuple(
        ConstantPort(column, tuple(bit // CONSTANT_BITS for bit in bits[first:][:phases]))
        for column, bits in wanted
        for first in range(0, len(bits), phases)
    )


def _largest(product_bits: int, pair: int) -> int:
    """Largest number that the constant lines of a pair carry: 1 where its second half is left out."""
    return CONSTANT_VALUES if CONSTANT_BITS * pair + 2 < product_bits else 1


def wire_constants(plan: ArrayPlan, ports: Sequence[ConstantPort], total: npt.NDArray[Any]) -> Pins:
    """Drivers of the constant stubs, ``port * T + phase``, that add ``total[row]`` to each row."""
    pins = np.full((len(total), len(ports), plan.phases), LOW, dtype=np.int64)
    # The most significant stub first; where several weigh the same, each takes its share.
    places = [
        (port.column + CONSTANT_BITS * pair, i, phase)
        for i, port in enumerate(ports)
        for phase, pair in enumerate(port.pairs)
    ]
    rest = total.copy()
    for weight, i, phase in sorted(places, reverse=True):
        pair = ports[i].pairs[phase]
        value = np.minimum(rest >> weight, _largest(plan.product_bits, pair))
        rest = rest - (value << weight)
        line = plan.constant_line(pair, 0) + value.astype(np.int64)
        pins[:, i, phase] = np.where(value > 0, line, LOW)
    assert not rest.any()
    return pins.reshape(len(total), -1)


def read_constants(plan: ArrayPlan, ports: Sequence[ConstantPort], pins: Pins) -> npt.NDArray[Any]:
    """Constant of each row; -1 where a stub is on no constant line."""
    kind: Any = np.int64 if plan.exponent_values <= 32 else object
    columns = np.repeat([port.column for port in ports], plan.phases)
    line = pins - plan.constant_line(0, 1)
    own = (line >= 0) & (line < plan.n_constant_lines)
    pair, value = np.divmod(np.where(own, line, 0), CONSTANT_VALUES)
    weights = (CONSTANT_BITS * pair + columns).astype(kind)
    amount = (np.where(own, value + 1, 0).astype(kind) << weights).sum(axis=1)
    return np.where((own | (pins == LOW)).all(axis=1), amount, -1)
