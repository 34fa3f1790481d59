"""Speed: the interval each resource allows, the latency of a token, and what a workload makes of them.

A layer is stages; every layer has arrays of its own, all layers share a chip's VEX, buffer, HBM and links. A request
is a prompt, whose tokens follow each other back to back, and the tokens written after it, each of which waits for the
one before. With C requests at a time, of which as many as there are slots are in flight:

    interval  = the longest of arrays, VEX, buffer, HBM and links        (seconds of that resource per token)
    step      = the larger of latency and C x interval                   (a sequence's time between its tokens)
    requests/s = the smaller of C / (latency + prompt x interval + output x latency)
                 and 1 / ((prompt + output) x interval)
    tokens/s  = output x requests/s

Array cycles are counted on emitted bases. VEX, buffer, HBM and links are assumptions: a system that is simulated
replaces ``SYSTEM_RESULTS``.
"""

from numpy import maximum, minimum, sqrt, where

from hnlpu.costmodel.sheet import rule

__all__ = ["INPUTS", "RESOURCES", "RESOURCE_NAMES", "SYSTEM_RESULTS"]

_DATAFLOW = "HNLPU paper, Figure 11 and Appendix A: collectives of a layer on a square grid"

#: What a token can wait for, and the figure that says how long, in seconds per token.
RESOURCES = {
    "arrays": "interval_arrays",
    "vex": "interval_vex",
    "buffer": "interval_buffer",
    "hbm": "interval_hbm",
    "links": "interval_links",
    "sequences": "interval_sequences",
}

#: How a reader calls them.
RESOURCE_NAMES = {
    "arrays": "HN arrays",
    "vex": "VEX",
    "buffer": "attention buffer",
    "hbm": "HBM",
    "links": "links",
    "sequences": "requests in flight",
}

#: Figures that a simulated system gives instead of these rules, see :meth:`Sheet.replaced`.
SYSTEM_RESULTS = ("interval_limit", "token_path_s")

#: Inputs of these rules and their units.
INPUTS = {
    "prompt_tokens": "token",
    "output_tokens": "token",
    "concurrency": "sequence",
    "n_layers": "1",
    "stages_per_layer": "1",
    "kv_number_bytes": "B",
    "array_interval_cycles": "cycle/token",
    "array_latency_cycles": "cycle",
    "clock": "GHz",
    "vex_lanes": "1/cycle",
    "vex_elements": "1/token",
    "vex_passes": "1",
    "vex_depth": "cycle",
    "vex_macs_per_cycle": "1/cycle",
    "buffer_bandwidth": "TB/s",
    "hbm_bandwidth": "GB/s",
    "link_latency": "ns",
    "link_bandwidth": "GB/s",
    "link_number_bytes": "B",
    "collectives": "1",
    "column_numbers_split": "1/token",
    "column_numbers": "1/token",
    "row_numbers_split": "1/token",
    "row_numbers": "1/token",
    "one_token": "token",
}


@rule("B/sequence")
def kv_sequence_bytes(kv_sequence_numbers, kv_number_bytes):
    """KV cache of a sequence at its end: numbers x bytes of a number."""
    return kv_sequence_numbers * kv_number_bytes


@rule("sequence")
def slots(stages_per_layer, n_layers):
    """Stages of all layers: one token in each."""
    return stages_per_layer * n_layers


@rule("sequence")
def in_flight(concurrency, slots):
    """Requests at a time, as many as there are slots."""
    return minimum(concurrency, slots)


@rule("B")
def kv_workload_bytes(kv_sequence_bytes, in_flight):
    """KV cache of all requests in flight, each at its end."""
    return kv_sequence_bytes * in_flight


@rule("B")
def kv_capacity_bytes(buffer_bytes_per_chip, hbm_stacks, hbm_stack_bytes, hbm_needed, chips,
                      embedding_bytes):  # fmt: skip
    """Attention buffers + HBM of all chips, less the embedding table in HBM."""
    hbm = maximum(hbm_stacks * hbm_stack_bytes * chips - embedding_bytes, 0 * embedding_bytes)
    return buffer_bytes_per_chip * chips + hbm * hbm_needed


@rule("1")
def kv_spilled(kv_workload_bytes, buffer_bytes_per_chip, chips):
    """Share of the KV cache that does not fit the attention buffers."""
    return maximum(1 - buffer_bytes_per_chip * chips / kv_workload_bytes, 0)


@rule("B/token")
def kv_read_bytes(kv_read_numbers, kv_number_bytes, one_token):
    """KV cache that a written token reads, on average: numbers x bytes of a number."""
    return kv_read_numbers * kv_number_bytes / one_token


@rule("s/token")
def interval_arrays(array_interval_cycles, clock):
    """Longest counted interval of an array / clock."""
    return array_interval_cycles / clock


@rule("cycle/token", tag="assumed")
def vex_cycles(
    vex_elements, vex_lanes, vex_fraction, attention_macs, vex_macs_per_cycle, chips, one_chip
):
    """Elements / lanes, every chip doing them all, + attention / (chips x multiply-accumulates per cycle)."""
    attention = attention_macs / (vex_macs_per_cycle * vex_fraction * chips / one_chip)
    return vex_elements / (vex_lanes * vex_fraction) + attention


@rule("s/token")
def interval_vex(vex_cycles, clock):
    """VEX cycles of a token over all layers / clock; the layers share a chip's VEX."""
    return vex_cycles / clock


