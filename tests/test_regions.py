"""Region bases: wiring and reading back, constants, sums by mantissa, and what does not fit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import AlignedMatrix, align
from hnlpu.codebook import E2M1
from hnlpu.constants import constant_ports, read_constants, wire_constants
from hnlpu.errors import HnlpuError
from hnlpu.fitting import fits
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan
from hnlpu.regions import RegionPlan
from hnlpu.sums import Term, mantissa_sum
from hnlpu.taps import TapsPlan
from hnlpu.weights import CodedMatrix

KINDS = [PaperPlan, MergedPlan]
CODEBOOKS = [E2M1.magnitudes, (1,), tuple(range(1, 9)), (3, 5), (2, 8)]


def random_weights(rng, rows, columns, magnitudes, exponents, block=32) -> AlignedMatrix:
    values = np.array([0, *magnitudes, *(-m for m in magnitudes)], dtype=np.int16)
    blocks = rng.integers(0, exponents, (rows, -(-columns // block)))
    return AlignedMatrix(
        "random",
        rng.choice(values, (rows, columns)),
        blocks.astype(np.uint8),
        np.zeros(rows, dtype=np.int16),
        block,
    )


@st.composite
def bases(draw):
    """A base and a matrix that fits it, with or without slack."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    magnitudes = draw(st.sampled_from(CODEBOOKS))
    exponents = draw(st.sampled_from([1, 2, 4]))
    kind = draw(st.sampled_from(KINDS))
    block = draw(st.sampled_from([4, 32]))
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 60))
    matrix = random_weights(rng, *shape, magnitudes, exponents, block)
    options = {
        "activation_bits": draw(st.integers(2, 9)),
        "phases": draw(st.integers(1, 5)),
        "exponent_values": exponents,
        "magnitudes": magnitudes,
        "block": block,
    }
    if kind is MergedPlan:
        options["slice_ports"] = draw(st.integers(2, 8))
    if draw(st.booleans()):
        return kind(*shape, **options), matrix, rng
    rate = draw(st.sampled_from([1.0, 0.1, 1e-6]))
    return kind.for_matrices([matrix], failure_rate=rate, **options), matrix, rng


def is_as_wired(base: RegionPlan, wiring, matrix: AlignedMatrix) -> bool:
    shifts = np.repeat(wiring.block_exponents.astype(np.int64), base.block, axis=1)
    weights = wiring.values.astype(np.int64) << shifts[:, : base.n_columns]
    same = np.array_equal(weights, matrix.integers())
    return same and not wiring.missing.any() and not wiring.errors.any()


@settings(max_examples=60, deadline=None)
@given(bases())
def test_wiring_is_read_back(drawn):
    base, matrix, _ = drawn
    pins = base.wire(matrix)
    assert pins.shape == (base.n_rows, base.n_pins)
    assert pins.min() >= 0 and pins.max() < base.n_drivers
    assert is_as_wired(base, base.read(pins), matrix)


@settings(max_examples=40, deadline=None)
@given(bases())
def test_a_moved_pin_is_seen(drawn):
    base, matrix, rng = drawn
    pins = base.wire(matrix)
    for pin in rng.integers(0, base.n_pins, 8):
        row = int(rng.integers(base.n_rows))
        moved = pins.copy()
        moved[row, pin] = (pins[row, pin] + rng.integers(1, base.n_drivers)) % base.n_drivers
        assert not is_as_wired(base, base.read(moved), matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_aligned_weights_come_back_as_they_were(kind):
    """Not only the product: codebook value and block exponent."""
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 16, (5, 100)).astype(np.uint8)
    codes[0, 32:64] = 0  # a block of zeros
    exponents = rng.integers(-5, -2, (5, 4)).astype(np.int16)
    matrix = align(CodedMatrix("test", codes, exponents, E2M1))
    base = kind.for_matrices(
        [matrix], exponent_values=matrix.spread + 1, magnitudes=E2M1.magnitudes
    )
    wiring = base.read(base.wire(matrix))
    assert wiring.values.tolist() == matrix.multiples.tolist()
    assert wiring.block_exponents.tolist() == matrix.block_exponents.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_division_of_a_weight_does_not_matter(kind):
    """4 is 2 * 2**1: the same pins."""
    one = AlignedMatrix("a", np.full((1, 9), 4, "i2"), np.zeros((1, 1), "u1"), np.zeros(1, "i2"))
    two = AlignedMatrix("b", np.full((1, 9), 2, "i2"), np.ones((1, 1), "u1"), np.zeros(1, "i2"))
    base = kind(1, 9, exponent_values=2)
    assert base.wire(one).tolist() == base.wire(two).tolist()


@settings(max_examples=60, deadline=None)
@given(bases())
def test_a_base_survives_json(drawn):
    base, _, _ = drawn
    data = json.loads(json.dumps(base.as_dict()))
    assert data.pop("arch") == type(base).arch
    again = type(base)(**data)
    assert again == base and again.name == base.name


@settings(max_examples=60, deadline=None)
@given(bases(), bases())
def test_names_differ_where_parameters_do(a, b):
    assert (a[0].name == b[0].name) == (a[0] == b[0])


