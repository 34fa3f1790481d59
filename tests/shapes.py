"""Plans of chips from a model's configuration alone, without weights."""

from typing import Any

from hnlpu.chip_plan import ArrayPlace, ChipPlan
from hnlpu.model import shape_from_config
from hnlpu.numerics import Numerics
from hnlpu.taps import TapsPlan


def shape_plan(config: dict[str, Any], context: int, sequences: int = 1) -> ChipPlan:
    """A chip of ``config`` with arrays of three phases."""
    shape = shape_from_config(config, where="test", name="test")
    heads, inner = shape.n_heads * shape.head_dim, shape.intermediate
    kv = shape.n_kv_heads * shape.head_dim
    sizes = {"lm_head": (shape.vocab, shape.hidden)}
    for i in range(shape.n_layers):
        stem = f"model.layers.{i}."
        attention = {
            "q": (heads, shape.hidden), "k": (kv, shape.hidden), "v": (kv, shape.hidden),
            "o": (shape.hidden, heads),
        }  # fmt: skip
        sizes |= {f"{stem}self_attn.{role}_proj": size for role, size in attention.items()}
        if shape.is_moe:
            sizes[f"{stem}mlp.router"] = (shape.n_experts, shape.hidden)
            for e in range(shape.n_experts):
                sizes[f"{stem}mlp.experts.{e}.gate_up_proj"] = (2 * inner, shape.hidden)
                sizes[f"{stem}mlp.experts.{e}.down_proj"] = (shape.hidden, inner)
        else:
            sizes |= {f"{stem}mlp.{role}_proj": (inner, shape.hidden) for role in ("gate", "up")}
            sizes[f"{stem}mlp.down_proj"] = (shape.hidden, inner)
    arrays = {name: ArrayPlace(name, TapsPlan(*size), False) for name, size in sizes.items()}
    return ChipPlan(shape, Numerics(), context, arrays, sequences=sequences)
