"""Vector streams: what flows between the blocks of a chip, an element a beat.

A beat carries one element, the position of the token it belongs to, and whether it is the last of its
vector. Vectors follow one another; a block never sees a vector interrupted by another. The rules are those
of ``amaranth.lib.stream``: once valid, a beat stays until it is taken.
"""

from amaranth.hdl import signed as signed_shape
from amaranth.hdl import unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Out, Signature

__all__ = [
    "BOOT_ADDRESS_BITS",
    "BOOT_DATA_BITS",
    "EXPONENT_BITS",
    "boot_signature",
    "integer_signature",
    "mask_signature",
    "route_signature",
    "token_signature",
    "vector_signature",
    "word_signature",
]

#: Powers of two that accompany vectors (two's complement).
EXPONENT_BITS = 8
#: The boot port of a block: addresses are its own, from 0.
BOOT_ADDRESS_BITS, BOOT_DATA_BITS = 26, 32


def vector_signature(n_bits: int, position_bits: int) -> stream.Signature:
    """Elements on a grid that both ends know: ``value``, ``position``, ``last``."""
    return stream.Signature(
        data.StructLayout(
            {"value": signed_shape(n_bits), "position": unsigned(position_bits), "last": 1}
        )
    )


def integer_signature(n_bits: int, position_bits: int) -> stream.Signature:
    """Block floating point: ``value`` is in units of ``2**exponent``, the same for a whole block."""
    return stream.Signature(
        data.StructLayout(
            {
                "value": signed_shape(n_bits),
                "exponent": signed_shape(EXPONENT_BITS),
                "position": unsigned(position_bits),
                "last": 1,
            }
        )
    )


def mask_signature(n: int) -> stream.Signature:
    """Some of ``n``: ``mask``, bit ``i`` for number ``i``."""
    return stream.Signature(data.StructLayout({"mask": unsigned(n)}))


def route_signature(n: int, routing_bits: int) -> stream.Signature:
    """One of ``n`` at a time and its weight: ``mask`` (one-hot), ``weight``, ``last``."""
    return stream.Signature(
        data.StructLayout({"mask": unsigned(n), "weight": unsigned(routing_bits + 1), "last": 1})
    )


def word_signature(n_bits: int) -> stream.Signature:
    """Numbers that belong to no vector: ``word``, unsigned or two's complement as both ends know."""
    return stream.Signature(data.StructLayout({"word": unsigned(n_bits)}))


def token_signature(token_bits: int, position_bits: int) -> stream.Signature:
    """Tokens and where they stand: ``token``, ``position``."""
    return stream.Signature(
        data.StructLayout({"token": unsigned(token_bits), "position": unsigned(position_bits)})
    )


def boot_signature() -> Signature:
    """Words that load a block's memories: ``write`` for one cycle with ``address`` and ``data``."""
    return Signature(
        {"write": Out(1), "address": Out(BOOT_ADDRESS_BITS), "data": Out(BOOT_DATA_BITS)}
    )
