"""Running a chip's model on the twin, token after token."""

from collections.abc import Callable, Collection, Iterator, Sequence

from hnlpu.chip import Chip
from hnlpu.errors import HnlpuError
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.fixed_point import Integers

__all__ = ["Sampler", "run_sim"]

#: Chooses a token by its logits on the value grid, (vocab,).
Sampler = Callable[[Integers], int]


def run_sim(
    chip: Chip,
    tokens: Sequence[int],
    n_new: int,
    sampler: Sampler | None = None,
    *,
    eos: Collection[int] | None = None,
    context: int | None = None,
) -> Iterator[int]:
    """Tokens that the chip writes after a prompt, one by one; the KV cache is reused.

    Parameters
    ----------
    chip : Chip
    tokens : sequence of int
        The prompt, BOS included where the model has one.
    n_new : int
        Tokens to generate at most.
    sampler : callable, optional
        The largest logit, the lowest token among equals, if not given.
    eos : collection of int, optional
        Tokens that end the sequence; the model's own if not given. The one that ends it is yielded too.
    context : int, optional
        Positions of the KV cache; the sequence ends where it is full.

    Raises
    ------
    HnlpuError
        Empty prompt, token outside the vocabulary, prompt beyond the context.
    """
    if not len(tokens):
        raise HnlpuError(
            "the prompt is empty",
            where="hnlpu run",
            got="no tokens",
            do="give at least one token; the model's BOS begins a text",
        )
    stop = set(chip.shape.eos_tokens if eos is None else eos)
    twin = ChipTwin(chip, context=context)
    logits = twin.forward([list(tokens)])[0, -1]
    return _generate(twin, logits, n_new, sampler or _largest, stop)


def _largest(logits: Integers) -> int:
    return int(logits.argmax())


def _generate(
    twin: ChipTwin, logits: Integers, n_new: int, sampler: Sampler, stop: set[int]
) -> Iterator[int]:
    for left in range(n_new, 0, -1):
        token = int(sampler(logits))
        yield token
        if left == 1 or token in stop or twin.position == twin.context:
            return
        logits = twin.forward([[token]])[0, -1]
