"""What the data decides about the cycles of a chip: tokens as they enter, and which experts each one chose.

Weights and activations move no beat. Four things do: the position of a token (attention reads as many keys), its
experts, the token that is sampled after it if a chip does not take the largest logit or stops at a token, and how
many tokens follow a prompt.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hnlpu.host import Register

__all__ = ["GivenText", "GivenWorkload", "Passage", "Text", "Token", "Workload"]


@dataclass(frozen=True, slots=True)
class Token:
    """A token, as far as cycles depend on it.

    Attributes
    ----------
    chosen : tuple of tuple of int
        Experts in every layer, in order of rank; empty where there are none.
    sampled : int
        The token that follows.
    """

    chosen: tuple[tuple[int, ...], ...] = ()
    sampled: int = 0


class Text(Protocol):
    """A sequence from its first token on."""

    def take(self, token: int) -> Token:
        """The next token of it enters the layers, and it is ``token``."""


class Workload(Protocol):
    """Sequences in the order in which they begin."""

    def begin(self) -> Text:
        """The next one."""

    def setting(self, register: Register, word: int) -> None:
        """A setting of the sampler was written, before the next token enters."""


class GivenText:
    """A sequence that is known beforehand."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = iter(tokens)

    def take(self, token: int) -> Token:
        return next(self._tokens)


class GivenWorkload:
    """Sequences of given tokens, or those that ``make`` makes of a number that counts from 0."""

    def __init__(self, texts: Sequence[Sequence[Token]] | Callable[[int], Text]) -> None:
        self._texts, self._next = texts, 0

    def begin(self) -> Text:
        self._next += 1
        if callable(self._texts):
            return self._texts(self._next - 1)
        return GivenText(self._texts[self._next - 1])

    def setting(self, register: Register, word: int) -> None:
        """Tokens are given: settings change none of them."""


@dataclass(slots=True)
class Passage:
    """Tokens in the order in which they entered, which is that in which every block sees them.

    Attributes
    ----------
    tokens : list of Token
    positions : list of int
        Of each in its sequence.
    greedy : bool
        The sampler takes the largest logit.
    """

    tokens: list[Token] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    greedy: bool = True

    def experts(self, layer: int, own: range | None = None) -> Iterator[tuple[int, bool]]:
        """Experts of ``layer``, one by one as the tokens chose them, and whether it is the token's last.

        With ``own`` these alone, counted from the first of them, and the last of these.
        """
        for i in range(1 << 62):
            yield from self.of_token(i, layer, own)

    def of_token(self, i: int, layer: int, own: range | None = None) -> list[tuple[int, bool]]:
        """The same for token ``i`` only."""
        chosen = self.tokens[i].chosen[layer]
        if own is not None:
            chosen = tuple(expert - own.start for expert in chosen if expert in own)
        return [(expert, rank == len(chosen) - 1) for rank, expert in enumerate(chosen)]
