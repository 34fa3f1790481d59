"""Whole arrays in Amaranth's simulator: a base of any architecture, wired as its metal would be."""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal, Value
from streams import Run, Stall, run_streams

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan
from hnlpu.metal import MetalPlan
from hnlpu.rtl.rows import row_component
from hnlpu.rtl.sequencer import Sequencer
from hnlpu.rtl.source import Source


class Array(Elaboratable):
    """What ``hnlpu.rtl.array`` and ``hnlpu.rtl.metal`` emit."""

    def __init__(self, metal: MetalPlan, joined: Sequence[tuple[int, ...]] = (), low_wins: bool = True) -> None:  # fmt: skip
        self.metal, self.joined, self.low_wins = metal, joined, low_wins
        base = metal.base
        self.x = Signal(base.n_columns * base.activation_bits)
        self.x_valid, self.x_ready = Signal(), Signal()
        self.y_valid, self.y_ready = Signal(), Signal()
        self.y = Signal(base.n_rows * base.y_bits)
        self.plan = base

    def elaborate(self, platform: object) -> Module:
        m = Module()
        base = self.metal.base
        a_bits = base.activation_bits
        registered = base.holds_input
        m.submodules.sequencer = control = Sequencer(
            base.phases, base.product_bits, base.n_segments, base.n_cuts, registered
        )
        m.d.comb += [
            control.x_valid.eq(self.x_valid),
            self.x_ready.eq(control.x_ready),
            self.y_valid.eq(control.y_valid),
            control.y_ready.eq(self.y_ready),
        ]
        drivers: list[Value] = [Const(0, 1), Const(1, 1)]
        for bundle in range(base.n_bundles):
            source = Source(a_bits, base.phases, base.product_bits, base.lines, registered)
            m.submodules[f"source_{bundle}"] = source
            columns = [base.column(phase, bundle) for phase in range(base.phases)]
            x = [Const(0, a_bits) if c is None else self.x[c * a_bits :][:a_bits] for c in columns]
            m.d.comb += source.x.eq(Cat(x))
            j = base.bundle_segment(bundle)
            for name in ("phase", "bit_time", "late", "early", *(["load"] if registered else [])):
                m.d.comb += getattr(source, name).eq(getattr(control, f"{name}_{j}"))
            drivers += [source.lines[i] for i in range(base.lines.n_lines)]
        times = getattr(control, f"constants_{base.constant_segment}")
        drivers += [times[i] for i in range(base.n_constant_lines)]
        join = and_ if self.low_wins else or_
        drivers += [reduce(join, (drivers[d] for d in group)) for group in self.joined]
        kind, *parameters = row_component(base)
        for n in range(base.n_rows):
            row = kind(*parameters)
            m.submodules[f"row_{n}"] = row
            own = [row.locals[i] for i in range(base.n_local)]
            m.d.comb += row.pins.eq(Cat([*drivers, *own][pin] for pin in self.metal.pins[n]))
            for name in row.signature.members:
                if name not in ("pins", "locals", "y"):
                    m.d.comb += getattr(row, name).eq(getattr(control, name))
            m.d.comb += self.y[n * base.y_bits :][: base.y_bits].eq(row.y)
        return m


def run(simulate: Any, metal: MetalPlan, x: np.ndarray, x_stall: Stall, y_stall: Stall,
        **joined: Any) -> Run:  # fmt: skip
    """Offer vector ``k`` after ``x_stall(k)`` idle cycles, take result ``k`` after ``y_stall(k)``."""
    return run_streams(simulate, Array(metal, **joined), x, metal.base.n_rows, x_stall, y_stall)


def random_matrix(base: ArrayPlan, rng: np.random.Generator) -> AlignedMatrix:
    """The rows that overflow first, and random ones."""
    shape = base.n_rows, base.n_columns
    top = base.magnitudes[-1]
    multiples = rng.choice([0, *base.magnitudes, *(-m for m in base.magnitudes)], shape)
    exponents = rng.integers(0, base.exponent_values, (base.n_rows, base.n_blocks))
    multiples[0], exponents[0] = -top, base.exponent_values - 1
    if base.n_rows > 2:
        multiples[1], exponents[1] = top, base.exponent_values - 1
    row_exponents = rng.integers(-9, 4, base.n_rows).astype(np.int16)
    return AlignedMatrix(
        "test", multiples.astype(np.int16), exponents.astype(np.uint8), row_exponents
    )


def numbers(matrix: AlignedMatrix) -> np.ndarray:
    """Weights as numbers."""
    return np.ldexp(matrix.integers().astype(np.float64), matrix.row_exponents[:, None])


def stimulus(base: ArrayPlan, rng: np.random.Generator, n: int) -> np.ndarray:
    """Corners that overflow first, then random vectors."""
    low, high = -(1 << (base.activation_bits - 1)), (1 << (base.activation_bits - 1)) - 1
    x = rng.integers(low, high + 1, (n, base.n_columns))
    x[0], x[1] = low, high
    x[2, ::2], x[2, 1::2] = low, high
    x[3] = 0
    x[3, rng.integers(base.n_columns)] = low
    x[4] = -1
    return x


def never(_: int) -> int:
    return 0


STALLS: dict[str, tuple[Stall, Stall]] = {
    "no-stall": (never, never),
    "stalls": (lambda k: k % 3, lambda k: (k + 1) % 3),
    "slow-source": (lambda k: 40 * (k % 2), never),
    "slow-sink": (never, lambda k: 70 * (k % 2)),
}