@rule("s/token")
def interval_buffer(kv_read_bytes, kv_spilled, buffer_bandwidth, vex_fraction, chips, one_chip):
    """KV bytes read from the attention buffers / their bandwidth."""
    return kv_read_bytes * (1 - kv_spilled) / (buffer_bandwidth * vex_fraction * chips / one_chip)


@rule("s/token")
def interval_hbm(kv_read_bytes, kv_spilled, hbm_bandwidth, hbm_stacks, chips):
    """KV bytes read from HBM / its bandwidth."""
    return kv_read_bytes * kv_spilled / (hbm_bandwidth * hbm_stacks * chips)


@rule("1")
def grid_side(chips, one_chip):
    """Square root of the chips: a square grid."""
    return sqrt(chips / one_chip)


@rule("B/token", source=_DATAFLOW)
def column_bytes(column_numbers_split, column_numbers, grid_side, link_number_bytes):
    """Bytes of a token over a column link: numbers split over the side of the grid + those that are not."""
    return (column_numbers_split / grid_side + column_numbers) * link_number_bytes


@rule("B/token", source=_DATAFLOW)
def row_bytes(row_numbers_split, row_numbers, grid_side, link_number_bytes):
    """Bytes of a token over a row link."""
    return (row_numbers_split / grid_side + row_numbers) * link_number_bytes


@rule("s/token", tag="assumed")
def interval_links(column_bytes, row_bytes, link_bandwidth, chips, one_chip):
    """Bytes over the busier kind of link / bandwidth; none for one chip."""
    linked = where(chips > one_chip, 1, 0)
    return linked * maximum(column_bytes, row_bytes) / link_bandwidth


@rule("s/token")
def interval_limit(interval_arrays, interval_vex, interval_buffer, interval_hbm, interval_links):
    """The longest of the resources' intervals."""
    compute = maximum(interval_arrays, interval_vex)
    memory = maximum(interval_buffer, interval_hbm)
    return maximum(maximum(compute, memory), interval_links)


@rule("s", tag="assumed")
def token_path_arrays_s(array_latency_cycles, clock):
    """Counted latency of all arrays that a token passes / clock."""
    return array_latency_cycles / clock


@rule("s", tag="assumed")
def token_path_vex_s(vex_cycles, vex_passes, vex_depth, clock, one_token):
    """VEX cycles and the depth of every pass / clock."""
    return (vex_cycles * one_token + vex_passes * vex_depth) / clock


@rule("s")
def token_path_memory_s(interval_buffer, interval_hbm, interval_vex, one_token):
    """What reading the KV cache takes longer than VEX computes."""
    return (
        maximum(maximum(interval_buffer, interval_hbm) - interval_vex, 0 * interval_vex) * one_token
    )


@rule("s", tag="assumed")
def token_path_links_s(
    collectives, link_latency, column_bytes, row_bytes, link_bandwidth, chips, one_chip, one_token
):
    """Collectives x link latency + bytes / bandwidth; none for one chip."""
    linked = where(chips > one_chip, 1, 0)
    moved = (column_bytes + row_bytes) / link_bandwidth * one_token
    return linked * (collectives * link_latency + moved)


@rule("s")
def token_path_s(token_path_arrays_s, token_path_vex_s, token_path_memory_s, token_path_links_s):
    """Time of a token from end to end, alone: arrays + VEX + memory + links."""
    return token_path_arrays_s + token_path_vex_s + token_path_memory_s + token_path_links_s


@rule("s/token")
def interval_sequences(token_path_s, in_flight, one_token):
    """Time of a token / requests in flight: a sequence waits for its own token."""
    return token_path_s / in_flight / one_token


@rule("token/s")
def peak_tokens_per_s(interval_limit, token_path_s, slots, one_token):
    """1 / the longer of the resources' interval and (time of a token / slots): every slot full."""
    return 1 / maximum(interval_limit, token_path_s / slots / one_token)


@rule("s")
def latency_s(token_path_s, in_flight, interval_limit, one_token):
    """From a token to the next of the same request: the larger of its path and requests x interval."""
    return maximum(token_path_s, in_flight * interval_limit * one_token)


@rule("s")
def request_alone_s(token_path_s, prompt_tokens, output_tokens, interval_limit, one_token):
    """A request with the pipeline to itself: prompt back to back, then every token after the other."""
    return prompt_tokens * interval_limit + output_tokens / one_token * token_path_s


@rule("1/s")
def requests_per_s(in_flight, request_alone_s, prompt_tokens, output_tokens, interval_limit):
    """The smaller of requests in flight / time of one, and 1 / (its tokens x interval)."""
    return minimum(
        in_flight / request_alone_s, 1 / ((prompt_tokens + output_tokens) * interval_limit)
    )


@rule("token/s")
def tokens_per_s(requests_per_s, output_tokens):
    """Tokens written per second by one system: output tokens x requests/s."""
    return output_tokens * requests_per_s


@rule("token/s")
def positions_per_s(requests_per_s, prompt_tokens, output_tokens):
    """Tokens that pass the pipeline per second, prompts included."""
    return (prompt_tokens + output_tokens) * requests_per_s


@rule("token/s")
def tokens_per_s_one_request(request_alone_s, output_tokens):
    """Tokens per second of a request that runs alone."""
    return output_tokens / request_alone_s


@rule("1")
def kv_fill(kv_workload_bytes, kv_capacity_bytes):
    """KV cache of the workload / capacity; above 1 the workload does not fit."""
    return kv_workload_bytes / kv_capacity_bytes
