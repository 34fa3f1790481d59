"""The sampler's twin: by hand, in statistics, and its shift register in algebra."""

import numpy as np
import pytest
from scipy.stats import chisquare

from hnlpu.errors import HnlpuError
from hnlpu.numerics import Numerics
from hnlpu.sim.sampler import LFSR_TAPS, Sampler, lfsr_step, temperature_word

NUMERICS = Numerics()
LOGITS = np.array([1.5, -2.0, 0.25, 3.0, 2.75, -30.0, 3.0, 0.0, 1.0, 2.0, -0.5])
INTEGERS = (LOGITS * 256).astype(np.int64)


def softmax(logits):
    terms = np.exp(logits - logits.max())
    return terms / terms.sum()


def test_taps_are_the_polynomial():
    """x^32 + x^22 + x^2 + x + 1: one register bit obeys the recurrence of its coefficients."""
    assert LFSR_TAPS == 0x80200003
    state, bits = 0x12345678, []
    for _ in range(200):
        bits.append(state & 1)
        state = lfsr_step(state)
    # A bit that leaves comes back, t steps later, at every tap t.
    for n in range(32, 200):
        assert bits[n] == bits[n - 32] ^ bits[n - 22] ^ bits[n - 2] ^ bits[n - 1]


def _power(matrix, exponent):
    result = np.eye(32, dtype=np.uint8)
    while exponent:
        if exponent & 1:
            result = result @ matrix % 2
        matrix = matrix @ matrix % 2
        exponent >>= 1
    return result


def test_register_passes_all_states_but_zero():
    """The order of a step is 2**32 - 1 = 3 * 5 * 17 * 257 * 65537, and of no divisor of it."""
    matrix = np.array(
        [[lfsr_step(1 << i) >> bit & 1 for i in range(32)] for bit in range(32)], dtype=np.uint8
    )
    one, order = np.eye(32, dtype=np.uint8), 2**32 - 1
    assert (_power(matrix, order) == one).all()
    for prime in (3, 5, 17, 257, 65537):
        assert (_power(matrix, order // prime) != one).any()


def test_register_by_hand():
    assert lfsr_step(1) == 0x80200003
    assert lfsr_step(0x80200003) == 0xC0300002  # 40100001 ^ 80200003
    assert lfsr_step(0xC0300002) == 0x60180001


def test_temperature_words():
    assert temperature_word(0) == 0
    assert temperature_word(1) == 5909  # log2(e) * 4096 = 5909.27
    assert temperature_word(0.5) == 11819
    assert temperature_word(5909.27) == 1
    assert temperature_word(np.log2(np.e) / (4096 - 2**-12)) == 2**24 - 1


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), 1e-4, 1e5])
def test_impossible_temperatures_are_refused(bad):
    with pytest.raises(HnlpuError, match="choose 0"):
        temperature_word(bad)


def test_greedy_takes_the_first_of_the_largest():
    sampler = Sampler(NUMERICS, 0, 0, 1)
    assert sampler(INTEGERS) == 3
    assert sampler(np.full(5, -7)) == 0
    assert sampler(np.array([-131072, 131071])) == 1


def test_two_tokens_by_hand():
    """Both of one octave apart: terms 32768 and 16384, so the threshold decides at 2/3 of the register."""
    sampler, state = Sampler(Numerics(exp_table_bits=8), 1 << 12, 0, 99), 99
    for _ in range(50):
        for _ in range(32):
            state = lfsr_step(state)
        assert sampler(np.array([256, 0])) == int(state * 49152 >> 32 >= 32768)
        assert sampler.state == state


@pytest.mark.parametrize(("random", "token"), [(0x7FFFFFFF, 0), (0x80000000, 1), (0xFFFFFFFF, 1)])
def test_running_sum_must_exceed_the_threshold(random, token):
    seed = random
    for _ in range(32):  # back: the top tap tells what left
        seed = (seed ^ LFSR_TAPS) << 1 | 1 if seed >> 31 else seed << 1
    sampler = Sampler(NUMERICS, temperature_word(1), 0, seed)
    assert sampler(np.array([5, 5])) == token
    assert sampler.state == random


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [0, 1, 3, 5])
def test_terms_are_the_softmax(temperature, top_k):
    terms = Sampler(NUMERICS, temperature_word(temperature), top_k, 1).terms(INTEGERS)
    wanted = softmax(LOGITS / temperature)
    if top_k:
        kept = np.lexsort((np.arange(len(LOGITS)), -LOGITS))[:top_k]
        wanted = np.where(np.isin(np.arange(len(LOGITS)), kept), wanted, 0)
        wanted /= wanted.sum()
        assert np.count_nonzero(terms) == top_k
    # Scores are rounded to 1/256 octave: 0.14 %.
    np.testing.assert_allclose(terms / terms.sum(), wanted, rtol=3e-3, atol=2e-5)


@pytest.mark.parametrize(("temperature", "top_k", "seed"), [(1.0, 0, 1), (0.7, 4, 7), (2.5, 0, 0)])
def test_frequencies_are_the_softmax(temperature, top_k, seed):
    n = 8000
    sampler = Sampler(NUMERICS, temperature_word(temperature), top_k, seed)
    counts = np.bincount([sampler(INTEGERS) for _ in range(n)], minlength=len(LOGITS))
    wanted = softmax(LOGITS / temperature)
    if top_k:
        wanted[np.argsort(-LOGITS, kind="stable")[top_k:]] = 0
        wanted /= wanted.sum()
    assert counts[wanted == 0].sum() == 0
    seen = wanted * n >= 5  # the rule of the test; the others are one class
    observed = np.append(counts[seen], counts[~seen].sum())
    expected = np.append(wanted[seen], wanted[~seen].sum()) * n
    if expected[-1] < 5:  # too few even together
        observed = np.append(observed[:-2], observed[-2:].sum())
        expected = np.append(expected[:-2], expected[-2:].sum())
    assert chisquare(observed, expected).pvalue > 0.01
    # Another temperature is told from this one.
    if not top_k:
        wrong = softmax(LOGITS / (temperature * 1.3))
        wrong = np.append(wrong[seen], wrong[~seen].sum())[: len(expected)]
        assert chisquare(observed, wrong / wrong.sum() * n).pvalue < 1e-6


def test_a_limit_beyond_the_vocabulary_is_none():
    a = Sampler(NUMERICS, temperature_word(1), 64, 5)
    b = Sampler(NUMERICS, temperature_word(1), 0, 5)
    assert [a(INTEGERS) for _ in range(100)] == [b(INTEGERS) for _ in range(100)]


def test_greedy_vectors_move_the_register_too():
    a, b = Sampler(NUMERICS, 0, 0, 5), Sampler(NUMERICS, temperature_word(1), 3, 5)
    a(INTEGERS), b(INTEGERS)
    assert a.state == b.state != 5
