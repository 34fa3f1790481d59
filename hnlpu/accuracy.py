"""How far the twin is from floating point: logits, streams, routing, and a planted outlier."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.chip import Chip, norm_epsilon
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.floating import FloatingModel, FloatingWeights
from hnlpu.sim.quantizer import quantize
from hnlpu.sim.rmsnorm import rmsnorm

__all__ = [
    "Record",
    "compare_logits",
    "compare_streams",
    "planted_outlier",
    "record_floating",
    "record_twin",
    "same_experts",
]

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Streams on the residual grid; the others are on the value grid, normalised vectors on their own.
_RESIDUAL = ("embedding", "attention_residual", "mlp_residual", "o", "down", "experts")
_ARRAYS = ("q", "k", "v", "o", "router", "gate_up", "gate", "up", "down", "logits")
_VECTORS = ("attention_norm", "attention", "attention_residual", "mlp_norm", "swiglu",
            "mlp_residual", "norm")  # fmt: skip
#: The planted channel in standard deviations of the embedding (an outlier as large models have them).
OUTLIER_SIGMAS = 90.0


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A run of a model: logits and every stream, as numbers.

    Attributes
    ----------
    logits : (n_sequences, n_tokens, vocab)
    streams : dict of str to array
    saturations : dict of str to int
        By block; empty for floating point.
    """

    logits: Numbers
    streams: dict[str, npt.NDArray[Any]]
    saturations: dict[str, int]


def record_twin(chip: Chip, ids: npt.NDArray[np.int64]) -> Record:
    """Run sequences on the twin; streams are dequantised, caches and array inputs left out."""
    streams: dict[str, npt.NDArray[Any]] = {}

    def see(name: str, values: npt.NDArray[np.int64]) -> None:
        kind = name.rpartition(".")[2]
        if kind in ("chosen", "routing"):
            streams[name] = values
        elif kind in _ARRAYS or kind in _VECTORS:
            streams[name] = np.ldexp(values, -_fraction(chip, name))

    twin = ChipTwin(chip, n_sequences=len(ids), context=ids.shape[1], trace=see)
    logits: Numbers = np.ldexp(twin.forward(ids), -chip.numerics.value_fraction)
    return Record(logits, streams, twin.saturate.counts)


def record_floating(weights: FloatingWeights, ids: npt.NDArray[np.int64]) -> Record:
    """Run sequences in floating point."""
    streams: dict[str, npt.NDArray[Any]] = {}
    model = FloatingModel(weights, n_sequences=len(ids), trace=streams.__setitem__)
    return Record(model.forward(ids), streams, {})


def _fraction(chip: Chip, name: str) -> int:
    """Fraction bits of a stream."""
    stem, _, kind = name.rpartition(".")
    if kind.endswith("norm"):
        layer = None if stem == "head" else chip.layers[int(stem.removeprefix("layer_"))]
        norm = chip.norm if layer is None else getattr(layer, kind)
        return chip.numerics.value_bits - 1 - int(norm.octaves)
    n = chip.numerics
    return n.residual_fraction if kind in _RESIDUAL else n.value_fraction


def same_experts(twin: Record, floating: Record) -> Mask | None:
    """Where both chose the same set of experts in every layer, (n_sequences, n_tokens); None if dense."""
    names = [name for name in floating.streams if name.endswith(".chosen")]
    if not names:
        return None
    agree = [
        (np.sort(twin.streams[name]) == np.sort(floating.streams[name])).all(axis=-1)
        for name in names
    ]
    everywhere: Mask = np.logical_and.reduce(agree)
    return everywhere


def compare_logits(
    logits: Numbers, reference: Numbers, scored: Mask, agree: Mask | None = None
) -> dict[str, Any]:
    """Figures of the scored positions.

    Parameters
    ----------
    logits, reference : (n_sequences, n_tokens, vocab)
    scored : bool (n_sequences, n_tokens)
    agree : bool (n_sequences, n_tokens), optional
        Where the experts are the same.
    """
    error = logits[scored] - reference[scored]
    figures: dict[str, Any] = {
        "n_positions": int(scored.sum()),
        "logit_rmse": _rms(error),
        "largest_error": float(np.abs(error).max(initial=0.0)),
        "top1_agreement": _mean(
            logits[scored].argmax(axis=-1) == reference[scored].argmax(axis=-1)
        ),
        "router_agreement": None,
        "logit_rmse_same_experts": None,
    }
    if agree is not None:
        figures["router_agreement"] = _mean(agree[scored])
        figures["logit_rmse_same_experts"] = _rms(error[agree[scored]])
    return figures


