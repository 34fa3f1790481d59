"""Chips and beats made by hand: two layers of a norm, a quantiser, arrays and an adder; or of experts."""

from typing import Any

VECTOR = {"value": [0, 8, True], "position": [8, 4, False], "last": [12, 1, False]}


def stream(name: str, source: str, target: str, layout: Any = VECTOR) -> dict[str, Any]:
    return {"name": name, "source": source, "target": target, "n_bits": 13, "layout": layout}


def chip(blocks: dict[str, str], arrays: dict[str, str], streams: list[Any]) -> dict[str, Any]:
    """``blocks``: module by name; ``arrays``: feed by drain."""
    return {
        "blocks": [{"name": name, "module": module} for name, module in blocks.items()],
        "arrays": [
            {"name": f"{drain}_array", "module": f"m_{drain}", "feed": feed, "drain": drain}
            for drain, feed in arrays.items()
        ],
        "streams": streams,
        "boot": [],
    }


def plain_chip(n_layers: int = 2) -> dict[str, Any]:
    """host -> embedding -> layers of (norm, array, adder around them) -> array -> sampler -> host."""
    blocks = {"embedding": "hn_embedding_4x2x8_p4"}
    arrays, streams = {}, [stream("token", "host.token", "embedding.x")]
    last, name = "embedding", "embedding"
    for i in range(n_layers):
        stem = f"layer_{i}_mlp"
        blocks |= {
            f"{stem}_fork": "hn_fork_2x13",
            f"{stem}_skip": "hn_fifo_2x13",
            f"{stem}_residual": "hn_residual_8_p4",
            f"{stem}_norm": "hn_rmsnorm_2_p4",
            f"{stem}_feed": "hn_feed_2x8_a1_s0_p4",
            f"layer_{i}_down": "hn_drain_2x8_p4",
            f"layer_{i}_down_gate": "hn_clock_gate",
        }
        arrays[f"layer_{i}_down"] = f"{stem}_feed"
        streams += [
            stream(name, f"{last}.y", f"{stem}_fork.x"),
            stream(f"{stem}_skip_in", f"{stem}_fork.y_1", f"{stem}_skip.x"),
            stream(f"{stem}_skip_out", f"{stem}_skip.y", f"{stem}_residual.x"),
            stream(f"{stem}_in", f"{stem}_fork.y_0", f"{stem}_norm.x"),
            stream(f"{stem}_norm", f"{stem}_norm.y", f"{stem}_feed.x"),
            stream(f"layer_{i}_down", f"layer_{i}_down.y", f"{stem}_residual.delta"),
        ]
        last, name = f"{stem}_residual", f"{stem}_residual"
    blocks |= {
        "head_feed": "hn_feed_2x8_a1_s0_p4",
        "head_logits": "hn_drain_4x8_p4",
        "head_logits_gate": "hn_clock_gate",
        "sampler": "hn_sampler_4_k2_p4",
        "host": "hn_host_v4_c8",
        "boot_decoder": "hn_boot_3",
    }
    arrays["head_logits"] = "head_feed"
    streams += [
        stream(name, f"{last}.y", "head_feed.x"),
        stream("head_logits", "head_logits.y", "sampler.x"),
        stream("sampled", "sampler.y", "host.sampled"),
    ]
    return chip(blocks, arrays, streams)


def expert_chip() -> dict[str, Any]:
    """A layer of a router array, routing, three experts and their merge; no head."""
    blocks = {
        "embedding": "hn_embedding_4x2x8_p4",
        "layer_0_feed": "hn_feed_2x8_a1_s3_p4",
        "layer_0_router": "hn_drain_3x8_p4",
        "layer_0_routing": "hn_router_2_of_3_p4",
        "layer_0_route_0": "hn_fifo_2x13",
        **{f"layer_0_expert_{e}_down": "hn_drain_2x8_p4" for e in range(3)},
        "layer_0_down_merge": "hn_merge_3x8_p4",
        "sampler": "hn_sampler_2_k2_p4",
        "host": "hn_host_v4_c8",
    }
    drains = ["layer_0_router", *(f"layer_0_expert_{e}_down" for e in range(3))]
    streams = [
        stream("token", "host.token", "embedding.x"),
        stream("embedding", "embedding.y", "layer_0_feed.x"),
        stream("layer_0_router", "layer_0_router.y", "layer_0_routing.x"),
        stream("layer_0_chosen", "layer_0_routing.chosen", "layer_0_feed.select"),
        stream("layer_0_routing", "layer_0_routing.route", "layer_0_route_0.x"),
        stream("layer_0_route_0_out", "layer_0_route_0.y", "layer_0_down_merge.select"),
        *(
            stream(f"layer_0_expert_{e}_down", f"layer_0_expert_{e}_down.y", f"layer_0_down_merge.x_{e}")
            for e in range(3)
        ),
        stream("layer_0_down", "layer_0_down_merge.y", "sampler.x"),
        stream("sampled", "sampler.y", "host.sampled"),
    ]  # fmt: skip
    return chip(blocks, dict.fromkeys(drains, "layer_0_feed"), streams)


def vector(name: str, first: int, position: int, n: int = 2, step: int = 1) -> list[Any]:
    """Beats of a vector: one every ``step`` cycles."""
    return [
        (first + i * step, name, {"value": 0, "position": position, "last": int(i == n - 1)})
        for i in range(n)
    ]
