"""Twin of ``hnlpu.rtl.attention``: scores against the KV cache, softmax with a sink, weighted values."""

from dataclasses import dataclass

import numpy as np

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, Saturation, round_shift
from hnlpu.sim.softmax import exp2_terms, reciprocal

__all__ = ["AttentionParameters", "attention"]

_NEVER = -(1 << 40)  # below every score


@dataclass(frozen=True, slots=True, eq=False)
class AttentionParameters:
    """Constants of one layer's attention.

    Attributes
    ----------
    scale, scale_fraction : int
        Turn ``q . k`` into octaves.
    sinks : (n_heads,) or None
        In octaves, ``exp_table_bits`` of fraction.
    window : int or None
    """

    scale: int
    scale_fraction: int
    sinks: Integers | None
    window: int | None


def attention(
    q: Integers,
    keys: Integers,
    values: Integers,
    positions: Integers,
    parameters: AttentionParameters,
    numerics: Numerics,
    saturate: Saturation,
    block: str,
) -> Integers:
    """Attention of new tokens over everything before them and themselves.

    Parameters
    ----------
    q : (n_sequences, n_tokens, n_heads, head_dim)
    keys, values : (n_sequences, n_positions, n_kv_heads, head_dim)
        What the cache holds, times its powers of two: on the value grid.
    positions : (n_tokens,)

    Returns
    -------
    (n_sequences, n_tokens, n_heads, head_dim), on the value grid.
    """
    n_sequences, n_tokens, n_heads, head_dim = q.shape
    n_positions, n_kv = keys.shape[1:3]
    # (sequence, kv head, group x token, dim): float64 products are exact, they stay below 2**53
    grouped = q.reshape(n_sequences, n_tokens, n_kv, n_heads // n_kv, head_dim)
    left = grouped.transpose(0, 2, 3, 1, 4).reshape(n_sequences, n_kv, -1, head_dim)
    dots = left.astype(np.float64) @ keys.transpose(0, 2, 3, 1).astype(np.float64)
    shift = 2 * numerics.value_fraction + parameters.scale_fraction - numerics.exp_table_bits
    scores = round_shift(dots.astype(np.int64) * parameters.scale, shift)
    scores = scores.reshape(n_sequences, n_heads, n_tokens, n_positions)
    columns = np.arange(n_positions)
    visible = columns <= positions[:, None]
    if parameters.window is not None:
        visible &= columns > positions[:, None] - parameters.window
    scores = saturate(np.where(visible, scores, 0), numerics.score_bits, f"{block}.scores")
    scores = np.where(visible, scores, _NEVER)
    largest = scores.max(axis=-1)
    if parameters.sinks is not None:
        largest = np.maximum(largest, parameters.sinks[:, None])
    terms = exp2_terms(largest[..., None] - scores, numerics) * visible
    totals = terms.sum(axis=-1)
    if parameters.sinks is not None:
        totals = totals + exp2_terms(largest - parameters.sinks[:, None], numerics)
    weighted = terms.reshape(n_sequences, n_kv, -1, n_positions).astype(np.float64)
    sums = (weighted @ values.transpose(0, 2, 1, 3).astype(np.float64)).astype(np.int64)
    sums = sums.reshape(n_sequences, n_heads, n_tokens, head_dim)
    factor, down = reciprocal(totals)
    result = round_shift(sums * factor[..., None], down[..., None])
    return saturate(result.transpose(0, 2, 1, 3), numerics.value_bits, block)
