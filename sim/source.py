"""Twin of ``hnlpu.rtl.source``: the serial streams of one bundle, cut out of whole products.

Another road than the RTL's selectors and adders: the products as integers, then their bits.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["source_lines"]


def source_lines(
    x: npt.NDArray[np.int64], multiples: tuple[int, ...], product_bits: int
) -> npt.NDArray[np.uint8]:
    """Bits on the lines of a bundle, cycle by cycle.

    Parameters
    ----------
    x : int64 array (phases,)
        Signed inputs of the bundle.
    multiples : tuple of int
        Multiple on each line; the line of ``-m`` is the complement of that of ``m``.
    product_bits : int
        Bit-times B; must hold the largest multiple in two's complement.

    Returns
    -------
    uint8 array (product_bits * phases, len(multiples))
        Row ``b * phases + p`` holds bit ``b`` of ``m * x[p]``, or of ``m * x[p] - 1`` where ``m < 0``.

    Raises
    ------
    ValueError
        A product that ``product_bits`` bits do not hold.
    """
    lines = np.asarray(multiples, dtype=np.int64)
    products = x.astype(np.int64)[:, None] * lines - (lines < 0)
    limit = 1 << (product_bits - 1)
    outside = np.argwhere((products < -limit) | (products >= limit))
    if len(outside):
        phase, line = outside[0]
        raise ValueError(
            f"x[{phase}] = {x[phase]} times {multiples[line]} does not fit {product_bits} bits; "
            "is the input wider than activation_bits?"
        )
    bit_times = np.arange(product_bits, dtype=np.int64)[:, None, None]
    bits = (products[None, :, :] >> bit_times) & 1
    return bits.reshape(-1, len(multiples)).astype(np.uint8)
