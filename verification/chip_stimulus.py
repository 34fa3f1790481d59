"""What a chip computes while its mutants are looked for: prompts, and constants that drive it to its limits.

The constants of a trained model leave some of a chip unused: few gates reach their limit, nothing saturates, no two
logits are equal. So a second image is booted, in the chip as in the twin, and other prompts follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hnlpu.boot import boot_windows, write_image
from hnlpu.chip import Chip, Expert, HardwiredMatrix, Layer
from hnlpu.sim.fixed_point import Integers
from hnlpu.verification.chip import protocol_steps
from hnlpu.verification.chip_run import Step, glitch, prompt, reset, stall

__all__ = ["Stimulus", "stimuli", "stressed"]

#: Rows of the embedding of a stressed chip: as large as can be, and next to nothing.
_LARGE, _SMALL = 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Stimulus:
    """One run.

    Attributes
    ----------
    name : str
    chip : Chip
        What the twin computes with.
    image : str
        What the chip is booted with.
    steps : list of Step
    """

    name: str
    chip: Chip
    image: str
    steps: list[Step]


def stimuli(chip: Chip, context: int) -> tuple[Stimulus, ...]:
    """The runs of a chip: with its own constants, and with stressed ones."""
    rng = np.random.default_rng(0)
    vocab = chip.shape.vocab
    window = max((w for w in chip.shape.windows if w is not None), default=4)
    long = window + 6
    first = np.arange(min(8, vocab)).tolist()

    def tokens(n: int) -> list[int]:
        return [int(token) for token in rng.integers(0, vocab, n)]

    plain = [[*first, *tokens(long)], tokens(3), tokens(long), tokens(1)]
    special = [_LARGE % vocab, _SMALL % vocab]
    extreme = [[*special, *tokens(long)], [special[1], *tokens(6), special[0], *tokens(6)]]
    hot = stressed(chip)
    return (
        Stimulus("trained", chip, _image(chip), _steps(plain, vocab, context)),
        Stimulus("stressed", hot, _image(hot), _steps(extreme, vocab, context)),
    )


def _image(chip: Chip) -> str:
    return "".join(write_image(boot_windows(chip)))


def _steps(prompts: Sequence[list[int]], vocab: int, context: int) -> list[Step]:
    """Prompts with tokens generated after them, stalls and errors of links in the second half."""
    steps: list[Step] = []
    for i, given in enumerate(prompts):
        if i == len(prompts) // 2:
            steps += [stall(), glitch()]
        kept = given[: max(1, context - 3)]
        steps += [reset(), prompt(kept, min(3, context - len(kept)))]
    return [*steps, *protocol_steps(vocab)]


def stressed(chip: Chip) -> Chip:
    """A chip with other constants of the same places: large ones, tiny ones, equal ones."""
    rng = np.random.default_rng(1)
    n = chip.numerics
    embedding = chip.embedding.copy()
    signs = rng.choice([-1, 1], embedding.shape[1])
    embedding[_LARGE % len(embedding)] = signs * ((1 << (n.residual_bits - 1)) - 1)
    embedding[_SMALL % len(embedding)] = signs
    last = len(chip.layers) - 1
    layers = tuple(
        _stressed_layer(chip, layer, rng, last=i == last) for i, layer in enumerate(chip.layers)
    )
    head = chip.unembedding
    bias = head.bias.copy()
    most = (1 << (n.value_bits - 1)) - 1
    bias[[5 % len(bias), 9 % len(bias)]] = most  # equal where both logits are positive
    bias[7 % len(bias)] = -most
    return replace(chip, embedding=embedding, layers=layers, unembedding=replace(head, bias=bias))


def _stressed_layer(chip: Chip, layer: Layer, rng: np.random.Generator, *, last: bool) -> Layer:
    """Gates and ups beyond their limits; in the last layer large queries, keys, values and equal experts."""
    experts = tuple(
        Expert(tuple(_pushed(matrix, chip, 12.0, rng) for matrix in expert.gate_up), expert.down)
        for expert in layer.experts
    )
    layer = replace(layer, experts=experts)
    if not last:
        return layer
    n, dim = chip.numerics, chip.shape.head_dim
    most = (1 << (n.value_bits - 1)) - 1
    pair = np.array([0, dim // 2])
    q, k, v = layer.q.bias.copy(), layer.k.bias.copy(), layer.v.bias.copy()
    q[len(q) - dim + pair], k[pair], v[:2] = most, most, (most, -most)
    sinks = layer.sinks
    if sinks is not None:
        sinks = sinks.copy()
        sinks[0] = (1 << (n.score_bits - 1)) - 1
    router = layer.router
    if router is not None:
        equal = router.bias.copy()
        equal[1:] = most
        router = replace(router, bias=equal)
    return replace(
        layer,
        q=replace(layer.q, bias=q),
        k=replace(layer.k, bias=k),
        v=replace(layer.v, bias=v),
        sinks=sinks,
        router=router,
    )


def _pushed(
    matrix: HardwiredMatrix, chip: Chip, most: float, rng: np.random.Generator
) -> HardwiredMatrix:
    """Biases moved by up to ``most``."""
    n = chip.numerics
    pushed: Integers = rng.integers(-1, 2, len(matrix.bias)) * round(most * 2**n.value_fraction)
    limit = (1 << (n.value_bits - 1)) - 1
    return replace(matrix, bias=np.clip(matrix.bias + pushed, -limit, limit))
