"""Sums of numbers by mantissa: how the regions of a row come together.

Region ``m * 2**e`` (``m`` odd) delivers numbers that count ``m * 2**e`` each. What shares a mantissa is
added first, every number at its column ``e``; the sum then enters the total once for each bit of ``m``:

    total = sum over m of (sum over the numbers of mantissa m of number << e) * m

so a mantissa costs its few additions once, not once per number. Signed numbers are not extended: their
sign bit enters as its complement, and all the corrections together are one constant.

Contract (checked by ``tests/test_regions.py`` and the tests of the rows): exact modulo ``2**n_bits``.
"""

from dataclasses import dataclass
from functools import lru_cache

from hnlpu.compression import Compression, Input, compress

__all__ = ["UNLIMITED", "MantissaSum", "Term", "TermSum", "mantissa_sum", "split_magnitude"]

#: A limit on tracks that no row reaches: its adders are trees.
UNLIMITED = 1 << 20


@dataclass(frozen=True, slots=True)
class Term:
    """A number that is added.

    Attributes
    ----------
    column : int
        Weight of its bit 0, as a power of two.
    n_bits : int
    most : int
        Its largest absolute value.
    signed : bool
        Two's complement.
    depth : int
        Adders passed already.
    """

    column: int
    n_bits: int
    most: int
    signed: bool = False
    depth: int = 0

    def complemented(self, n_total: int) -> bool:
        """The sign bit enters a sum of ``n_total`` bits as its complement."""
        return self.signed and self.column + self.n_bits < n_total


@dataclass(frozen=True, slots=True, eq=False)
class TermSum:
    """Adders for some terms.

    Attributes
    ----------
    terms : tuple of Term
        Their bits, term after term, are the first inputs of the compression.
    ones : tuple of int
        Columns of the constant ones that are its last inputs.
    n_bits : int
    compression : Compression
    """

    terms: tuple[Term, ...]
    ones: tuple[int, ...]
    n_bits: int
    compression: Compression


@dataclass(frozen=True, slots=True, eq=False)
class MantissaSum:
    """Adders for everything.

    Attributes
    ----------
    parts : tuple of (int, TermSum)
        Odd mantissas above 1, and what is added for each.
    total : TermSum
        Its first terms are those of mantissa 1, then the parts, once for each bit of their mantissa.
    """

    parts: tuple[tuple[int, TermSum], ...]
    total: TermSum

    @property
    def sums(self) -> list[TermSum]:
        return [*(part for _, part in self.parts), self.total]

    @property
    def cost(self) -> int:
        """Transistors, roughly."""
        return sum(each.compression.cost for each in self.sums)

    @property
    def depth(self) -> int:
        """Adders in series, those before the terms included."""
        return max(each.compression.depth for each in self.sums)

    @property
    def tracks(self) -> int:
        """Wires along the strip, all sums lying beside one another."""
        return sum(each.compression.tracks for each in self.sums)


def split_magnitude(magnitude: int) -> tuple[int, int]:
    """Odd mantissa and exponent."""
    exponent = (magnitude & -magnitude).bit_length() - 1
    return magnitude >> exponent, exponent


def mantissa_sum(
    terms: tuple[tuple[int, Term], ...], n_bits: int, *, inverting: bool = True
) -> MantissaSum:
    """Plan the sum of ``terms``, each with the odd mantissa it is multiplied by, modulo ``2**n_bits``."""
    return _mantissa_sum(terms, n_bits, inverting)


@lru_cache(maxsize=64)
def _mantissa_sum(terms: tuple[tuple[int, Term], ...], n_bits: int, inverting: bool) -> MantissaSum:
    own = [term for mantissa, term in terms if mantissa == 1]
    parts = []
    for mantissa in sorted({mantissa for mantissa, _ in terms} - {1}):
        these = tuple(term for m, term in terms if m == mantissa)
        most = sum(term.most << term.column for term in these)
        signed = any(term.signed for term in these)
        width = min(n_bits, (most - 1).bit_length() + 1 if signed else most.bit_length())
        part = _term_sum(these, width, inverting)
        parts.append((mantissa, part))
        depth = part.compression.depth
        own += [
            Term(column, width, most, signed, depth)
            for column in range(mantissa.bit_length())
            if mantissa >> column & 1
        ]
    return MantissaSum(tuple(parts), _term_sum(tuple(own), n_bits, inverting))


def _term_sum(terms: tuple[Term, ...], n_bits: int, inverting: bool) -> TermSum:
    # A sign bit s counts -s = ~s - 1 at its column.
    missing = sum(1 << (t.column + t.n_bits - 1) for t in terms if t.complemented(n_bits))
    constant = -missing % (1 << n_bits)
    ones = tuple(column for column in range(n_bits) if constant >> column & 1)
    inputs = [
        Input(term.column + bit, depth=term.depth) for term in terms for bit in range(term.n_bits)
    ]
    inputs += [Input(column) for column in ones]
    plan = compress(tuple(inputs), n_columns=n_bits, tracks=UNLIMITED, inverting=inverting)
    return TermSum(terms, ones, n_bits, plan)
