"""Results of arrays on their grid, against the twin."""

from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In, Out, connect, flipped
from blocks import STALLS, beats, run_block, vectors

from hnlpu.chip import HardwiredMatrix
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.rtl.drain import Drain
from hnlpu.rtl.vectors import boot_signature, integer_signature, vector_signature
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.projection import project

Y_BITS, POSITION_BITS = 13, 5


class FakeArray(Component):
    """A drain behind an array of one column: result ``i`` of ``x`` is ``weights[i] * x``.

    It takes ``cycles`` for a vector and accepts the next one ``early`` cycles before the result is out;
    like a real array it stops while a result waits.
    """

    def __init__(self, weights, cycles, early, *drain):
        self.weights, self.cycles, self.early, self.parameters = weights, cycles, early, drain
        n_rows, self.y_bits, n_bits, *_ = drain
        super().__init__(
            {
                "x": In(integer_signature(6, POSITION_BITS)),
                "row_exponents": In(n_rows * ROW_EXPONENT_BITS),
                "boot": In(boot_signature()),
                "y": Out(vector_signature(n_bits, POSITION_BITS)),
                "saturated": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.drain = drain = Drain(*self.parameters)
        # Stages of a pipeline; a vector enters if those before the entry distance are empty.
        stages = [Signal(signed(6), name=f"stage_{i}") for i in range(self.cycles)]
        full = Signal(self.cycles)
        advance, accepted = Signal(), Signal()
        distance = self.cycles - self.early
        m.d.comb += [
            advance.eq(~(drain.array_y_valid & ~drain.array_y_ready)),
            accepted.eq(self.x.valid & advance & ~full[: max(0, distance - 1)].any()),
            self.x.ready.eq(accepted),
            drain.accepted.eq(accepted),
            # What is not accepted must not matter.
            drain.exponent.eq(Mux(self.x.valid, self.x.p.exponent, 99)),
            drain.position.eq(self.x.p.position),
            drain.row_exponents.eq(self.row_exponents),
            drain.array_y_valid.eq(full[-1]),
            self.saturated.eq(drain.saturated),
        ]
        for i, weight in enumerate(self.weights):
            m.d.comb += drain.array_y.word_select(i, self.y_bits).eq(stages[-1] * weight)
        with m.If(advance):
            m.d.sync += full.eq(full << 1 | accepted)
            m.d.sync += stages[0].eq(self.x.p.value)
            m.d.sync += [b.eq(a) for a, b in pairwise(stages)]
        connect(m, flipped(self.boot), drain.boot)
        connect(m, drain.y, flipped(self.y))
        return m


def run(
    weights, row_exponents, bias, multipliers, x, exponents, fraction=4, n_bits=12,
    stall=STALLS["no-stall"], cycles=3, early=0, y_bits=Y_BITS,
):  # fmt: skip
    n_rows = len(weights)
    parameters = (n_rows, y_bits, n_bits, fraction, multipliers is not None, POSITION_BITS)
    words = dict(enumerate(map(int, bias)))
    padded = 1 << (n_rows - 1).bit_length()
    if multipliers is not None:
        words |= {padded + i: int(word) for i, word in enumerate(multipliers)}
    packed = sum((int(e) % (1 << ROW_EXPONENT_BITS)) << (ROW_EXPONENT_BITS * i)
                 for i, e in enumerate(row_exponents))  # fmt: skip
    found = run_block(
        FakeArray([int(w) for w in weights], cycles, early, *parameters),
        {"x": beats(np.reshape(x, (-1, 1)), exponent=exponents)},
        {"y": n_rows * len(x)},
        stall=stall,
        boot=words,
        constants={"row_exponents": packed},
    )
    matrix = HardwiredMatrix(
        "m",
        np.reshape(weights, (-1, 1)).astype(float),
        np.array(row_exponents),
        None if multipliers is None else np.array(multipliers),
        np.array(bias),
    )
    saturate = Saturation()
    wanted = project(
        np.reshape(x, (-1, 1)), np.array(exponents), matrix, fraction, n_bits, saturate, "y"
    )
    assert vectors(found["y"]) == wanted.tolist()
    assert found["saturated"] == saturate.counts["y"]
    assert [beat["position"] for beat in found["y"]] == np.repeat(range(len(x)), n_rows).tolist()
    return found["cycles"] - len(words), saturate.counts["y"]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize(
    ("cycles", "early"), [(1, 0), (3, 0), (5, 2)], ids=["comb", "plain", "early"]
)
@pytest.mark.parametrize("has_multipliers", [False, True])
@pytest.mark.parametrize("n_rows", [1, 2, 5, 8])
def test_random_matrices_in_stalls(n_rows, has_multipliers, cycles, early, stall):
    rng = np.random.default_rng(n_rows)
    multipliers = rng.integers(1 << 15, 1 << 16, n_rows) if has_multipliers else None
    weights = rng.integers(-127, 128, n_rows)
    bias = rng.integers(-(1 << 11), 1 << 11, n_rows)
    x = rng.integers(-32, 32, 8)
    exponents = rng.integers(-12, 3, 8).tolist()  # every vector has its own
    run(
        weights, rng.integers(-6, 5, n_rows), bias, multipliers, x, exponents, stall=stall,
        cycles=cycles, early=early,
    )  # fmt: skip


@pytest.mark.parametrize("has_multipliers", [False, True])
def test_every_shift(has_multipliers):
    """Also far beyond the clamps on both sides, which are 15 to the left and 47 to the right."""
    rows = np.arange(-60, 25)
    rows = np.concatenate([rows, [-512, 511]])
    weights = np.where(np.arange(len(rows)) % 2, 127, -113)
    bias = np.zeros(len(rows), dtype=int)
    multipliers = np.full(len(rows), (1 << 16) - 1) if has_multipliers else None
    n_saturated = 0
    for n_bits in (24, 12):
        _, n = run(weights, rows, bias, multipliers, [31, -32, 1, -1, 0], [-3, 0, 4, -1, 2],
                   fraction=8, n_bits=n_bits)  # fmt: skip
        n_saturated += n
    assert n_saturated > 100


def test_the_right_clamp_itself():
    """Shifts of 47 and more are one and the same, which only results beyond any array's can show."""
    weights, rows = [1 << 43, 1 << 43, 3 << 43, -(1 << 43)], [-51, -52, -60, -512]
    run(weights, rows, [0] * 4, None, [16, 31, -32], [0, 0, 0], y_bits=51)


def test_halves_are_rounded_up_and_extremes_saturate():
    run([1, 3, -1, -3, 64, -64], [-5] * 6, [0, 0, 0, 0, 2047, -2048], None, [1, 31, -32], [0, 0, 9])


@pytest.mark.parametrize("exponent", [-128, 127])
def test_extreme_exponents_do_not_wrap(exponent):
    for row in (-512, 511):
        run([5, -5], [row, row], [3, 3], [1 << 15, 40_000], [31, -32], [exponent] * 2)
        run([5, -5], [row, row], [3, 3], None, [31, -32], [exponent] * 2)


def test_an_element_a_cycle():
    ones = [1] * 16
    assert run(ones, ones, ones, None, [1] * 6, [0] * 6, cycles=2, early=1)[0] < 6 * 18 - 4


def test_no_result_before_it_is_there():
    """Biases are booted before the first vector; a drain without one says nothing."""
    found = run_block(
        Drain(3, Y_BITS, 12, 4, False, POSITION_BITS), {}, {}, boot={0: 1, 1: 2, 2: 3}
    )
    assert not found["saturated"]
