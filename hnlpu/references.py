"""Token sequences that a model's logits are compared on, with the positions that count."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape
from hnlpu.sim.floating import FloatingModel, FloatingWeights

__all__ = ["Reference", "own_samples", "read_references"]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Sequences, and logits of someone else's where there are any.

    Attributes
    ----------
    name : str
    ids : int64 array (n_sequences, n_tokens)
    scored : bool (n_sequences, n_tokens)
        ``logits[t]``, which predicts ``ids[t + 1]``, counts.
    logits : float64 array (n_sequences, n_tokens, vocab) or None
    """

    name: str
    ids: npt.NDArray[np.int64]
    scored: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float64] | None = None

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Tokens up to the last one of their sequence that is scored."""
        return np.logical_or.accumulate(self.scored[:, ::-1], axis=1)[:, ::-1]


def read_references(path: Path, shape: ModelShape) -> list[Reference]:
    """Sequences of a file: ``ids``, ``logits``, ``answer_mask`` or ``lengths``, and the same ``_short``.

    ``logits[t]`` is scored where ``answer_mask[t + 1]``, or where ``t < lengths``, else everywhere.

    Raises
    ------
    HnlpuError
        Unreadable file, or arrays that do not fit the model or each other.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise HnlpuError(
            "cannot read the reference",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            do="give an .npz with ids and logits",
        ) from error
    found = list(_references(arrays, path, shape))
    if not found:
        raise HnlpuError(
            "no ids in the reference",
            where=str(path),
            got=", ".join(arrays) or "no arrays",
            do="give an .npz with ids and logits",
        )
    return found


def _references(
    arrays: dict[str, npt.NDArray[np.generic]], path: Path, shape: ModelShape
) -> Iterator[Reference]:
    for name, end in (("reference", ""), ("short", "_short")):
        if f"ids{end}" not in arrays:
            continue
        ids = arrays[f"ids{end}"].astype(np.int64)
        logits = arrays.get(f"logits{end}")
        _check(f"{path}: ids{end}", ids.ndim == 2 and ids.size > 0, ids, "(sequences, tokens)")
        inside = (ids >= 0) & (ids < shape.vocab)
        _check(f"{path}: ids{end}", bool(inside.all()), ids[~inside], f"0 to {shape.vocab - 1}")
        if logits is not None:
            size = (*ids.shape, shape.vocab)
            _check(f"{path}: logits{end}", logits.shape == size, logits, f"shape {size}")
        scored = np.ones(ids.shape, dtype=bool)
        if f"answer_mask{end}" in arrays:
            mask = arrays[f"answer_mask{end}"].astype(bool)
            _check(f"{path}: answer_mask{end}", mask.shape == ids.shape, mask, f"{ids.shape}")
            scored = np.concatenate([mask[:, 1:], np.zeros_like(mask[:, :1])], axis=1)
        elif f"lengths{end}" in arrays:
            lengths = arrays[f"lengths{end}"].astype(np.int64)
            size = (len(ids),)
            _check(f"{path}: lengths{end}", lengths.shape == size, lengths, f"shape {size}")
            scored = np.arange(ids.shape[1]) < lengths[:, None]
        numbers = None if logits is None else logits.astype(np.float64)
        yield Reference(name, ids, scored, numbers)


def _check(where: str, ok: bool, got: npt.NDArray[np.generic], expected: str) -> None:
    if not ok:
        shown = f"shape {got.shape}" if got.size > 4 else str(got.tolist())
        raise HnlpuError(
            "reference does not fit the model", where=where, got=shown, do=f"expected {expected}"
        )


def own_samples(
    weights: FloatingWeights, n_sequences: int = 8, n_tokens: int = 48, seed: int = 0
) -> Reference:
    """Sequences that the floating-point model itself writes, sampled from BOS on (or from token 0)."""
    rng = np.random.default_rng(seed)
    shape = weights.shape
    ids = np.full((n_sequences, 1), shape.bos_token or 0, dtype=np.int64)
    model = FloatingModel(weights, n_sequences=n_sequences)
    while ids.shape[1] < min(n_tokens, shape.max_context):
        logits = model.forward(ids[:, -1:])[:, -1]
        # argmax of logits with Gumbel noise is a sample of their softmax
        token = (logits + rng.gumbel(size=logits.shape)).argmax(axis=-1)
        ids = np.concatenate([ids, token[:, None]], axis=1)
    return Reference("own samples", ids, np.ones(ids.shape, dtype=bool))
