"""Scores of a model on a text: bits per token, or problems answered exactly."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.tokenizer import Tokenizer

__all__ = [
    "MakeModel",
    "Model",
    "Problem",
    "Windows",
    "answer_problems",
    "continue_greedily",
    "cut_text",
    "read_problems",
    "score_windows",
]

Tokens = npt.NDArray[np.int64]

#: Sequences that are computed at once, at most.
_BATCH = 2048
#: Logits that are held at once, at most.
_MOST_LOGITS = 1 << 24


class Model(Protocol):
    """What ``ChipTwin`` and ``FloatingModel`` have in common."""

    def forward(self, ids: Any) -> npt.NDArray[Any]:
        """Take more tokens of every sequence; logits of the token after each."""


#: Makes a model with so many sequences and nothing in its cache.
MakeModel = Callable[[int], Model]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A text in pieces that fit the context.

    Attributes
    ----------
    ids : int64 array (n_windows, n_tokens)
        Filled up with token 0.
    targets : int64 array (n_windows, n_tokens)
        The token after each; -1 where nothing is to be predicted.
    """

    ids: Tokens
    targets: Tokens


def cut_text(tokens: list[int], bos: int | None, context: int) -> Windows:
    """Cut the tokens of a text; where it begins with BOS, every window does.

    Raises
    ------
    HnlpuError
        Fewer than two tokens.
    """
    first = tokens[:1] if tokens and tokens[0] == bos else []
    body = tokens[len(first) :]
    if len(body) + len(first) < 2:
        raise HnlpuError(
            "text is too short to be scored",
            where="--text",
            got=f"{len(tokens)} tokens",
            do="give a file with at least two tokens",
        )
    # Without BOS the last token of a window is the first of the next, so that each but one is predicted.
    size, step = (context, context) if first else (context + 1, context)
    pieces = [first + body[i : i + size] for i in range(0, len(body), step)]
    pieces = [piece for piece in pieces if len(piece) > 1]
    length = max(map(len, pieces)) - 1
    ids = np.zeros((len(pieces), length), dtype=np.int64)
    targets = np.full_like(ids, -1)
    for i, piece in enumerate(pieces):
        ids[i, : len(piece) - 1], targets[i, : len(piece) - 1] = piece[:-1], piece[1:]
    return Windows(ids, targets)


def score_windows(make: MakeModel, windows: Windows, vocab: int, unit: float) -> dict[str, Any]:
    """Bits per token, perplexity, and how often the likeliest token is the next one.

    Parameters
    ----------
    make : callable
    windows : Windows
    vocab : int
    unit : float
        What one of the model's logits is in units of.
    """
    bits, hits = 0.0, 0
    n_windows, length = windows.ids.shape
    step = max(1, _MOST_LOGITS // (length * vocab))
    for first in range(0, n_windows, step):
        ids, targets = (part[first : first + step] for part in (windows.ids, windows.targets))
        logits = make(len(ids)).forward(ids) * unit
        picked, wanted = logits[targets >= 0], targets[targets >= 0]
        largest = picked.max(axis=-1, keepdims=True)
        total = largest[:, 0] + np.log(np.exp(picked - largest).sum(axis=-1))
        own = np.take_along_axis(picked, wanted[:, None], axis=-1)[:, 0]
        bits += float((total - own).sum() / np.log(2))
        hits += int((picked.argmax(axis=-1) == wanted).sum())
    n_tokens = int((windows.targets >= 0).sum())
    per_token = bits / n_tokens
    return {
        "bits_per_token": per_token,
        "perplexity": 2.0**per_token,
        "top1": hits / n_tokens,
    }


@dataclass(frozen=True, slots=True)
class Problem:
    """A line ``prompt + answer``; ``prompt`` ends with the first ``=``."""

    prompt: str
    answer: str


def read_problems(text: str) -> list[Problem]:
    """Problems of a text whose lines all are ``problem=answer``; none if one is not."""
    problems = []
    for line in filter(None, text.splitlines()):
        left, equals, answer = line.partition("=")
        if not (left and equals and answer):
            return []
        problems.append(Problem(left + equals, answer))
    return problems


def answer_problems(
    make: MakeModel, tokenizer: Tokenizer, problems: list[Problem], eos: Collection[int]
) -> dict[str, Any]:
    """Let a model answer every problem greedily, all of one length at once.

    The prompt is a line break and the problem up to ``=``; the answer has to be followed by a line break
    or by the end of the sequence.

    Returns
    -------
    dict
        ``problems``, ``exact`` (how many), ``accuracy``, ``wrong`` (the first ten).
    """
    exact, wrong = 0, []
    for some, prompts in _alike(tokenizer, problems):
        longest = max(len(tokenizer.encode(problem.answer)) for problem in some)
        written = continue_greedily(make(len(some)), prompts, longest + 1, eos)
        for problem, tokens in zip(some, written.tolist(), strict=True):
            answer = _answer(tokenizer, tokens, eos)
            exact += answer == problem.answer
            if answer != problem.answer:
                wrong.append({"problem": problem.prompt, "answer": problem.answer, "got": answer})
    return {
        "problems": len(problems),
        "exact": exact,
        "accuracy": exact / len(problems),
        "wrong": wrong[:10],
    }


def _alike(tokenizer: Tokenizer, problems: list[Problem]) -> Iterator[tuple[list[Problem], Tokens]]:
    """Problems whose prompts have as many tokens, and these."""
    by_length: dict[int, list[tuple[Problem, list[int]]]] = {}
    for problem in problems:
        tokens = tokenizer.encode(f"\n{problem.prompt}")
        by_length.setdefault(len(tokens), []).append((problem, tokens))
    for _, pairs in sorted(by_length.items()):
        for first in range(0, len(pairs), _BATCH):
            some = pairs[first : first + _BATCH]
            yield [problem for problem, _ in some], np.array([tokens for _, tokens in some])


def _answer(tokenizer: Tokenizer, tokens: list[int], eos: Collection[int]) -> str | None:
    """Text before the end or the line break; None where neither was written."""
    ends = [i for i, token in enumerate(tokens) if token in eos]
    text = tokenizer.decode(tokens[: ends[0]] if ends else tokens)
    line, line_break, _ = text.partition("\n")
    return line if ends or line_break else None


def continue_greedily(
    model: Model, prompts: Tokens, n_new: int, eos: Collection[int] = ()
) -> Tokens:
    """Greedy continuations of prompts of one length, all at once.

    Parameters
    ----------
    model : Model
        With as many sequences as there are prompts, and nothing in its cache.
    prompts : int64 array (n_sequences, n_tokens)
    n_new : int
    eos : collection of int
        It ends early where every sequence has written one of them.

    Returns
    -------
    (n_sequences, at most n_new)
        What follows an end is without meaning.
    """
    stop = list(eos)
    ended = np.zeros(len(prompts), dtype=bool)
    written: list[Tokens] = []
    given = prompts
    while len(written) < n_new and not ended.all():
        token = model.forward(given)[:, -1].argmax(axis=-1)
        written.append(token)
        ended |= np.isin(token, stop)
        given = token[:, None]
    return np.stack(written, axis=1) if written else prompts[:, :0]
