"""Widths that a chip's exact sums have, and the beats that carry them to another chip."""

from collections.abc import Sequence

from hnlpu.numerics import Numerics
from hnlpu.tables import EXP_BITS

__all__ = [
    "blend_bits",
    "channel_bits",
    "growth_bits",
    "index_bits",
    "largest_exponent",
    "sum_bits",
    "vector_bits",
]


def largest_exponent(numerics: Numerics) -> int:
    """Of a vector of the value grid as integers of ``kv_bits``.

    A magnitude is at most ``2**(value_bits - 1)``, which has ``value_bits`` bits, and an integer's has
    ``kv_bits - 1``.
    """
    return max(0, numerics.value_bits - numerics.kv_bits + 1)


def sum_bits(context: int, numerics: Numerics) -> int:
    """Width of a sum over ``context`` terms of a softmax, which is more than the total of the terms needs."""
    # An integer of the cache is at least -2**(kv_bits - 1).
    return (
        (context << (EXP_BITS - 1 + numerics.kv_bits - 1)) << largest_exponent(numerics)
    ).bit_length() + 1


def blend_bits(most: int, numerics: Numerics) -> int:
    """Width of a weighted sum over at most ``most`` experts.

    A product has a bit more than its factors, a sum as many more as it has terms in bits.
    """
    return numerics.residual_bits + numerics.routing_bits + 1 + most.bit_length()


def growth_bits(n_terms: int) -> int:
    """Bits by which a sum of ``n_terms`` is wider than a term."""
    return (n_terms - 1).bit_length()


def vector_bits(n_bits: int, position_bits: int) -> int:
    """Of a beat with an element of ``n_bits``: its position and whether it is the last come with it."""
    return n_bits + position_bits + 1


def index_bits(n: int) -> int:
    """Of a number below ``n``, one bit at least."""
    return max(1, (n - 1).bit_length())


def channel_bits(widths: Sequence[int], n_back: int) -> int:
    """Of a beat that carries channels of ``widths``, and credits of ``n_back`` others."""
    return max(widths, default=1) + index_bits(len(widths)) + 1 + index_bits(n_back) + 1
