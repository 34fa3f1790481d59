"""A whole array: sequencer, sources and neurons, wired by a metal plan as the metal would."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal

from hnlpu.alignment import AlignedMatrix, align
from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.codebook import E2M1
from hnlpu.metal import MetalPlan, plan_metal
from hnlpu.rtl.neuron import Neuron
from hnlpu.rtl.sequencer import Sequencer
from hnlpu.rtl.source import Source
from hnlpu.sim.array import array_outputs
from hnlpu.weights import CodedMatrix


class Array(Elaboratable):
    """What ``hnlpu.rtl.array`` and ``hnlpu.rtl.metal`` emit, for Amaranth's simulator."""

    def __init__(self, metal: MetalPlan) -> None:
        self.metal = metal
        base = metal.base
        self.x = Signal(base.n_columns * base.activation_bits)
        self.x_valid, self.x_ready = Signal(), Signal()
        self.y_valid, self.y_ready = Signal(), Signal()
        self.y = [Signal(base.y_bits, name=f"y_{row}") for row in range(base.n_rows)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        base = self.metal.base
        a_bits = base.activation_bits
        m.submodules.sequencer = control = Sequencer(base.phases, base.product_bits)
        m.d.comb += [
            control.x_valid.eq(self.x_valid),
            self.x_ready.eq(control.x_ready),
            self.y_valid.eq(control.y_valid),
            control.y_ready.eq(self.y_ready),
        ]
        lines = []
        for port in range(base.n_ports):
            source = Source(a_bits, base.phases)
            m.submodules[f"source_{port}"] = source
            columns = [base.column(phase, port) for phase in range(base.phases)]
            x = [Const(0, a_bits) if c is None else self.x[c * a_bits :][:a_bits] for c in columns]
            m.d.comb += [
                source.x.eq(Cat(x)),
                source.load.eq(control.load),
                source.enable.eq(control.enable),
            ]
            lines.append(source.lines)
        for row in range(base.n_rows):
            neuron = Neuron(base)
            m.submodules[f"row_{row}"] = neuron
            taps = self.metal.taps[row]
            m.d.comb += neuron.taps.eq(
                Cat(lines[stub % base.n_ports][int(tap)] for stub, tap in enumerate(taps))
            )
            for name in ("phase", "first", "last_phase", "sign", "enable"):
                m.d.comb += getattr(neuron, name).eq(getattr(control, name))
            if base.n_exponent_pins:
                ties = self.metal.exponent_pins[row]
                m.d.comb += neuron.exponents.eq(Cat(Const(int(tie), 1) for tie in ties))
            m.d.comb += self.y[row].eq(neuron.y)
        return m


@dataclass
class Run:
    """Results (n_vectors, n_rows) and the cycles in which vectors entered and results left."""

    y: np.ndarray
    accepted: list[int]
    valid: list[int]  # first cycle in which the result was offered


def run(simulate, metal, x, x_stall, y_stall) -> Run:
    """Offer vector ``k`` after ``x_stall(k)`` idle cycles, take result ``k`` after ``y_stall(k)``."""
    base = metal.base
    dut = Array(metal)
    n_bits = base.activation_bits
    packed = [sum((int(v) % (1 << n_bits)) << (n_bits * i) for i, v in enumerate(row)) for row in x]
    seen = Run(np.zeros((len(x), base.n_rows), dtype=np.int64), [], [])

    async def bench(ctx):
        x_wait, y_wait, taken, offered = x_stall(0), y_stall(0), 0, False
        limit = sum(base.latency_cycles + 2 + x_stall(k) + y_stall(k) for k in range(len(x)))
        for cycle in range(limit):
            sending = len(seen.accepted) < len(x) and x_wait == 0
            ctx.set(dut.x_valid, sending)
            ctx.set(dut.x, packed[len(seen.accepted)] if sending else 0)
            valid = ctx.get(dut.y_valid)
            assert not (offered and not valid), "a result was withdrawn"
            ctx.set(dut.y_ready, valid and y_wait == 0)
            if valid:
                values = np.array([ctx.get(y) for y in dut.y], dtype=np.int64)
                values -= (values >> (base.y_bits - 1)) << base.y_bits
                if not offered:
                    seen.valid.append(cycle)
                    seen.y[taken] = values
                assert seen.y[taken].tolist() == values.tolist(), "a waiting result changed"
            if sending and ctx.get(dut.x_ready):
                seen.accepted.append(cycle)
                x_wait = x_stall(len(seen.accepted))
            elif x_wait:
                x_wait -= 1
            if valid and y_wait == 0:
                taken, offered = taken + 1, False
                y_wait = y_stall(taken)
                if taken == len(x):
                    return
            elif valid:
                offered, y_wait = True, y_wait - 1
            await ctx.tick()
        raise AssertionError(f"{taken} of {len(x)} results after {limit} cycles")

    simulate(dut, bench)
    return seen


def random_matrix(base: BasePlan, rng: np.random.Generator) -> AlignedMatrix:
    """The rows that overflow first, and random ones."""
    shape = base.n_rows, base.n_columns
    multiples = rng.choice(LINE_MULTIPLES, shape)
    exponents = rng.integers(0, base.exponent_values, (base.n_rows, base.n_blocks))
    multiples[0], exponents[0] = -12, base.exponent_values - 1
    if base.n_rows > 2:
        multiples[1], exponents[1] = 12, base.exponent_values - 1
    row_exponents = rng.integers(-9, 4, base.n_rows).astype(np.int16)
    return AlignedMatrix(
        "test", multiples.astype(np.int8), exponents.astype(np.uint8), row_exponents
    )


def numbers(matrix: AlignedMatrix) -> np.ndarray:
    return np.ldexp(matrix.integers().astype(np.float64), matrix.row_exponents[:, None])


def stimulus(base: BasePlan, rng: np.random.Generator, n: int) -> np.ndarray:
    low, high = -(1 << (base.activation_bits - 1)), (1 << (base.activation_bits - 1)) - 1
    x = rng.integers(low, high + 1, (n, base.n_columns))
    x[0], x[1] = low, high  # the corners that overflow first
    x[2, ::2], x[2, 1::2] = low, high
    x[3] = 0
    x[3, rng.integers(base.n_columns)] = low
    x[4] = -1
    return x


def never(k):
    return 0


# (columns, A, T, E): every value of each, short rows, partial blocks and superblocks, padding.
SHAPES = [
    (1, 8, 1, 1),
    (1, 4, 3, 4),
    (5, 8, 2, 2),
    (5, 4, 3, 8),
    (32, 4, 1, 4),
    (32, 8, 3, 1),
    (40, 4, 2, 8),
    (40, 8, 1, 2),
    (100, 4, 2, 1),
    (100, 8, 3, 2),
]
STALLS = {
    "no-stall": (never, never),
    "stalls": (lambda k: k % 3, lambda k: (k + 1) % 3),
    "slow-source": (lambda k: 40 * (k % 2), never),
    "slow-sink": (never, lambda k: 70 * (k % 2)),
}


@pytest.mark.parametrize("columns, a_bits, phases, exponents", SHAPES)
@pytest.mark.parametrize("stalls", ["no-stall", "stalls"])
def test_matches_golden(simulate, columns, a_bits, phases, exponents, stalls):
    rng = np.random.default_rng(columns * a_bits * phases)
    base = BasePlan(2 if columns > 40 else 3, columns, a_bits, phases, exponents)
    matrix = random_matrix(base, rng)
    x = stimulus(base, rng, 6)
    seen = run(simulate, plan_metal(matrix, base), x, *STALLS[stalls])
    assert seen.y.tolist() == array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()
    if stalls == "no-stall":
        assert set(np.diff(seen.accepted)) == {base.interval_cycles}
        latencies = np.subtract(seen.valid, seen.accepted)
        assert set(latencies) == {base.latency_cycles}


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("stalls", ["slow-source", "slow-sink"])
def test_long_stalls_lose_and_double_nothing(simulate, phases, stalls):
    rng = np.random.default_rng(phases)
    base = BasePlan(3, 5, 4, phases, 2)
    matrix = random_matrix(base, rng)
    x = stimulus(base, rng, 9)
    seen = run(simulate, plan_metal(matrix, base), x, *STALLS[stalls])
    assert seen.y.tolist() == array_outputs(numbers(matrix), matrix.row_exponents, x).tolist()


def test_a_checkpoints_weights_arrive(simulate):
    """From codes and block exponents through alignment and metal plan to integers."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (3, 70)).astype(np.uint8)
    exponents = rng.integers(-5, -1, (3, 3)).astype(np.int16)
    coded = CodedMatrix("test", codes, exponents, E2M1)
    matrix = align(coded)
    base = BasePlan(3, 70, 8, 2, matrix.spread + 1)
    x = stimulus(base, rng, 6)
    seen = run(simulate, plan_metal(matrix, base), x, never, never)
    assert seen.y.tolist() == array_outputs(coded.values(), matrix.row_exponents, x).tolist()


@pytest.mark.parametrize("column", [0, 4, 31, 32, 39])
def test_one_moved_tap_is_seen(simulate, column):
    """The mutant is chosen by value: another multiple, an input that is not zero."""
    rng = np.random.default_rng(column)
    base = BasePlan(3, 40, 4, 2, 2)
    matrix = random_matrix(base, rng)
    metal = plan_metal(matrix, base)
    stub = base.stub(column)
    taps = metal.taps.copy()
    old = LINE_MULTIPLES[taps[2, stub]]
    new = next(v for v in rng.permutation(LINE_MULTIPLES) if v != old)
    taps[2, stub] = LINE_MULTIPLES.index(new)
    x = stimulus(base, rng, 5)
    x[0, column] = 3
    golden = array_outputs(numbers(matrix), matrix.row_exponents, x)
    seen = run(simulate, replace(metal, taps=taps), x, never, never)
    shift = int(matrix.block_exponents[2, column // base.block])
    change = np.zeros_like(golden)
    change[:, 2] = (int(new - old) << shift) * x[:, column]
    assert change[0, 2] != 0
    assert (seen.y - golden).tolist() == change.tolist()
