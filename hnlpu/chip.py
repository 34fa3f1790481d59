"""The chip's model in integers: what is hardwired and what is booted, brought to the chip's grids.

The twin computes with it, and the boot image holds the part of it that is not wired.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape
from hnlpu.numerics import Numerics

__all__ = [
    "MULTIPLIER_BITS",
    "Chip",
    "Expert",
    "HardwiredMatrix",
    "Layer",
    "MatrixWeights",
    "Norm",
    "build_chip",
    "norm_epsilon",
]

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

#: Fraction bits of a row scale's multiplier, which lies from 1 up to 2.
MULTIPLIER_BITS = 15


@dataclass(frozen=True, slots=True, eq=False)
class MatrixWeights:
    """Weights as they were wired: ``values`` are whole multiples of ``2**row_exponents``."""

    values: Numbers
    row_exponents: npt.NDArray[np.int16]
    row_scales: Numbers | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HardwiredMatrix:
    """A matrix with what happens to its results.

        result = weights @ x * 2**(row_exponents + exponent of x) * multipliers / 2**15 + bias

    Attributes
    ----------
    name : str
    weights : float64 array (n_rows, n_columns)
        Integers, in units of the row.
    row_exponents : int64 array (n_rows,)
    multipliers : int64 array (n_rows,) or None
    bias : int64 array (n_rows,)
        On the grid of the result.
    """

    name: str
    weights: Numbers
    row_exponents: Integers
    multipliers: Integers | None
    bias: Integers

    @property
    def n_rows(self) -> int:
        return int(self.weights.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Gains of a norm, times ``sqrt(n)``.

    Attributes
    ----------
    gains : int64 array (n,)
        Of ``gamma_bits``.
    octaves : int
        The largest gain lies below ``2**octaves``; a normalised vector has
        ``value_bits - 1 - octaves`` fraction bits and cannot overflow.
    """

    gains: Integers
    octaves: int


