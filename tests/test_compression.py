"""Compression plans: exact for every input, within their tracks, and no more adders than must be."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.compression import Adder, Compression, Input, Register, compress


def evaluate(plan: Compression, wires: np.ndarray) -> np.ndarray:
    """Value of the outputs for wire levels (n_vectors, n_inputs), registers being wires."""
    level: dict[int, np.ndarray] = {i: wires[:, i].astype(np.int64) for i in range(plan.n_inputs)}
    for step in plan.steps:
        if isinstance(step, Register):
            level[step.output] = level[step.input]
            continue
        inputs = [level[b] ^ inv for b, inv in zip(step.inputs, step.inverted, strict=True)]
        total = np.sum(inputs, axis=0)
        flip = int(step.inverting)
        level[step.sum], level[step.carry] = (total & 1) ^ flip, (total >> 1) ^ flip
    result = np.zeros(len(wires), dtype=np.int64)
    for column, bit in enumerate(plan.outputs):
        if bit is not None:
            result += (level[bit] ^ int(plan.polarity[bit] < 0)) << column
    return result


def wires_of(plan: Compression, bits: np.ndarray) -> np.ndarray:
    """Levels on the input wires that carry ``bits`` in the polarity of the plan."""
    return bits ^ (np.asarray(plan.polarity[: plan.n_inputs]) < 0)


def weights(inputs: Sequence[Input]) -> np.ndarray:
    return np.array([1 << bit.column for bit in inputs])


inputs = st.lists(
    st.builds(Input, column=st.integers(0, 4), free=st.booleans(), depth=st.integers(0, 3)),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=200)
@given(inputs, st.integers(1, 20), st.integers(0, 4), st.booleans(), st.booleans(), st.data())
def test_outputs_weigh_what_the_inputs_weigh(bits, tracks, n_cuts, inverting, two_sided, data):
    weight = weights(bits)
    plan = compress(
        tuple(bits),
        n_columns=int(weight.sum()).bit_length(),
        tracks=tracks,
        n_cuts=n_cuts,
        inverting=inverting,
        two_sided=two_sided,
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    values = rng.integers(0, 2, (50, len(bits)))
    values[0], values[1] = 0, 1
    assert evaluate(plan, wires_of(plan, values)).tolist() == (values @ weight).tolist()


@settings(deadline=None, max_examples=100)
@given(inputs, st.integers(0, 3))
def test_every_bit_is_used_once_and_weighs_its_column(bits, n_cuts):
    """The invariant behind exactness: an adder takes bits of one column and makes one of each."""
    total = int(weights(bits).sum())
    plan = compress(tuple(bits), n_columns=total.bit_length(), tracks=9, n_cuts=n_cuts)
    column = {i: bit.column for i, bit in enumerate(bits)}
    for step in plan.steps:
        if isinstance(step, Register):
            column[step.output] = column.pop(step.input)
            continue
        assert {column.pop(bit) for bit in step.inputs} == {step.column}
        column[step.sum], column[step.carry] = step.column, step.column + 1
    left = {bit: c for bit, c in column.items() if c < total.bit_length()}
    assert left == {bit: c for c, bit in enumerate(plan.outputs) if bit is not None}


@pytest.mark.parametrize("n", [1, 2, 3, 7, 31, 32, 342, 960])
def test_no_more_full_adders_than_bits_vanish(n):
    n_bits = n.bit_length()
    plan = compress((Input(0, free=True),) * n, n_columns=n_bits, tracks=2 * n_bits)
    assert plan.n_full_adders <= n - n_bits + 1
    assert plan.n_half_adders <= n_bits
    assert plan.tracks <= 2 * n_bits


@pytest.mark.parametrize("n, tracks", [(960, 14), (720, 18), (576, 23), (342, 14)])
def test_rows_of_2880_and_1024_inputs_fit_their_strips(n, tracks):
    plan = compress((Input(0, free=True),) * n, n_columns=n.bit_length(), tracks=tracks)
    assert plan.tracks <= tracks
    deep = compress((Input(0, free=True),) * n, n_columns=n.bit_length(), tracks=1000)
    assert deep.depth <= plan.depth and deep.tracks > tracks


def test_tracks_are_counted_from_the_steps():
    """By another road: bits that exist on both sides of a place, walking one side of the strip."""
    n = 40
    plan = compress((Input(0, free=True),) * n, n_columns=6, tracks=9, two_sided=False)
    born, used = {i: i for i in range(n)}, {}
    for step in plan.steps:
        assert isinstance(step, Adder)
        here = max(born[bit] for bit in step.inputs)
        used.update(dict.fromkeys(step.inputs, here))
        born[step.sum] = born[step.carry] = here
    # The additions after the last input all happen there.
    crossing = [
        sum(born[bit] <= place and used.get(bit, n) > place for bit in born)
        for place in range(n - 1)
    ]
    assert max(crossing) <= plan.tracks


def test_cuts_shorten_the_depth_and_delay_the_middle():
    bits = (Input(0, free=True),) * 400
    whole = compress(bits, n_columns=9, tracks=14)
    cut = compress(bits, n_columns=9, tracks=14, n_cuts=4)
    assert cut.depth < whole.depth / 2
    assert cut.n_registers > 0 == whole.n_registers
    assert list(cut.segment[:200]) == sorted(cut.segment[:200]) == list(cut.segment[:199:-1])
    assert set(cut.segment) == {0, 1, 2, 3}


def test_every_input_passes_as_many_registers_as_lie_before_it():
    bits = tuple(Input(c % 3, free=c % 3 == 0, group=c // 3) for c in range(90))
    plan = compress(bits, n_columns=9, tracks=12, n_cuts=3)
    passed = {i: plan.segment[i] for i in range(len(bits))}
    for step in plan.steps:
        if isinstance(step, Register):
            passed[step.output] = passed[step.input] + 1
        else:
            assert len({passed[bit] for bit in step.inputs}) == 1, "bits of different cycles meet"
            passed[step.sum] = passed[step.carry] = passed[step.inputs[0]]
    assert {passed[bit] for bit in plan.outputs if bit is not None} == {3}
    for group in range(30):
        assert len(set(plan.segment[3 * group : 3 * group + 3])) == 1


def test_a_wrong_plan_would_be_seen():
    plan = compress((Input(0, free=True),) * 7, n_columns=3, tracks=6)
    values = np.array([[i >> b & 1 for b in range(7)] for i in range(128)])
    good = evaluate(plan, wires_of(plan, values))
    assert good.tolist() == values.sum(axis=1).tolist()
    first = plan.steps[0]
    assert isinstance(first, Adder)
    broken = Adder(first.column, first.inputs, (True, *first.inverted[1:]), first.sum, first.carry,
                   first.inverting)  # fmt: skip
    bad = Compression(
        plan.n_inputs, plan.polarity, (broken, *plan.steps[1:]), plan.outputs, plan.tracks,
        plan.mean_tracks, plan.depth, plan.segment, plan.n_cuts,
    )  # fmt: skip
    assert evaluate(bad, wires_of(bad, values)).tolist() != values.sum(axis=1).tolist()
