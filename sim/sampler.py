"""Twin of ``hnlpu.rtl.sampler``: which token follows, greedily or by chance.

The chance is a linear feedback shift register and all sums are exact: a seed gives the same tokens everywhere.
"""

from math import e, isfinite, log2

import numpy as np

from hnlpu.errors import HnlpuError
from hnlpu.numerics import Numerics
from hnlpu.sim.fixed_point import Integers, Saturation, round_shift
from hnlpu.sim.router import top_k as largest
from hnlpu.sim.softmax import exp2_terms

__all__ = [
    "LFSR_TAPS",
    "RANDOM_BITS",
    "TEMPERATURE_BITS",
    "TEMPERATURE_FRACTION",
    "Sampler",
    "lfsr_step",
    "temperature_word",
]

#: ``log2(e) / temperature`` has these bits, and as many of fraction.
TEMPERATURE_BITS, TEMPERATURE_FRACTION = 24, 12
#: Width of the shift register, and its steps from one vector to the next: every bit is a new one.
RANDOM_BITS = 32
#: x^32 + x^22 + x^2 + x + 1, of maximal length (Xilinx XAPP052, table 3: taps 32, 22, 2, 1). Tap ``t`` is bit
#: ``t - 1`` of a register that shifts to the right.
LFSR_TAPS = sum(1 << (tap - 1) for tap in (32, 22, 2, 1))


def lfsr_step(state: int) -> int:
    """The next state of the Galois register; never 0 but after 0."""
    return state >> 1 ^ (LFSR_TAPS if state & 1 else 0)


def temperature_word(temperature: float) -> int:
    """What the chip takes for a temperature; 0 is greedy.

    Raises
    ------
    HnlpuError
        Negative, no number, or beyond what the word can hold.
    """
    one = log2(e) * (1 << TEMPERATURE_FRACTION)
    low, high = one / ((1 << TEMPERATURE_BITS) - 1), one
    if temperature == 0:
        return 0
    if not isfinite(temperature) or not low <= temperature <= high:
        raise HnlpuError(
            "temperature is out of range",
            where="sampling",
            got=str(temperature),
            do=f"choose 0 (greedy), or {low:.4f} to {high:.0f}",
        )
    return round(one / temperature)


class Sampler:
    """Tokens from logits.

    Parameters
    ----------
    numerics : Numerics
    temperature : int
        As ``temperature_word`` makes it; 0 takes the largest logit, the first among equals.
    top_k : int
        Only so many largest logits take part, the first ones among equals; 0 is no limit.
    seed : int
        Of 32 bits; 0 counts as 1.

    Attributes
    ----------
    temperature, top_k : int
        May be changed between vectors.
    state : int
        The shift register; every vector moves it on, greedy or not.
    """

    def __init__(self, numerics: Numerics, temperature: int, top_k: int, seed: int) -> None:
        self.numerics, self.temperature, self.top_k = numerics, temperature, top_k
        self.state = seed or 1

    def __call__(self, logits: Integers) -> int:
        """The token after a vector of logits on the value grid, (vocab,)."""
        for _ in range(RANDOM_BITS):
            self.state = lfsr_step(self.state)
        if self.temperature == 0:
            return int(np.argmax(logits))
        running = np.cumsum(self.terms(logits))
        threshold = self.state * int(running[-1]) >> RANDOM_BITS
        return int(np.searchsorted(running, threshold, side="right"))

    def terms(self, logits: Integers) -> Integers:
        """What every token's probability is proportional to; not for a temperature of 0."""
        n = self.numerics
        shift = TEMPERATURE_FRACTION + n.value_fraction - n.exp_table_bits
        scores = Saturation()(
            round_shift(logits * self.temperature, shift), n.score_bits, "sampler"
        )
        terms = exp2_terms(scores.max() - scores, n)
        if self.top_k:
            others = np.ones(len(logits), dtype=bool)
            others[largest(logits, self.top_k)] = False
            terms[others] = 0
        return terms
