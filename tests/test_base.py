"""Geometry and widths of a base."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.errors import HnlpuError

plans = st.builds(
    BasePlan,
    n_rows=st.integers(1, 5),
    n_columns=st.integers(1, 400),
    activation_bits=st.integers(2, 16),
    phases=st.integers(1, 8),
    exponent_values=st.integers(1, 64),
    block=st.sampled_from([1, 4, 16, 32]),
)


@given(plans)
def test_stub_and_column_are_inverse(plan):
    places = [(phase, port) for phase in range(plan.phases) for port in range(plan.n_ports)]
    assert len(places) == plan.n_stubs
    dealt = {place: plan.column(*place) for place in places}
    columns = [column for column in dealt.values() if column is not None]
    assert sorted(columns) == list(range(plan.n_columns))
    for (phase, port), column in dealt.items():
        if column is not None:
            assert plan.stub(column) == phase * plan.n_ports + port


@given(plans)
def test_a_superblock_sees_one_block_per_phase(plan):
    seen: dict[tuple[int, int], set[int]] = {}
    for phase in range(plan.phases):
        for port in range(plan.n_ports):
            column = plan.column(phase, port)
            if column is not None:
                slot = (port // plan.superblock_ports, phase)
                seen.setdefault(slot, set()).add(column // plan.block)
    assert all(len(blocks) == 1 for blocks in seen.values())
    assert sorted(block for blocks in seen.values() for block in blocks) == list(
        range(plan.n_blocks)
    )


@given(plans)
def test_result_holds_the_extremes(plan):
    """Every weight the largest, every input the most negative, and the other way round."""
    low, high = -(1 << (plan.activation_bits - 1)), (1 << (plan.activation_bits - 1)) - 1
    top = 1 << (plan.exponent_values - 1)
    sums = [
        plan.n_columns * multiple * top * x
        for multiple in (min(LINE_MULTIPLES), max(LINE_MULTIPLES))
        for x in (low, high)
    ]
    assert -(1 << (plan.y_bits - 1)) <= min(sums)
    assert max(sums) < 1 << (plan.y_bits - 1)


@given(plans, st.integers(0, 2**32))
def test_accumulator_holds_every_bit_time(plan, seed):
    """The serial sum by hand: the counts of each bit-time, halved from one to the next."""
    rng = np.random.default_rng(seed)
    limit = 1 << (plan.accumulator_bits - 1)
    for kind in ("all", "none", "random"):
        carry = 0
        for bit in range(plan.product_bits):
            sign = -1 if bit == plan.product_bits - 1 else 1
            for _ in range(plan.phases):
                share = {"all": 1.0, "none": float(sign < 0), "random": rng.random()}[kind]
                carry += sign * int(share * plan.max_count)
                assert -limit <= carry < limit
            carry >>= 1


def test_accumulator_is_not_a_bit_too_wide():
    """The bound is met: the checker above would see a missing bit."""
    plan = BasePlan(1, 96, phases=3)
    carry = peak = 0
    for _ in range(plan.product_bits):
        carry += plan.phases * plan.max_count
        peak, carry = max(peak, carry), carry >> 1
    assert peak >= 1 << (plan.accumulator_bits - 3)


@given(plans)
def test_counts_follow_from_the_shape(plan):
    assert plan.n_stubs >= plan.n_columns
    assert plan.n_lines == 15 * plan.n_ports
    assert plan.exponent_values <= 1 << plan.exponent_bits
    assert plan.n_exponent_pins == plan.exponent_bits * plan.n_superblocks * plan.phases
    assert plan.latency_cycles == plan.interval_cycles + 1
    assert min(LINE_MULTIPLES) * -(1 << (plan.activation_bits - 1)) < 1 << (plan.product_bits - 1)
    assert BasePlan(**plan.as_dict()) == plan


@given(plans, plans)
def test_names_differ_where_parameters_do(a, b):
    assert (a.name == b.name) == (a == b)
    assert replace(a, n_rows=7).row_name == a.row_name


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_rows", 0),
        ("n_columns", 0),
        ("n_columns", (1 << 20) + 1),
        ("activation_bits", 1),
        ("activation_bits", 17),
        ("phases", 0),
        ("phases", 33),
        ("exponent_values", 0),
        ("exponent_values", 65),
        ("block", 0),
    ],
)
def test_bad_parameter_is_named(name, value):
    with pytest.raises(HnlpuError, match=f"{name} is out of range") as caught:
        BasePlan(**{"n_rows": 2, "n_columns": 2, name: value})
    assert caught.value.got == str(value)
