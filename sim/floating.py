"""The same model in float64: the yardstick that the twin's distance to floating point is measured with.

It shares no arithmetic with the twin and no table: textbook formulas (transformers, ``modeling_gpt_oss``
and ``modeling_llama``), with the names of the twin's trace. YaRN's magnitude is part of the score, as on
the chip, so rotated queries and keys compare directly.

Contract (checked by ``tests/sim/test_floating.py``): within 1e-4 of transformers in fp32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.checkpoint import Checkpoint
from hnlpu.chip_loading import ModelWeights
from hnlpu.families import find_tensors
from hnlpu.matrices import read_values
from hnlpu.model import ModelShape
from hnlpu.tables import SWIGLU_ALPHA, rope_frequencies, rope_magnitude

__all__ = ["FloatingModel", "FloatingWeights"]

Numbers = npt.NDArray[np.float64]
Trace = Callable[[str, npt.NDArray[Any]], None]


@dataclass(frozen=True, slots=True, eq=False)
class FloatingWeights:
    """A model's weights as numbers.

    Attributes
    ----------
    shape : ModelShape
    constants : mapping of str to float64 array
        Embedding, gains, biases, sinks, by their names in the checkpoint.
    matrices : mapping of str to float64 array (n_rows, n_columns)
    """

    shape: ModelShape
    constants: Mapping[str, Numbers]
    matrices: Mapping[str, Numbers]

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> "FloatingWeights":
        """The weights as they are stored, whether or not they are on a grid."""
        tensors = find_tensors(checkpoint)
        return cls(
            checkpoint.shape,
            {name: checkpoint.read(name).astype(np.float64) for name in tensors.constants},
            {source.name: read_values(checkpoint, source) for source in tensors.matrices},
        )

    @classmethod
    def of_wired(cls, weights: ModelWeights) -> "FloatingWeights":
        """The weights as they were wired."""
        matrices = {
            name: m.values if m.row_scales is None else m.values * m.row_scales[:, None]
            for name, m in weights.matrices.items()
        }
        constants = {name: a.astype(np.float64) for name, a in weights.constants.items()}
        return cls(weights.shape, constants, matrices)


def _sigmoid(x: Numbers) -> Numbers:
    with np.errstate(over="ignore"):  # exp overflows to infinity, and the quotient is 0
        result: Numbers = 1 / (1 + np.exp(-x))
    return result


class FloatingModel:
    """A model with ``n_sequences`` sequences in its KV cache; used like ``ChipTwin``.

    Parameters
    ----------
    weights : FloatingWeights
    n_sequences : int
    trace : callable, optional
        Called with the twin's name of a stream and its values, (n_sequences, n_tokens, ...).
    """

    def __init__(
        self, weights: FloatingWeights, *, n_sequences: int = 1, trace: Trace | None = None
    ) -> None:
        self.shape = weights.shape
        self.n_sequences = n_sequences
        self.position = 0
        self._weights = weights
        self._trace = trace
        self._frequencies = rope_frequencies(self.shape.rope, self.shape.head_dim)
        self._scale = self.shape.head_dim**-0.5 * rope_magnitude(self.shape.rope) ** 2
        self._cache: dict[tuple[int, str], Numbers] = {}

    def reset(self) -> None:
        """Forget every sequence."""
        self.position = 0
        self._cache = {}

    def forward(self, ids: Any) -> Numbers:
        """Take more tokens of every sequence, (n_sequences, n_tokens); logits of the token after each."""
        tokens = np.asarray(ids, dtype=np.int64).reshape(self.n_sequences, -1)
        positions = self.position + np.arange(tokens.shape[1])
        x = self._constant("model.embed_tokens.weight")[tokens]
        self._see("embedding", x)
        for i in range(self.shape.n_layers):
            x = x + self._attend(i, x, positions)
            self._see(f"layer_{i}.attention_residual", x)
            x = x + self._feed_forward(i, x)
            self._see(f"layer_{i}.mlp_residual", x)
        self.position += tokens.shape[1]
        y = self._normalise("head.norm", x, "model.norm")
        return self._project("head.logits", y, "lm_head")

    def _see(self, name: str, values: Numbers) -> Numbers:
        if self._trace is not None:
            self._trace(name, values)
        return values

    def _constant(self, name: str) -> Numbers:
        return self._weights.constants[name]

    def _normalise(self, name: str, x: Numbers, norm: str) -> Numbers:
        mean = (x * x).mean(axis=-1, keepdims=True)
        root = np.sqrt(mean + self.shape.norm_epsilon)
        return self._see(name, x / root * self._constant(f"{norm}.weight"))

    def _project(self, name: str, x: Numbers, matrix: str, bias: Numbers | None = None) -> Numbers:
        weights = self._weights.matrices[matrix]
        y = (x.reshape(-1, x.shape[-1]) @ weights.T).reshape(*x.shape[:-1], -1)  # one product
        if bias is None and f"{matrix}.bias" in self._weights.constants:
            bias = self._constant(f"{matrix}.bias")
        return self._see(name, y if bias is None else y + bias)

    def _rotate(self, x: Numbers, positions: npt.NDArray[np.int64]) -> Numbers:
        angle = positions[:, None, None] * self._frequencies
        cosine, sine = np.cos(angle), np.sin(angle)
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([a * cosine - b * sine, b * cosine + a * sine], axis=-1)

    def _attend(self, i: int, x: Numbers, positions: npt.NDArray[np.int64]) -> Numbers:
        stem, own, shape = f"layer_{i}", f"model.layers.{i}", self.shape
        y = self._normalise(f"{stem}.attention_norm", x, f"{own}.input_layernorm")
        heads = {}
        for role in "qkv":
            flat = self._project(f"{stem}.{role}", y, f"{own}.self_attn.{role}_proj")
            heads[role] = flat.reshape(*flat.shape[:2], -1, shape.head_dim)
        for role in "qk":
            heads[role] = self._see(f"{stem}.{role}_rope", self._rotate(heads[role], positions))
        for role in "kv":
            if (i, role) in self._cache:
                heads[role] = np.concatenate([self._cache[i, role], heads[role]], axis=1)
            self._cache[i, role] = heads[role]
        group = shape.n_heads // shape.n_kv_heads
        keys, values = (np.repeat(heads[role], group, axis=2) for role in "kv")
        scores = np.einsum("sthd,sphd->shtp", heads["q"], keys, optimize=True) * self._scale
        columns = np.arange(keys.shape[1])
        visible = columns <= positions[:, None]
        window = shape.windows[i]
        if window is not None:
            visible &= columns > positions[:, None] - window
        scores = np.where(visible, scores, -np.inf)
        if f"{own}.self_attn.sinks" in self._weights.constants:
            sinks = self._constant(f"{own}.self_attn.sinks")[:, None, None]
            column = np.broadcast_to(sinks, (*scores.shape[:3], 1))
            scores = np.concatenate([scores, column], axis=-1)
        terms = np.exp(scores - scores.max(axis=-1, keepdims=True))
        share = (terms / terms.sum(axis=-1, keepdims=True))[..., : keys.shape[1]]
        out = np.einsum("shtp,sphd->sthd", share, values, optimize=True)
        out = self._see(f"{stem}.attention", out.reshape(*out.shape[:2], -1))
        return self._project(f"{stem}.o", out, f"{own}.self_attn.o_proj")

    def _feed_forward(self, i: int, x: Numbers) -> Numbers:
        stem, own = f"layer_{i}", f"model.layers.{i}"
        y = self._normalise(f"{stem}.mlp_norm", x, f"{own}.post_attention_layernorm")
        if not self.shape.is_moe:
            gate, up = (
                self._project(f"{stem}.{r}", y, f"{own}.mlp.{r}_proj") for r in ("gate", "up")
            )
            act = self._see(f"{stem}.swiglu", gate * _sigmoid(gate) * up)
            return self._project(f"{stem}.down", act, f"{own}.mlp.down_proj")
        logits = self._project(f"{stem}.router", y, f"{own}.mlp.router")
        order = np.argsort(-logits, axis=-1, kind="stable")
        chosen = order[..., : self.shape.experts_per_token]
        picked = np.take_along_axis(logits, chosen, axis=-1)
        terms = np.exp(picked - picked[..., :1])
        shares = terms / terms.sum(axis=-1, keepdims=True)
        if self._trace is not None:
            self._trace(f"{stem}.chosen", chosen)
            self._trace(f"{stem}.routing", shares)
        total = np.zeros_like(x)
        for e in np.unique(chosen):
            tokens = (chosen == e).any(axis=-1)
            share = (shares * (chosen == e)).sum(axis=-1)[tokens]
            total[tokens] += self._expert(stem, f"{own}.mlp.experts", e, y[tokens]) * share[:, None]
        return self._see(f"{stem}.experts", total)

    def _expert(self, stem: str, own: str, e: int, x: Numbers) -> Numbers:
        biases = {
            role: self._constant(f"{own}.{role}_proj_bias")[e] for role in ("gate_up", "down")
        }
        name = f"{stem}.expert_{e}"
        both = self._project(f"{name}.gate_up", x, f"{own}.{e}.gate_up_proj", biases["gate_up"])
        limit = self.shape.swiglu_limit or np.inf
        gate, up = np.minimum(both[..., 0::2], limit), np.clip(both[..., 1::2], -limit, limit)
        act = self._see(f"{name}.swiglu", (up + 1) * gate * _sigmoid(SWIGLU_ALPHA * gate))
        return self._project(f"{name}.down", act, f"{own}.{e}.down_proj", biases["down"])
