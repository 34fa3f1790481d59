"""Rotary embedding against its twin."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block, vectors
from lints import emit, lint

from hnlpu.numerics import Numerics
from hnlpu.rtl.rope import Rope
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.rope import rope
from hnlpu.tables import PHASE_BITS

OTHER = Numerics(value_bits=12, value_fraction=5, rope_table_bits=4, rope_bits=7)
NUMERICS = pytest.mark.parametrize("numerics", [Numerics(), OTHER], ids=["default", "other"])
POSITION_BITS = 11


def steps_of(half: int, seed: int = 0) -> tuple[int, ...]:
    rng = np.random.default_rng(seed)
    return tuple(int(step) for step in rng.integers(0, 1 << PHASE_BITS, half))


def check(x, positions, steps, numerics, stall) -> tuple[dict, int]:
    """Rotate (n_vectors, n_heads, head_dim) and compare; how many were clipped."""
    found = run_block(
        Rope(x.shape[-1], steps, numerics, POSITION_BITS),
        {"x": beats(x, positions)},
        {"y": x.size},
        stall=stall,
    )
    saturate = Saturation()
    expected = rope(x, np.array(positions), np.array(steps), numerics, saturate, "y")
    assert vectors(found["y"]) == expected.reshape(len(x), -1).tolist()
    assert found["saturated"] == saturate.counts["y"]
    each = x[0].size
    assert [beat["position"] for beat in found["y"]] == np.repeat(positions, each).tolist()
    assert [beat["last"] for beat in found["y"]] == ([0] * (each - 1) + [1]) * len(x)
    return found, saturate.counts["y"]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@NUMERICS
@pytest.mark.parametrize("head_dim, n_heads", [(2, 1), (2, 3), (4, 1), (6, 3), (16, 2), (22, 1)])
def test_equals_the_twin(head_dim, n_heads, numerics, stall):
    rng = np.random.default_rng(head_dim)
    largest = 1 << (numerics.value_bits - 1)
    x = rng.integers(-largest, largest, (7, n_heads, head_dim))
    x[0] = 0
    x[1] = -largest
    x[2], x[2, ..., head_dim // 2 :] = largest - 1, -largest
    x[3] = 0
    x[3, -1, -1] = -largest  # one element alone
    positions = [0, 2047, 1, 2047, *rng.integers(0, 2048, 3).tolist()]
    check(x, positions, steps_of(head_dim // 2, head_dim), numerics, stall)


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@NUMERICS
def test_counts_what_it_clips_in_either_half(numerics, stall):
    """All pairs turned by odd eighths: one of both is too long, in every quadrant another."""
    low = -(1 << (numerics.value_bits - 1))
    x = np.full((8, 1, 4), low)
    x[4:, :, 2:] = -low - 1
    eighth = 1 << (PHASE_BITS - 3)
    _, clipped = check(x, [1, 3, 5, 7] * 2, (eighth, eighth), numerics, stall)
    assert clipped >= 8


@NUMERICS
def test_every_quadrant_and_both_ends_of_the_table(numerics):
    quarter = 1 << (PHASE_BITS - 2)
    steps = tuple(
        (q * quarter + offset) % (1 << PHASE_BITS) for q in range(4) for offset in (-1, 0, 1)
    )
    largest = 1 << (numerics.value_bits - 2)
    x = np.random.default_rng(1).integers(-largest, largest, (3, 1, 24))
    check(x, [1, 3, 2047], steps, numerics, STALLS["no-stall"])


def test_takes_an_element_a_cycle():
    x = np.ones((4, 2, 10), dtype=np.int64)
    found, _ = check(x, [0, 1, 2, 3], steps_of(5), Numerics(), STALLS["no-stall"])
    # The first result a cycle after element head_dim / 2, then one a cycle; two cycles of the bench's own.
    assert found["cycles"] <= x.size + 5 + 1 + 2


def test_steps_belong_to_pairs():
    with pytest.raises(ValueError, match="3 steps for a head of 8"):
        Rope(8, (1, 2, 3), Numerics(), 4)
    with pytest.raises(ValueError, match="3 steps for a head of 7"):
        Rope(7, (1, 2, 3), Numerics(), 4)


def test_parameters_name_the_module():
    parameters = [
        (4, (1, 2), Numerics(), 4),
        (4, (1, 3), Numerics(), 4),
        (6, (1, 2, 3), Numerics(), 4),
        (4, (1, 2), Numerics(), 5),
        (4, (1, 2), Numerics(value_bits=17), 4),
        (4, (1, 2), Numerics(rope_bits=13), 4),
        (4, (1, 2), Numerics(rope_table_bits=9), 4),
    ]
    assert len({Rope(*each).module_name for each in parameters}) == len(parameters)
    # What a rope does not see makes no other module.
    assert (
        Rope(4, (1, 2), Numerics(kv_bits=6), 4).module_name
        == Rope(4, (1, 2), Numerics(), 4).module_name
    )


@pytest.mark.parametrize("head_dim", [2, 64])
def test_emits_verilog_that_lints(tmp_path, head_dim):
    parameters = (Rope, head_dim, steps_of(head_dim // 2), Numerics(), 10)
    names = [name.split("_")[1] for name in emit(tmp_path, *parameters)]
    assert sorted(names) == ["regfile", "rom", "rom", "rope"]
    assert lint(tmp_path, *parameters) == ""


@NUMERICS
def test_the_number_of_a_sequence_turns_nothing(numerics):
    rng = np.random.default_rng(1)
    x = rng.integers(-500, 500, (5, 2, 4))
    own, steps = [0, 3, 3, 7, 1], steps_of(2)
    places = [p + (s << 3) for p, s in zip(own, [0, 1, 3, 2, 3], strict=True)]
    found = run_block(
        Rope(4, steps, numerics, 5, sequence_bits=2), {"x": beats(x, places)}, {"y": x.size}
    )
    expected = rope(x, np.array(own), np.array(steps), numerics, Saturation(), "y")
    assert vectors(found["y"]) == expected.reshape(len(x), -1).tolist()
    assert [beat["position"] for beat in found["y"]] == np.repeat(places, 8).tolist()
