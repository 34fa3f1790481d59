"""Roofline: what accelerators make of a workload, for any model.

A group of accelerators holds the model and has C requests at a time, each a prompt and the tokens written after it:

    step     = the larger of bytes read / bandwidth and operations / compute, + layers x kernels x kernel time
    batch    = C x prompt's operations / compute + output tokens x step
    tokens/s = C x output tokens / batch, over the accelerators of the group

A step reads every weight that all requests use, the experts that at least one request chose, and the KV caches. Of E
experts a batch of b tokens touches the share 1 - (1 - k/E)^b, if tokens choose k of them independently. Traffic
between accelerators is not counted. With efficiencies of 1 and kernels that take no time it is an upper bound, which
no published rate may exceed (checked by ``tests/costmodel/test_accelerators.py``).
"""

from numpy import ceil, expm1, log1p, maximum, minimum, where

from hnlpu.costmodel.sheet import rule

__all__ = ["BOUNDS", "INPUTS"]

#: What limits a group of accelerators, by the figure ``gpu_bound``.
BOUNDS = ("bandwidth", "compute", "kernels", "prefill")

#: Inputs of the rules and their units.
INPUTS = {
    "prompt_tokens": "token",
    "output_tokens": "token",
    "concurrency": "sequence",
    "one_token": "token",
    "weights": "weight",
    "active_weights": "weight",
    "expert_weights": "weight",
    "expert_fraction": "1",
    "embedding_numbers": "1",
    "n_layers": "1",
    "window": "token",
    "attention_macs_full": "1/token",
    "attention_macs_windowed": "1/token",
    "gpu_bandwidth": "TB/(s*gpu)",
    "gpu_memory": "GB/gpu",
    "gpu_compute": "1/(s*gpu)",
    "gpu_power": "W/gpu",
    "gpu_count_given": "gpu",
    "gpu_bandwidth_efficiency": "1",
    "gpu_compute_efficiency": "1",
    "gpu_memory_usable": "1",
    "gpu_kernels_per_layer": "1",
    "gpu_kernel_time": "ns",
    "gpu_tokens_per_step": "token",
    "gpu_operations_per_weight": "1/weight",
    "gpu_weight_bytes": "B/weight",
    "gpu_expert_weight_bytes": "B/weight",
    "gpu_kv_number_bytes": "B",
    "gpu_embedding_number_bytes": "B",
}


@rule("B/sequence")
def gpu_kv_sequence_bytes(kv_sequence_numbers, gpu_kv_number_bytes):
    """KV cache of a request at its end: numbers x bytes of a number."""
    return kv_sequence_numbers * gpu_kv_number_bytes


@rule("B")
def gpu_model_bytes(
    weights, expert_weights, embedding_numbers, gpu_weight_bytes, gpu_expert_weight_bytes,
    gpu_embedding_number_bytes,
):  # fmt: skip
    """Weights of experts and others in their formats + embedding table."""
    matrices = (
        weights - expert_weights
    ) * gpu_weight_bytes + expert_weights * gpu_expert_weight_bytes
    return matrices + embedding_numbers * gpu_embedding_number_bytes


@rule("gpu")
def gpu_count_min(
    gpu_model_bytes, gpu_kv_sequence_bytes, concurrency, gpu_memory, gpu_memory_usable
):
    """(Model + KV caches of all requests) / usable memory, rounded up."""
    return ceil(
        (gpu_model_bytes + gpu_kv_sequence_bytes * concurrency) / (gpu_memory * gpu_memory_usable)
    )


@rule("gpu")
def gpu_count(gpu_count_min, gpu_count_given):
    """Accelerators of a group: as many as hold model and requests, or more if given."""
    return maximum(gpu_count_min, gpu_count_given)


@rule("sequence")
def gpu_concurrency_max(
    gpu_count, gpu_memory, gpu_memory_usable, gpu_model_bytes, gpu_kv_sequence_bytes
):
    """Requests that fit the group: (usable memory - model) / KV cache of one."""
    return (gpu_count * gpu_memory * gpu_memory_usable - gpu_model_bytes) / gpu_kv_sequence_bytes


@rule("token")
def gpu_step_tokens(concurrency, gpu_tokens_per_step):
    """Tokens of a step: requests x tokens of each."""
    return concurrency * gpu_tokens_per_step


@rule("1", tag="assumed")
def gpu_experts_touched(expert_fraction, gpu_step_tokens, one_token):
    """1 - (1 - share of experts that one token uses) ^ tokens of a step: tokens choose independently."""
    return -expm1(log1p(-expert_fraction) * (gpu_step_tokens / one_token))


@rule("B")
def gpu_step_weight_bytes(
    weights, expert_weights, gpu_experts_touched, gpu_weight_bytes, gpu_expert_weight_bytes
):
    """Weights that a step reads: those of all tokens + experts that at least one token chose."""
    shared = (weights - expert_weights) * gpu_weight_bytes
    return shared + expert_weights * gpu_experts_touched * gpu_expert_weight_bytes