@given(st.integers(1, 5), st.integers(2, 9), st.integers(0, 5000), st.data())
def test_every_constant_can_be_wired(phases, product_bits, most, data):
    plan = PaperPlan(1, 1, product_bits, phases)
    ports = constant_ports(phases, product_bits, most)
    number = np.array([data.draw(st.integers(0, most)), most])
    pins = wire_constants(plan, ports, number)
    assert read_constants(plan, ports, pins).tolist() == number.tolist()
    assert sum(len(port.pairs) for port in ports) <= most.bit_length()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 3, 5, 7]), st.integers(0, 4), st.integers(1, 6), st.booleans()
        ),
        max_size=12,
    ),
    st.integers(1, 12),
    st.integers(0, 2**32),
)
def test_sums_by_mantissa_are_exact(drawn, n_bits, seed):
    """The adders of every sum, evaluated by the compression's own steps, modulo 2**n_bits."""
    rng = np.random.default_rng(seed)
    terms = tuple((m, Term(column, n, 1 << n, signed)) for m, column, n, signed in drawn)
    plan = mantissa_sum(terms, n_bits)
    numbers = [
        int(rng.integers(-(1 << (t.n_bits - 1)), 1 << (t.n_bits - 1)))
        if t.signed
        else int(rng.integers(0, 1 << t.n_bits))
        for _, t in terms
    ]
    own = [number for (m, _), number in zip(terms, numbers, strict=True) if m == 1]
    for mantissa, part in plan.parts:
        these = [number for (m, _), number in zip(terms, numbers, strict=True) if m == mantissa]
        own += [_evaluate(part, these)] * mantissa.bit_count()
    expected = sum((number << t.column) * m for (m, t), number in zip(terms, numbers, strict=True))
    assert _evaluate(plan.total, own) == expected % (1 << n_bits)


def _evaluate(plan, numbers) -> int:
    level = []
    for term, number in zip(plan.terms, numbers, strict=True):
        bits = [number >> i & 1 for i in range(term.n_bits)]
        if term.complemented(plan.n_bits):
            bits[-1] ^= 1
        level += bits
    wires = dict(enumerate([*level, *[1] * len(plan.ones)]))
    for step in plan.compression.steps:
        inputs = [wires[b] ^ inv for b, inv in zip(step.inputs, step.inverted, strict=True)]
        flip = int(step.inverting)
        wires[step.sum] = sum(inputs) % 2 ^ flip
        wires[step.carry] = sum(inputs) // 2 ^ flip
    polarity = plan.compression.polarity
    return sum(
        (wires[bit] ^ (polarity[bit] < 0)) << column
        for column, bit in enumerate(plan.compression.outputs)
        if bit is not None
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_too_small_is_named(kind):
    matrix = AlignedMatrix(
        "blk.0.up", np.ones((3, 40), "i2"), np.zeros((3, 2), "u1"), np.zeros(3, "i2")
    )
    matrix.multiples[1, 1:22:2] = -6
    base = kind.for_matrices([matrix], phases=2, magnitudes=E2M1.magnitudes, failure_rate=1)
    assert fits(base, matrix) is None
    matrix.multiples[2, 1:38:2] = 6
    matrix.multiples[2, 0] = 6
    message = "19 weights of magnitude 6 in phase 1" + (
        ", region holds 11" if kind is PaperPlan else " take 3 slices; slots of weight 6: 3 of 2"
    )
    for check in (base.check_fit, base.wire):
        with pytest.raises(HnlpuError, match=message) as caught:
            check(matrix)
        assert caught.value.where.startswith("blk.0.up: row 2")
    error = fits(base, matrix)
    assert error is not None and error.got == message
    assert fits(TapsPlan(3, 40), matrix) is None


def test_too_few_slices_are_named():
    """Every region has slots enough, but not all of them at once."""
    wide = MergedPlan(2, 40, phases=1)
    base = replace(wide, n_slices=7)
    matrix = AlignedMatrix("m", np.ones((2, 40), "i2"), np.zeros((2, 2), "u1"), np.zeros(2, "i2"))
    assert fits(base, matrix) is None
    matrix.multiples[1, 0], matrix.multiples[1, 1], matrix.multiples[1, 2] = 2, -3, 4
    with pytest.raises(HnlpuError, match=r"row 1.*take 9 slices of 7, most of them \(6\)"):
        base.wire(matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_other_shapes_codebooks_and_exponents_do_not_fit(kind):
    rng = np.random.default_rng(0)
    base = kind(2, 8)
    for shape, magnitudes, exponents in [((2, 9), (1,), 1), ((2, 8), (5,), 1), ((2, 8), (1,), 9)]:
        matrix = random_weights(rng, *shape, magnitudes, exponents, block=1)
        assert isinstance(fits(base, matrix), HnlpuError)


@pytest.mark.parametrize(
    "kind, options, what",
    [
        (PaperPlan, {"capacities": (1, 2)}, "capacities are not as many numbers"),
        (PaperPlan, {"capacities": (-1, *[0] * 6)}, "capacities are not as many numbers"),
        (PaperPlan, {"capacities": (16, *[0] * 6)}, "capacities are not as many numbers"),
        (PaperPlan, {"capacities": (0,) * 7}, "a row without ports"),
        (PaperPlan, {"exponent_values": 60}, "weights are too wide"),
        (MergedPlan, {"slots": (1.5, *[0] * 10)}, "slots are not as many numbers"),
        (MergedPlan, {"n_slices": 16}, "n_slices is out of range"),
        (MergedPlan, {"slice_ports": 1}, "slice_ports is out of range"),
        (MergedPlan, {"adder": 30}, "no such full adder"),
    ],
)
def test_bad_parameters_are_named(kind, options, what):
    with pytest.raises(HnlpuError, match=what):
        kind(2, 8, **options)
