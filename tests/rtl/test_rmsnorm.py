"""RMS norm against its twin."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors
from lints import emit, lint

from hnlpu.numerics import Numerics
from hnlpu.rtl.rmsnorm import LATENCY_CYCLES, RmsNorm
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.rmsnorm import rmsnorm

OTHER = Numerics(
    residual_bits=15,
    residual_fraction=4,
    value_bits=12,
    value_fraction=5,
    gamma_bits=10,
    rsqrt_table_bits=3,
)
#: More value bits than gamma bits by so much that only epsilon keeps the shift from being negative.
WIDE = Numerics(residual_bits=24, value_bits=23, gamma_bits=7, rsqrt_table_bits=12)
NUMERICS = pytest.mark.parametrize(
    "numerics", [Numerics(), OTHER, WIDE], ids=["default", "other", "wide"]
)
POSITION_BITS = 10


def padded(length: int) -> int:
    return 1 << (length - 1).bit_length()


def boot_words(gains: np.ndarray, octaves: int) -> dict[int, int]:
    words = {i: int(gain) for i, gain in enumerate(gains)}
    return {**words, padded(len(gains)): octaves}


def check(x, gains, epsilon, numerics, stall, positions=None) -> tuple[dict, int]:
    """Normalise (n_vectors, length) and compare; how many were clipped."""
    positions = list(range(len(x))) if positions is None else positions
    found = run_block(
        RmsNorm(x.shape[-1], epsilon, numerics, POSITION_BITS),
        {"x": beats(x, positions)},
        {"y": x.size},
        stall=stall,
        boot=boot_words(gains, 3),
    )
    saturate = Saturation()
    expected = rmsnorm(x, gains, epsilon, numerics, saturate, "y")
    assert vectors(found["y"]) == expected.tolist()
    assert found["saturated"] == saturate.counts["y"]
    length = x.shape[-1]
    assert [beat["position"] for beat in found["y"]] == np.repeat(positions, length).tolist()
    return found, saturate.counts["y"]


def random_gains(length: int, numerics: Numerics) -> np.ndarray:
    largest = 1 << (numerics.gamma_bits - 1)
    gains = np.random.default_rng(length).integers(-largest, largest, length)
    gains[0], gains[-1] = -largest, largest - 1
    return gains


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@NUMERICS
@pytest.mark.parametrize("length", [1, 2, 3, 8, 13, 40])
def test_equals_the_twin(length, numerics, stall):
    rng = np.random.default_rng(length)
    largest = 1 << (numerics.residual_bits - 1)
    x = rng.integers(-largest, largest, (9, length))
    x[0] = 0
    x[1], x[2] = -largest, largest - 1
    x[3] = 0
    x[3, length // 2] = -largest  # one element alone
    x[4] = rng.integers(-1, 2, length)
    x[5] >>= 7
    x[6] = 1
    positions = rng.integers(0, 1 << POSITION_BITS, len(x)).tolist()
    check(x, random_gains(length, numerics), 42, numerics, stall, positions)


@NUMERICS
def test_every_octave_and_segment(numerics):
    """Sums of squares from epsilon to the largest."""
    rng = np.random.default_rng(0)
    bits = numerics.residual_bits - 1
    sizes = np.floor(2 ** np.linspace(0, bits, 9 * bits)).astype(np.int64)
    x = np.minimum(sizes, (1 << bits) - 1)[:, None] * rng.choice([-1, 1], (len(sizes), 2))
    x[:, 1] >>= rng.integers(0, 8, len(x))
    check(x, random_gains(2, numerics), 5, numerics, STALLS["no-stall"])


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_counts_what_it_clips(stall):
    """With the lowest gain, one element alone is clipped where the root was rounded up."""
    numerics = Numerics()
    x = np.zeros((3, 6), dtype=np.int64)
    x[0, 1], x[1, 4], x[2, 1] = -523903, 523903, -392
    gains = np.full(6, -(1 << (numerics.gamma_bits - 1)))
    _, clipped = check(x, gains, 3, numerics, stall)
    assert clipped == 2  # not the one that comes out negative


@pytest.mark.parametrize("epsilon", [1, 2, 3, 1 << 20, (1 << 45) + 12345])
def test_epsilon(epsilon):
    x = np.random.default_rng(1).integers(-500, 501, (3, 5))
    x[0] = 0
    check(x, random_gains(5, Numerics()), epsilon, Numerics(), STALLS["no-stall"])


@pytest.mark.parametrize("octaves", [-3, 0, 5])
def test_exponent_follows_from_the_octaves(octaves, simulate):
    dut = RmsNorm(5, 1, Numerics(), 4)

    async def bench(ctx):
        for address, word in boot_words(np.full(5, -1), octaves).items():
            ctx.set(dut.boot.write, 1)
            ctx.set(dut.boot.address, address)
            ctx.set(dut.boot.data, word & 0xFFFFFFFF)
            await ctx.tick()
        ctx.set(dut.boot.write, 0)
        ctx.set(dut.boot.address, 8)
        await ctx.tick()
        assert ctx.get(dut.exponent) == octaves + 1 - Numerics().value_bits

    simulate(dut, bench)


def test_latency_and_period():
    x = np.ones((6, 16), dtype=np.int64)
    found, _ = check(x, np.ones(16, dtype=np.int64), 1, Numerics(), STALLS["no-stall"])
    # A vector follows its predecessor by LATENCY_CYCLES - 1 cycles more than it has elements; the cycles
    # of boot and two more are the bench's own.
    assert found["cycles"] <= 6 * (16 + LATENCY_CYCLES - 1) + 16 + 1 + 17 + 2


def test_a_vector_of_zeros_needs_an_epsilon():
    with pytest.raises(ValueError, match="epsilon = 0"):
        RmsNorm(4, 0, Numerics(), 4)


def test_parameters_name_the_module():
    parameters = [
        (4, 2, Numerics(), 4),
        (5, 2, Numerics(), 4),
        (4, 3, Numerics(), 4),
        (4, 2, Numerics(), 5),
        (4, 2, Numerics(residual_bits=21), 4),
        (4, 2, Numerics(value_bits=17), 4),
        (4, 2, Numerics(gamma_bits=15), 4),
        (4, 2, Numerics(rsqrt_table_bits=7), 4),
    ]
    assert len({RmsNorm(*each).module_name for each in parameters}) == len(parameters)


@pytest.mark.parametrize("parameters", [(64, 42, Numerics(), 10), (1, 1, OTHER, 1)])
def test_emits_verilog_that_lints(tmp_path, parameters):
    names = [name.split("_")[1] for name in emit(tmp_path, RmsNorm, *parameters)]
    assert names == ["rmsnorm", "sram", "sram", "rom"]
    assert lint(tmp_path, RmsNorm, *parameters) == ""
