"""Twin of ``hnlpu.rtl.router``: the largest logits, and softmax over these alone."""

import numpy as np

from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, round_shift
from hnlpu.sim.softmax import exp2_terms, reciprocal
from hnlpu.tables import LOG2E_BITS

__all__ = ["octaves", "route", "top_k"]

_LOG2E = round(np.log2(np.e) * (1 << LOG2E_BITS))


def octaves(logits: Integers, numerics: Numerics) -> Integers:
    """Logits on the value grid as scores: octaves with ``exp_table_bits`` of fraction."""
    return round_shift(
        logits * _LOG2E, LOG2E_BITS + numerics.value_fraction - numerics.exp_table_bits
    )


def top_k(values: Integers, k: int) -> Integers:
    """Indices of the ``k`` largest, largest first, the lower index first among equals, (..., k)."""
    return np.argsort(-values, axis=-1, kind="stable")[..., :k]


def route(logits: Integers, k: int, numerics: Numerics) -> tuple[Integers, Integers]:
    """Chosen experts and their weights, with ``routing_bits`` of fraction, (..., k) each."""
    chosen = top_k(logits, k)
    scores = octaves(np.take_along_axis(logits, chosen, axis=-1), numerics)
    terms = exp2_terms(scores[..., :1] - scores, numerics)
    factor, down = reciprocal(terms.sum(axis=-1))
    shift = down - numerics.routing_bits
    return chosen, round_shift(terms * factor[..., None], shift[..., None])
