"""Answers: what a model is asked, and how many of its answers are as they should be.

A checkpoint's ``reference.npz`` with an ``answer_mask``, or lines of ``problem=answer``, are problems: an answer is right
where every token of it is the likeliest, given those before it, which is what greedy writing gives. Other
sequences are scored token by token against what the intact chip would write.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.model import ModelShape
from hnlpu.references import Reference, read_references
from hnlpu.scoring import Model, read_problems
from hnlpu.tokenizer import Tokenizer

__all__ = ["Questions", "Score", "problem_references", "reference_questions"]

#: Makes a model of so many sequences.
Make = Callable[[int], Model]


@dataclass(frozen=True, slots=True)
class Score:
    """``share`` of the answers (or tokens) is right; ``as_intact``: every scored token is the intact chip's."""

    share: float
    as_intact: bool


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Sequences, and what the intact chip says.

    Attributes
    ----------
    kind : str
        ``answers`` or ``tokens``.
    references : tuple of Reference
    intact : tuple of int64 array (n_sequences, n_tokens)
        Likeliest next tokens; empty until :meth:`asked`.
    """

    kind: str
    references: tuple[Reference, ...]
    intact: tuple[npt.NDArray[np.int64], ...] = ()

    @property
    def n(self) -> int:
        """Answers or tokens that are scored."""
        if self.kind == "answers":
            return sum(len(reference.ids) for reference in self.references)
        return int(sum(reference.scored.sum() for reference in self.references))

    def asked(self, make: Make) -> "Questions":
        """The same, with what the intact chip says."""
        return replace(self, intact=tuple(self._said(make)))

    def _said(self, make: Make) -> list[npt.NDArray[np.int64]]:
        return [make(len(r.ids)).forward(r.ids).argmax(axis=-1) for r in self.references]

    def score(self, make: Make) -> Score:
        """Score of another chip."""
        right, same = 0, True
        for reference, said, intact in zip(
            self.references, self._said(make), self.intact, strict=True
        ):
            scored = reference.scored
            agree = said == intact
            same &= bool(agree[scored].all())
            if self.kind == "answers":
                following = np.roll(reference.ids, -1, axis=1)
                right += int(((said == following) | ~scored).all(axis=1).sum())
            else:
                right += int(agree[scored].sum())
        return Score(right / self.n, same)


def reference_questions(path: Path, shape: ModelShape) -> Questions:
    """Sequences of a ``reference.npz``; see :func:`hnlpu.references.read_references`."""
    references = tuple(read_references(path, shape))
    with np.load(path) as file:
        problems = any(name.startswith("answer_mask") for name in file.files)
    return Questions("answers" if problems else "tokens", references)


def problem_references(path: Path, tokenizer: Tokenizer, shape: ModelShape) -> Questions:
    """Problems of a text of ``problem=answer`` lines.

    Raises
    ------
    HnlpuError
        No such file, or a line that is no problem.
    """
    try:
        problems = read_problems(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise HnlpuError("cannot read the problems", where=str(path),
                         got=getattr(error, "strerror", None) or str(error),
                         do="give lines of problem=answer") from error  # fmt: skip
    if not problems:
        raise HnlpuError("not a list of problems", where=str(path), got="a line without an answer",
                         do="give lines of problem=answer")  # fmt: skip
    alike: dict[tuple[int, int], list[list[int]]] = {}
    for problem in problems:
        prompt = tokenizer.encode(f"\n{problem.prompt}")
        whole = tokenizer.encode(f"\n{problem.prompt}{problem.answer}\n")
        if len(whole) > shape.max_context:
            raise HnlpuError("a problem is longer than the context", where=f"{path}: {problem.prompt}",
                             got=f"{len(whole)} tokens", do=f"at most {shape.max_context}")  # fmt: skip
        alike.setdefault((len(prompt), len(whole)), []).append(whole)
    references = []
    for (n_prompt, n_whole), own in sorted(alike.items()):
        scored = np.zeros((len(own), n_whole), dtype=bool)
        scored[:, n_prompt - 1 : n_whole - 1] = True
        references.append(Reference(f"{n_prompt} tokens", np.array(own, dtype=np.int64), scored))
    return Questions("answers", tuple(references))
