"""The base: everything about the prefabricated silicon of one array, before any weight is known."""

from dataclasses import asdict, dataclass
from math import ceil

from hnlpu.errors import HnlpuError

__all__ = ["LINE_MULTIPLES", "BasePlan"]

#: Multiples of an input that the lines of a bundle carry, in line order: the half-unit E2M1 codebook.
LINE_MULTIPLES = (0, 1, 2, 3, 4, 6, 8, 12, -1, -2, -3, -4, -6, -8, -12)


@dataclass(frozen=True, slots=True)
class BasePlan:
    """Parameters of one tap-crossbar base and the geometry that follows from them.

    Input ``k`` of the array belongs to block ``k // block`` of its row. Blocks are dealt to superblocks
    so that in one phase a superblock sees exactly one block: block ``c`` is phase ``c % phases`` of
    superblock ``c // phases``. A bundle is the ``phases`` inputs that share a port.

    Attributes
    ----------
    n_rows, n_columns : int
        Outputs and inputs of the array.
    activation_bits : int
        Width A of a signed input.
    phases : int
        Inputs T that share one port (and one bundle of lines).
    exponent_values : int
        Number E of block exponents a row can hold, relative to the row's own: 0 .. E-1.
    block : int
        Inputs that share a block exponent (32 in the MX formats); the ports of a superblock.
    """

    n_rows: int
    n_columns: int
    activation_bits: int = 8
    phases: int = 3
    exponent_values: int = 1
    block: int = 32

    def __post_init__(self) -> None:
        limits = {
            "n_rows": (1, 1 << 20),
            "n_columns": (1, 1 << 20),
            "activation_bits": (2, 16),
            "phases": (1, 32),
            "exponent_values": (1, 64),
            "block": (1, 1024),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise HnlpuError(
                    f"{name} is out of range",
                    where="base",
                    got=str(value),
                    do=f"choose {name} from {low} to {high}",
                )

    @property
    def n_blocks(self) -> int:
        """Blocks of a row, the last one possibly partial."""
        return ceil(self.n_columns / self.block)

    @property
    def n_superblocks(self) -> int:
        return ceil(self.n_blocks / self.phases)

    @property
    def superblock_ports(self) -> int:
        """Ports of a superblock; below ``block`` only where the whole row is shorter."""
        return min(self.block, self.n_columns)

    @property
    def n_ports(self) -> int:
        """Ports of a row, which is also the number of bundles."""
        return self.n_superblocks * self.superblock_ports

    @property
    def n_stubs(self) -> int:
        """Stubs of a row: one tap each, ``phases * n_ports``, those beyond the inputs tapped to zero."""
        return self.phases * self.n_ports

    @property
    def n_lines(self) -> int:
        return len(LINE_MULTIPLES) * self.n_ports

    @property
    def exponent_bits(self) -> int:
        """Pins that hold one block exponent."""
        return (self.exponent_values - 1).bit_length()

    @property
    def n_exponent_pins(self) -> int:
        """Exponent pins of a row: ``exponent_bits`` for every phase of every superblock."""
        return self.exponent_bits * self.phases * self.n_superblocks

    @property
    def product_bits(self) -> int:
        """Bit-times B of a serial product: the largest multiple is 12, four bits above the input."""
        return self.activation_bits + 4

    @property
    def max_count(self) -> int:
        """Largest sum of shifted counts in one cycle."""
        return self.n_superblocks * self.superblock_ports << (self.exponent_values - 1)

    @property
    def accumulator_bits(self) -> int:
        """Signed register that holds carry and new counts of one bit-time: below 2 T max_count."""
        return (2 * self.phases * self.max_count).bit_length() + 1

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
        """Cycles from the accepting clock edge to the first cycle in which the result is valid."""
        return self.interval_cycles + 1

    @property
    def row_name(self) -> str:
        """Everything a single row depends on, in a name: rows are equal in arrays of any height."""
        return (
            f"{self.n_columns}_a{self.activation_bits}_t{self.phases}"
            f"_e{self.exponent_values}_b{self.block}"
        )

    @property
    def name(self) -> str:
        """Module name of the base, unique per parameter set."""
        return f"hn_base_{self.n_rows}x{self.row_name}"

    def stub(self, column: int) -> int:
        """Stub of input ``column`` within its row: ``phase * n_ports + port``."""
        block, offset = divmod(column, self.block)
        superblock, phase = divmod(block, self.phases)
        return phase * self.n_ports + superblock * self.superblock_ports + offset

    def column(self, phase: int, port: int) -> int | None:
        """Input that bundle ``port`` carries in ``phase``; None where the array is padded."""
        superblock, offset = divmod(port, self.superblock_ports)
        column = (superblock * self.phases + phase) * self.block + offset
        return column if column < self.n_columns else None

    def as_dict(self) -> dict[str, int]:
        """The parameters, for ``base.json``."""
        return asdict(self)
