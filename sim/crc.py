"""CRC-16 of a word of any number of bits, bit by bit.

The polynomial follows from the length of the word:

    word and checksum up to 151 bits   0x3D65 (CRC-16-DNP, EN 13757): finds every error of up to 5 bits
    beyond, up to 32,767               0x1021 (CRC-16-CCITT): every error of up to 3 bits

151 is the order of the first: beyond it some errors of two bits would pass. x + 1 divides both, so that every
odd number of wrong bits is found, as is every burst of up to 16. Most significant bit first, nothing reflected or
inverted. The start value 0xFFFF makes an all-zero word a wrong one: a dead wire is no message.

Contract (checked by ``tests/sim/test_crc.py``): these claims, by counting; Python's own CRC-CCITT.
"""

__all__ = ["CRC_START", "crc16", "crc_polynomial"]

CRC_START = 0xFFFF


def crc_polynomial(n_bits: int) -> int:
    """Polynomial for a word of ``n_bits``, without its leading term."""
    return 0x3D65 if n_bits + 16 <= 151 else 0x1021


def crc16(value: int, n_bits: int, start: int = CRC_START) -> int:
    """Remainder of the ``n_bits`` of ``value``."""
    polynomial, state = crc_polynomial(n_bits), start
    for i in reversed(range(n_bits)):
        feedback = (state >> 15 ^ value >> i) & 1
        state = (state << 1 & 0xFFFF) ^ polynomial * feedback
    return state