def _rms(values: Numbers) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if values.size else 1.0


def compare_streams(twin: Record, floating: Record, valid: Mask) -> list[dict[str, Any]]:
    """Signal-to-noise ratio of every array and vector in dB, the experts of a layer as one.

    Parameters
    ----------
    twin, floating : Record
    valid : bool (n_sequences, n_tokens)
        Tokens that count; of an expert, those that both sent to it.
    """
    sums: dict[tuple[str, str], list[float]] = {}
    for name, wanted, got in _pairs(twin, floating, valid):
        layer, _, rest = name.partition(".")
        inner = rest.partition(".")
        kind = f"experts.{inner[2]}" if inner[2] else rest
        entry = sums.setdefault((layer, kind), [0.0, 0.0, 0.0])
        entry[0] += float(np.square(wanted).sum())
        entry[1] += float(np.square(got - wanted).sum())
        entry[2] += wanted.size
    return [
        {
            "layer": layer,
            "stream": kind,
            "array": kind.rpartition(".")[2] in _ARRAYS,
            "snr_db": _decibels(signal, noise),
            "rms": float(np.sqrt(signal / n)) if n else 0.0,
            "rmse": float(np.sqrt(noise / n)) if n else 0.0,
        }
        for (layer, kind), (signal, noise, n) in sums.items()
    ]


def _pairs(
    twin: Record, floating: Record, valid: Mask
) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]]:
    for name, got in twin.streams.items():
        wanted = floating.streams.get(name)
        if wanted is None or name.rpartition(".")[2] in ("chosen", "routing"):
            continue
        layer, _, rest = name.partition(".")
        if rest.startswith("expert_"):
            expert = int(rest.partition(".")[0].removeprefix("expert_"))
            here, there = (
                (record.streams[f"{layer}.chosen"] == expert).any(axis=-1)
                for record in (twin, floating)
            )
            both = here & there & valid
            yield name, wanted[both[there]], got[both[here]]
        else:
            yield name, wanted[valid], got[valid]


def _decibels(signal: float, noise: float) -> float | None:
    """None where nothing was lost."""
    return float(10 * np.log10(signal / noise)) if noise > 0 and signal > 0 else None


def planted_outlier(
    chip: Chip, ids: npt.NDArray[np.int64], bits: Iterable[int] = range(4, 17)
) -> dict[str, Any]:
    """What one large channel costs the others where a vector has one exponent.

    One channel of the embedding, that of the median gain of the first norm, is made
    ``OUTLIER_SIGMAS`` standard deviations large; the normalised vectors of the given tokens are then
    brought to activation integers of several widths, and the other channels compared with floating point.

    Returns
    -------
    dict
        ``channel``, ``sigmas``, ``rows``: ``bits``, ``snr_db`` and, without the outlier, ``plain_snr_db``.
    """
    norm, n = chip.layers[0].attention_norm, chip.numerics
    order = np.argsort(np.abs(norm.gains), kind="stable")
    channel = int(order[len(order) // 2])
    plain = chip.embedding[np.unique(ids)]
    most = (1 << (n.residual_bits - 1)) - 1
    planted = plain.copy()
    planted[:, channel] = min(round(OUTLIER_SIGMAS * float(plain.std())), most)
    others = np.arange(chip.shape.hidden) != channel
    rows = []
    for width in bits:
        ratios = [_small_channels(chip, x, width, others) for x in (planted, plain)]
        rows.append({"bits": width, "snr_db": ratios[0], "plain_snr_db": ratios[1]})
    sigmas = float(planted[0, channel] / plain.std())
    return {"channel": channel, "sigmas": sigmas, "rows": rows}


def _small_channels(chip: Chip, x: npt.NDArray[np.int64], bits: int, others: Mask) -> float | None:
    norm, n = chip.layers[0].attention_norm, chip.numerics
    epsilon = norm_epsilon(chip.shape, n)
    root = np.sqrt(np.square(x.astype(np.float64)).sum(axis=-1, keepdims=True) + epsilon)
    wanted = x / root * norm.gains * 2.0 ** (norm.octaves + 1 - n.gamma_bits)
    y = rmsnorm(x, norm.gains, epsilon, n, Saturation(), "outlier")
    integers, shift = quantize(y, bits)
    got = np.ldexp(integers, (shift - (n.value_bits - 1 - norm.octaves))[:, None])
    error = (got - wanted)[:, others]
    return _decibels(float(np.square(wanted[:, others]).sum()), float(np.square(error).sum()))
