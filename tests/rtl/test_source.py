import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.lines import line_groups
from hnlpu.rtl.source import Source, odd_steps
from hnlpu.sim.source import source_lines

E2M1 = (1, 2, 3, 4, 6, 8, 12)
SETS = [E2M1, (1,), (1, 2, 3, 4, 5, 6, 7, 8), tuple(range(1, 33)), (5, 23, 45, 90, 127), (4, 12)]


def product_bits(bits, groups):
    return bits + (max(m for group in groups.groups for m in group) - 1).bit_length()


def run(simulate, bits, phases, magnitudes, vectors, registered=False):
    """Lines in every cycle, one list of rows per vector."""
    groups = line_groups(magnitudes)
    n_times = product_bits(bits, groups)
    dut = Source(bits, phases, n_times, groups, registered)
    seen = []

    async def bench(ctx):
        for vector in vectors:
            packed = sum((int(v) % (1 << bits)) << (p * bits) for p, v in enumerate(vector))
            ctx.set(dut.x, packed)
            if registered:
                ctx.set(dut.load, 1)
                await ctx.tick()
                ctx.set(dut.load, 0)
                ctx.set(dut.x, ~packed)
            rows = []
            for b in range(n_times):
                ctx.set(dut.bit_time, 1 << b)
                ctx.set(dut.late, (2 << b) - 1)
                ctx.set(dut.early, ~((2 << b) - 1))
                for p in range(phases):
                    ctx.set(dut.phase, 1 << p)
                    rows.append(ctx.get(dut.lines))
            seen.append(rows)

    simulate(dut, bench, clocked=registered)
    return seen


def expected(bits, magnitudes, vectors):
    groups = line_groups(magnitudes)
    pack = 1 << np.arange(groups.n_lines)
    n_times = product_bits(bits, groups)
    return [(source_lines(x, groups.multiples, n_times) @ pack).tolist() for x in vectors]


@pytest.mark.parametrize("bits, phases", [(2, 1), (4, 3), (8, 2), (11, 5), (16, 1)])
@pytest.mark.parametrize("magnitudes", SETS, ids=str)
def test_matches_golden(simulate, bits, phases, magnitudes):
    rng = np.random.default_rng(bits * phases)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    x = rng.integers(low, high + 1, (8, phases))
    x[0], x[1], x[2], x[3] = low, high, 0, -1
    x[4] = [(low, high)[p % 2] for p in range(phases)]
    assert run(simulate, bits, phases, magnitudes, x) == expected(bits, magnitudes, x)


def test_registered_sources_keep_what_they_took(simulate):
    x = np.random.default_rng(0).integers(-128, 128, (4, 3))
    assert run(simulate, 8, 3, E2M1, x, registered=True) == expected(8, E2M1, x)


@pytest.mark.parametrize("magnitudes", SETS[:3], ids=str)
def test_every_four_bit_input(simulate, magnitudes):
    """Against numbers put together from the bits: no twin."""
    x = np.arange(-8, 8)
    groups = line_groups(magnitudes)
    n_times = product_bits(4, groups)
    for value, rows in zip(x, run(simulate, 4, 1, magnitudes, x[:, None]), strict=True):
        for line, multiple in enumerate(groups.multiples):
            word = sum(((row >> line) & 1) << b for b, row in enumerate(rows))
            assert word == (multiple * int(value) - (multiple < 0)) % (1 << n_times)


def test_twin_by_hand():
    """-3 in four bits: 1x is 1101 and 6x is 11101110; -6x is the complement, 00010001."""
    lines = source_lines(np.array([-3]), (1, 6, -6), 8)
    assert lines[:, 0].tolist() == [1, 0, 1, 1, 1, 1, 1, 1]
    assert lines[:, 1].tolist() == [0, 1, 1, 1, 0, 1, 1, 1]
    assert lines[:, 2].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]


def test_twin_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"x\[1\] = 11 times 12 does not fit 8 bits"):
        source_lines(np.array([0, 11]), (1, 12), 8)


@given(st.sets(st.integers(0, 200).map(lambda n: 2 * n + 1), min_size=1, max_size=12))
def test_odd_multiples_are_one_adder_each(odds):
    made = {1}
    for odd, a, b, shift in odd_steps(sorted(odds)):
        assert abs(a) in made and b in made and shift > 0
        assert odd == a + (b << shift)
        made.add(odd)
    assert odds <= made