@rule("B")
def gpu_step_kv_bytes(concurrency, kv_read_numbers, gpu_kv_number_bytes):
    """KV caches that a step reads: requests x numbers at the mean context x bytes of a number."""
    return concurrency * kv_read_numbers * gpu_kv_number_bytes


@rule("s")
def gpu_bandwidth_s(
    gpu_step_weight_bytes, gpu_step_kv_bytes, gpu_count, gpu_bandwidth, gpu_bandwidth_efficiency
):
    """Bytes of a step / bandwidth of the group that is reached."""
    reached = gpu_count * gpu_bandwidth * gpu_bandwidth_efficiency
    return (gpu_step_weight_bytes + gpu_step_kv_bytes) / reached


@rule("1/token")
def gpu_token_operations(active_weights, gpu_operations_per_weight, attention_macs, one_token):
    """Operations of a written token: active weights x 2 + attention x 2."""
    return active_weights * gpu_operations_per_weight / one_token + 2 * attention_macs


@rule("s")
def gpu_compute_s(
    gpu_step_tokens, gpu_token_operations, gpu_count, gpu_compute, gpu_compute_efficiency
):
    """Operations of a step / compute of the group that is reached."""
    return (
        gpu_step_tokens * gpu_token_operations / (gpu_count * gpu_compute * gpu_compute_efficiency)
    )


@rule("s", tag="assumed")
def gpu_kernels_s(n_layers, gpu_kernels_per_layer, gpu_kernel_time):
    """Layers x kernels x time a kernel takes however little it does."""
    return n_layers * gpu_kernels_per_layer * gpu_kernel_time


@rule("s")
def gpu_step_s(gpu_bandwidth_s, gpu_compute_s, gpu_kernels_s):
    """A step: the larger of bandwidth time and compute time, + kernels."""
    return maximum(gpu_bandwidth_s, gpu_compute_s) + gpu_kernels_s


@rule("1/token")
def gpu_prompt_operations(
    active_weights, embedding_numbers, gpu_operations_per_weight, prompt_tokens, window,
    attention_macs_full, attention_macs_windowed, one_token,
):  # fmt: skip
    """Operations of a prompt's token: active weights but the unembedding, and attention to half the prompt."""
    windowed = attention_macs_windowed * minimum(prompt_tokens / 2, window)
    attention = attention_macs_full * (prompt_tokens / 2) + windowed
    matrices = active_weights * gpu_operations_per_weight - 2 * embedding_numbers
    return (matrices + 2 * attention) / one_token


@rule("s/sequence")
def gpu_prefill_s(
    prompt_tokens, gpu_prompt_operations, gpu_count, gpu_compute, gpu_compute_efficiency
):
    """Operations of a prompt / compute of the group that is reached; its weights are read with other requests'."""
    return (
        prompt_tokens * gpu_prompt_operations / (gpu_count * gpu_compute * gpu_compute_efficiency)
    )


@rule("1")
def gpu_steps(output_tokens, gpu_tokens_per_step):
    """Steps of a request: output tokens / tokens of a step."""
    return output_tokens / gpu_tokens_per_step


@rule("s")
def gpu_batch_s(concurrency, gpu_prefill_s, gpu_steps, gpu_step_s):
    """All requests of a batch from first to last: every prompt, then every step."""
    return concurrency * gpu_prefill_s + gpu_steps * gpu_step_s


@rule("token/s")
def gpu_group_tokens_per_s(concurrency, output_tokens, gpu_batch_s):
    """Tokens that a group writes per second: requests x output tokens / time of a batch."""
    return concurrency * output_tokens / gpu_batch_s


@rule("token/(gpu*s)")
def gpu_tokens_per_s(gpu_group_tokens_per_s, gpu_count):
    """Tokens per second of one accelerator: those of the group / accelerators."""
    return gpu_group_tokens_per_s / gpu_count


@rule("s")
def gpu_latency_s(gpu_batch_s, output_tokens, one_token):
    """From a token to the next of the same request, prompts of other requests in between: batch / output tokens."""
    return gpu_batch_s / (output_tokens / one_token)


@rule("J/token")
def gpu_energy_per_token(gpu_power, gpu_tokens_per_s):
    """Power of an accelerator and its share of the node / its tokens per second."""
    return gpu_power / gpu_tokens_per_s


@rule("1")
def gpu_bound(gpu_bandwidth_s, gpu_compute_s, gpu_kernels_s, gpu_steps, concurrency, gpu_prefill_s):
    """What takes the most time of a batch: 0 bandwidth, 1 compute, 2 kernels, 3 prefill."""
    read = where(gpu_bandwidth_s >= gpu_compute_s, 1, 0) * gpu_bandwidth_s * gpu_steps
    computed = where(gpu_bandwidth_s >= gpu_compute_s, 0, 1) * gpu_compute_s * gpu_steps
    kernels = gpu_kernels_s * gpu_steps
    prefill = concurrency * gpu_prefill_s
    longest = maximum(maximum(read, computed), maximum(kernels, prefill))
    later = where(computed >= longest, 1, where(kernels >= longest, 2, 3))
    return where(read >= longest, 0, later)
