"""Attention of a request: how far it sees, what it keeps in the cache, what a written token reads and computes.

Numbers and operations only, the same for a hardwired system and for an accelerator; bytes, bandwidth and time follow in
``costmodel/speed.py`` and ``costmodel/roofline.py``.
"""

from numpy import minimum

from hnlpu.costmodel.sheet import rule

__all__ = ["INPUTS"]

#: Inputs of these rules and their units.
INPUTS = {
    "prompt_tokens": "token",
    "output_tokens": "token",
    "kv_numbers_full": "1/token",
    "kv_numbers_windowed": "1/token",
    "window": "token",
    "attention_macs_full": "1/token",
    "attention_macs_windowed": "1/token",
    "one_token": "token",
}


@rule("token")
def context_tokens(prompt_tokens, output_tokens):
    """Positions at the end of a request."""
    return prompt_tokens + output_tokens


@rule("token")
def mean_context_tokens(prompt_tokens, output_tokens):
    """Positions that a written token sees on average."""
    return prompt_tokens + output_tokens / 2


@rule("1/sequence")
def kv_sequence_numbers(context_tokens, window, kv_numbers_full, kv_numbers_windowed):
    """Numbers in the KV cache of a request at its end; a windowed layer keeps its window."""
    return kv_numbers_full * context_tokens + kv_numbers_windowed * minimum(context_tokens, window)


@rule("1")
def kv_read_numbers(mean_context_tokens, window, kv_numbers_full, kv_numbers_windowed):
    """Numbers of the KV cache that a written token reads, on average."""
    windowed = kv_numbers_windowed * minimum(mean_context_tokens, window)
    return kv_numbers_full * mean_context_tokens + windowed


@rule("1/token")
def attention_macs(
    mean_context_tokens, window, attention_macs_full, attention_macs_windowed, one_token
):
    """Multiply-accumulates of a written token's attention, on average."""
    windowed = attention_macs_windowed * minimum(mean_context_tokens, window)
    return (attention_macs_full * mean_context_tokens + windowed) / one_token
