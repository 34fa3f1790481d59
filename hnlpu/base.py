"""Bases: what every array has in common, whatever stands inside it, before any weight is known.

An array takes a vector ``x`` and gives ``y`` over two streams. Inside, its *lines* carry serial products
of the inputs, and every row has *pins*; the metal of a matrix connects each pin, once and for all, to one
*driver*:

    0, 1        the low and the high tie
    2 ..        the lines, bundle after bundle, then the constant lines
    after them  what the row itself offers (``n_local`` outputs; only some architectures)

An architecture says what its pins mean: :meth:`ArrayPlan.wire` turns a matrix into drivers, and
:meth:`ArrayPlan.read` turns drivers back into a matrix. Nothing else of the flow knows.

Signs cost no adder: the line of ``-m`` is the complement of the line of ``m`` and carries ``-m x - 1``.
What is missing, one for each such tap, is known for each row, and the metal adds it through pins of its
own, on the constant lines.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import ceil
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.lines import LineGroups

__all__ = [
    "CONSTANT_BITS",
    "CONSTANT_VALUES",
    "HIGH",
    "LINES",
    "LOW",
    "MAX_PHASES",
    "ArrayPlan",
    "Pins",
    "Wiring",
    "constant_lines",
    "name_of_magnitudes",
]

#: A constant line carries one of three values in a pair of bit-times.
CONSTANT_BITS, CONSTANT_VALUES = 2, 3
#: Driver numbers of the ties, and of line 0.
LOW, HIGH, LINES = 0, 1, 2
MAX_PHASES = 32

#: Driver of every pin of every row.
Pins = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """A matrix as read from the pins of its rows.

    Attributes
    ----------
    values : int32 array (n_rows, n_columns)
        Codebook values; 0 where missing.
    missing : bool array (n_rows, n_columns)
        Weights whose pins carry nothing that stands for a weight.
    block_exponents : uint8 array (n_rows, n_blocks)
    errors : int array (n_rows,)
        Pins beyond the weights (padding, constants) that are not as the weights ask.
    """

    values: npt.NDArray[np.int32]
    missing: npt.NDArray[np.bool_]
    block_exponents: npt.NDArray[np.uint8]
    errors: npt.NDArray[np.int64]


def constant_lines(product_bits: int) -> int:
    """Constant lines of a base: three for each pair of bit-times, the last bit-time left out."""
    return CONSTANT_VALUES * ceil((product_bits - 1) / CONSTANT_BITS)


@dataclass(frozen=True)
class ArrayPlan(ABC):
    """Parameters of a base, and the geometry that follows from them.

    Attributes
    ----------
    n_rows, n_columns : int
        Outputs and inputs of the array.
    activation_bits : int
        Width A of a signed input.
    phases : int
        Inputs T that share a bundle of lines and take turns on it.
    exponent_values : int
        Number E of block exponents a row can hold, relative to the row's own: 0 .. E-1.
    block : int
        Inputs that share a block exponent (32 in the MX formats).
    magnitudes : tuple of int
        Codebook values without sign and zero, ascending; every value may be negative.
    """

    n_rows: int
    n_columns: int
    activation_bits: int = 8
    phases: int = 3
    exponent_values: int = 1
    block: int = 32
    magnitudes: tuple[int, ...] = E2M1.magnitudes

    arch: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "magnitudes", tuple(self.magnitudes))
        self._check_range("n_rows", 1, 1 << 20)
        self._check_range("n_columns", 1, 1 << 20)
        self._check_range("activation_bits", 2, 16)
        self._check_range("phases", 1, MAX_PHASES)
        self._check_range("exponent_values", 1, 64)
        self._check_range("block", 1, 1024)
        ascending = list(self.magnitudes) == sorted(set(self.magnitudes))
        if not ascending or not self.magnitudes or self.magnitudes[0] < 1:
            raise HnlpuError(
                "magnitudes must be positive and ascending, each once",
                where="base",
                got=str(self.magnitudes),
                do="give the codebook's values without sign and zero",
            )

    def _check_range(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise HnlpuError(
                f"{name} is out of range",
                where="base",
                got=str(value),
                do=f"choose {name} from {low} to {high}",
            )

    # What an architecture decides.

    @property
    @abstractmethod
    def lines(self) -> LineGroups:
        """Lines of a bundle."""

    @property
    @abstractmethod
    def product_bits(self) -> int:
        """Bit-times B per vector."""

    @property
    @abstractmethod
    def n_bundles(self) -> int:
        """Bundles of lines, T inputs each."""

    @property
    @abstractmethod
    def n_pins(self) -> int:
        """Pins of a row."""

    @property
    @abstractmethod
    def accumulator_bits(self) -> int:
        """Register that holds what came before and the counts of one bit-time."""

    @property
    @abstractmethod
    def row_name(self) -> str:
        """Everything a single row depends on, in a name: rows are equal in arrays of any height."""

    @abstractmethod
    def column(self, phase: int, bundle: int) -> int | None:
        """Input that ``bundle`` carries in ``phase``; None where the array is padded."""

    @abstractmethod
    def bundle_segment(self, bundle: int) -> int:
        """Cycles by which the bundle's inputs must come later than those of segment 0."""

    @abstractmethod
    def wire(self, matrix: AlignedMatrix) -> Pins:
        """Drivers of every pin for ``matrix``, (n_rows, n_pins).

        Raises
        ------
        HnlpuError
            The matrix does not fit; says which row, and by how much.
        """

    @abstractmethod
    def read(self, pins: Pins) -> Wiring:
        """The matrix that these drivers stand for; the inverse of :meth:`wire`."""

    @property
    @abstractmethod
    def tracks(self) -> int:
        """Wires along a row's strip, at most."""

    @property
    @abstractmethod
    def tracks_available(self) -> int:
        """Wires that a strip has room for."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Adders in series between registers, at most."""

    # What follows.

    @property
    def n_cuts(self) -> int:
        """Register cuts between a row's first inputs and its accumulator."""
        return 0

    @property
    def constant_segment(self) -> int:
        """Segment whose bit-times the constant lines follow."""
        return 0

    @property
    def n_segments(self) -> int:
        return max(1, self.n_cuts)

    @property
    def holds_input(self) -> bool:
        """The sources have registers of their own: segments read their inputs at different times."""
        return self.n_segments > 1

    @property
    def padding_ratio(self) -> float:
        """Share of the inputs' places in bundles that no input takes."""
        return 1 - self.n_columns / (self.n_bundles * self.phases)

    @property
    def n_local(self) -> int:
        """Outputs that each row offers to its own pins."""
        return 0

    @property
    def n_blocks(self) -> int:
        """Blocks of a row, the last one possibly partial."""
        return ceil(self.n_columns / self.block)

    @property
    def exponent_bits(self) -> int:
        """Pins that hold one block exponent."""
        return (self.exponent_values - 1).bit_length()

    @property
    def n_constant_lines(self) -> int:
        """Lines through which the metal adds constants."""
        return constant_lines(self.product_bits)

    @property
    def n_lines(self) -> int:
        """Lines of all bundles."""
        return self.n_bundles * self.lines.n_lines

    @property
    def n_drivers(self) -> int:
        return LINES + self.n_lines + self.n_constant_lines + self.n_local

    @property
    def y_bits(self) -> int:
        """Width of a signed result."""
        return self.accumulator_bits + self.product_bits - 1

    @property
    def interval_cycles(self) -> int:
        """Cycles from one accepted vector to the next, nothing stalling."""
        return self.phases * self.product_bits

    @property
    def latency_cycles(self) -> int:
        """Cycles from the first in which a vector is offered to the first in which its result is."""
        return self.interval_cycles + self.n_cuts + self.holds_input

    @property
    def name(self) -> str:
        """Module name of the base, unique per parameter set."""
        return f"hn_base_{self.n_rows}x{self.row_name}"

    def as_dict(self) -> dict[str, Any]:
        """The architecture and its parameters, for ``base.json``."""
        return {"arch": self.arch, **asdict(self), "magnitudes": list(self.magnitudes)}

    def bundle_line(self, bundle: int, line: int) -> int:
        """Driver number of a line."""
        return LINES + bundle * self.lines.n_lines + line

    def constant_line(self, pair: int, value: int) -> int:
        """Driver number of the line that carries ``value`` (1 to 3) in pair ``pair`` of bit-times."""
        return LINES + self.n_lines + CONSTANT_VALUES * pair + value - 1

    def local_driver(self, output: int) -> int:
        """Driver number of output ``output`` of the own row."""
        return LINES + self.n_lines + self.n_constant_lines + output

    def check_shape(self, matrix: AlignedMatrix) -> None:
        """Raise unless ``matrix`` has this shape, this codebook and no wider spread of exponents."""
        if (matrix.n_rows, matrix.n_columns) != (self.n_rows, self.n_columns):
            raise HnlpuError(
                "matrix does not fit the base",
                where=matrix.name,
                got=f"{matrix.n_rows} x {matrix.n_columns} on {self.n_rows} x {self.n_columns}",
                do="generate a base of the matrix's shape",
            )
        known = np.isin(np.abs(matrix.multiples), [0, *self.magnitudes])
        if not known.all():
            row, column = np.argwhere(~known)[0]
            raise HnlpuError(
                "weight is not in the codebook that the base was made for",
                where=f"{matrix.name}[{row}, {column}] on {self.name}",
                got=str(matrix.multiples[row, column]),
                do="generate a base for this format, or quantise the checkpoint to the base's",
            )
        if matrix.spread and matrix.block != self.block:
            raise HnlpuError(
                "matrix has other blocks than the base",
                where=f"{matrix.name} on {self.name}",
                got=f"blocks of {matrix.block} for {self.block}",
                do="generate a base for this format",
            )
        if matrix.spread >= self.exponent_values:
            row = int(matrix.block_exponents.max(axis=1).argmax())
            raise HnlpuError(
                "block exponents spread further than the base holds",
                where=f"{matrix.name}: row {row} on {self.name}",
                got=f"{int(matrix.block_exponents[row].max()) + 1} exponent values for "
                f"{self.exponent_values}",
                do="use a base with more --exponent-values, or allow --requantize",
            )


def name_of_magnitudes(magnitudes: tuple[int, ...]) -> str:
    """Short and unique: nothing for E2M1, ``m8`` for 1 .. 8, else a digest."""
    if magnitudes == E2M1.magnitudes:
        return ""
    if magnitudes == tuple(range(1, len(magnitudes) + 1)):
        return f"_m{len(magnitudes)}"
    return f"_m{sha256(repr(magnitudes).encode()).hexdigest()[:8]}"
