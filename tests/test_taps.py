"""Geometry and widths of tap-crossbar bases."""

from dataclasses import fields, replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import taps_plans

from hnlpu.errors import HnlpuError
from hnlpu.taps import TapsPlan


@given(taps_plans)
def test_place_and_column_are_inverse(plan):
    places = [(phase, bundle) for phase in range(plan.phases) for bundle in range(plan.n_bundles)]
    assert len(places) * plan.n_taps == plan.n_stubs == plan.phases * plan.n_ports
    dealt = {place: plan.column(*place) for place in places}
    columns = [column for column in dealt.values() if column is not None]
    assert sorted(columns) == list(range(plan.n_columns))
    for (phase, bundle), column in dealt.items():
        if column is not None:
            assert plan.place(column) == (bundle, phase)
    assert plan.padding_ratio == pytest.approx(1 - len(columns) / len(places))


@given(taps_plans)
def test_a_superblock_sees_one_block_per_phase(plan):
    """All of it: blocks are dealt in order, block ``c`` to phase ``c % T`` of superblock ``c // T``."""
    plan = replace(plan, exponent_values=max(plan.exponent_values, 2))
    seen: dict[tuple[int, int], set[int]] = {}
    for phase in range(plan.phases):
        for bundle in range(plan.n_bundles):
            column = plan.column(phase, bundle)
            if column is not None:
                slot = (bundle // plan.superblock_bundles, phase)
                seen.setdefault(slot, set()).add(column // plan.block)
    assert seen == {(c // plan.phases, c % plan.phases): {c} for c in range(plan.n_blocks)}
    assert plan.n_superblocks == ceil(plan.n_blocks / plan.phases)


@given(taps_plans)
def test_one_exponent_per_row_leaves_no_bundle_to_spare(plan):
    """Input ``k`` is phase ``k % T`` of bundle ``k // T``; at most the last bundle is padded."""
    plan = replace(plan, exponent_values=1)
    assert plan.n_bundles == ceil(plan.n_columns / plan.phases)
    dealt = [plan.column(phase, b) for b in range(plan.n_bundles) for phase in range(plan.phases)]
    n_spare = len(dealt) - plan.n_columns
    assert dealt == [*range(plan.n_columns), *[None] * n_spare]
    assert n_spare < plan.phases
    assert plan.n_superblocks == plan.n_exponent_pins == plan.exponent_bits == 0


def tap_sums(plan: TapsPlan, multiple: int) -> int:
    """What the lines of all taps of ``multiple`` add up to."""
    parts = plan.lines.parts(multiple)
    assert all(part == 0 or part in plan.lines.multiples for part in parts)
    return sum(parts)


@given(taps_plans)
def test_result_holds_the_extremes(plan):
    """Every weight the largest, every input the most negative, and the other way round."""
    low, high = -(1 << (plan.activation_bits - 1)), (1 << (plan.activation_bits - 1)) - 1
    top = 1 << (plan.exponent_values - 1)
    largest = plan.magnitudes[-1]
    assert tap_sums(plan, largest) == -tap_sums(plan, -largest) == largest
    sums = [plan.n_columns * m * top * x for m in (-largest, largest) for x in (low, high)]
    assert -(1 << (plan.y_bits - 1)) <= min(sums)
    assert max(sums) < 1 << (plan.y_bits - 1)


@given(taps_plans)
def test_lines_hold_their_products(plan):
    """``m x``, or ``-m x - 1`` on a complement; one bit less would not do for the largest."""
    low, high = -(1 << (plan.activation_bits - 1)), (1 << (plan.activation_bits - 1)) - 1

    def fits(n_bits: int) -> bool:
        products = [abs(m) * x for m in plan.lines.multiples for x in (low, high)]
        products += [~product for product in products]
        return all(-(1 << (n_bits - 1)) <= p < 1 << (n_bits - 1) for p in products)

    assert fits(plan.product_bits) and not fits(plan.product_bits - 1)


@given(taps_plans, st.integers(0, 2**32))
def test_accumulator_holds_every_bit_time(plan, seed):
    """The serial sum by hand: the counts of each bit-time, halved from one to the next.

    One register without a sign, and with one from the last bit-time on, which weighs negative.
    """
    rng = np.random.default_rng(seed)
    top = 1 << plan.accumulator_bits
    assert 2 * plan.phases * plan.max_count < top
    for kind in ("all", "none", "random"):
        carry = 0
        for bit in range(plan.product_bits):
            last = bit == plan.product_bits - 1
            low, high = (-(top >> 1), top >> 1) if last else (0, top)
            assert low <= carry < high
            for _ in range(plan.phases):
                share = {"all": 1.0, "none": float(last), "random": rng.random()}[kind]
                count = plan.max_count if share == 1 else int(share * plan.max_count)
                carry += -count if last else count
                assert low <= carry < high
            carry >>= not last


def test_accumulator_is_not_a_bit_too_wide():
    """The bound is met: the checker above would see a missing bit."""
    plan = TapsPlan(1, 96, phases=3)
    carry = peak = 0
    for _ in range(plan.product_bits - 1):
        carry += plan.phases * plan.max_count
        peak, carry = max(peak, carry), carry >> 1
    assert peak >= 1 << (plan.accumulator_bits - 1)


@given(taps_plans)
def test_the_largest_count_is_all_ports_and_all_constants(plan):
    counts = sum(1 << port.column for port in plan.constant_ports)
    counts += plan.n_bundles * plan.n_taps * 2 ** (plan.exponent_values - 1)
    assert plan.max_count == counts


@given(taps_plans)
def test_constants_reach_what_complements_lack(plan):
    """Every tap negative, at the largest exponent: the constant stubs, each at 3, hold that.

    And each that the constant lines have: no pair of bit-times beyond them, no more than T stubs.
    """
    weights = [port.column + 2 * pair for port in plan.constant_ports for pair in port.pairs]
    most = (plan.n_columns * plan.n_taps) << (plan.exponent_values - 1)
    assert sum(3 << weight for weight in weights) >= most
    # Any amount below: from the most significant on, the rest of each is what those below it reach.
    places = sorted(weights)
    below = 0
    for weight in places:
        assert below >= (1 << weight) - 1
        below += 3 << weight
    for port in plan.constant_ports:
        assert 1 <= len(port.pairs) <= plan.phases
        assert all(0 <= 2 * pair and 3 * pair + 3 <= plan.n_constant_lines for pair in port.pairs)


@given(taps_plans)
def test_counts_follow_from_the_shape(plan):
    assert plan.n_stubs >= plan.n_columns * plan.n_taps
    assert plan.n_lines == plan.lines.n_lines * plan.n_bundles
    assert plan.n_ports == plan.n_taps * plan.n_bundles
    assert plan.exponent_values <= 1 << plan.exponent_bits
    assert plan.n_exponent_pins == plan.exponent_bits * plan.n_superblocks * plan.phases
    n_constants = plan.phases * len(plan.constant_ports)
    assert plan.n_pins == plan.n_stubs + n_constants + plan.n_exponent_pins
    assert plan.interval_cycles == plan.phases * plan.product_bits
    assert plan.y_bits == plan.accumulator_bits + plan.product_bits - 1


def test_lines_of_the_fp4_codebook():
    """Seven magnitudes and their complements; zero is a tie."""
    plan = TapsPlan(1, 96)
    assert plan.lines.multiples == (1, -1, 2, -2, 3, -3, 4, -4, 6, -6, 8, -8, 12, -12)
    assert (plan.product_bits, plan.n_taps, plan.n_lines) == (12, 1, 14 * 32)


@given(taps_plans)
def test_latency_grows_with_cuts(plan):
    """A cut, a cycle; from the second on inputs must be held, one more."""
    assert plan.n_cuts <= plan.cuts
    late = plan.latency_cycles - plan.interval_cycles
    assert late == {0: 0, 1: 1, 2: 3}[plan.n_cuts]
    assert replace(plan, cuts=0).latency_cycles == plan.interval_cycles
    n_groups = plan.n_superblocks or plan.n_bundles
    assert plan.n_cuts == plan.cuts or 2 * (plan.n_cuts + 1) > n_groups


@pytest.mark.parametrize("e", [1, 4])
@pytest.mark.parametrize("cuts", [0, 1, 2, 3])
@pytest.mark.parametrize("adder", [24, 28])
def test_segments_follow_the_cuts(e, cuts, adder):
    plan = TapsPlan(1, 384, 8, 2, e, cuts=cuts, adder=adder)
    segments = [plan.bundle_segment(bundle) for bundle in range(plan.n_bundles)]
    assert set(segments) | {plan.constant_segment} == set(range(plan.n_segments))
    assert plan.n_segments == max(1, cuts)
    assert plan.holds_input == (cuts > 1)


@given(taps_plans, taps_plans)
def test_names_differ_where_parameters_do(a, b):
    """A budget of tracks that is what the strip has is the same as none."""

    def told(plan):
        return replace(plan, track_budget=plan.tracks_available)

    assert (a.name == b.name) == (told(a) == told(b))
    assert told(a).name == a.name
    assert replace(a, n_rows=7).row_name == a.row_name


@given(taps_plans, taps_plans, st.data())
def test_one_parameter_is_enough_for_another_name(a, b, data):
    names = [field.name for field in fields(a) if field.name != "track_budget"]
    name = data.draw(st.sampled_from(names))
    a, b = replace(a, track_budget=9), replace(b, track_budget=9)
    changed = replace(a, **{name: getattr(b, name)})
    assert (changed.name == a.name) == (changed == a)


@pytest.mark.parametrize(
    "name, value",
    [("track_budget", -1), ("track_budget", (1 << 16) + 1), ("cuts", -1), ("cuts", 37)],
)
def test_bad_parameter_is_named(name, value):
    with pytest.raises(HnlpuError, match=f"{name} is out of range") as caught:
        TapsPlan(2, 2, **{name: value})
    assert caught.value.got == str(value)


def test_bad_adder():
    with pytest.raises(HnlpuError, match="no such full adder") as caught:
        TapsPlan(2, 2, adder=26)
    assert caught.value.got == "26 transistors"
