"""A traced run of a chip beside the twin: which tokens entered, and the first difference."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.chip import Chip
from hnlpu.sim.chip import ChipTwin
from hnlpu.verification.chip_harness import LOGITS
from hnlpu.verification.chip_run import Run, Stream

__all__ = ["Comparison", "compare", "entered_sequences", "traced_vectors"]

Integers = npt.NDArray[np.int64]
#: More than any position has.
_ALL_BITS = 63
_Beats = Iterable[tuple[int, Stream, dict[str, int]]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    sequences : list of list of int
        Tokens that entered the layers.
    logits : list of int64 array (n_tokens, vocab)
        The twin's, by sequence.
    vectors : int
        Vectors compared.
    mismatches : int
        Vectors that differ, or are missing, or too many.
    first : dict or None
        ``stream``, ``sequence``, ``position``, ``element``, ``expected``, ``got`` of the first difference: the
        earliest token's, and of its streams the first on the way from the embedding.
    """

    sequences: list[list[int]]
    logits: list[Integers]
    vectors: int
    mismatches: int
    first: dict[str, Any] | None


def entered_sequences(beats: _Beats) -> list[list[int]]:
    """Tokens that entered the layers of a chip of one sequence, a list for each; one begins at position 0."""
    return [tokens for _, tokens in _entered(beats, _ALL_BITS)]


def _entered(beats: _Beats, own_bits: int) -> list[tuple[int, list[int]]]:
    """Sequences in the order they began: which of the chip's they were, and their tokens."""
    entered: list[tuple[int, list[int]]] = []
    current: dict[int, list[int]] = {}
    for _, stream, fields in beats:
        if stream.name == "token":
            slot, position = _place(fields["position"], own_bits)
            if position == 0 or slot not in current:
                current[slot] = []
                entered.append((slot, current[slot]))
            current[slot].append(fields["token"])
    return entered


def _place(position: int, own_bits: int) -> tuple[int, int]:
    """The chip's sequence, and the position in it, of a position as the streams carry it."""
    return position >> own_bits, position & ((1 << own_bits) - 1)


def _vectors(beats: _Beats, own_bits: int) -> dict[str, dict[int, list[list[int]]]]:
    """Values of every vector stream, a list for each vector of each of the chip's sequences."""
    found: dict[str, dict[int, list[list[int]]]] = {}
    open_: dict[str, list[int]] = {}
    for _, stream, fields in beats:
        if "last" in fields and "value" in fields:
            open_.setdefault(stream.name, []).append(fields["value"])
            if fields["last"]:
                slot, _ = _place(fields["position"], own_bits)
                rows = found.setdefault(stream.name, {}).setdefault(slot, [])
                rows.append(open_.pop(stream.name))
    return found


def traced_vectors(run: Run) -> dict[str, Integers]:
    """Vectors of every traced stream of a chip of one sequence, (n_vectors, length) by stream name."""
    return {name: np.array(rows[0]) for name, rows in _vectors(run.beats(), _ALL_BITS).items()}


def compare(run: Run, chip: Chip, context: int, n_chips: int = 1) -> Comparison:
    """Compare every traced vector with the twin's.

    Parameters
    ----------
    run : Run
    chip : Chip
    context : int
        Positions of the chip.
    n_chips : int
        Of a grid; with several, streams that lie on all of them in parts are left out.
    """
    own_bits = max(1, (context - 1).bit_length())
    entered = _entered(run.beats(), own_bits)
    expected: dict[str, dict[int, list[tuple[int, int, Integers]]]] = {}
    order: dict[str, int] = {}
    logits = []
    for number, (slot, tokens) in enumerate(entered):
        traced: dict[str, Integers] = {}
        twin = ChipTwin(chip, context=context, trace=traced.__setitem__)
        logits.append(twin.forward([tokens])[0])
        for name, vectors_of in _by_token(traced).items():
            order.setdefault(name, len(order))
            expected.setdefault(name, {}).setdefault(slot, []).extend(
                (number, p, row) for p, row in vectors_of
            )
    found = _vectors(run.beats(), own_bits)
    vectors = mismatches = 0
    first: tuple[tuple[int, int, int], dict[str, Any]] | None = None
    for name, by_slot in expected.items():
        if name not in found and name != LOGITS:
            continue  # not traced in this run
        if n_chips > 1 and not _WHOLE.fullmatch(name):
            continue
        stray = found.get(name, {}).keys() - by_slot.keys()
        mismatches += sum(len(found[name][slot]) for slot in stray)
        for slot, rows in by_slot.items():
            got = found.get(name, {}).get(slot, [])
            vectors += len(rows)
            mismatches += abs(len(rows) - len(got))
            for i, (sequence, position, row) in enumerate(rows):
                difference = _difference(row, got[i] if i < len(got) else [])
                if difference is None:
                    continue
                mismatches += i < len(got)
                place = sequence, position, order[name]
                if first is None or place < first[0]:
                    first = place, {
                        "stream": name, "sequence": sequence, "position": position, **difference
                    }  # fmt: skip
    sequences = [tokens for _, tokens in entered]
    return Comparison(sequences, logits, vectors, mismatches, first[1] if first else None)


#: Vectors that the first chip of a grid has whole.
_WHOLE = re.compile(
    r"embedding|head_norm(_x)?|head_logits"
    r"|layer_\d+_((attention|mlp)_(norm(_x)?|residual)|o|router|experts)"
)


def _difference(row: Integers, got: Sequence[int]) -> dict[str, Any] | None:
    expected = row.tolist()
    if expected == got:
        return None
    for i, value in enumerate(expected):
        if i >= len(got) or value != got[i]:
            return {"element": i, "expected": value, "got": got[i] if i < len(got) else None}
    return {"element": len(expected), "expected": None, "got": got[len(expected)]}


def _by_token(traced: Mapping[str, Integers]) -> dict[str, list[tuple[int, Integers]]]:
    """The twin's trace under the streams' names: position and vector of every token."""
    found: dict[str, list[tuple[int, Integers]]] = {}
    for name, values in traced.items():
        layer, _, stream = name.partition(".")
        flat = name.replace(".", "_")
        if stream in ("chosen", "routing"):
            continue  # no vectors of values
        if stream.startswith("expert_"):
            expert = int(stream.split(".")[0].removeprefix("expert_"))
            positions = np.flatnonzero((traced[f"{layer}.chosen"][0] == expert).any(axis=-1))
            rows = values.reshape(len(positions), -1)
        else:
            positions = np.arange(values.shape[1])
            rows = values[0].reshape(values.shape[1], -1)
        found[flat] = list(zip(positions.tolist(), rows, strict=True))
    return found
