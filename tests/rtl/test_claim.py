"""Which routes are a chip's own."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, connect, flipped
from blocks import STALLS, run_block

from hnlpu.rtl.claim import Claim, Pick

N_EXPERTS, K = 6, 3


class Clocked(Component):
    """A block and a register, since the bench ticks a clock that a combinational block has not."""

    def __init__(self, block):
        self.block = block
        super().__init__(dict(block.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = self.block
        m.d.sync += Signal(name="beating").eq(1)
        connect(m, flipped(self.x), self.block.x)
        connect(m, self.block.y, flipped(self.y))
        return m


def routes(rng, n_tokens):
    for _ in range(n_tokens):
        chosen = rng.permutation(N_EXPERTS)[:K]
        yield [(int(e), int(rng.integers(1, 128)), int(j == K - 1)) for j, e in enumerate(chosen)]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(("first", "n_own"), [(0, 1), (2, 2), (3, 3), (5, 1), (0, 6)])
@pytest.mark.parametrize("kind", [Pick, Claim])
def test_own_routes(kind, first, n_own, stall):
    tokens = list(routes(np.random.default_rng(first), 20))
    wanted = []
    for token in tokens:
        own = [(1 << (e - first), w) for e, w, _ in token if first <= e < first + n_own]
        if kind is Claim and not own:
            own = [(0, 0)]
        wanted += [(mask, w, int(i == len(own) - 1)) for i, (mask, w) in enumerate(own)]
    x = [{"mask": 1 << e, "weight": w, "last": last} for token in tokens for e, w, last in token]
    block = Clocked(kind(N_EXPERTS, first, n_own, 7))
    found = run_block(block, {"x": x}, {"y": len(wanted)}, stall=stall)
    got = [(b["mask"], b["weight"], b["last"]) for b in found["y"]]
    if kind is Pick:
        got, wanted = [g[:2] for g in got], [w[:2] for w in wanted]
    assert got == wanted
