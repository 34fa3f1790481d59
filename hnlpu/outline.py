"""Outline of a transformer: what a cost needs to know of any model, from its ``config.json`` alone.

A :class:`~hnlpu.model.ModelShape` is a model that this project builds, down to the constants of its rotary
embedding; it exists for two families. An outline counts only: matrices, what attention caches and computes, and
the embedding table; it exists for every family of ``FAMILIES``. Biases and gains of norms are no array's weights
and are left out.

Multi-head latent attention (DeepSeek-V3, Kimi-K2) is taken in its absorbed form: one latent vector and one rotary
key per token are cached for all heads, and the heads attend in the latent space:

    numbers cached per token and layer   kv_lora_rank + qk_rope_head_dim
    multiply-accumulates per position    n_heads * (2 * kv_lora_rank + qk_rope_head_dim)

Contract (checked by ``tests/test_outline.py``): for checkpoints of the buildable families the matrices are those of
``ModelShape``; for the presets the total is the published one (``tests/costmodel/test_presets.py``).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnlpu.config import Config, layer_windows, read_config
from hnlpu.model import FAMILIES as BUILDABLE
from hnlpu.model import LinearShape, ModelShape

__all__ = ["FAMILIES", "ModelOutline", "outline_from_config", "outline_of", "read_outline"]

#: What a ``model_type`` is called here.
FAMILIES = {
    **BUILDABLE,
    "mistral": "mistral",
    "mixtral": "mixtral",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3-moe",
    "deepseek_v3": "deepseek-v3",
    "kimi_k2": "kimi-k2",
}

#: Families of multi-head latent attention.
_LATENT = ("deepseek_v3", "kimi_k2")


@dataclass(frozen=True, slots=True)
class ModelOutline:
    """Counts of one model.

    Attributes
    ----------
    family : str
        One of the values of ``FAMILIES``.
    source : str
        Where the numbers come from.
    linears : tuple of LinearShape
        Every kind of matrix, in the order a token meets them; no role occurs twice. Roles of latent attention are
        ``q_a``, ``q_b``, ``kv_a``, ``kv_b``; of a model of experts, ``dense_*`` in layers without experts,
        ``shared_*`` of experts that every token uses.
    windows : tuple of int or None
        Positions that each layer's attention sees; None sees all.
    kv_numbers_per_layer : int
        Numbers cached per token and layer.
    attention_macs_per_position : int
        Multiply-accumulates of one new token for one cached position, per layer: scores and weighted sum.
    n_heads, kv_heads, head_dim, q_width : int
        ``kv_heads`` is what the cache holds, so 1 for latent attention; ``head_dim`` of queries and keys;
        ``q_width`` is ``n_heads * head_dim``.
    n_experts, experts_per_token, n_shared_experts : int
        0 where the model has none.
    intermediate : int
        Width of one expert, or of the feed-forward layers of a model without experts.
    n_dense_layers, dense_intermediate : int
        Layers without experts and their width.
    """

    name: str
    family: str
    source: str
    n_layers: int
    hidden: int
    vocab: int
    tied_embedding: bool
    max_context: int
    linears: tuple[LinearShape, ...]
    windows: tuple[int | None, ...]
    kv_numbers_per_layer: int
    attention_macs_per_position: int
    n_heads: int
    kv_heads: int
    head_dim: int
    q_width: int
    n_experts: int
    experts_per_token: int
    n_shared_experts: int
    intermediate: int
    n_dense_layers: int
    dense_intermediate: int

    def __post_init__(self) -> None:
        twice = [role for role, n in Counter(item.role for item in self.linears).items() if n > 1]
        if twice or len(self.windows) != self.n_layers:
            raise ValueError(
                f"{self.name}: roles {twice} occur twice, or {len(self.windows)} windows stand for "
                f"{self.n_layers} layers"
            )

    @property
    def is_moe(self) -> bool:
        return self.n_experts > 0

    @property
    def n_hardwired_weights(self) -> int:
        """Weights of all matrices; the embedding table is looked up, not multiplied."""
        return sum(item.n_weights for item in self.linears)

    @property
    def n_active_weights(self) -> int:
        """Weights of the matrices that one token uses."""
        return sum(item.n_active_weights for item in self.linears)

    @property
    def n_expert_weights(self) -> int:
        """Weights of all experts among which a token chooses."""
        return sum(item.n_weights for item in self.linears if item.active < item.count)

    @property
    def n_embedding_numbers(self) -> int:
        """Numbers of the embedding table, which a tied model shares with the unembedding."""
        return self.vocab * self.hidden

    @property
    def n_parameters(self) -> int:
        """Parameters as they are published, without biases and norms: a tied embedding counts once."""
        return self.n_hardwired_weights + (0 if self.tied_embedding else self.n_embedding_numbers)

    @property
    def window(self) -> int | None:
        """The largest window of a layer; None if every layer sees all positions."""
        return max((item for item in self.windows if item is not None), default=None)

    @property
    def n_windowed_layers(self) -> int:
        return sum(item is not None for item in self.windows)


def read_outline(path: Path, *, name: str | None = None) -> ModelOutline:
    """Outline of the model whose ``config.json`` is ``path``.

    Raises
    ------
    HnlpuError
        Unreadable file, unknown architecture, missing or impossible value.
    """
    return outline_from_config(
        read_config(path), name=name or path.resolve().parent.name, where=str(path)
    )


def outline_from_config(
    config: Any, *, name: str, where: str, source: str | None = None
) -> ModelOutline:
    """Outline of the model of a configuration that was read from ``where``.

    Parameters
    ----------
    config : mapping
        With the keys of a Hugging Face ``config.json``; keys that no count needs are ignored.
    source : str, optional
        ``where``, unless given.
    """
    checked = Config(config, where)
    family = checked.family(FAMILIES)
    n_layers, hidden = checked.integer("num_hidden_layers"), checked.integer("hidden_size")
    attention = (_latent if family in _LATENT else _grouped)(checked, hidden)
    layers = _FEED_FORWARD[family](checked, n_layers)
    vocab = checked.integer("vocab_size")
    return ModelOutline(
        name=name,
        family=FAMILIES[family],
        source=source or where,
        n_layers=n_layers,
        hidden=hidden,
        vocab=vocab,
        tied_embedding=bool(config.get("tie_word_embeddings", False)),
        max_context=checked.integer("max_position_embeddings", 2048),
        linears=(
            *(LinearShape(*shape, n_layers, n_layers) for shape in attention.matrices),
            *layers.linears(n_layers, hidden),
            LinearShape("unembedding", vocab, hidden, 1, 1),
        ),
        windows=_windows(checked, family, n_layers),
        kv_numbers_per_layer=attention.kv_numbers,
        attention_macs_per_position=attention.macs,
        n_heads=attention.n_heads,
        kv_heads=attention.kv_heads,
        head_dim=attention.head_dim,
        q_width=attention.n_heads * attention.head_dim,
        n_experts=layers.n_experts,
        experts_per_token=layers.chosen,
        n_shared_experts=layers.n_shared,
        intermediate=layers.expert_width if layers.n_experts else layers.dense_width,
        n_dense_layers=layers.n_dense,
        dense_intermediate=layers.dense_width if layers.n_dense else 0,
    )


def outline_of(shape: ModelShape) -> ModelOutline:
    """Outline of a model that this project builds."""
    q_width = shape.n_heads * shape.head_dim
    return ModelOutline(
        name=shape.name,
        family=shape.family,
        source=f"checkpoint {shape.name}",
        n_layers=shape.n_layers,
        hidden=shape.hidden,
        vocab=shape.vocab,
        tied_embedding=shape.tied_embedding,
        max_context=shape.max_context,
        linears=tuple(shape.linears()),
        windows=shape.windows or (None,) * shape.n_layers,
        kv_numbers_per_layer=2 * shape.n_kv_heads * shape.head_dim,
        attention_macs_per_position=2 * q_width,
        n_heads=shape.n_heads,
        kv_heads=shape.n_kv_heads,
        head_dim=shape.head_dim,
        q_width=q_width,
        n_experts=shape.n_experts,
        experts_per_token=shape.experts_per_token,
        n_shared_experts=0,
        intermediate=shape.intermediate,
        n_dense_layers=0 if shape.is_moe else shape.n_layers,
        dense_intermediate=0 if shape.is_moe else shape.intermediate,
    )


@dataclass(frozen=True, slots=True)
class _Attention:
    """Matrices of one layer as (role, outputs, inputs), and what they imply."""

    matrices: tuple[tuple[str, int, int], ...]
    kv_numbers: int
    macs: int
    n_heads: int
    kv_heads: int
    head_dim: int


def _grouped(config: Config, hidden: int) -> _Attention:
    """Attention whose query heads share keys and values in groups."""
    n_heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", n_heads)
    config.fit(kv_heads, n_heads, "num_key_value_heads and num_attention_heads", divides=True)
    head_dim = config.integer("head_dim", max(1, hidden // n_heads))
    q_rows, kv_rows = n_heads * head_dim, kv_heads * head_dim
    matrices = (
        ("q", q_rows, hidden),
        ("k", kv_rows, hidden),
        ("v", kv_rows, hidden),
        ("o", hidden, q_rows),
    )
    return _Attention(matrices, 2 * kv_rows, 2 * q_rows, n_heads, kv_heads, head_dim)


def _latent(config: Config, hidden: int) -> _Attention:
    """Multi-head latent attention."""
    n_heads, latent = config.integer("num_attention_heads"), config.integer("kv_lora_rank")
    plain, rotary = config.integer("qk_nope_head_dim"), config.integer("qk_rope_head_dim")
    value, head_dim = config.integer("v_head_dim"), plain + rotary
    queries: tuple[tuple[str, int, int], ...] = (("q", n_heads * head_dim, hidden),)
    if config.get("q_lora_rank") is not None:
        rank = config.integer("q_lora_rank")
        queries = (("q_a", rank, hidden), ("q_b", n_heads * head_dim, rank))
    matrices = (
        *queries,
        ("kv_a", latent + rotary, hidden),
        ("kv_b", n_heads * (plain + value), latent),
        ("o", hidden, n_heads * value),
    )
    macs = n_heads * (2 * latent + rotary)
    return _Attention(matrices, latent + rotary, macs, n_heads, 1, head_dim)


@dataclass(frozen=True, slots=True)
class _FeedForward:
    """Layers with experts and without."""

    n_dense: int
    dense_width: int
    n_experts: int = 0
    chosen: int = 0
    expert_width: int = 0
    n_shared: int = 0
    fused: bool = False  # gate and up of an expert are one matrix, as gpt-oss stores them

    def linears(self, n_layers: int, hidden: int) -> Iterator[LinearShape]:
        def triple(prefix: str, width: int, count: int, active: int) -> Iterator[LinearShape]:
            yield LinearShape(f"{prefix}gate", width, hidden, count, active)
            yield LinearShape(f"{prefix}up", width, hidden, count, active)
            yield LinearShape(f"{prefix}down", hidden, width, count, active)

        if self.n_dense:
            prefix = "dense_" if self.n_experts else ""
            yield from triple(prefix, self.dense_width, self.n_dense, self.n_dense)
        n_sparse = n_layers - self.n_dense
        if not n_sparse:
            return
        yield LinearShape("router", self.n_experts, hidden, n_sparse, n_sparse)
        if self.n_shared:
            shared = n_sparse * self.n_shared
            yield from triple("shared_", self.expert_width, shared, shared)
        count, active = n_sparse * self.n_experts, n_sparse * self.chosen
        if self.fused:
            yield LinearShape("gate_up", 2 * self.expert_width, hidden, count, active)
            yield LinearShape("down", hidden, self.expert_width, count, active)
        else:
            yield from triple("", self.expert_width, count, active)


def _dense(config: Config, n_layers: int) -> _FeedForward:
    return _FeedForward(n_layers, config.integer("intermediate_size"))


def _experts(config: Config, key: str, default: int | None = None) -> tuple[int, int]:
    """How many experts there are, and how many a token uses."""
    n_experts, chosen = config.integer(key), config.integer("num_experts_per_tok", default)
    config.fit(chosen, n_experts, f"num_experts_per_tok and {key}")
    return n_experts, chosen


def _gpt_oss(config: Config, n_layers: int) -> _FeedForward:
    n_experts, chosen = _experts(config, "num_local_experts", config.get("experts_per_token"))
    width = config.integer("intermediate_size")
    return _FeedForward(0, 0, n_experts, chosen, width, fused=True)


def _mixtral(config: Config, n_layers: int) -> _FeedForward:
    n_experts, chosen = _experts(config, "num_local_experts")
    return _FeedForward(0, 0, n_experts, chosen, config.integer("intermediate_size"))


def _qwen3_moe(config: Config, n_layers: int) -> _FeedForward:
    n_experts, chosen = _experts(config, "num_experts")
    step, excluded = config.integer("decoder_sparse_step", 1), config.get("mlp_only_layers") or []
    if not isinstance(excluded, list):
        raise config.error("mlp_only_layers", "not a list of layers", repr(excluded),
                           "write a list of integers")  # fmt: skip
    sparse = [i for i in range(n_layers) if i not in excluded and (i + 1) % step == 0]
    n_dense = n_layers - len(sparse)
    return _FeedForward(
        n_dense,
        config.integer("intermediate_size") if n_dense else 0,
        n_experts if sparse else 0,
        chosen if sparse else 0,
        config.integer("moe_intermediate_size"),
    )


def _deepseek(config: Config, n_layers: int) -> _FeedForward:
    n_experts, chosen = _experts(config, "n_routed_experts")
    first, step = (
        config.integer("first_k_dense_replace", 0, low=0),
        config.integer("moe_layer_freq", 1),
    )
    config.fit(first, n_layers, "first_k_dense_replace and num_hidden_layers")
    n_dense = n_layers - sum(layer % step == 0 for layer in range(first, n_layers))
    return _FeedForward(
        n_dense,
        config.integer("intermediate_size") if n_dense else 0,
        n_experts if n_dense < n_layers else 0,
        chosen if n_dense < n_layers else 0,
        config.integer("moe_intermediate_size"),
        config.integer("n_shared_experts", 0, low=0),
    )


_FEED_FORWARD: dict[str, Callable[[Config, int], _FeedForward]] = {
    "gpt_oss": _gpt_oss,
    "llama": _dense,
    "mistral": _dense,
    "mixtral": _mixtral,
    "qwen2": _dense,
    "qwen3": _dense,
    "qwen3_moe": _qwen3_moe,
    "deepseek_v3": _deepseek,
    "kimi_k2": _deepseek,
}


def _windows(config: Config, family: str, n_layers: int) -> tuple[int | None, ...]:
    """Window of every layer; what the families do is that of their transformers implementations."""
    full, sliding = "full_attention", "sliding_attention"
    window = config.integer("sliding_window") if config.get("sliding_window") is not None else None
    habit = [full]
    if family == "gpt_oss":
        habit = [sliding, full]
    elif family in ("mistral", "mixtral") and window is not None:
        habit = [sliding]
    elif family in ("qwen2", "qwen3", "qwen3_moe"):
        if not config.get("use_sliding_window", False):
            window = None
        else:
            first = config.integer("max_window_layers", 28, low=0)
            habit = [full if layer < first else sliding for layer in range(n_layers)]
    return layer_windows(config, n_layers, window, habit)
