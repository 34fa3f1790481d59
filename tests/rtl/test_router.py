"""The router against the twin."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block

from hnlpu.numerics import Numerics
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.router import LATENCY_CYCLES, Router
from hnlpu.sim.router import route


def logits(n_experts, n_bits):
    rng = np.random.default_rng(n_experts)
    low, high = -(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1
    rows = [
        np.zeros(n_experts), np.full(n_experts, low), np.full(n_experts, high),
        np.where(np.arange(n_experts) % 2, low, high), np.arange(n_experts), -np.arange(n_experts),
        *rng.integers(low, high + 1, (2, n_experts)),
        *rng.normal(0, 600, (6, n_experts)).round().clip(low, high),
        *rng.integers(-2, 2, (2, n_experts)),
    ]  # fmt: skip
    return np.array(rows, dtype=np.int64)


def run(x, k, numerics, stall):
    dut = Router(x.shape[1], k, numerics, 5)
    found = run_block(dut, {"x": beats(x)}, {"chosen": len(x), "route": k * len(x)}, stall=stall)
    wanted, weights = route(x, k, numerics)
    masks = [1 << int(expert) for expert in wanted.ravel()]
    assert [beat["mask"] for beat in found["route"]] == masks
    assert [beat["weight"] for beat in found["route"]] == weights.ravel().tolist()
    assert [beat["last"] for beat in found["route"]] == ([0] * (k - 1) + [1]) * len(x)
    of_token = [sum(1 << int(expert) for expert in row) for row in wanted]
    assert [beat["mask"] for beat in found["chosen"]] == of_token
    return found["cycles"]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(("n_experts", "k"), [(4, 2), (1, 1), (3, 3), (9, 4), (5, 1)])
def test_routes(n_experts, k, stall):
    numerics = Numerics()
    x = logits(n_experts, numerics.value_bits)
    cycles = run(x, k, numerics, stall)
    if stall is STALLS["no-stall"]:
        assert cycles == len(x) * (n_experts + 2 * k + LATENCY_CYCLES) + 1


@pytest.mark.parametrize(
    "numerics",
    [
        Numerics(
            value_bits=10, value_fraction=2, exp_table_bits=12, routing_bits=15, sigmoid_table_bits=6
        ),
        Numerics(residual_bits=24, value_bits=24, value_fraction=16, exp_table_bits=2, routing_bits=6),
    ],
    ids=["narrow", "wide"],
)  # fmt: skip
def test_other_numerics(numerics):
    run(logits(6, numerics.value_bits), 3, numerics, STALLS["stalls"])


def test_weights_do_not_wait_for_the_mask(simulate):
    dut = Router(4, 2, Numerics(), 5)

    async def bench(ctx):
        ctx.set(dut.route.ready, 1)
        for i, value in enumerate((5, 700, -3, 90)):
            ctx.set(dut.x.p.value, value)
            ctx.set(dut.x.p.last, i == 3)
            ctx.set(dut.x.valid, 1)
            await ctx.tick().until(dut.x.ready)
        ctx.set(dut.x.valid, 0)
        masks = []
        for _ in range(2):
            *_, beat = await ctx.tick().sample(dut.route.p).until(dut.route.valid)
            masks.append(beat.mask)
        assert masks == [0b0010, 0b1000]
        assert ctx.get(dut.chosen.valid) and ctx.get(dut.chosen.p.mask) == 0b1010

    simulate(dut, bench)


def test_emits_its_modules():
    library = Library()
    router = library.prototype(Router, 32, 4, Numerics(), 5)
    names = [name.split("_")[1] for name in dict(library.modules())]
    assert router.module_name == "hn_router_4_of_32_18_f8_t8_w12_p5"
    assert sorted(names) == ["exp2", "reciprocal", "rom", "router", "top"]
