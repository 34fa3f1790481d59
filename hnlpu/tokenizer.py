"""Tokenizers: text to tokens and back, from the files beside a checkpoint or in a bundle's ``boot/``.

``tokenizer.json`` is read by the package ``tokenizers``. ``vocab.json``, a list of ``[piece, score]``, is
llama2.c's: a SentencePiece vocabulary with merges by score and byte tokens.
"""

import json
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Protocol

from hnlpu.errors import HnlpuError, MissingToolError

__all__ = ["StreamDecoder", "Tokenizer", "load_tokenizer"]

_BOS, _EOS, _FIRST_BYTE = 1, 2, 3  # llama2.c, as in SentencePiece
_TORN = "\N{REPLACEMENT CHARACTER}"  # what an unfinished character decodes to


class Tokenizer(Protocol):
    """Text to tokens and back."""

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, with those that the model expects before it (BOS)."""

    def decode(self, ids: Iterable[int]) -> str:
        """Text of tokens; what marks beginning and end has none."""


class StreamDecoder:
    """Gives text as tokens arrive: whole characters only.

    Parameters
    ----------
    tokenizer : Tokenizer
    before : sequence of int
        Tokens in front, whose text is not given.
    """

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        # Decoding begins a few tokens early: what a token's text is may depend on the one before it.
        self._ids = list(before)
        self._start, self._given = max(0, len(before) - 4), len(before)

    def push(self, token: int) -> str:
        """Text that ``token`` completes, perhaps none yet."""
        self._ids.append(token)
        text = self._waiting()
        return "" if text.endswith(_TORN) else self._give(text)

    def finish(self) -> str:
        """What is left, an unfinished character as the replacement character."""
        return self._give(self._waiting())

    def _waiting(self) -> str:
        known = self._tokenizer.decode(self._ids[self._start : self._given])
        return self._tokenizer.decode(self._ids[self._start :])[len(known) :]

    def _give(self, text: str) -> str:
        self._start, self._given = max(self._start, self._given - 4), len(self._ids)
        return text


class _JsonTokenizer:
    """``tokenizer.json``."""

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer as Backend
        except ImportError as error:
            raise MissingToolError(
                "tokenizer.json needs the package tokenizers",
                where=str(path),
                got="package not installed",
                do="pip install tokenizers, or give token ids with --tokens",
            ) from error
        try:
            self._backend: Any = Backend.from_file(str(path))
        except Exception as error:  # the package raises bare Exception
            raise _unsound(path, error) from error

    def encode(self, text: str) -> list[int]:
        return [int(token) for token in self._backend.encode(text).ids]

    def decode(self, ids: Iterable[int]) -> str:
        return str(self._backend.decode(list(ids), skip_special_tokens=True))


class _ScoredVocabulary:
    """llama2.c's ``vocab.json``."""

    def __init__(self, path: Path) -> None:
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(entries, list) or len(entries) < _FIRST_BYTE + 256:
                raise ValueError("not a list of pieces that begins with <unk>, BOS, EOS, 256 bytes")
            self._pieces = [str(piece) for piece, _ in entries]
            self._scores = [float(score) for _, score in entries]
        except (OSError, ValueError, TypeError) as error:
            raise _unsound(path, error) from error
        first_piece = _FIRST_BYTE + 256
        self._ids = {piece: first_piece + i for i, piece in enumerate(self._pieces[first_piece:])}

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for character in f" {text}" if text else "":  # SentencePiece's dummy prefix
            known = self._ids.get(character)
            if known is None:
                ids += [_FIRST_BYTE + byte for byte in character.encode(errors="replace")]
            else:
                ids.append(known)
        return [_BOS, *self._merge(ids)]

    def _merge(self, ids: list[int]) -> list[int]:
        """Merge the pair with the best score, the first among equals, until none is left."""
        after = [*range(1, len(ids)), -1]
        before = [*range(-1, len(ids) - 1)]
        waiting: list[tuple[float, int, int, int, int]] = []

        def offer(left: int) -> None:
            right = after[left]
            if left >= 0 and right >= 0:
                merged = self._ids.get(self._pieces[ids[left]] + self._pieces[ids[right]])
                if merged is not None:
                    entry = (-self._scores[merged], left, ids[left], ids[right], merged)
                    heappush(waiting, entry)

        for place in range(len(ids) - 1):
            offer(place)
        while waiting:
            _, left, first, second, merged = heappop(waiting)
            right = after[left]
            if ids[left] != first or right < 0 or ids[right] != second:
                continue  # one of the two is part of another merge by now
            ids[left], ids[right] = merged, -1
            after[left] = after[right]
            if after[left] >= 0:
                before[after[left]] = left
            offer(left)
            offer(before[left])
        return [token for token in ids if token >= 0]

    def decode(self, ids: Iterable[int]) -> str:
        raw, before = b"", None
        for token in ids:
            if _FIRST_BYTE <= token < _FIRST_BYTE + 256:
                raw += bytes([token - _FIRST_BYTE])
            elif token not in (_BOS, _EOS):
                piece = self._pieces[token]
                raw += (piece[1:] if before == _BOS and piece[0] == " " else piece).encode()
            before = token
        return raw.decode(errors="replace")


def _unsound(path: Path, error: Exception) -> HnlpuError:
    return HnlpuError(
        "not a tokenizer that is known here",
        where=str(path),
        got=f"{type(error).__name__}: {error}",
        do="use a Hugging Face tokenizer.json, or give token ids with --tokens",
    )


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder, of a bundle, or of its ``boot`` folder.

    Raises
    ------
    HnlpuError
        There is none, or it is damaged.
    MissingToolError
        ``tokenizer.json`` without the package ``tokenizers``.
    """
    place = Path(folder)
    if (place / "boot").is_dir():
        place = place / "boot"
    if (place / "tokenizer.json").is_file():
        return _JsonTokenizer(place / "tokenizer.json")
    if (place / "vocab.json").is_file():
        return _ScoredVocabulary(place / "vocab.json")
    raise HnlpuError(
        "no tokenizer",
        where=str(place),
        got="neither tokenizer.json nor vocab.json",
        do="put one beside config.json, or give token ids with --tokens",
    )
