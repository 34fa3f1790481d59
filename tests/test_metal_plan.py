"""The metal plan: every weight on its stubs, every exponent on its pins, every constant made up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import MAGNITUDES

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import HIGH, LINES, LOW
from hnlpu.errors import HnlpuError
from hnlpu.metal import plan_metal
from hnlpu.taps import TapsPlan


def random_aligned(
    seed: int, base: TapsPlan, exponent_values: int | None = None, zeros: float = 0.1
) -> AlignedMatrix:
    """Random weights that fit ``base``; the first row may be all that is most negative."""
    rng = np.random.default_rng(seed)
    shape = (base.n_rows, base.n_columns)
    multiples = rng.choice(base.magnitudes, shape) * rng.choice([-1, 1], shape)
    multiples[rng.random(shape) < zeros] = 0
    limit = exponent_values or base.exponent_values
    exponents = rng.integers(0, limit, (base.n_rows, base.n_blocks))
    if rng.random() < 0.3:
        multiples[0], exponents[0] = -base.magnitudes[-1], limit - 1
    return AlignedMatrix(
        "some.matrix",
        multiples.astype(np.int16),
        exponents.astype(np.uint8),
        rng.integers(-128, 128, base.n_rows).astype(np.int16),
    )


def result(base: TapsPlan, pins: np.ndarray, x: np.ndarray) -> int:
    """What a row of the silicon makes of its drivers, in numbers: no serial bits, no adders.

    A driver carries a number in ``product_bits``: a low tie 0, a high tie -1 (all ones), a line the
    product of its input or the complement of one. A port of negative polarity complements it.
    """
    drivers = pins.tolist()
    n = base.n_stubs
    n_constants = base.phases * len(base.constant_ports)
    stubs, constants, exponents = (
        drivers[:n],
        drivers[n : n + n_constants],
        drivers[n + n_constants :],
    )
    total = 0
    for phase in range(base.phases):
        for port, polarity in enumerate(base.port_polarity()):
            driver = stubs[phase * base.n_ports + port]
            bundle, line = divmod(driver - LINES, base.lines.n_lines)
            if driver in (LOW, HIGH):
                number = {LOW: 0, HIGH: -1}[driver]
            else:
                assert bundle == port // base.n_taps
                column = base.column(phase, bundle)
                assert column is not None  # padding has no input to listen to
                product = abs(base.lines.multiples[line]) * int(x[column])
                number = product if base.lines.multiples[line] > 0 else ~product
            number = number if polarity == 1 else ~number
            if base.n_superblocks:
                slot = port // (base.superblock_bundles * base.n_taps) * base.phases + phase
                bits = exponents[slot * base.exponent_bits :][: base.exponent_bits]
                assert set(bits) <= {LOW, HIGH}
                number <<= sum((bit == HIGH) << i for i, bit in enumerate(bits))
            total += number
    first = base.constant_line(0, 1)
    for i, port in enumerate(base.constant_ports):
        for driver in constants[i * base.phases :][: base.phases]:
            if driver != LOW:
                pair, value = divmod(driver - first, 3)
                assert 0 <= pair < base.n_constant_lines // 3
                total += (value + 1) << (2 * pair + port.column)
    return total


bases = st.builds(
    TapsPlan,
    n_rows=st.integers(1, 3),
    n_columns=st.integers(1, 150),
    activation_bits=st.sampled_from([2, 8]),
    phases=st.integers(1, 4),
    exponent_values=st.sampled_from([1, 1, 2, 3, 4, 8]),
    magnitudes=st.sampled_from(MAGNITUDES),
    cuts=st.sampled_from([0, 2]),
    adder=st.sampled_from([24, 28]),
)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), bases)
def test_wiring_multiplies(seed, base):
    """Each pin by what its driver carries: the sum is the row times the input, to the last unit."""
    matrix = random_aligned(seed, base)
    plan = plan_metal(matrix, base)
    assert plan.pins.shape == (base.n_rows, base.n_pins)
    assert plan.row_exponents is matrix.row_exponents
    limit = 1 << (base.activation_bits - 1)
    x = np.random.default_rng(seed).integers(-limit, limit, (2, base.n_columns))
    x[1] = -limit
    for row, weights in enumerate(matrix.integers()):
        for vector in x:
            assert result(base, plan.pins[row], vector) == weights @ vector


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), bases)
def test_weights_can_be_read_off(seed, base):
    matrix = random_aligned(seed, base)
    pins = plan_metal(matrix, base).pins
    wiring = base.read(pins)
    assert wiring.values.tolist() == matrix.multiples.tolist()
    assert wiring.block_exponents.tolist() == matrix.block_exponents.tolist()
    assert not wiring.missing.any() and not wiring.errors.any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), bases)
def test_every_stub_is_where_the_base_says(seed, base):
    """Found by place: taps on the line of their part, spare stubs on the zero of their port."""
    matrix = random_aligned(seed, base)
    pins = plan_metal(matrix, base).pins
    polarity = base.port_polarity()
    assert set(polarity.tolist()) <= {1, -1} and (base.adder == 24 or (polarity == 1).all())
    groups = base.lines.groups
    for row in range(base.n_rows):
        used = set()
        for column in range(base.n_columns):
            bundle, phase = base.place(column)
            parts = base.lines.parts(int(matrix.multiples[row, column]))
            for tap, part in enumerate(parts):
                port = bundle * base.n_taps + tap
                stub = phase * base.n_ports + port
                used.add(stub)
                if part == 0:
                    assert pins[row, stub] == (LOW if polarity[port] == 1 else HIGH)
                    continue
                line = pins[row, stub] - base.bundle_line(bundle, 0)
                first = 2 * sum(map(len, groups[:tap]))
                assert first <= line < first + 2 * len(groups[tap])
                assert base.lines.multiples[line] == part * polarity[port]
            first = base.n_pins - base.n_exponent_pins
            if base.n_superblocks:
                slot = bundle // base.superblock_bundles * base.phases + phase
                ties = pins[row, first + slot * base.exponent_bits :][: base.exponent_bits]
                exponent = sum(int(tie == HIGH) << bit for bit, tie in enumerate(ties))
                assert exponent == matrix.block_exponents[row, column // 32]
        spare = [stub for stub in range(base.n_stubs) if stub not in used]
        zero = np.where(np.tile(polarity, base.phases) == 1, LOW, HIGH)
        assert (pins[row, spare] == zero[spare]).all()


@pytest.mark.parametrize("exponent_values", [16, 33, 64])
@pytest.mark.parametrize("columns, phases", [(1, 1), (70, 2)])
def test_constants_beyond_64_bits(exponent_values, columns, phases):
    """Every weight negative at the largest exponent: one less for each, shifted as far."""
    base = TapsPlan(2, columns, 4, phases, exponent_values, adder=28)
    top = exponent_values - 1
    matrix = AlignedMatrix(
        "m",
        np.full((2, columns), -12, dtype=np.int16),
        np.full((2, base.n_blocks), top, dtype=np.uint8),
        np.zeros(2, dtype=np.int16),
    )
    matrix.multiples[1] = 12  # lacks nothing
    pins = plan_metal(matrix, base).pins
    assert result(base, pins[0], np.full(columns, -8)) == columns * 96 << top
    constants = pins[:, base.n_stubs : base.n_pins - base.n_exponent_pins]
    assert (constants[1] == LOW).all() and not (constants[0] == LOW).all()
    wiring = base.read(pins)
    assert (wiring.values == matrix.multiples).all()
    assert not wiring.missing.any() and not wiring.errors.any()


@pytest.mark.parametrize("e", [1, 4])
def test_any_pin_changed_is_seen(e):
    """Each pin of a row on each other driver: read as another weight, as missing, or as an error."""
    base = TapsPlan(1, 37, 4, 2, e, block=8, magnitudes=(1, 3))
    rng = np.random.default_rng(e)
    matrix = AlignedMatrix(
        "m",
        rng.choice([-3, -1, 0, 1, 3], (1, 37)).astype(np.int16),
        rng.integers(0, e, (1, 5)).astype(np.uint8),
        np.zeros(1, dtype=np.int16),
        block=8,
    )
    pins = base.wire(matrix)
    n_constants = base.phases * len(base.constant_ports)
    for pin in range(base.n_pins):
        for driver in range(-1, base.n_drivers):
            if driver == pins[0, pin]:
                continue
            changed = pins.copy()
            changed[0, pin] = driver
            wiring = base.read(changed)
            seen = (
                (wiring.values != matrix.multiples).any()
                or (wiring.block_exponents != matrix.block_exponents).any()
                or wiring.missing.any()
                or wiring.errors.any()
            )
            assert seen, (pin, driver)
            if base.n_stubs <= pin < base.n_stubs + n_constants:
                assert wiring.errors.tolist() == [1] and not wiring.missing.any()


def test_too_few_exponent_values_name_the_row():
    base = TapsPlan(4, 70, exponent_values=4)
    matrix = random_aligned(0, base, exponent_values=2)
    matrix.block_exponents[2, 1] = 4
    with pytest.raises(HnlpuError, match="5 exponent values for 4") as caught:
        plan_metal(matrix, base)
    assert caught.value.where.startswith("some.matrix: row 2 on hn_base_4x70")
    plan_metal(matrix, replace(base, exponent_values=5))


@pytest.mark.parametrize("shape", [(4, 71), (5, 70), (70, 4)])
def test_wrong_shape(shape):
    with pytest.raises(HnlpuError, match="does not fit the base") as caught:
        plan_metal(random_aligned(0, TapsPlan(4, 70)), TapsPlan(*shape))
    assert caught.value.got == f"4 x 70 on {shape[0]} x {shape[1]}"


def test_a_weight_of_another_codebook():
    int4 = TapsPlan(4, 70, magnitudes=tuple(range(1, 9)))
    matrix = random_aligned(0, TapsPlan(4, 70))
    with pytest.raises(HnlpuError, match="not in the codebook") as caught:
        plan_metal(matrix, int4)
    row, column = np.argwhere(np.abs(matrix.multiples) > 8)[0]
    assert caught.value.where.startswith(f"some.matrix[{row}, {column}] on hn_base_4x70")