@dataclass(frozen=True, slots=True, eq=False)
class Expert:
    """Feed-forward matrices; ``gate_up`` has the rows of gate and up by turns, else they are two."""

    gate_up: tuple[HardwiredMatrix, ...]
    down: HardwiredMatrix


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer; ``sinks`` are in octaves, ``exp_table_bits`` of fraction."""

    attention_norm: Norm
    q: HardwiredMatrix
    k: HardwiredMatrix
    v: HardwiredMatrix
    o: HardwiredMatrix
    sinks: Integers | None
    window: int | None
    mlp_norm: Norm
    router: HardwiredMatrix | None
    experts: tuple[Expert, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Chip:
    """A model in the integers of a chip.

    Attributes
    ----------
    shape : ModelShape
    numerics : Numerics
    embedding : int64 array (vocab, hidden)
        On the residual grid.
    layers : tuple of Layer
    norm : Norm
    unembedding : HardwiredMatrix
    """

    shape: ModelShape
    numerics: Numerics
    embedding: Integers
    layers: tuple[Layer, ...]
    norm: Norm
    unembedding: HardwiredMatrix


def norm_epsilon(shape: ModelShape, numerics: Numerics) -> int:
    """``epsilon * n`` in units of a square of the residual grid."""
    epsilon = shape.norm_epsilon * shape.hidden * float(4**numerics.residual_fraction)
    return max(1, round(epsilon))


def build_chip(
    shape: ModelShape,
    numerics: Numerics,
    constants: Mapping[str, npt.NDArray[np.generic]],
    matrices: Mapping[str, MatrixWeights],
) -> Chip:
    """Bring weights and constants to the grids of ``numerics``.

    Parameters
    ----------
    constants : mapping
        Tensors by their names in the checkpoint.
    matrices : mapping
        By matrix name (``hnlpu.families``).

    Raises
    ------
    HnlpuError
        A constant that its grid cannot hold, or one that is missing.
    """
    return _Builder(shape, numerics, constants, matrices).chip()


@dataclass(frozen=True, slots=True)
class _Builder:
    shape: ModelShape
    numerics: Numerics
    constants: Mapping[str, npt.NDArray[np.generic]]
    matrices: Mapping[str, MatrixWeights]

    def chip(self) -> Chip:
        embedding = "model.embed_tokens.weight"
        tied = None  # the head has no bias in either family
        return Chip(
            self.shape,
            self.numerics,
            self._residual(self._constant(embedding), embedding),
            tuple(self._layer(i) for i in range(self.shape.n_layers)),
            self._norm("model.norm.weight"),
            self._matrix("lm_head", tied),
        )

    def _constant(self, name: str, index: int | None = None) -> Numbers:
        if name not in self.constants:
            raise HnlpuError(
                "constant is missing",
                where=name,
                got="no such tensor",
                do="generate the bundle again, or download the checkpoint again",
            )
        array = self.constants[name].astype(np.float64)
        return array if index is None else array[index]

    def _optional(self, name: str, index: int | None = None) -> Numbers | None:
        return self._constant(name, index) if name in self.constants else None

    def _layer(self, i: int) -> Layer:
        stem = f"model.layers.{i}"
        q, k, v, o = (
            self._matrix(
                f"{stem}.self_attn.{role}_proj",
                self._optional(f"{stem}.self_attn.{role}_proj.bias"),
                residual=role == "o",
            )
            for role in "qkvo"
        )
        sinks = self._optional(f"{stem}.self_attn.sinks")
        router = f"{stem}.mlp.router"
        return Layer(
            self._norm(f"{stem}.input_layernorm.weight"),
            q,
            k,
            v,
            o,
            None if sinks is None else self._sinks(sinks, f"{stem}.self_attn.sinks"),
            self.shape.windows[i],
            self._norm(f"{stem}.post_attention_layernorm.weight"),
            self._matrix(router, self._optional(f"{router}.bias")) if self.shape.is_moe else None,
            tuple(self._experts(f"{stem}.mlp")),
        )

    def _experts(self, stem: str) -> list[Expert]:
        if not self.shape.is_moe:
            gate, up, down = (
                self._matrix(
                    f"{stem}.{role}_proj",
                    self._optional(f"{stem}.{role}_proj.bias"),
                    residual=role == "down",
                )
                for role in ("gate", "up", "down")
            )
            return [Expert((gate, up), down)]
        return [
            Expert(
                (
                    self._matrix(
                        f"{stem}.experts.{e}.gate_up_proj",
                        self._constant(f"{stem}.experts.gate_up_proj_bias", e),
                    ),
                ),
                self._matrix(
                    f"{stem}.experts.{e}.down_proj",
                    self._constant(f"{stem}.experts.down_proj_bias", e),
                    residual=True,
                ),
            )
            for e in range(self.shape.n_experts)
        ]

    def _matrix(
        self, name: str, bias: Numbers | None, *, residual: bool = False
    ) -> HardwiredMatrix:
        given = self.matrices[name]
        exponents = given.row_exponents.astype(np.int64)
        units = np.ldexp(given.values.astype(np.float64), -exponents[:, None])
        if not np.array_equal(units, np.rint(units)):
            raise HnlpuError(
                "weights are no whole multiples of their row's unit",
                where=name,
                got="a fraction",
                do="generate the bundle again",
            )
        multipliers = None
        if given.row_scales is not None:
            scaled = np.floor(given.row_scales * (1 << MULTIPLIER_BITS) + 0.5).astype(np.int64)
            multipliers = np.minimum(scaled, (2 << MULTIPLIER_BITS) - 1)
        if bias is None:
            integers = np.zeros(len(exponents), dtype=np.int64)
        elif residual:
            integers = self._residual(bias, f"{name}.bias")
        else:
            n = self.numerics
            integers = _on_grid(bias, n.value_fraction, n.value_bits, f"{name}.bias")
        return HardwiredMatrix(name, units, exponents, multipliers, integers)

    def _residual(self, values: Numbers, name: str) -> Integers:
        n = self.numerics
        return _on_grid(values, n.residual_fraction, n.residual_bits, name)

    def _sinks(self, sinks: Numbers, name: str) -> Integers:
        n = self.numerics
        return _on_grid(sinks * log2(np.e), n.exp_table_bits, n.score_bits, name)

    def _norm(self, name: str) -> Norm:
        gains = self._constant(name) * sqrt(self.shape.hidden)
        # A normalised value is at most sqrt(n) (in the gains), a little more with its rounding.
        largest = float(np.abs(gains).max()) * 1.001
        octaves = ceil(log2(largest)) if largest > 0 else 0
        fraction = self.numerics.gamma_bits - 1 - octaves
        return Norm(np.floor(gains * 2.0**fraction + 0.5).astype(np.int64), octaves)


def _on_grid(values: Numbers, fraction: int, n_bits: int, name: str) -> Integers:
    integers = np.floor(values * 2.0**fraction + 0.5).astype(np.int64)
    worst = int(np.abs(integers).max())
    if worst >= 1 << (n_bits - 1):
        raise HnlpuError(
            "constant is beyond its grid",
            where=name,
            got=f"{worst / 2**fraction:g} for {n_bits} bits with {fraction} of fraction",
            do="choose more bits, or fewer of fraction, in the numerics",
        )
    return integers
