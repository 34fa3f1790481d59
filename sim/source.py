"""Twin of ``hnlpu.rtl.source``: the serial streams of one bundle, cut out of whole products.

Another road than the RTL's serial adders and delays: the products as integers, then their bits.
"""

import numpy as np
import numpy.typing as npt

from hnlpu.base import LINE_MULTIPLES

__all__ = ["source_lines"]


def source_lines(x: npt.NDArray[np.int64], product_bits: int) -> npt.NDArray[np.uint8]:
    """Bits on the lines of a bundle, cycle by cycle.

    Parameters
    ----------
    x : int64 array (phases,)
        Signed inputs of the bundle.
    product_bits : int
        Bit-times B; must hold the largest multiple in two's complement.

    Returns
    -------
    uint8 array (product_bits * phases, len(LINE_MULTIPLES))
        Row ``b * phases + p`` holds bit ``b`` of every multiple of ``x[p]``.

    Raises
    ------
    ValueError
        A product that ``product_bits`` bits do not hold.
    """
    products = x.astype(np.int64)[:, None] * np.asarray(LINE_MULTIPLES, dtype=np.int64)
    limit = 1 << (product_bits - 1)
    outside = np.argwhere((products < -limit) | (products >= limit))
    if len(outside):
        phase, line = outside[0]
        raise ValueError(
            f"x[{phase}] = {x[phase]} times {LINE_MULTIPLES[line]} does not fit {product_bits} bits; "
            f"is the input wider than activation_bits = {product_bits - 4}?"
        )
    bit_times = np.arange(product_bits, dtype=np.int64)[:, None, None]
    bits = (products[None, :, :] >> bit_times) & 1
    return bits.reshape(-1, len(LINE_MULTIPLES)).astype(np.uint8)
