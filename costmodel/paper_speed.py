"""Paper mode, speed: Figure 14, the pipeline, and what both imply for blocks, links and memory.

Figure 14's bars are in the proportion of small whole numbers, found by us in its vector drawing; the paper gives
no absolute time. The absolute times below follow from 249,960 tokens/s with every pipeline slot in use, and stand
beside times computed from what the paper says of its blocks.
"""

from hnlpu.costmodel.sheet import rule

__all__: list[str] = []


@rule("1", source="Figure 14")
def attention_units(attention_time, context, attention_context):
    """Time of attention, proportional to the context."""
    return attention_time * context / attention_context


@rule("1", source="Figure 14")
def layer_units(
    communication_time, projection_time, nonlinear_time, attention_units, memory_stall_time
):  # fmt: skip
    """All parts of a bar of Figure 14."""
    compute = projection_time + nonlinear_time + attention_units
    return communication_time + compute + memory_stall_time


@rule("1", source="Figure 14")
def communication_share(communication_time, layer_units):
    """Communication over the whole bar."""
    return communication_time / layer_units


@rule("1", source="Figure 14")
def projection_share(projection_time, layer_units):
    """Projection over the whole bar."""
    return projection_time / layer_units


@rule("1", source="Figure 14")
def nonlinear_share(nonlinear_time, layer_units):
    """Non-linear operations over the whole bar."""
    return nonlinear_time / layer_units


@rule("1", source="Figure 14")
def attention_share(attention_units, layer_units):
    """Attention over the whole bar."""
    return attention_units / layer_units


@rule("1", source="Figure 14")
def memory_stall_share(memory_stall_time, layer_units):
    """Memory stalls over the whole bar."""
    return memory_stall_time / layer_units


@rule("1", source="gpt-oss model card: a sliding window in every other layer")
def windowed_attention_growth(context, attention_context, sliding_window):
    """Attention at a context over that at Figure 14's shortest, if every other layer sees only its window."""
    return (context + sliding_window) / (attention_context + sliding_window)


@rule("token/system", source="Section 5.2")
def pipeline_slots(stages_per_layer, layers):
    """Tokens in flight: a sequence has one in each stage of each layer."""
    return stages_per_layer * layers


@rule("s", source="Table 2 and Section 5.2, Little's law")
def full_pipeline_latency(pipeline_slots, tokens_per_s):
    """Time of a token if every slot is used at Table 2's rate."""
    return pipeline_slots / tokens_per_s


@rule("s", source="Table 2 and Section 5.2, Little's law")
def layer_latency(stages_per_layer, tokens_per_s):
    """Time of a token in one layer if every slot is used at Table 2's rate."""
    return stages_per_layer / tokens_per_s


@rule("s", source="Table 2, Section 5.2, Figure 14")
def implied_communication_time(layer_latency, communication_share):
    """Communication of a layer: Figure 14's share of a full pipeline's time."""
    return layer_latency * communication_share


@rule("s", source="Table 2, Section 5.2, Figure 14")
def implied_projection_time(layer_latency, projection_share):
    """Projection of a layer: Figure 14's share of a full pipeline's time."""
    return layer_latency * projection_share


@rule("s", source="Table 2, Section 5.2, Figure 14")
def implied_attention_time(layer_latency, attention_share):
    """Attention of a layer: Figure 14's share of a full pipeline's time."""
    return layer_latency * attention_share


@rule("s", source="Table 2, Section 5.2, Figure 14")
def implied_vex_time(full_pipeline_latency, nonlinear_share, attention_share):
    """Work of the VEX for a token in all layers: Figure 14's shares of a full pipeline's time."""
    return full_pipeline_latency * (nonlinear_share + attention_share)


@rule("s*system/token", source="Table 2")
def slot_time(tokens_per_s):
    """Time between two tokens of a system."""
    return 1 / tokens_per_s


@rule("s", source="Table 2")
def vex_time_available(slot_time, tokens_in_turn):
    """Time the one VEX of a chip has for a token."""
    return slot_time * tokens_in_turn


@rule("1", source="Appendix A.1: columns of chips")
def column_query_width(query_heads, head_dim, grid_columns):
    """Query elements of a column of chips."""
    return query_heads * head_dim / grid_columns


@rule("1", source="Appendix A.1: columns of chips")
def column_kv_width(kv_heads, head_dim, grid_columns):
    """Key elements of a column of chips; as many of the value."""
    return kv_heads * head_dim / grid_columns


