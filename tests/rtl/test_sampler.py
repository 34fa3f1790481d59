"""Tokens, against the twin."""

import numpy as np
import pytest
from amaranth.hdl import Array, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped
from blocks import STALLS, beats, run_block

from hnlpu.numerics import Numerics
from hnlpu.rtl.sampler import Sampler
from hnlpu.rtl.vectors import token_signature, vector_signature
from hnlpu.sim import sampler as twin
from hnlpu.sim.sampler import temperature_word

POSITION_BITS = 6
GRIDS = {
    "default": Numerics(),
    "coarse": Numerics(value_bits=12, value_fraction=4, score_bits=12, exp_table_bits=4),
    "fine": Numerics(value_bits=12, value_fraction=8, score_bits=24, exp_table_bits=12),
}


class Host(Component):
    """Loads the seed in the first cycle, and sets ``settings[k]`` for vector ``k``."""

    def __init__(self, seed, settings, *parameters):
        self.seed, self.settings, self.parameters = seed, settings, parameters
        vocab, _, numerics, position_bits = parameters
        token_bits = max(1, (vocab - 1).bit_length())
        super().__init__(
            {
                "x": In(vector_signature(numerics.value_bits, position_bits)),
                "y": Out(token_signature(token_bits, position_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Sampler(*self.parameters)
        connect(m, flipped(self.x), dut.x)
        connect(m, dut.y, flipped(self.y))
        started, vector = Signal(), Signal(range(len(self.settings) + 1))
        temperatures = Array(Const(t, 24) for t, _ in [*self.settings, (0, 0)])
        limits = Array(Const(k, 8) for _, k in [*self.settings, (0, 0)])
        m.d.comb += [
            dut.seed.eq(self.seed),
            dut.seed_write.eq(~started),
            dut.temperature.eq(temperatures[vector]),
            dut.top_k.eq(limits[vector]),
        ]
        m.d.sync += started.eq(1)
        m.d.sync += vector.eq(vector + (self.x.valid & self.x.ready & self.x.p.last))
        return m


def run(logits, settings, seed=1, numerics=GRIDS["default"], slots=8, stall=STALLS["no-stall"]):
    """Tokens of every vector under its ``(temperature, top_k)``, both as the chip takes them."""
    n, vocab = np.shape(logits)
    positions = [(5 * i + 3) % 64 for i in range(n)]
    dut = Host(seed, settings, vocab, slots, numerics, POSITION_BITS)
    found = run_block(dut, {"x": beats(logits, positions)}, {"y": n}, stall=stall)
    expected = twin.Sampler(numerics, 0, 0, seed)
    wanted = []
    for vector, (expected.temperature, expected.top_k) in zip(logits, settings, strict=True):
        wanted.append(expected(np.array(vector)))
    assert [beat["token"] for beat in found["y"]] == wanted
    assert [beat["position"] for beat in found["y"]] == positions
    return wanted, found["cycles"]


def random_logits(n, vocab, numerics, seed=0):
    """Peaked and flat vectors, extremes, many equal ones."""
    rng = np.random.default_rng(seed)
    high = 1 << (numerics.value_bits - 1)
    spread = np.array([2.0**k for k in range(n)])[rng.permutation(n)] % high
    logits = np.clip(np.rint(rng.normal(0, spread[:, None], (n, vocab))), -high, high - 1)
    logits[0], logits[1] = -high, high - 1
    logits[2, ::2] = high - 1
    logits[3] = rng.integers(-1, 2, vocab) * 8
    return logits.astype(int)


def mixed_settings(n, slots):
    words = [0, temperature_word(1), temperature_word(0.3), temperature_word(3.0), 1, (1 << 24) - 1]
    return [(words[i % 6], (0, 1, 2, slots, slots - 1)[i % 5]) for i in range(n)]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("vocab", [11, 16])
def test_tokens_in_stalls(vocab, stall):
    logits = random_logits(12, vocab, GRIDS["default"])
    run(logits, mixed_settings(12, 5), seed=0xDEADBEEF, slots=5, stall=stall)


@pytest.mark.parametrize("numerics", GRIDS.values(), ids=GRIDS)
def test_grids(numerics):
    run(random_logits(12, 13, numerics), mixed_settings(12, 8), 0xFFFFFFFF, numerics)


@pytest.mark.parametrize("seed", [0, 1, 2, 1 << 31])
def test_seeds(seed):
    """The same logits again and again: only the register tells the tokens apart."""
    logits = np.tile([300, 256, 0, 200, 299, -40, 256], (16, 1))
    tokens, _ = run(logits, [(temperature_word(1.0), 0)] * 16, seed)
    assert len(set(tokens)) > 2


@pytest.mark.parametrize(("random", "token"), [(0x7FFFFFFF, 0), (0x80000000, 1), (0xFFFFFFFF, 1)])
def test_running_sum_must_exceed_the_threshold(random, token):
    """Two equal logits, and a register that will stand beside the middle."""
    seed = random
    for _ in range(32):
        seed = (seed ^ twin.LFSR_TAPS) << 1 | 1 if seed >> 31 else seed << 1
    assert run([[5, 5]], [(temperature_word(1), 0)], seed)[0] == [token]


@pytest.mark.parametrize("word", [0, temperature_word(1)], ids=["greedy", "drawn"])
def test_a_token_waits_while_the_next_is_found(word):
    logits = random_logits(12, 3, GRIDS["default"])
    run(logits, [(word, 0)] * 12, stall=lambda k: 60 * (k in (3, 4, 5, 6, 7)))


def test_equals_at_the_edge_of_the_limit():
    """Of equal logits the first ones take part."""
    logits = np.zeros((48, 9), dtype=int)
    logits[:, 4] = 1
    settings = [(temperature_word(4.0), k) for k in (1, 2, 3, 8)] * 12
    tokens, _ = run(logits, settings)
    assert {t for t, (_, k) in zip(tokens, settings, strict=True) if k == 1} == {4}
    assert {t for t, (_, k) in zip(tokens, settings, strict=True) if k == 3} == {0, 1, 4}


@pytest.mark.parametrize("vocab", [1, 2, 5])
def test_vocabularies_smaller_than_the_list(vocab):
    run(random_logits(10, vocab, GRIDS["default"]), mixed_settings(10, 8))


def test_greedy_vectors_move_the_register():
    logits = np.tile([0, 10, 5, 10, 0], (12, 1))
    word = temperature_word(2.0)
    tokens, _ = run(logits, [(0, 0), (word, 0)] * 6)
    assert tokens[::2] == [1] * 6


def test_many_slots():
    logits = random_logits(6, 100, GRIDS["default"])
    run(logits, [(temperature_word(1.5), k) for k in (64, 63, 40, 17, 1, 0)], slots=64)


def test_cycles():
    """Greedily: the vector and two more; else the vector three times at most."""
    logits = np.tile(np.arange(20), (6, 1))
    assert run(logits, [(0, 0)] * 6)[1] <= 6 * 22
    assert run(logits, [(temperature_word(1), 0)] * 6)[1] <= 6 * 64


def test_a_list_without_a_slot_is_refused():
    with pytest.raises(ValueError, match="0 slots"):
        Sampler(5, 0, GRIDS["default"], 3)
