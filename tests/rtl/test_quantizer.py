"""Quantizer against its twin."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors
from lints import emit, lint

from hnlpu.rtl.quantizer import LATENCY_CYCLES, Quantizer
from hnlpu.rtl.vectors import EXPONENT_BITS
from hnlpu.sim.quantizer import quantize

POSITION_BITS = 9


def check(x, n_bits, in_bits, stall, base=0, positions=None) -> dict:
    """Quantise (n_vectors, n_blocks, block) and compare values, exponents, positions and ends."""
    n_vectors, n_blocks, block = x.shape
    positions = list(range(n_vectors)) if positions is None else positions
    found = run_block(
        Quantizer(block, n_blocks, in_bits, n_bits, POSITION_BITS),
        {"x": beats(x, positions)},
        {"y": x.size},
        stall=stall,
        constants={"base": base},
    )
    expected, shift = quantize(x, n_bits)
    assert vectors(found["y"]) == expected.reshape(n_vectors, -1).tolist()
    exponents = np.repeat(shift + base, block, axis=-1).reshape(n_vectors, -1)
    assert vectors(found["y"], "exponent") == exponents.tolist()
    each = n_blocks * block
    assert [beat["position"] for beat in found["y"]] == np.repeat(positions, each).tolist()
    assert [beat["last"] for beat in found["y"]] == ([0] * (each - 1) + [1]) * n_vectors
    return found


def corners(shape: tuple[int, ...], in_bits: int, n_bits: int) -> np.ndarray:
    """Vectors of every size, among them the ones at which shift and rounding change."""
    rng = np.random.default_rng(shape[-1])
    low, high = -(1 << (in_bits - 1)), (1 << (in_bits - 1)) - 1
    sizes = [rng.integers(low >> k, (high >> k) + 1, shape) for k in range(0, in_bits, 3)]
    alone = np.zeros(shape, dtype=np.int64)
    alone[-1, -1] = low
    limit = min(1 << (n_bits - 1), high)
    special = [
        np.full(shape, value)
        for value in (0, high, low, 1, -1, limit - 1, limit, -limit, min(2 * limit - 1, high))
    ]
    return np.stack([*sizes, alone, *special])


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("in_bits, n_bits", [(18, 8), (12, 5), (10, 2), (8, 8), (6, 9), (20, 16)])
@pytest.mark.parametrize("block, n_blocks", [(1, 1), (1, 3), (2, 1), (5, 3), (8, 2), (21, 1)])
def test_equals_the_twin(block, n_blocks, in_bits, n_bits, stall):
    x = corners((n_blocks, block), in_bits, n_bits)
    positions = np.random.default_rng(block).integers(0, 1 << POSITION_BITS, len(x)).tolist()
    check(x, n_bits, in_bits, stall, -9, positions)


def test_blocks_of_a_vector_have_their_own_exponents():
    x = np.array([[[100, -3], [1, 0], [0, 0], [-2048, 7]]])
    found = check(x, 4, 12, STALLS["no-stall"], base=3)
    # 100 needs 7 bits and 2048 12; 3 are there.
    assert vectors(found["y"], "exponent") == [[7, 7, 3, 3, 3, 3, 12, 12]]


def test_a_value_that_rounding_takes_too_far_is_brought_back():
    found = check(np.array([[[127, -127, 120]]]), 4, 8, STALLS["no-stall"])
    assert vectors(found["y"]) == [[7, -8, 7]]  # 127 / 16 rounds to 8


@pytest.mark.parametrize("base", [-(1 << (EXPONENT_BITS - 1)), -17, 0, 100])
def test_base_is_added(base):
    check(np.array([[[1 << 16, 5]], [[3, 4]]]), 8, 18, STALLS["no-stall"], base)


def test_latency_and_period():
    x = np.ones((6, 1, 16), dtype=np.int64)
    found = check(x, 8, 18, STALLS["no-stall"])
    # A vector follows its predecessor by two cycles more than it has elements; two are the bench's own.
    assert found["cycles"] <= 6 * (16 + 2) + 16 - 2 + LATENCY_CYCLES + 2


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_blocks_on_several_chips_have_one_shift(stall):
    """What the chip has seen goes out; what all have seen comes back and decides."""
    here = corners((1, 5), 12, 6)
    there = here[::-1] // 3
    seen = [[int(np.bitwise_or.reduce(np.abs(row).ravel())) for row in x] for x in (here, there)]
    found = run_block(
        Quantizer(5, 1, 12, 6, POSITION_BITS, True),
        {
            "x": beats(here),
            "seen_by_all": [{"word": a | b} for a, b in zip(*seen, strict=True)],
        },
        {"y": here.size, "seen": len(here)},
        stall=stall,
    )
    assert [beat["word"] for beat in found["seen"]] == seen[0]
    together, shift = quantize(np.concatenate([here, there], axis=-1), 6)
    assert vectors(found["y"]) == together[..., :5].reshape(len(here), -1).tolist()
    assert vectors(found["y"], "exponent") == np.repeat(shift, 5, axis=-1).tolist()


def test_parameters_name_the_module():
    parameters = [(4, 2, 18, 8, 5), (2, 4, 18, 8, 5), (4, 2, 17, 8, 5), (4, 2, 18, 7, 5)]
    parameters += [(4, 2, 18, 8, 6)]
    assert len({Quantizer(*each).module_name for each in parameters}) == len(parameters)


@pytest.mark.parametrize("parameters", [(64, 1, 18, 8, 10), (5, 3, 18, 8, 10), (1, 1, 6, 9, 1)])
def test_emits_verilog_that_lints(tmp_path, parameters):
    names = [name.split("_")[1] for name in emit(tmp_path, Quantizer, *parameters)]
    assert names == ["quantizer", "sram"]
    assert lint(tmp_path, Quantizer, *parameters) == ""
