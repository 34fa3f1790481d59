"""Which base a shape gets: the phases a target asks for, the exponents the weights need."""

from dataclasses import replace

import numpy as np
import pytest

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.selection import TARGETS, BaseOptions, choose_base, taps_base
from hnlpu.taps import TapsPlan


def base(options: BaseOptions, columns: int = 288, exponent_values: int = 1) -> TapsPlan:
    return taps_base(
        (7, columns),
        options,
        exponent_values=exponent_values,
        magnitudes=E2M1.magnitudes,
        block=32,
    )


def matrix(spread: int, columns: int = 96) -> AlignedMatrix:
    exponents = np.zeros((3, columns // 32), dtype=np.uint8)
    exponents[1, 2] = spread
    multiples = np.ones((3, columns), dtype=np.int16)
    return AlignedMatrix("m", multiples, exponents, np.zeros(3, dtype=np.int16))


def test_what_is_asked_for_is_what_the_base_has():
    options = BaseOptions(activation_bits=6, phases=5, cuts=2, adder=28)
    plan = base(options, exponent_values=4)
    assert plan == TapsPlan(7, 288, 6, 5, 4, 32, cuts=2, adder=28)
    assert base(BaseOptions()).phases == 3


@pytest.mark.parametrize("columns, e, phases", [(2, 1, 2), (288, 4, 8), (64, 4, 2), (300, 1, 8)])
def test_short_rows_use_fewer_phases(columns, e, phases):
    """No more than inputs, or than blocks where rows have block exponents."""
    assert base(BaseOptions(phases=8), columns, e).phases == phases


@pytest.mark.parametrize("phases", [0, -1, 33])
@pytest.mark.parametrize("columns", [2, 288])
def test_phases_that_no_base_has_are_refused(phases, columns):
    """Also where a short row would use fewer."""
    with pytest.raises(HnlpuError, match="phases is out of range"):
        base(BaseOptions(phases=phases), columns)


@pytest.mark.parametrize("e", [1, 2])
def test_targets(e):
    """The best of all that can be wired, tried here one by one."""
    given = {
        phases: replace(base(BaseOptions(phases=phases), exponent_values=e), phases=phases)
        for phases in range(1, 9)
    }
    wirable = [plan for plan in given.values() if plan.tracks <= plan.tracks_available]
    best = {target: base(BaseOptions(target=target), exponent_values=e) for target in TARGETS}
    assert all(plan in wirable for plan in best.values())
    transistors = [plan.row_transistors for plan in wirable]
    cycles = [plan.interval_cycles for plan in wirable]
    products = [a * b for a, b in zip(transistors, cycles, strict=True)]
    assert best["area"].row_transistors == min(transistors)
    assert best["latency"].interval_cycles == min(cycles)
    assert best["balanced"].row_transistors * best["balanced"].interval_cycles == min(products)
    assert best["latency"].phases < best["area"].phases


def test_a_target_that_no_base_meets_is_refused():
    """One block exponent in 64: counts of more weights than a strip has tracks."""
    with pytest.raises(HnlpuError, match="adders that can be wired") as caught:
        base(BaseOptions(target="area"), 64, 64)
    assert "T=1" in caught.value.got and "T=2" in caught.value.got and "T=3" not in caught.value.got


@pytest.mark.parametrize(
    "spreads, asked, expected",
    [([0], None, 1), ([1], None, 2), ([0, 2, 1], None, 4), ([3], None, 4), ([4], None, 8),
     ([0], 3, 4), ([2], 2, 4), ([0], 1, 1), ([0], 64, 64)],
)  # fmt: skip
def test_exponent_values_are_what_the_widest_row_needs_or_what_is_asked(spreads, asked, expected):
    """A power of two: no setting of the pins is illegal."""
    matrices = [matrix(spread) for spread in spreads]
    plan = choose_base(matrices, E2M1.magnitudes, BaseOptions(exponent_values=asked))
    assert plan == TapsPlan(3, 96, phases=3, exponent_values=expected)


def test_bad_options():
    with pytest.raises(HnlpuError, match="unknown target"):
        BaseOptions(target="speed")
    with pytest.raises(HnlpuError, match="a target chooses the phases"):
        BaseOptions(target="area", phases=2)
    with pytest.raises(HnlpuError, match="unknown architecture") as caught:
        choose_base([matrix(0)], E2M1.magnitudes, BaseOptions(arch="magic"))
    assert caught.value.got == "magic"
