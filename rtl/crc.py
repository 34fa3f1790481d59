"""CRC-16 of a word in one cycle.

The remainder is linear in the bits: every bit of it is the parity of some bits of the word, and of a constant.
Which ones follows from the powers of x modulo the polynomial of ``sim/crc.py``.

Contract (checked by ``tests/rtl/test_crc.py`` against ``hnlpu.sim.crc``): bit-exact for any width.
"""

from amaranth.hdl import Cat, Value

from hnlpu.link_plan import CRC_BITS
from hnlpu.sim.crc import CRC_START, crc_polynomial

__all__ = ["crc"]


def crc(word: Value) -> Value:
    """Checksum of ``word``, ``CRC_BITS`` bits."""
    n_bits = len(word)
    polynomial = (1 << CRC_BITS) + crc_polynomial(n_bits)
    powers = [1]  # x^k modulo the polynomial
    while len(powers) < n_bits + CRC_BITS:
        doubled = powers[-1] << 1
        powers.append(doubled ^ polynomial * (doubled >> CRC_BITS))
    # Bit i of the word weighs x^(i + 16); bit i of the start value, n places higher, x^(i + n).
    start = 0
    for i in range(CRC_BITS):
        if CRC_START >> i & 1:
            start ^= powers[i + n_bits]
    masks = [
        sum((powers[i + CRC_BITS] >> row & 1) << i for i in range(n_bits))
        for row in range(CRC_BITS)
    ]
    return Cat((word & mask).xor() ^ (start >> row & 1) for row, mask in enumerate(masks))
