"""Dataflow: what a model asks of arrays, VEX, cache and links, as inputs of the sheet.

The stages of a layer, in the order a token meets them; matrices of one stage work side by side:

    projections of the norm (q k v, or q_a kv_a), then q_b, kv_b of latent attention
    attention
    o
    router                          (models of experts)
    gate and up of all experts of a token
    down

Every layer has arrays of its own. Elements are what each chip's VEX takes per token; collectives and the numbers
they move are the paper's (Figure 11, Appendix A) on a square grid.
"""

from collections.abc import Mapping

from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.quantity import Quantity
from hnlpu.errors import HnlpuError
from hnlpu.outline import ModelOutline
from hnlpu.silicon import ArraySilicon

__all__ = ["INPUTS", "model_inputs", "outline_inputs"]

Arrays = Mapping[tuple[int, int], ArraySilicon]

#: Matrices that work side by side, in the order of a token.
_GROUPS = (
    ("q", "k", "v", "q_a", "kv_a"),
    ("q_b",),
    ("kv_b",),
    ("o",),
    ("router",),
    ("gate", "up", "gate_up", "shared_gate", "shared_up", "dense_gate", "dense_up"),
    ("down", "shared_down", "dense_down"),
)

#: Layers x hidden size of the paper's system of 16 chips, each with one VEX.
_PAPER_VEX = 36 * 2880 / 16

#: Inputs that a model gives, and their units.
INPUTS = {
    "weights": "weight",
    "active_weights": "weight",
    "transistors": "transistor",
    "flip_flops": "1",
    "wire_crossings": "1",
    "embedding_numbers": "1",
    "vex_size": "1",
    "n_layers": "1",
    "stages_per_layer": "1",
    "kv_numbers_full": "1/token",
    "kv_numbers_windowed": "1/token",
    "window": "token",
    "attention_macs_full": "1/token",
    "attention_macs_windowed": "1/token",
    "array_interval_cycles": "cycle/token",
    "array_latency_cycles": "cycle",
    "vex_elements": "1/token",
    "vex_passes": "1",
    "collectives": "1",
    "column_numbers_split": "1/token",
    "column_numbers": "1/token",
    "row_numbers_split": "1/token",
    "row_numbers": "1/token",
}


def outline_inputs(model: ModelOutline) -> Inputs:
    """What the dimensions of ``model`` give, whatever computes it."""
    windowed = model.n_windowed_layers
    full, kv, macs = (
        model.n_layers - windowed,
        model.kv_numbers_per_layer,
        model.attention_macs_per_position,
    )
    return _inputs(
        {
            "weights": model.n_hardwired_weights,
            "active_weights": model.n_active_weights,
            "embedding_numbers": model.n_embedding_numbers,
            "n_layers": model.n_layers,
            "kv_numbers_full": kv * full,
            "kv_numbers_windowed": kv * windowed,
            "window": model.window or 1,
            "attention_macs_full": macs * full,
            "attention_macs_windowed": macs * windowed,
        },
        "derived",
        f"from the dimensions of {model.name}: {model.source}",
    )


def model_inputs(model: ModelOutline, arrays: Arrays) -> Inputs:
    """Inputs of ``model`` with arrays of counted bases.

    Parameters
    ----------
    model : ModelOutline
    arrays : mapping of (n_rows, n_columns) to ArraySilicon
        The counted base for every shape of ``model.linears``.

    Raises
    ------
    HnlpuError
        A shape without a base, or a base filed under another shape.
    """
    used = {}
    for linear in model.linears:
        size = (linear.n_rows, linear.n_columns)
        if size not in arrays:
            raise HnlpuError(
                "no counted base for a matrix",
                where=f"{model.name}: {linear.role}",
                got=f"{size[0]} x {size[1]}",
                do="count a base of that shape",
            )
        if (arrays[size].n_rows, arrays[size].n_columns) != size:
            raise HnlpuError(
                "a base counted for another shape",
                where=f"arrays[{size[0]}, {size[1]}]",
                got=f"{arrays[size].n_rows} x {arrays[size].n_columns}",
                do="file each count under its own shape",
            )
        used[linear.role] = arrays[size]
    counts = [(linear.count, used[linear.role]) for linear in model.linears]
    groups = [[used[role] for role in group if role in used] for group in _GROUPS]
    stages = [group for group in groups if group]
    layers, hidden = model.n_layers, model.hidden
    experts = max(1, model.experts_per_token) + model.n_shared_experts
    summed = experts * hidden if model.is_moe else 0
    kv_width = model.kv_numbers_per_layer
    norm, q_width = 2 * hidden, model.q_width
    per_layer = (
        norm + (q_width + kv_width) + hidden + (norm + model.n_experts)
        + experts * model.intermediate + (summed + hidden)
    )  # fmt: skip
    dimensions = outline_inputs(model)
    config = dimensions["weights"].source
    return {
        **dimensions,
        **_inputs(
            {
                "transistors": sum(n * a.transistors for n, a in counts),
                "flip_flops": sum(n * a.n_flip_flops for n, a in counts),
                "wire_crossings": sum(n * a.n_crossings for n, a in counts),
                "array_interval_cycles": max(a.interval_cycles for _, a in counts),
                "array_latency_cycles": layers
                * sum(max(a.latency_cycles for a in stage) for stage in stages)
                + used["unembedding"].latency_cycles,
            },
            "measured",
            "counted on emitted bases, padding included",
        ),
        **_inputs(
            {
                "vex_size": min(1.0, layers * hidden / _PAPER_VEX),
                "stages_per_layer": len(stages) + 1,
                "vex_elements": layers * per_layer + norm + model.vocab,
                "vex_passes": layers * (len(stages) + 1) + 1,
                "collectives": 7 * layers + 2,
                "column_numbers_split": layers
                * (q_width + kv_width + q_width + 2 * model.n_heads + hidden),
                "column_numbers": layers * hidden,
                "row_numbers_split": layers * hidden,
                "row_numbers": layers * hidden,
            },
            "derived",
            f"{config}; dataflow of HNLPU paper, Figure 11 and Appendix A; vex_size: layers x hidden "
            "against the paper's per chip, at most 1",
        ),
    }


def _inputs(values: Mapping[str, float], confidence: str, source: str) -> Inputs:
    return {
        name: Quantity(float(value), INPUTS[name], float(value), float(value), source, confidence)
        for name, value in values.items()
    }
