"""Twin of ``hnlpu.rtl.swiglu``: the gated activations of both families.

llama      up * gate * sigmoid(gate)
gpt-oss    (up + 1) * gate * sigmoid(1.702 * gate), gate at most 7, up within -7 and 7
"""

import numpy as np

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, Saturation, round_shift
from hnlpu.tables import SIGMOID_RANGE, SWIGLU_ALPHA, sigmoid_table

__all__ = ["sigmoid", "swiglu"]


def sigmoid(x: Integers, alpha: float, numerics: Numerics) -> Integers:
    """``sigmoid(alpha * x)``, interpolated between the knots of the table; 0 and 1 beyond -8 and 8."""
    table = sigmoid_table(numerics, alpha)
    edge = SIGMOID_RANGE << numerics.value_fraction
    place_bits = (2 * edge - 1).bit_length() - numerics.sigmoid_table_bits
    place = np.minimum(np.maximum(x + edge, 0), 2 * edge - 1)
    knot, within = place >> place_bits, place & ((1 << place_bits) - 1)
    below, above = table[knot], table[knot + 1]
    inside = below + round_shift((above - below) * within, place_bits)
    return np.where(x < -edge, 0, np.where(x >= edge, 1 << numerics.sigmoid_bits, inside))


def swiglu(
    gate: Integers,
    up: Integers,
    limit: float | None,
    numerics: Numerics,
    saturate: Saturation,
    block: str,
) -> Integers:
    """Activation of gates and ups on the value grid; ``limit`` tells the gpt-oss variant."""
    alpha = 1.0
    if limit is not None:
        alpha = SWIGLU_ALPHA
        most = round(limit * (1 << numerics.value_fraction))
        gate = np.minimum(gate, most)
        up = np.minimum(np.maximum(up, -most), most) + (1 << numerics.value_fraction)
    products = up * gate * sigmoid(gate, alpha, numerics)
    result = round_shift(products, numerics.value_fraction + numerics.sigmoid_bits)
    return saturate(result, numerics.value_bits, block)
