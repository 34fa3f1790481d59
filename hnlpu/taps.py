"""Taps: the tap crossbar, in which a weight is one via from a neuron's stub to a line.

A bundle carries, phase after phase, the multiples of its T inputs, one on each line. A neuron crosses it
with T stubs (T for every tap of a weight); stub ``p`` is connected to the line with the wanted multiple of
the bundle's input ``p``. The T stubs meet in a port, which passes stub ``p`` in phase ``p``; the bits of
all ports are counted and accumulated.

With one exponent per row (E = 1) input ``k`` is phase ``k % T`` of bundle ``k // T``. With block exponents
(E > 1) 32 ports make a superblock, which sees one block in each phase and shifts its count by the block's
exponent: block ``c`` is phase ``c % T`` of superblock ``c // T``.

Any weights fit: every stub reaches every line of its bundle, whatever the other stubs do. Only the
spread of block exponents is limited, by E.

Pins of a row, in order: the stubs (``phase * n_ports + port``), the constant stubs (``port * T + phase``),
the exponent pins (``(superblock * T + phase) * exponent_bits + bit``).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import (
    HIGH,
    LINES,
    LOW,
    ArrayPlan,
    Pins,
    Wiring,
    name_of_magnitudes,
)
from hnlpu.compression import Compression, Input, compress
from hnlpu.constants import ConstantPort, constant_ports, read_constants, wire_constants
from hnlpu.errors import HnlpuError
from hnlpu.lines import LineGroups, line_groups
from hnlpu.wiring import strip_height_um, tracks_available

__all__ = ["TapsPlan"]


@dataclass(frozen=True)
class TapsPlan(ArrayPlan):
    """A tap-crossbar base.

    Attributes
    ----------
    track_budget : int
        Wires along the strip that the adders may use; 0 takes what a strip T stubs high has.
    cuts : int
        Register cuts of the adders (see ``hnlpu.compression``).
    adder : int
        Transistors of the full adder: 24 (inverting) or 28.
    """

    track_budget: int = 0
    cuts: int = 0
    adder: int = 24

    arch: ClassVar[str] = "taps"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range("track_budget", 0, 1 << 16)
        self._check_range("cuts", 0, self.interval_cycles)
        if self.adder not in (24, 28):
            raise HnlpuError(
                "no such full adder",
                where="base",
                got=f"{self.adder} transistors",
                do="choose 24 (inverting) or 28",
            )

    @property
    def lines(self) -> LineGroups:
        return line_groups(self.magnitudes)

    @property
    def tracks_available(self) -> int:
        """Wires that the strip has for the adders."""
        if self.track_budget:
            return self.track_budget
        stubs = self.phases * self.n_taps
        transistors = 2 * stubs + (self.adder + 2) * self.n_taps  # ports; an adder removes a bit
        return tracks_available(strip_height_um(self.lines.n_lines, stubs, transistors))

    @property
    def n_cuts(self) -> int:
        """``cuts``, or fewer in a row too short for them."""
        return min(self.cuts, (self.n_superblocks or self.n_bundles) // 2)

    @property
    def n_taps(self) -> int:
        """Taps of a weight."""
        return self.lines.n_taps

    @property
    def product_bits(self) -> int:
        largest = max(m for group in self.lines.groups for m in group)
        return self.activation_bits + (largest - 1).bit_length()

    @property
    def superblock_bundles(self) -> int:
        """Bundles of a superblock; below ``block`` only where the whole row is shorter."""
        return min(self.block, self.n_columns)

    @property
    def n_superblocks(self) -> int:
        """Superblocks of a row; none with one exponent per row."""
        return ceil(self.n_blocks / self.phases) if self.exponent_values > 1 else 0

    @property
    def n_bundles(self) -> int:
        if self.exponent_values > 1:
            return self.n_superblocks * self.superblock_bundles
        return ceil(self.n_columns / self.phases)

    @property
    def n_ports(self) -> int:
        """Ports of a row that carry weights; port ``bundle * n_taps + tap``."""
        return self.n_bundles * self.n_taps

    @property
    def n_stubs(self) -> int:
        """Stubs of a row, ``phases * n_ports``; those beyond the inputs are tied."""
        return self.phases * self.n_ports

    @property
    def n_exponent_pins(self) -> int:
        return self.exponent_bits * self.phases * self.n_superblocks

    @property
    def constant_ports(self) -> tuple[ConstantPort, ...]:
        """Enough for one less per negative tap, at the largest exponents."""
        most = self.n_columns * self.n_taps
        return constant_ports(self.phases, self.product_bits, most, self.exponent_values - 1)

    @property
    def n_pins(self) -> int:
        return self.n_stubs + self.phases * len(self.constant_ports) + self.n_exponent_pins

    @property
    def max_count(self) -> int:
        """Largest sum of shifted counts in one cycle."""
        constants = sum(1 << port.column for port in self.constant_ports)
        return (self.n_ports << (self.exponent_values - 1)) + constants

    @property
    def accumulator_bits(self) -> int:
        return (2 * self.phases * self.max_count).bit_length()

    @property
    def superblock_count(self) -> Compression | None:
        """Adders that count the ports of a superblock; None with one exponent per row."""
        return _superblock_count(self) if self.exponent_values > 1 else None

    @property
    def row_count(self) -> Compression:
        """Adders of the row: ports, or shifted counts of superblocks, and constant ports."""
        return _row_count(self)

    @property
    def shifted_bits(self) -> int:
        """Bits of a shifted superblock count."""
        return ((self.superblock_bundles * self.n_taps) << (self.exponent_values - 1)).bit_length()

    @property
    def tracks(self) -> int:
        return self.row_count.tracks

    @property
    def row_transistors(self) -> int:
        """Transistors of a row's ports and adders: what differs most between bases of a shape."""
        block = self.superblock_count
        blocks = self.n_superblocks * block.cost if block else 0
        return 2 * (self.n_stubs + self.n_exponent_pins) + blocks + self.row_count.cost

    @property
    def depth(self) -> int:
        return self.row_count.depth

    @property
    def row_name(self) -> str:
        return (
            f"{self.n_columns}_a{self.activation_bits}_t{self.phases}_e{self.exponent_values}"
            f"_b{self.block}_w{self.tracks_available}_c{self.cuts}_f{self.adder}"
            f"{name_of_magnitudes(self.magnitudes)}"
        )

    def place(self, column: int) -> tuple[int, int]:
        """Bundle and phase of input ``column``."""
        if self.exponent_values == 1:
            return divmod(column, self.phases)
        block, offset = divmod(column, self.block)
        superblock, phase = divmod(block, self.phases)
        return superblock * self.superblock_bundles + offset, phase

    def column(self, phase: int, bundle: int) -> int | None:
        if self.exponent_values == 1:
            column = bundle * self.phases + phase
        else:
            superblock, offset = divmod(bundle, self.superblock_bundles)
            column = (superblock * self.phases + phase) * self.block + offset
        return column if column < self.n_columns else None

    def bundle_segment(self, bundle: int) -> int:
        if self.exponent_values > 1:
            return self.row_count.segment[bundle // self.superblock_bundles * self.shifted_bits]
        return self.row_count.segment[bundle * self.n_taps]

    @property
    def constant_segment(self) -> int:
        return self.row_count.segment[-1]

    def port_polarity(self) -> npt.NDArray[np.int64]:
        """Of every port: 1 where it takes its bits as they are, -1 where complemented."""
        block = self.superblock_count
        if block is not None:
            return np.tile(block.polarity[: block.n_inputs], self.n_superblocks)
        return np.asarray(self.row_count.polarity[: self.n_ports])

    def _columns(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Bundle and phase of every column."""
        places = np.array([self.place(column) for column in range(self.n_columns)])
        return places[:, 0], places[:, 1]

    def wire(self, matrix: AlignedMatrix) -> Pins:
        self.check_shape(matrix)
        polarity = self.port_polarity()
        pins = np.where(polarity == 1, LOW, HIGH)  # zero, in the polarity of the port
        pins = np.tile(pins, (self.n_rows, self.phases))
        bundles, phases = self._columns()
        values = matrix.multiples.astype(np.int64)
        negative = np.zeros_like(values)
        for tap in range(self.n_taps):
            parts, lines = self._part_table(tap)
            port = bundles * self.n_taps + tap
            part = parts[values]
            line = lines[np.where(polarity[port] == 1, part, -part)]
            driver = LINES + bundles * self.lines.n_lines + line
            stub = phases * self.n_ports + port
            pins[:, stub] = np.where(part == 0, pins[:, stub], driver)
            negative += part < 0
        total = self._constants(negative, matrix.block_exponents)
        exponents = np.zeros((self.n_rows, self.n_superblocks * self.phases), dtype=np.int64)
        if self.n_superblocks:
            exponents[:, : self.n_blocks] = matrix.block_exponents
        bits = (exponents[:, :, None] >> np.arange(self.exponent_bits)) & 1
        exponent_pins = np.where(bits, HIGH, LOW).reshape(self.n_rows, -1)
        return np.concatenate(
            [
                pins,
                wire_constants(self, self.constant_ports, total),
                exponent_pins[:, : self.n_exponent_pins],
            ],
            axis=1,
        )

    def _part_table(self, tap: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Part of every value for this tap, and line of every part (negative indices wrap)."""
        top = max(self.magnitudes)
        parts = np.zeros(2 * top + 1, dtype=np.int64)
        for magnitude in self.magnitudes:
            for sign in (1, -1):
                parts[sign * magnitude] = self.lines.parts(sign * magnitude)[tap]
        first = 2 * sum(map(len, self.lines.groups[:tap]))
        largest = int(np.abs(parts).max())
        lines = np.full(2 * largest + 1, -1, dtype=np.int64)
        for i, magnitude in enumerate(self.lines.groups[tap]):
            if magnitude <= largest:
                lines[magnitude], lines[-magnitude] = first + 2 * i, first + 2 * i + 1
        return parts, lines

    def _constants(
        self, negative: npt.NDArray[np.int64], block_exponents: npt.NDArray[np.uint8]
    ) -> npt.NDArray[Any]:
        """What the complemented lines of each row lack; Python integers where 64 bits may not do."""
        kind: Any = np.int64 if self.exponent_values <= 32 else object
        shifts = np.repeat(block_exponents, self.block, axis=1)[:, : self.n_columns]
        total: npt.NDArray[Any] = (negative.astype(kind) << shifts.astype(kind)).sum(axis=1)
        return total

    def read(self, pins: Pins) -> Wiring:
        stubs = pins[:, : self.n_stubs].reshape(self.n_rows, self.phases, self.n_ports)
        polarity = self.port_polarity()
        multiples = np.asarray(self.lines.multiples, dtype=np.int64)
        errors = np.zeros(self.n_rows, dtype=np.int64)
        values = np.zeros((self.n_rows, self.n_columns), dtype=np.int64)
        missing = np.zeros((self.n_rows, self.n_columns), dtype=bool)
        bundles, phases = self._columns()
        negative = np.zeros_like(values)
        for tap in range(self.n_taps):
            port = bundles * self.n_taps + tap
            driver = stubs[:, phases, port]
            line = driver - LINES - bundles * self.lines.n_lines
            first = 2 * sum(map(len, self.lines.groups[:tap]))
            own = (line >= first) & (line < first + 2 * len(self.lines.groups[tap]))
            part = np.where(own, multiples[np.where(own, line, 0)], 0) * polarity[port]
            zero = driver == np.where(polarity[port] == 1, LOW, HIGH)
            missing |= ~own & ~zero
            negative += part < 0
            values += part
        missing |= ~np.isin(np.abs(values), [0, *self.magnitudes])
        used = np.zeros((self.phases, self.n_bundles), dtype=bool)
        used[phases, bundles] = True
        spare = np.repeat(~used, self.n_taps, axis=1)
        errors += ((stubs != np.where(polarity == 1, LOW, HIGH)) & spare).sum(axis=(1, 2))

        n_constants = self.phases * len(self.constant_ports)
        exponents, bad = self._read_exponents(pins[:, self.n_stubs + n_constants :])
        errors += (bad | (exponents > 0))[:, self.n_blocks :].sum(axis=1)
        blocks = np.arange(self.n_columns) // self.block
        missing |= bad[:, blocks]
        total = self._constants(negative, exponents[:, : self.n_blocks])
        constants = pins[:, self.n_stubs : self.n_stubs + n_constants]
        errors += read_constants(self, self.constant_ports, constants) != total
        values[missing] = 0
        return Wiring(values.astype(np.int32), missing, exponents[:, : self.n_blocks], errors)

    def _read_exponents(self, pins: Pins) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Exponents by slot and which of them are not on ties."""
        if not self.n_exponent_pins:
            shape = (self.n_rows, self.n_blocks)
            return np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=bool)
        slots = pins.reshape(self.n_rows, -1, self.exponent_bits)
        value = (slots == HIGH) @ (1 << np.arange(self.exponent_bits))
        bad = ((slots != HIGH) & (slots != LOW)).any(axis=2) | (value >= self.exponent_values)
        return value.astype(np.uint8), bad


#: As many as a shallow plan may want.
_MANY_TRACKS = 64


@lru_cache(maxsize=256)
def _superblock_count(plan: TapsPlan) -> Compression:
    n = plan.superblock_bundles * plan.n_taps
    n_columns = n.bit_length()
    return compress(
        (Input(0, free=True),) * n,
        n_columns=n_columns,
        tracks=n_columns,  # what it takes here, the row's own adders lack
        inverting=plan.adder == 24,
    )


@lru_cache(maxsize=256)
def _row_count(plan: TapsPlan) -> Compression:
    block = plan.superblock_count
    if block is None:
        inputs = [Input(0, True, group=port // plan.n_taps) for port in range(plan.n_ports)]
    else:
        depth = block.depth + plan.exponent_bits
        inputs = [
            Input(column, depth=depth, group=superblock)
            for superblock in range(plan.n_superblocks)
            for column in range(plan.shifted_bits)
        ]
    inputs += [Input(port.column, group=plan.n_ports) for port in plan.constant_ports]

    def count(tracks: int) -> Compression:
        return compress(
            tuple(inputs),
            n_columns=plan.max_count.bit_length(),
            tracks=tracks,
            reserved=block.tracks if block else 0,
            n_cuts=plan.n_cuts,
            inverting=plan.adder == 24,
        )

    planned = count(plan.tracks_available)
    if planned.tracks > plan.tracks_available:  # no way to wire it: no reason to save wires either
        planned = count(_MANY_TRACKS)
    return planned
