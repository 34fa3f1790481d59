"""Pins: what the rows of a tap crossbar sum up, whatever their pins are on.

A plan's own reading (``TapsPlan.read``) tells weights, and that a pin stands for none. Here any pin counts: on a line of
another bundle, on a constant line, on a tie, or on lines that are joined, whose bits are the ``and`` or
the ``or`` of the lines' bits. A row's result is then

    y = weights @ x + offset + sum over words of factor * word(x)

A *word* is what joined lines carry in one phase. A row whose exponent pins are on lines shifts by numbers that
change with the data, and a row that joins lines of other register cuts adds bits of other times: such a row is
``bad``, and its result is 0.

Contract (checked by ``tests/rtl/test_pins.py``): bit for bit what Amaranth's simulation of the array gives with
the same pins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.base import CONSTANT_BITS, CONSTANT_VALUES, HIGH, LINES, LOW, Pins
from hnlpu.taps import TapsPlan

__all__ = ["RowSums", "row_sums"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RowSums:
    """What some rows of an array compute.

    Attributes
    ----------
    plan : TapsPlan
    weights : int64 array (n_rows, n_columns)
    offset : int64 array (n_rows,)
    words : list of (tuple of int, int)
        Drivers that are joined, and the phase.
    factors : int64 array (n_words, n_rows)
    bad : bool array (n_rows,)
    low_wins : bool
        Joined bits are their ``and``, else their ``or``.
    """

    plan: TapsPlan
    weights: Integers
    offset: Integers
    words: list[tuple[tuple[int, ...], int]]
    factors: Integers
    bad: npt.NDArray[np.bool_]
    low_wins: bool

    def __call__(self, x: Integers) -> Integers:
        """Results for inputs (n_vectors, n_columns): (n_vectors, n_rows), in units of the rows."""
        y = x @ self.weights.T + self.offset
        if self.words:
            values = [
                _word(self.plan, drivers, phase, x, self.low_wins) for drivers, phase in self.words
            ]
            y = y + np.stack(values, axis=1) @ self.factors
        return y


def row_sums(
    plan: TapsPlan,
    pins: Pins,
    joined: Sequence[tuple[int, ...]] = (),
    *,
    low_wins: bool = True,
    bad: npt.NDArray[np.bool_] | None = None,
) -> RowSums:
    """What rows with these pins compute.

    Parameters
    ----------
    plan : TapsPlan
    pins : int64 array (n_rows, n_pins)
        Drivers; from ``n_drivers`` on, entries of ``joined``. Rows may be fewer than the plan's.
    joined : sequence of tuple of int
        Drivers whose lines are joined.
    low_wins : bool
    bad : bool array (n_rows,), optional
        Rows that are bad for another reason.
    """
    reader = _Reader(plan, pins, joined, low_wins)
    if bad is not None:
        reader.bad |= bad
    return reader.sums()


class _Reader:
    """Adds up, pin by pin, what each contributes."""

    def __init__(
        self, plan: TapsPlan, pins: Pins, joined: Sequence[tuple[int, ...]], low_wins: bool
    ) -> None:
        self.plan, self.pins, self.joined, self.low_wins = plan, pins, joined, low_wins
        n_rows = len(pins)
        self.weights = np.zeros((n_rows, plan.n_columns), dtype=np.int64)
        self.offset = np.zeros(n_rows, dtype=np.int64)
        self.bad = np.zeros(n_rows, dtype=bool)
        self.words: dict[tuple[int, int], Integers] = {}
        drivers = np.arange(plan.n_drivers)
        lines = drivers - LINES
        on_bundle = (lines >= 0) & (lines < plan.n_lines)
        bundle, line = np.divmod(np.where(on_bundle, lines, 0), plan.lines.n_lines)
        multiples = np.asarray(plan.lines.multiples, dtype=np.int64)[line]
        self.bundle = np.where(on_bundle, bundle, -1)
        self.multiple = np.where(on_bundle, multiples, 0)
        pair, value = np.divmod(drivers - plan.constant_line(0, 1), CONSTANT_VALUES)
        constant = _constants(plan, pair, value + 1)
        own = np.where(drivers >= plan.constant_line(0, 1), constant, 0)
        self.constant = np.where(on_bundle, -(multiples < 0).astype(np.int64), own)
        self.constant[HIGH] = -1
        self.columns = np.array([
            [-1 if (c := plan.column(phase, b)) is None else c for b in range(plan.n_bundles)]
            for phase in range(plan.phases)
        ])  # fmt: skip
        segments = [plan.bundle_segment(b) for b in range(plan.n_bundles)]
        self.segment = np.where(on_bundle, np.array(segments)[self.bundle], plan.constant_segment)
        self.segment[:LINES] = -1  # a tie is the same at all times

    def sums(self) -> RowSums:
        plan = self.plan
        n_constants = plan.phases * len(plan.constant_ports)
        exponents = self._exponents(self.pins[:, plan.n_stubs + n_constants :])
        ports = np.arange(plan.n_ports)
        bundles = ports // plan.n_taps
        polarity = plan.port_polarity()
        block = bundles // plan.superblock_bundles if plan.n_superblocks else np.zeros_like(bundles)
        segments = np.array([plan.bundle_segment(b) for b in range(plan.n_bundles)])
        for phase in range(plan.phases):
            pins = self.pins[:, phase * plan.n_ports : (phase + 1) * plan.n_ports]
            factor = polarity << exponents[:, block, phase]
            self._add(phase, pins, factor, segments[bundles])
            complemented = np.where(
                polarity == -1, factor, 0
            )  # of a port that takes bits complemented
            self.offset += complemented.sum(axis=1)
        constants = self.pins[:, plan.n_stubs : plan.n_stubs + n_constants]
        columns = np.array([port.column for port in plan.constant_ports])
        for phase in range(plan.phases):
            pins = constants[:, phase :: plan.phases]
            factor = np.broadcast_to(np.int64(1) << columns, pins.shape)
            self._add(phase, pins, factor, np.full(len(columns), plan.constant_segment))
        words = [(self.joined[n - plan.n_drivers], phase) for n, phase in self.words]
        factors = np.array(list(self.words.values()), dtype=np.int64).reshape(-1, len(self.pins))
        factors[:, self.bad] = self.weights[self.bad] = self.offset[self.bad] = 0
        return RowSums(plan, self.weights, self.offset, words, factors, self.bad, self.low_wins)

    def _exponents(self, pins: Pins) -> Integers:
        """Exponent of each row, superblock and phase."""
        plan, n_rows = self.plan, len(self.pins)
        if not plan.n_exponent_pins:
            return np.zeros((n_rows, max(1, plan.n_superblocks), plan.phases), dtype=np.int64)
        bits = pins.reshape(n_rows, plan.n_superblocks, plan.phases, plan.exponent_bits)
        values = (bits == HIGH) @ (1 << np.arange(plan.exponent_bits))
        wrong = (bits > HIGH).any(axis=3) | (values >= plan.exponent_values)
        self.bad |= wrong.any(axis=(1, 2))
        return np.where(wrong, 0, values)

    def _add(self, phase: int, pins: Pins, factor: Integers, segment: Integers) -> None:
        """Pins (n_rows, n) of one phase, each a number of times, at ports of some register cuts."""
        lone = pins < self.plan.n_drivers
        driver = np.where(lone, pins, LOW)
        self.offset += (self.constant[driver] * factor).sum(axis=1)
        self.bad |= ((self.segment[driver] != segment) & (driver >= LINES)).any(axis=1)
        column = self.columns[phase, self.bundle[driver]]
        rows, places = np.nonzero((self.bundle[driver] >= 0) & (column >= 0))
        amount = (self.multiple[driver] * factor)[rows, places]
        np.add.at(self.weights, (rows, column[rows, places]), amount)
        for row, place in np.argwhere(~lone).tolist():
            number = int(pins[row, place])
            members = np.array(self.joined[number - self.plan.n_drivers])
            self.bad[row] |= bool(
                ((self.segment[members] != segment[place]) & (members >= LINES)).any()
            )
            word = self.words.setdefault((number, phase), np.zeros(len(pins), dtype=np.int64))
            word[row] += factor[row, place]


def _constants(plan: TapsPlan, pair: Integers, value: Integers) -> Integers:
    """What a constant line adds in a phase: its value in its pair of bit-times, the last bit-time left out."""
    bits = plan.product_bits - 1 - CONSTANT_BITS * pair
    held = value & ((np.int64(1) << np.clip(bits, 0, CONSTANT_BITS)) - 1)
    return held << np.maximum(CONSTANT_BITS * pair, 0)


def _word(
    plan: TapsPlan, drivers: Sequence[int], phase: int, x: Integers, low_wins: bool
) -> Integers:
    """What joined lines carry in a phase, as a number, (n_vectors,)."""
    reader = _Reader(plan, np.zeros((0, plan.n_pins), dtype=np.int64), (), low_wins)
    total: Integers | None = None
    for driver in drivers:
        column = reader.columns[phase, reader.bundle[driver]] if reader.bundle[driver] >= 0 else -1
        own = np.full(len(x), reader.constant[driver])
        if column >= 0:
            own = own + reader.multiple[driver] * x[:, column]
        # Two's complement: bits of numbers that fit the bit-times are bits of their int64.
        total = own if total is None else (total & own if low_wins else total | own)
    assert total is not None
    return total
