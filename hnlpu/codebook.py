"""Codebooks: the finite sets of integer values that a weight can take."""

from dataclasses import dataclass

from hnlpu.errors import HnlpuError

__all__ = ["E2M1", "Codebook", "minifloat"]

#: Largest magnitude of a value: products of 16-bit inputs stay within 32 bits.
_LIMIT = (1 << 15) - 1


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
        for code, value in enumerate(self.values):
            if not -_LIMIT <= value <= _LIMIT:
                raise HnlpuError(
                    "codebook value is out of range",
                    where=f"codebook {self.name}: code {code}",
                    got=str(value),
                    do=f"scale the values to integers from {-_LIMIT} to {_LIMIT}",
                )
            if value and value in self.values[:code]:
                raise HnlpuError(
                    "codebook holds a value twice",
                    where=f"codebook {self.name}: code {code}",
                    got=f"{value}, as code {self.values.index(value)}",
                    do="give every value other than zero one code",
                )
        if not any(self.values):
            raise HnlpuError(
                "codebook holds nothing but zero",
                where=f"codebook {self.name}",
                got=str(self.values),
                do="give a value that is not zero",
            )

    @property
    def magnitudes(self) -> tuple[int, ...]:
        """Values without sign and zero, ascending, each once."""
        return tuple(sorted({abs(value) for value in self.values} - {0}))


def minifloat(name: str, exponent_bits: int, mantissa_bits: int) -> Codebook:
    """Codebook of a small float without infinities: code is sign, exponent, mantissa.

    Values are in units of the smallest one above zero (OCP Microscaling Formats (MX) Specification
    v1.0, section 5.3): the exponent's bias is ``2**(exponent_bits - 1) - 1``, exponent 0 is subnormal.
    """
    mantissas, exponents = range(1 << mantissa_bits), range(1, 1 << exponent_bits)
    normal = ((1 << mantissa_bits) + m << e - 1 for e in exponents for m in mantissas)
    magnitudes = (*mantissas, *normal)
    bias = (1 << exponent_bits - 1) - 1
    values = (*magnitudes, *(-magnitude for magnitude in magnitudes))
    return Codebook(name, values, 1 - bias - mantissa_bits)


#: OCP MX E2M1 ("FP4"): magnitudes 0, .5, 1, 1.5, 2, 3, 4, 6; in half units 0, 1, 2, 3, 4, 6, 8, 12.
E2M1 = minifloat("E2M1", 2, 1)
