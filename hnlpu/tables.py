"""Tables of the vector units: what their ROMs hold, and what the twin looks up.

They depend on the numerics and the model's configuration, never on weights.
"""

from functools import lru_cache
from math import floor, log, log2, pi

import numpy as np
import numpy.typing as npt

from hnlpu.model import RopeShape
from hnlpu.numerics import Numerics

__all__ = [
    "EXP_BITS",
    "LOG2E_BITS",
    "PHASE_BITS",
    "RECIPROCAL_BITS",
    "RSQRT_BITS",
    "SCALE_BITS",
    "SIGMOID_RANGE",
    "SWIGLU_ALPHA",
    "exp2_table",
    "rope_frequencies",
    "rope_magnitude",
    "rope_steps",
    "rsqrt_table",
    "score_scale",
    "sigmoid_table",
    "sine_table",
]

Table = npt.NDArray[np.int64]

#: 2**-x has this many bits: 1.0 is ``2**(EXP_BITS - 1)``.
EXP_BITS = 16
#: A reciprocal of a sum lies from ``2**(RECIPROCAL_BITS - 1)`` to ``2**RECIPROCAL_BITS``.
RECIPROCAL_BITS = 16
#: Fraction bits of the reciprocal square root.
RSQRT_BITS = 16
#: Fraction bits of a turn in the phase of a rotary embedding.
PHASE_BITS = 32
#: Significant bits of the constant that turns products of queries and keys into scores.
SCALE_BITS = 16
#: Fraction bits of log2(e) where router logits become scores.
LOG2E_BITS = 14
#: The sigmoid's table reaches from -8 to 8; beyond it is 0 and 1.
SIGMOID_RANGE = 8
#: sigmoid(1.702 x) in the gpt-oss activation (transformers, ``GptOssExperts``).
SWIGLU_ALPHA = 1.702


def _rounded(values: npt.NDArray[np.float64]) -> Table:
    return np.floor(values + 0.5).astype(np.int64)


@lru_cache(maxsize=64)
def exp2_table(numerics: Numerics) -> Table:
    """``2**-(i / n)`` for ``i`` from 0 to ``n - 1``, (2**exp_table_bits,)."""
    n = 1 << numerics.exp_table_bits
    return _rounded(np.exp2(-np.arange(n) / n) * (1 << (EXP_BITS - 1)))


@lru_cache(maxsize=64)
def rsqrt_table(numerics: Numerics) -> Table:
    """``1 / sqrt(m)`` in the middle of each segment, (2**rsqrt_table_bits,).

    The first half divides 1 to 2, the second 2 to 4.
    """
    half = 1 << (numerics.rsqrt_table_bits - 1)
    middle = 1 + (np.arange(half) + 0.5) / half
    return _rounded(np.concatenate([middle, 2 * middle]) ** -0.5 * (1 << RSQRT_BITS))


@lru_cache(maxsize=64)
def sigmoid_table(numerics: Numerics, alpha: float) -> Table:
    """``sigmoid(alpha x)`` at the knots from -8 to 8, (2**sigmoid_table_bits + 1,)."""
    knots = np.linspace(-SIGMOID_RANGE, SIGMOID_RANGE, (1 << numerics.sigmoid_table_bits) + 1)
    return _rounded((1 << numerics.sigmoid_bits) / (1 + np.exp(-alpha * knots)))


@lru_cache(maxsize=64)
def sine_table(numerics: Numerics) -> Table:
    """Sine in the middle of each segment of a quarter turn, (2**rope_table_bits,)."""
    n = 1 << numerics.rope_table_bits
    return _rounded(np.sin((np.arange(n) + 0.5) / n * pi / 2) * (1 << numerics.rope_bits))


def rope_frequencies(rope: RopeShape, head_dim: int) -> npt.NDArray[np.float64]:
    """Radians per position of each pair, (head_dim / 2,); YaRN as in transformers."""
    pairs = np.arange(head_dim // 2, dtype=np.float64)
    plain = rope.theta ** (-2 * pairs / head_dim)
    if rope.factor == 1.0:
        return plain

    def dimension(rotations: float) -> float:
        return head_dim * log(rope.original_context / (rotations * 2 * pi)) / (2 * log(rope.theta))

    low, high = dimension(rope.beta_fast), dimension(rope.beta_slow)
    if rope.truncate:
        low, high = float(np.floor(low)), float(np.ceil(high))
    low, high = max(low, 0.0), min(high, head_dim - 1.0)
    ramp = np.clip((pairs - low) / max(high - low, 0.001), 0, 1)
    return (1 - ramp) * plain + ramp * plain / rope.factor


def rope_steps(rope: RopeShape, head_dim: int) -> Table:
    """Turns per position in units of ``2**-PHASE_BITS``, (head_dim / 2,)."""
    turns = rope_frequencies(rope, head_dim) / (2 * pi)
    return _rounded(turns * (1 << PHASE_BITS)) % (1 << PHASE_BITS)


def rope_magnitude(rope: RopeShape) -> float:
    """What YaRN multiplies rotated queries and keys with (0.1 ln(factor) + 1)."""
    return 0.1 * log(rope.factor) + 1 if rope.factor > 1 else 1.0


def score_scale(rope: RopeShape, head_dim: int) -> tuple[int, int]:
    """Integer and fraction bits of what turns ``q . k`` into octaves: log2(e) / sqrt(head_dim), YaRN's."""
    scale = log2(np.e) * head_dim**-0.5 * rope_magnitude(rope) ** 2
    fraction = SCALE_BITS - 1 - floor(log2(scale))
    return round(scale * 2**fraction), fraction
