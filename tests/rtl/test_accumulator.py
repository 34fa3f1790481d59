import numpy as np
import pytest

from hnlpu.rtl.accumulator import Accumulator


def run(simulate, counts, product_bits, accumulator_bits, stall):
    """Results for counts (n_vectors, B, T): bit-time ``b`` weighs ``2**b``, the last one ``-2**b``."""
    _, n_times, n_phases = counts.shape
    dut = Accumulator(int(counts.max()).bit_length(), accumulator_bits, product_bits)
    width = accumulator_bits + product_bits - 1
    seen = []

    async def bench(ctx):
        for vector in counts:
            for b in range(n_times):
                for p in range(n_phases):
                    shift = p == n_phases - 1 and b < n_times - 1
                    ctx.set(dut.count, int(vector[b, p]))
                    ctx.set(dut.first, b == p == 0)
                    ctx.set(dut.shift, shift)
                    ctx.set(dut.stay, not shift)
                    ctx.set(dut.sign, b == n_times - 1)
                    if stall:
                        ctx.set(dut.enable, 0)
                        await ctx.tick()
                    ctx.set(dut.enable, 1)
                    await ctx.tick()
            ctx.set(dut.enable, 0)
            y = ctx.get(dut.y)
            seen.append(y - (y >> (width - 1) << width))

    simulate(dut, bench)
    return seen


@pytest.mark.parametrize("phases, times, top", [(1, 6, 1), (1, 2, 9), (3, 5, 20), (4, 8, 31)])
@pytest.mark.parametrize("stall", [False, True], ids=["no-stall", "stalls"])
def test_sums_what_the_bit_times_weigh(simulate, phases, times, top, stall):
    rng = np.random.default_rng(top)
    counts = rng.integers(0, top + 1, (8, times, phases))
    counts[0] = top  # the most that the register must hold
    counts[1] = 0
    counts[2] = 0
    counts[2, -1] = top  # the most negative result
    counts[3] = top
    counts[3, -1] = 0  # the largest
    accumulator_bits = (2 * phases * top).bit_length()
    weights = 1 << np.arange(times)
    weights[-1] *= -1
    expected = (counts.sum(axis=2) @ weights).tolist()
    assert run(simulate, counts, times, accumulator_bits, stall) == expected


def test_one_bit_less_overflows(simulate):
    """The width is needed: the checker above would see a missing bit."""
    counts = np.full((1, 5, 3), 20)
    expected = int(counts.sum(axis=2)[0] @ [1, 2, 4, 8, -16])
    assert run(simulate, counts, 5, (2 * 3 * 20).bit_length(), False) == [expected]
    assert run(simulate, counts, 5, (2 * 3 * 20).bit_length() - 1, False) != [expected]
