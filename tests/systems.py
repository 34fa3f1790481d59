"""Small systems to simulate."""

from typing import Any

from hnlpu.exact_links import exact_links
from hnlpu.grid import parse_grid
from hnlpu.grid_mapping import plan_system
from hnlpu.outline import ModelOutline, outline_from_config
from hnlpu.system_plan import Array, SystemHardware, SystemLink, SystemPlan

DENSE = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 256,
    "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16, "intermediate_size": 128,
    "max_position_embeddings": 4096,
}  # fmt: skip
EXPERTS = {
    "model_type": "gpt_oss", "num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 256,
    "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16, "intermediate_size": 64,
    "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": 16,
    "max_position_embeddings": 4096, "layer_types": ["sliding_attention", "full_attention"],
}  # fmt: skip


def small_model(config: dict[str, Any] = DENSE, **changed: Any) -> ModelOutline:
    return outline_from_config({**config, **changed}, name="small", where="here")


def small_hardware(model: ModelOutline, **changed: Any) -> SystemHardware:
    """A chip on which nothing is free; ``link_rate``, ``link_latency`` and ``credits`` make its links."""
    rate, latency = changed.pop("link_rate", 8.0), changed.pop("link_latency", 20)
    link = SystemLink.of(rate, latency, changed.pop("flit", 16), changed.pop("credits", None))
    values: dict[str, Any] = {
        "clock_hz": 1e9, "vex_lanes": 16.0, "vex_macs_per_cycle": 256.0, "vex_depth_cycles": 5,
        "buffer_bytes": 1e6, "buffer_bytes_per_cycle": 64.0, "hbm_bytes": 1e8,
        "hbm_bytes_per_cycle": 16.0, "kv_number_bytes": 1.0, "link_number_bytes": 2.0, "link": link,
        "arrays": {item.role: Array(12, 14) for item in model.linears},
    }  # fmt: skip
    return SystemHardware(**(values | changed))


def small_plan(
    config: dict[str, Any] = DENSE,
    *,
    grid: str = "2x2",
    context: int = 64,
    batch: int = 4,
    collective: str = "whole",
    **changed: Any,
) -> SystemPlan:
    model, chips = small_model(config), parse_grid(grid)
    exact = exact_links(model, chips, lambda *_: 20) if collective.startswith("exact") else None
    return plan_system(
        model, chips, small_hardware(model, **changed), context=context, batch=batch,
        collective=collective, exact=exact,
    )  # fmt: skip
