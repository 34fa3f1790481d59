"""Vectors for arrays that take them when they like."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from blocks import STALLS, beats

from hnlpu.rtl.feed import Feed


def run(dut, vectors, exponents, positions, masks, waits, stall):
    """Feed vectors; array ``i`` waits ``waits[i](k)`` cycles before it takes its vector ``k``.

    Returns what each array took: elements, exponent and position.
    """
    n = dut.n_always + dut.n_selected
    taken = [[] for _ in range(n)]
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    ready = [0] * n

    async def feed(ctx):
        for k, beat in enumerate(beats(vectors, positions, exponent=exponents)):
            await ctx.tick().repeat(stall(k)) if stall(k) else None
            for field, value in beat.items():
                ctx.set(getattr(dut.x.p, field), value)
            ctx.set(dut.x.valid, 1)
            await ctx.tick().until(dut.x.ready)
            ctx.set(dut.x.valid, 0)

    async def select(ctx):
        for k, mask in enumerate(masks):
            if stall(k):  # the mask comes so long after its vector, else before it
                await ctx.tick().until(dut.x.ready)
                await ctx.tick().until(~dut.x.ready)
            await ctx.tick().repeat(stall(k)) if stall(k) else None
            ctx.set(dut.select.p.mask, mask)
            ctx.set(dut.select.valid, 1)
            await ctx.tick().until(dut.select.ready)
            ctx.set(dut.select.valid, 0)

    def array(i):
        def pulse(ctx, value):
            ready[i] = value
            ctx.set(dut.array_ready, sum(bit << j for j, bit in enumerate(ready)))

        async def bench(ctx):
            while True:
                _, _, valid, *offer = await ctx.tick().sample(
                    dut.array_valid[i], dut.array_x, dut.exponent, dut.position
                )
                if not valid:
                    continue
                for _ in range(waits[i](len(taken[i]))):  # the offer stands
                    _, _, *again = await ctx.tick().sample(
                        dut.array_valid[i], dut.array_x, dut.exponent, dut.position
                    )
                    assert again == [1, *offer]
                pulse(ctx, 1)
                _, _, *again = await ctx.tick().sample(
                    dut.array_valid[i], dut.array_x, dut.exponent, dut.position
                )
                pulse(ctx, 0)
                assert again == [1, *offer]
                x, exponent, position = map(int, offer)
                elements = [x >> (dut.n_bits * c) & ((1 << dut.n_bits) - 1) for c in range(99)]
                taken[i].append((elements[: dut.n_columns], exponent, position))
                assert not ctx.get(dut.array_valid[i])  # it does not get the vector twice

        return bench

    simulator.add_testbench(feed)
    if dut.n_selected:
        simulator.add_testbench(select)
    for i in range(n):
        simulator.add_testbench(array(i), background=True)

    async def drained(ctx):
        await ctx.tick().repeat(len(vectors) * (dut.n_columns + 40) * 2)
        assert ctx.get(dut.x.ready) and not ctx.get(dut.array_valid)

    simulator.add_testbench(drained)
    simulator.run()
    return taken


WAITS = {
    "at-once": [lambda k: 0] * 6,
    "different": [lambda k, i=i: (k * 5 + i * 3) % 7 for i in range(6)],
    "one-slow": [lambda k, i=i: 30 * (i == 1) for i in range(6)],
}


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("waits", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize(("n_always", "n_selected"), [(1, 0), (3, 0), (1, 4), (0, 3)])
def test_every_array_has_its_vectors(n_always, n_selected, waits, stall):
    rng = np.random.default_rng(3)
    vectors = rng.integers(-16, 16, (7, 5))
    vectors[0], vectors[1] = -16, 15
    exponents = [-128, 127, 0, -1, 5, -6, 7]
    positions = [63, 0, 1, 2, 3, 5, 9]
    masks = rng.integers(0, 1 << n_selected, 7)
    masks[2], masks[3] = 0, (1 << n_selected) - 1  # none, all
    dut = Feed(5, 5, n_always, n_selected, 6)
    taken = run(dut, vectors, exponents, positions, masks.tolist(), waits, stall)
    all_ = [
        ((v % 32).tolist(), e, p) for v, e, p in zip(vectors, exponents, positions, strict=True)
    ]
    for i in range(n_always):
        assert taken[i] == all_
    for i in range(n_selected):
        wanted = [vector for vector, mask in zip(all_, masks, strict=True) if mask >> i & 1]
        assert taken[n_always + i] == wanted


def test_vectors_of_one_element():
    taken = run(Feed(1, 8, 1, 0, 2), [[-1], [7]], [0, 1], [0, 1], [], WAITS["at-once"], lambda _: 0)
    assert taken == [[([255], 0, 0), ([7], 1, 1)]]


@pytest.mark.parametrize("wait", [1, 2, 3])
def test_a_mask_may_come_in_the_cycle_in_which_an_array_takes(wait):
    vectors, masks = np.arange(40).reshape(8, 5) - 16, [1, 2, 3, 0, 3, 1, 0, 2]
    taken = run(
        Feed(5, 6, 1, 2, 4), vectors, [0] * 8, range(8), masks, [lambda _: wait] * 3,
        lambda k: 1 + k % 4,
    )  # fmt: skip
    assert [[position for *_, position in one] for one in taken] == [
        list(range(8)), [0, 2, 4, 5], [1, 2, 4, 7],
    ]  # fmt: skip
