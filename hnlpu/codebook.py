"""Codebooks: the finite sets of integer values that a weight can take."""

from dataclasses import dataclass

from hnlpu.errors import HnlpuError

__all__ = ["E2M1", "Codebook"]


@dataclass(frozen=True, slots=True)
class Codebook:
    """Integer values by code, in units of ``2**unit_exponent``.

    Attributes
    ----------
    name : str
    values : tuple of int
        ``values[code]``; two codes may share a value (minus zero).
    unit_exponent : int
        Power of two that value 1 stands for, before the block exponent.
    """

    name: str
    values: tuple[int, ...]
    unit_exponent: int

    def __post_init__(self) -> None:
        if not 1 < len(self.values) <= 256:
            raise HnlpuError(
                "a codebook needs 2 to 256 values",
                where=f"codebook {self.name}",
                got=f"{len(self.values)} values",
                do="give one value per code",
            )


#: OCP MX E2M1 ("FP4"): sign in bit 3, magnitudes 0, .5, 1, 1.5, 2, 3, 4, 6, here in half units.
#: Source: OCP Microscaling Formats (MX) Specification v1.0, section 5.3.3.
E2M1 = Codebook("E2M1", (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12), -1)
