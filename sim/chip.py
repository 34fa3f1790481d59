"""Twin of ``hnlpu.rtl.chip``: the whole model in exact integers, for many sequences at once.

The same roundings as the RTL, by matrix products instead of streams. Every intermediate can be traced
under the name of the RTL's stream, so that a first difference has a place.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from hnlpu.chip import Chip, Expert, HardwiredMatrix, Layer, Norm, norm_epsilon
from hnlpu.errors import HnlpuError
from hnlpu.sim.attention import AttentionParameters, attention
from hnlpu.sim.fixed_point import Integers, Saturation, round_shift
from hnlpu.sim.projection import drain, multiply
from hnlpu.sim.quantizer import quantize
from hnlpu.sim.rmsnorm import rmsnorm
from hnlpu.sim.rope import rope
from hnlpu.sim.router import route
from hnlpu.sim.swiglu import swiglu
from hnlpu.tables import rope_steps, score_scale

__all__ = ["ChipTwin", "Trace"]

#: Called with the name of a stream and its values, (n_sequences, n_tokens, ...).
Trace = Callable[[str, Integers], None]


class ChipTwin:
    """A chip with ``n_sequences`` sequences in its KV cache.

    Parameters
    ----------
    chip : Chip
    context : int, optional
        Positions that the cache holds; the model's own by default.
    n_sequences : int
    trace : callable, optional

    Attributes
    ----------
    position : int
        Tokens that every sequence has so far.
    saturate : Saturation
        Counts values that had to be clipped, by block.
    """

    def __init__(
        self,
        chip: Chip,
        *,
        context: int | None = None,
        n_sequences: int = 1,
        trace: Trace | None = None,
    ) -> None:
        self.chip = chip
        self.context = chip.shape.max_context if context is None else context
        self.n_sequences = n_sequences
        self.position = 0
        self.saturate = Saturation()
        self._trace = trace
        shape, n = chip.shape, chip.numerics
        size = (n_sequences, 0, shape.n_kv_heads, shape.head_dim)
        self._keys = [np.zeros(size, dtype=np.int64) for _ in chip.layers]
        self._values = [np.zeros(size, dtype=np.int64) for _ in chip.layers]
        self._steps = rope_steps(shape.rope, shape.head_dim)
        scale, fraction = score_scale(shape.rope, shape.head_dim)
        self._attention = [
            AttentionParameters(scale, fraction, layer.sinks, layer.window) for layer in chip.layers
        ]
        self._epsilon = norm_epsilon(shape, n)

    def reset(self) -> None:
        """Forget every sequence."""
        self.position = 0
        for cache in (self._keys, self._values):
            cache[:] = [rows[:, :0] for rows in cache]

    def forward(self, ids: Any) -> Integers:
        """Take more tokens of every sequence.

        Parameters
        ----------
        ids : int array (n_sequences, n_tokens)

        Returns
        -------
        (n_sequences, n_tokens, vocab)
            Logits on the value grid, of the token after each.

        Raises
        ------
        HnlpuError
            Token outside the vocabulary, or more tokens than the context holds.
        """
        tokens = np.asarray(ids, dtype=np.int64).reshape(self.n_sequences, -1)
        self._check(tokens)
        positions = self.position + np.arange(tokens.shape[1])
        x = self.chip.embedding[tokens]
        self._see("embedding", x)
        for i, layer in enumerate(self.chip.layers):
            x = self._layer(i, layer, x, positions)
        self.position += tokens.shape[1]
        y, exponent = self._normalise("head.norm", x, self.chip.norm, "unembedding")
        return self._project("head.logits", y, exponent, self.chip.unembedding)

    def _check(self, tokens: Integers) -> None:
        vocab = self.chip.shape.vocab
        bad = (tokens < 0) | (tokens >= vocab)
        if bad.any():
            sequence, place = np.argwhere(bad)[0]
            raise HnlpuError(
                "token outside the vocabulary",
                where=f"sequence {sequence}, token {self.position + place}",
                got=str(tokens[sequence, place]),
                do=f"tokens go from 0 to {vocab - 1}",
            )
        if self.position + tokens.shape[1] > self.context:
            raise HnlpuError(
                "more tokens than the context holds",
                where=f"position {self.position}",
                got=f"{tokens.shape[1]} tokens more",
                do=f"this chip's context is {self.context} positions",
            )

    def _see(self, name: str, values: Integers) -> None:
        if self._trace is not None:
            self._trace(name, values)

    def _layer(self, i: int, layer: Layer, x: Integers, positions: Integers) -> Integers:
        stem, n = f"layer_{i}", self.chip.numerics
        attended = self._attend(i, layer, x, positions)
        x = self.saturate(x + attended, n.residual_bits, f"{stem}.attention_residual")
        self._see(f"{stem}.attention_residual", x)
        fed = self._feed_forward(stem, layer, x)
        x = self.saturate(x + fed, n.residual_bits, f"{stem}.mlp_residual")
        self._see(f"{stem}.mlp_residual", x)
        return x

    def _normalise(
        self, name: str, x: Integers, norm: Norm, array_input: str
    ) -> tuple[Integers, Integers]:
        """Normalised vectors as integers for the arrays, and their powers of two."""
        y = rmsnorm(x, norm.gains, self._epsilon, self.chip.numerics, self.saturate, name)
        self._see(name, y)
        fraction = self.chip.numerics.value_bits - 1 - norm.octaves
        return self._quantise(f"{name}_x", y, array_input, fraction)

    def _quantise(
        self, name: str, values: Integers, array_input: str, fraction: int
    ) -> tuple[Integers, Integers]:
        integers, shift = quantize(values, self.chip.numerics.input_bits(array_input))
        self._see(name, integers)
        return integers, shift - fraction

    def _sums(self, x: Integers, matrix: HardwiredMatrix) -> tuple[Integers, HardwiredMatrix]:
        """What the rows of an array sum up, and the matrix with whose exponents they are drained."""
        return multiply(x, matrix), matrix

    def _project(
        self,
        name: str,
        x: Integers,
        exponent: Integers,
        matrix: HardwiredMatrix,
        *,
        residual: bool = False,
    ) -> Integers:
        n = self.chip.numerics
        grid = (
            (n.residual_fraction, n.residual_bits) if residual else (n.value_fraction, n.value_bits)
        )
        sums, drained = self._sums(x.reshape(-1, x.shape[-1]), matrix)
        flat = drain(sums, exponent.reshape(-1), drained, *grid, self.saturate, name)
        y = flat.reshape(*x.shape[:-1], -1)
        self._see(name, y)
        return y

    def _attend(self, i: int, layer: Layer, x: Integers, positions: Integers) -> Integers:
        stem, n, shape = f"layer_{i}", self.chip.numerics, self.chip.shape
        y, exponent = self._normalise(f"{stem}.attention_norm", x, layer.attention_norm, "qkv")
        heads = {}
        for role, matrix in (("q", layer.q), ("k", layer.k), ("v", layer.v)):
            flat = self._project(f"{stem}.{role}", y, exponent, matrix)
            heads[role] = flat.reshape(*flat.shape[:2], -1, shape.head_dim)
        for role in ("q", "k"):
            name = f"{stem}.{role}_rope"
            heads[role] = rope(heads[role], positions, self._steps, n, self.saturate, name)
            self._see(name, heads[role])
        for role, cache in (("k", self._keys), ("v", self._values)):
            integers, shift = quantize(heads[role], n.kv_bits)
            self._see(f"{stem}.{role}_cache", integers)
            cache[i] = np.concatenate([cache[i], integers << shift[..., None]], axis=1)
        name = f"{stem}.attention"
        out = attention(
            heads["q"], self._keys[i], self._values[i], positions, self._attention[i], n,
            self.saturate, name,
        )  # fmt: skip
        out = out.reshape(*out.shape[:2], -1)
        self._see(name, out)
        y, exponent = self._quantise(f"{name}_x", out, "o", n.value_fraction)
        return self._project(f"{stem}.o", y, exponent, layer.o, residual=True)

    def _feed_forward(self, stem: str, layer: Layer, x: Integers) -> Integers:
        y, exponent = self._normalise(f"{stem}.mlp_norm", x, layer.mlp_norm, "mlp")
        if layer.router is None:
            return self._expert(f"{stem}", layer.experts[0], y, exponent)
        n, k = self.chip.numerics, self.chip.shape.experts_per_token
        logits = self._project(f"{stem}.router", y, exponent, layer.router)
        chosen, weights = route(logits, k, n)
        self._see(f"{stem}.chosen", chosen)
        self._see(f"{stem}.routing", weights)
        total = np.zeros(x.shape, dtype=np.int64)
        for e in np.unique(chosen):
            which = chosen == e
            tokens = which.any(axis=-1)
            weight = (weights * which).sum(axis=-1)[tokens]
            own = self._expert(f"{stem}.expert_{e}", layer.experts[e], y[tokens], exponent[tokens])
            total[tokens] += own * weight[:, None]
        combined = self.saturate(
            round_shift(total, n.routing_bits), n.residual_bits, f"{stem}.experts"
        )
        self._see(f"{stem}.experts", combined)
        return combined

    def _expert(self, stem: str, expert: Expert, x: Integers, exponent: Integers) -> Integers:
        n = self.chip.numerics
        if len(expert.gate_up) == 1:
            both = self._project(f"{stem}.gate_up", x, exponent, expert.gate_up[0])
            gate, up = both[..., 0::2], both[..., 1::2]
        else:
            gate, up = (
                self._project(f"{stem}.{role}", x, exponent, matrix)
                for role, matrix in zip(("gate", "up"), expert.gate_up, strict=True)
            )
        name = f"{stem}.swiglu"
        act = swiglu(gate, up, self.chip.shape.swiglu_limit, n, self.saturate, name)
        self._see(name, act)
        y, shift = self._quantise(f"{name}_x", act, "down", n.value_fraction)
        return self._project(f"{stem}.down", y, shift, expert.down, residual=True)
