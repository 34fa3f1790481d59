"""The shape of a language model, read from a Hugging Face ``config.json`` alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnlpu.config import Config, layer_windows, read_config
from hnlpu.errors import HnlpuError

__all__ = [
    "FAMILIES",
    "LinearShape",
    "ModelShape",
    "RopeShape",
    "model_from_dict",
    "read_model_shape",
    "shape_from_config",
]

#: ``model_type`` of each supported family.
FAMILIES = {"gpt_oss": "gpt-oss", "llama": "llama"}

#: Rotary embeddings the chip computes; others would silently give wrong positions.
_ROPE_TYPES = ("default", "yarn")


@dataclass(frozen=True, slots=True)
class LinearShape:
    """One kind of weight matrix of a model.

    Attributes
    ----------
    role : str
        ``q``, ``k``, ``v``, ``o``, ``router``, ``gate_up``, ``gate``, ``up``, ``down``, ``unembedding``.
    n_rows, n_columns : int
        Outputs and inputs.
    count : int
        Matrices of this kind in the model.
    active : int
        Matrices of this kind that one token uses.
    """

    role: str
    n_rows: int
    n_columns: int
    count: int
    active: int

    @property
    def n_weights(self) -> int:
        """Weights of all ``count`` matrices."""
        return self.n_rows * self.n_columns * self.count

    @property
    def n_active_weights(self) -> int:
        """Weights that one token uses."""
        return self.n_rows * self.n_columns * self.active


@dataclass(frozen=True, slots=True)
class RopeShape:
    """Rotary embedding of a model.

    Attributes
    ----------
    theta : float
        Base of the wavelengths.
    factor : float
        YaRN stretches positions by it; 1 is the plain embedding.
    original_context : int
        Positions the model was trained on before YaRN.
    beta_fast, beta_slow : float
        Rotations within ``original_context`` between which YaRN blends.
    truncate : bool
        Round the blend's ends to whole dimensions.
    """

    theta: float = 10000.0
    factor: float = 1.0
    original_context: int = 4096
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Dimensions and constants of a model, from its configuration alone.

    Attributes
    ----------
    windows : tuple of int or None
        Positions that each layer's attention sees; None sees all.
    norm_epsilon : float
        Added to the mean square of a normalised vector.
    swiglu_limit : float or None
        Clamp of gate and up before the gpt-oss activation; None is plain SwiGLU.
    """

    name: str
    family: str
    n_layers: int
    hidden: int
    intermediate: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    vocab: int
    n_experts: int
    experts_per_token: int
    tied_embedding: bool
    max_context: int
    sliding_window: int | None
    windows: tuple[int | None, ...] = ()
    norm_epsilon: float = 1e-5
    rope: RopeShape = RopeShape()
    swiglu_limit: float | None = None
    bos_token: int | None = None
    eos_tokens: tuple[int, ...] = ()

    @property
    def is_moe(self) -> bool:
        return self.n_experts > 0

    def linears(self) -> Iterator[LinearShape]:
        """Every kind of matrix that is hardwired, in the order a token meets them."""
        n, hidden = self.n_layers, self.hidden
        kv_rows = self.n_kv_heads * self.head_dim
        q_rows = self.n_heads * self.head_dim
        yield LinearShape("q", q_rows, hidden, n, n)
        yield LinearShape("k", kv_rows, hidden, n, n)
        yield LinearShape("v", kv_rows, hidden, n, n)
        yield LinearShape("o", hidden, q_rows, n, n)
        if self.is_moe:
            total, active = n * self.n_experts, n * self.experts_per_token
            yield LinearShape("router", self.n_experts, hidden, n, n)
            yield LinearShape("gate_up", 2 * self.intermediate, hidden, total, active)
            yield LinearShape("down", hidden, self.intermediate, total, active)
        else:
            yield LinearShape("gate", self.intermediate, hidden, n, n)
            yield LinearShape("up", self.intermediate, hidden, n, n)
            yield LinearShape("down", hidden, self.intermediate, n, n)
        yield LinearShape("unembedding", self.vocab, hidden, 1, 1)

    @property
    def n_hardwired_weights(self) -> int:
        return sum(linear.n_weights for linear in self.linears())

    @property
    def n_active_weights(self) -> int:
        return sum(linear.n_active_weights for linear in self.linears())


def read_model_shape(path: Path, *, name: str | None = None) -> ModelShape:
    """Shape of the model whose ``config.json`` is ``path``.

    Raises
    ------
    HnlpuError
        Unreadable file, unknown architecture, rope type or activation, missing or impossible value.
    """
    return shape_from_config(
        read_config(path), where=str(path), name=name or path.resolve().parent.name
    )


