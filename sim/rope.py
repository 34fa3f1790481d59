"""Twin of ``hnlpu.rtl.rope``: rotary position embedding, pairs ``(i, i + n/2)``."""

import numpy as np

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, Saturation, round_shift
from hnlpu.tables import PHASE_BITS, sine_table

__all__ = ["rope", "sine_cosine"]


def sine_cosine(phase: Integers, numerics: Numerics) -> tuple[Integers, Integers]:
    """Sine and cosine of turns in units of ``2**-PHASE_BITS``, with ``rope_bits`` of fraction."""
    table = sine_table(numerics)
    position = phase >> (PHASE_BITS - 2 - numerics.rope_table_bits)
    quadrant, index = position >> numerics.rope_table_bits, position & (len(table) - 1)
    rising, falling = table[index], table[len(table) - 1 - index]
    odd = quadrant & 1
    sine = np.where(odd, falling, rising) * (1 - (quadrant & 2))
    cosine = np.where(odd, rising, falling) * (1 - ((quadrant + 1) & 2))
    return sine, cosine


def rope(
    x: Integers,
    positions: Integers,
    steps: Integers,
    numerics: Numerics,
    saturate: Saturation,
    block: str,
) -> Integers:
    """Rotate heads.

    Parameters
    ----------
    x : (..., n_heads, head_dim)
    positions : (...)
    steps : (head_dim / 2,)
        Turns per position (``hnlpu.tables.rope_steps``).
    """
    phase = (positions[..., None] * steps) & ((1 << PHASE_BITS) - 1)
    sine, cosine = (part[..., None, :] for part in sine_cosine(phase, numerics))
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    rotated = np.concatenate([a * cosine - b * sine, b * cosine + a * sine], axis=-1)
    return saturate(round_shift(rotated, numerics.rope_bits), numerics.value_bits, block)
