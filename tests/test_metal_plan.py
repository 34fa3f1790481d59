"""The metal plan: every weight on its stub, every exponent on its pins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import LINE_MULTIPLES, BasePlan
from hnlpu.errors import HnlpuError
from hnlpu.metal import plan_metal


def random_aligned(seed: int, rows: int, columns: int, exponent_values: int) -> AlignedMatrix:
    rng = np.random.default_rng(seed)
    return AlignedMatrix(
        "some.matrix",
        rng.choice(np.array(LINE_MULTIPLES, dtype=np.int8), (rows, columns)),
        rng.integers(0, exponent_values, (rows, -(-columns // 32))).astype(np.uint8),
        rng.integers(-128, 128, rows).astype(np.int16),
    )


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.integers(1, 150),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, 4, 8]),
)
def test_weights_can_be_read_off(seed, rows, columns, phases, exponent_values):
    matrix = random_aligned(seed, rows, columns, exponent_values)
    base = BasePlan(rows, columns, phases=phases, exponent_values=exponent_values)
    plan = plan_metal(matrix, base)
    assert plan.taps.shape == (rows, base.n_stubs)
    assert plan.exponent_pins.shape == (rows, base.n_exponent_pins)
    for row in range(rows):
        used = set()
        for column in range(columns):
            stub = base.stub(column)
            used.add(stub)
            assert LINE_MULTIPLES[plan.taps[row, stub]] == matrix.multiples[row, column]
            phase, port = divmod(stub, base.n_ports)
            slot = (port // base.superblock_ports) * phases + phase
            first = slot * base.exponent_bits
            pins = plan.exponent_pins[row, first : first + base.exponent_bits].tolist()
            exponent = sum(pin << bit for bit, pin in enumerate(pins))
            assert exponent == matrix.block_exponents[row, column // 32]
        assert not plan.taps[row, [s for s in range(base.n_stubs) if s not in used]].any()


def test_too_few_exponent_values_name_the_row():
    matrix = random_aligned(0, 4, 70, 2)
    matrix.block_exponents[2, 1] = 4
    with pytest.raises(HnlpuError, match="5 exponent values for 4") as caught:
        plan_metal(matrix, BasePlan(4, 70, exponent_values=4))
    assert caught.value.where.startswith("some.matrix: row 2 on hn_base_4x70")
    plan_metal(matrix, BasePlan(4, 70, exponent_values=5))


@pytest.mark.parametrize("shape", [(4, 71), (5, 70), (70, 4)])
def test_wrong_shape(shape):
    with pytest.raises(HnlpuError, match="does not fit the base") as caught:
        plan_metal(random_aligned(0, 4, 70, 1), BasePlan(*shape))
    assert caught.value.got == f"4 x 70 on {shape[0]} x {shape[1]}"