def shape_from_config(config: Any, *, where: str, name: str) -> ModelShape:
    """Shape of the model of a configuration that was read from ``where``."""
    checked = Config(config, where)
    model_type = checked.family(FAMILIES)
    _check_rope(config, where)
    integer, number = checked.integer, checked.number
    is_moe = model_type == "gpt_oss"
    hidden, n_heads = integer("hidden_size"), integer("num_attention_heads")
    n_kv_heads = integer("num_key_value_heads", n_heads)
    n_experts = integer("num_local_experts") if is_moe else 0
    chosen = integer("num_experts_per_tok", config.get("experts_per_token")) if is_moe else 0
    checked.fit(n_kv_heads, n_heads, "num_key_value_heads and num_attention_heads", divides=True)
    checked.fit(chosen, n_experts, "num_experts_per_tok and num_local_experts")
    if model_type == "llama" and config.get("hidden_act", "silu") != "silu":
        raise HnlpuError(
            "unsupported activation",
            where=f"{where}: hidden_act",
            got=repr(config["hidden_act"]),
            do="the llama family is built with silu",
        )
    window = integer("sliding_window") if config.get("sliding_window") is not None else None
    n_layers = integer("num_hidden_layers")
    habit = ("sliding_attention", "full_attention") if is_moe else ("full_attention",)
    eos = config.get("eos_token_id")
    return ModelShape(
        name=name,
        family=FAMILIES[model_type],
        n_layers=n_layers,
        hidden=hidden,
        intermediate=integer("intermediate_size"),
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=integer("head_dim", max(1, hidden // n_heads)),
        vocab=integer("vocab_size"),
        n_experts=n_experts,
        experts_per_token=chosen,
        tied_embedding=bool(config.get("tie_word_embeddings", False)),
        max_context=integer("max_position_embeddings", 2048),
        sliding_window=window,
        windows=layer_windows(checked, n_layers, window, habit),
        norm_epsilon=number("rms_norm_eps", 1e-5 if is_moe else 1e-6),
        rope=_rope(config, where, number),
        swiglu_limit=number("swiglu_limit", 7.0) if is_moe else None,
        bos_token=config.get("bos_token_id"),
        eos_tokens=() if eos is None else tuple(eos) if isinstance(eos, list) else (eos,),
    )


def _rope(config: Mapping[str, Any], where: str, number: Callable[..., float]) -> RopeShape:
    """Rotary embedding, from ``rope_parameters`` or ``rope_scaling`` and ``rope_theta``."""
    given = dict(config.get("rope_scaling") or {}) | dict(config.get("rope_parameters") or {})
    usual = 150000.0 if config.get("model_type") == "gpt_oss" else 10000.0
    theta = number("rope_theta", given.get("rope_theta", usual))
    if given.get("rope_type", given.get("type", "default")) != "yarn":
        return RopeShape(theta)
    try:
        return RopeShape(
            theta,
            float(given["factor"]),
            int(
                given.get(
                    "original_max_position_embeddings",
                    config.get("initial_context_length", config.get("max_position_embeddings")),
                )
            ),
            float(given.get("beta_fast") or 32.0),
            float(given.get("beta_slow") or 1.0),
            bool(given.get("truncate", True)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HnlpuError(
            "rotary embedding is incomplete",
            where=f"{where}: rope_scaling",
            got=f"{type(error).__name__}: {error}",
            do="yarn needs factor, and takes original_max_position_embeddings, beta_fast, beta_slow",
        ) from error


def model_from_dict(values: Mapping[str, Any]) -> ModelShape:
    """The inverse of ``dataclasses.asdict``, as a manifest holds it."""
    given = dict(values)
    given["windows"], given["eos_tokens"] = tuple(given["windows"]), tuple(given["eos_tokens"])
    given["rope"] = RopeShape(**given["rope"])
    return ModelShape(**given)


def _check_rope(config: Mapping[str, Any], where: str) -> None:
    for key in ("rope_scaling", "rope_parameters"):
        rope = config.get(key)
        if not rope:
            continue
        kind = (
            rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else rope
        )
        if kind not in _ROPE_TYPES:
            raise HnlpuError(
                "unsupported rotary embedding",
                where=f"{where}: {key}",
                got=repr(kind),
                do=f"supported rope types are {', '.join(_ROPE_TYPES)}",
            )