@rule("1", source="Appendix A, Figure 11; direct exchange between the chips of a column")
def column_elements(
    column_query_width, column_kv_width, query_heads, softmax_sums, hidden, grid_columns
):  # fmt: skip
    """On a column link, per token and layer: queries, keys, values, softmax sums, outputs, Xo, Y."""
    sums = softmax_sums * query_heads / grid_columns
    attention = 2 * column_query_width + 2 * column_kv_width + sums
    return attention + hidden / grid_columns + hidden


@rule("1", source="Appendix A, Figure 11; direct exchange between the chips of a row")
def row_elements(hidden, grid_columns):
    """On a row link, per token and layer: partial sums of Xo, and Y."""
    return hidden / grid_columns + hidden


@rule("B/token", source="Appendix A, Figure 11")
def column_link_bytes(column_elements, activation_bytes):
    """Bytes on a column link, per layer."""
    return column_elements * activation_bytes


@rule("s", source="Section 4.2, Appendix A")
def unloaded_communication_time(
    collective_phases, link_latency, column_link_bytes, row_elements, activation_bytes,
    tokens_in_turn, link_bandwidth,
):  # fmt: skip
    """Communication of a layer without queues: the latency of every phase, and the bytes of one token."""
    payload = (column_link_bytes + row_elements * activation_bytes) * tokens_in_turn
    return collective_phases * link_latency + payload / link_bandwidth


@rule("s", source="Figure 13")
def unloaded_projection_time(projection_passes, test_matrix_cycles, clock):
    """Projection of a layer: its passes through HN arrays, each as long as Figure 13's."""
    return projection_passes * test_matrix_cycles / clock


@rule("s", source="Section 4.3")
def vex_attention_time(
    context, grid_columns, kv_heads, vex_kv_heads, clock
):  # fmt: skip
    """Attention of a layer: a chip's cached heads of keys, then of values, at the VEX's rate."""
    cached = context / grid_columns * kv_heads / grid_columns
    return 2 * cached / vex_kv_heads / clock


@rule("B/s/system", source="Appendix A, Table 2")
def column_link_load(column_link_bytes, layers, tokens_per_s):
    """Load of a column link at Table 2's rate."""
    return column_link_bytes * layers * tokens_per_s


@rule("B/s/system", source="Appendix A and B note 1")
def ownership_link_load(column_link_bytes, layers, ownership_tokens_per_s):
    """Load of a column link at the rate of the cost of ownership."""
    return column_link_bytes * layers * ownership_tokens_per_s


@rule("token/s/system", source="Appendix B note 1 with Table 2 and Section 5.2")
def concurrent_tokens_per_s(concurrency, full_pipeline_latency):
    """Rate of a number of sequences, each waiting for its last token."""
    return concurrency / full_pipeline_latency


@rule("B/token", source="gpt-oss model card")
def kv_bytes_per_token(kv_heads, head_dim, layers, activation_bytes):
    """Keys and values of a position, all layers."""
    return 2 * kv_heads * head_dim * layers * activation_bytes


@rule("B/system", source="Section 5.2 with the gpt-oss model card")
def kv_bytes(pipeline_slots, context, kv_bytes_per_token):
    """Keys and values of all sequences in flight."""
    return pipeline_slots * context * kv_bytes_per_token


@rule("B/system", source="Section 4.3")
def system_buffer_capacity(buffer_capacity, chips_per_system):
    """Attention buffers of a system."""
    return buffer_capacity * chips_per_system


@rule("token/s/system", source="Figure 14, Table 2")
def tokens_per_s_at_context(
    tokens_per_s, communication_time, projection_time, nonlinear_time, attention_time, layer_units
):  # fmt: skip
    """Table 2's rate, slowed as Figure 14's bars grow from their shortest context."""
    shortest = communication_time + projection_time + nonlinear_time + attention_time
    return tokens_per_s * shortest / layer_units


@rule("B/s/chip", source="Figure 14, Table 2, gpt-oss model card")
def kv_bandwidth(context, kv_bytes_per_token, tokens_per_s_at_context, chips_per_system):
    """Keys and values that a chip reads: every token reads its whole context."""
    return context * kv_bytes_per_token * tokens_per_s_at_context / chips_per_system


@rule("1", source="Figures 13 and 14, Table 2")
def queued_communication_share(
    unloaded_projection_time, projection_time, nonlinear_time, attention_units, layer_latency
):  # fmt: skip
    """Communication's share, if computing takes Figure 13's time and all the rest of a token's is queues."""
    unit = unloaded_projection_time / projection_time
    return 1 - unit * (projection_time + nonlinear_time + attention_units) / layer_latency
