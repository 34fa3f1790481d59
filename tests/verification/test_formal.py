"""Proofs of bases, and that they fail where there is something to find."""

import re
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import taps_plans

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import HIGH, LOW
from hnlpu.compression import Adder
from hnlpu.errors import HnlpuError
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan
from hnlpu.rtl.array import base_modules
from hnlpu.taps import TapsPlan
from hnlpu.verification.circuit import Arrays, every_input, read_circuits
from hnlpu.verification.composition import prove_composition, prove_wiring, row_form
from hnlpu.verification.formal import (
    ProofError,
    Terms,
    corner_matrices,
    prove_matrices,
    prove_small,
    prove_taps,
)

pytest.importorskip("bitwuzla")
pytestmark = pytest.mark.formal

TWO_TAPS = tuple(range(1, 17))


@lru_cache(maxsize=32)
def emitted(plan):
    return {name: "".join(pieces) for name, pieces in base_modules(plan)}


def random_matrix(plan, seed=0):
    rng = np.random.default_rng(seed)
    values = [0, *plan.magnitudes, *(-m for m in plan.magnitudes)]
    return AlignedMatrix(
        "random",
        rng.choice(values, (plan.n_rows, plan.n_columns)).astype(np.int16),
        rng.integers(0, plan.exponent_values, (plan.n_rows, plan.n_blocks)).astype(np.uint8),
        np.zeros(plan.n_rows, dtype=np.int16),
        plan.block,
    )


# Small bases, all weights.


@pytest.mark.parametrize(
    "plan",
    [
        TapsPlan(1, 2, 4, 1),
        TapsPlan(2, 3, 2, 2),
        TapsPlan(1, 5, 2, 3, magnitudes=(1,), adder=28),
        TapsPlan(1, 6, 2, 1, cuts=2, magnitudes=(1,)),
        TapsPlan(1, 2, 2, 2, magnitudes=TWO_TAPS),
        TapsPlan(1, 4, 2, 2, 2, block=2, magnitudes=(1, 3)),
        TapsPlan(1, 4, 2, 1, 2, block=1, cuts=2, magnitudes=(1,)),
    ],
    ids=lambda plan: plan.row_name,
)
def test_small_bases(plan):
    proven = prove_small(plan)
    assert proven["n_wirings"] == (2 * len(plan.magnitudes) + 1) ** (
        plan.n_rows * plan.n_columns
    ) * plan.exponent_values ** (plan.n_rows * plan.n_blocks)
    first, second = proven["valid_cycles"]
    assert first == plan.latency_cycles
    assert second - first == plan.interval_cycles


@pytest.mark.parametrize(
    "plan",
    [
        PaperPlan(2, 4, 3, 2, magnitudes=(1, 2, 3)),
        MergedPlan(2, 4, 3, 2, 2, block=2, magnitudes=(1, 3), slice_ports=3),
    ],
    ids=lambda plan: plan.arch,
)
def test_small_bases_of_regions(plan):
    proven = prove_small(plan)
    assert proven["n_wirings"] == len(corner_matrices(plan))
    assert proven["valid_cycles"][0] == plan.latency_cycles


def test_needs_a_matrix():
    with pytest.raises(HnlpuError, match="no matrix"):
        prove_matrices(PaperPlan(1, 1, magnitudes=(1,)), [])


# Mutants. Each edit takes modules and gives them back, wrong.


def swap_pins(text, one, other):
    """Exchange what two pins, (cell, pin) each, are connected to."""
    pattern = r"(\b{}\b \([^;]*?\.{}\()((?:[^()]|\([^()]*\))*)(\))"
    spans = {}
    for cell, pin in (one, other):
        found = re.search(pattern.format(cell, pin), text)
        assert found, (cell, pin)
        spans[cell, pin] = found
    first, second = sorted(spans.values(), key=lambda match: match.start(2))
    return (
        text[: first.start(2)]
        + second[2]
        + text[first.end(2) : second.start(2)]
        + first[2]
        + text[second.end(2) :]
    )


def replaced(pattern, new):
    def edit(text):
        result, n = re.subn(pattern, new, text, count=1)
        assert n == 1
        assert result != text
        return result

    return edit


def edited(plan, module, edit):
    """The base with one module edited; ``module`` is how its name begins."""
    texts = dict(emitted(plan))
    (name,) = (name for name in texts if name.startswith(module))
    texts[name] = edit(texts[name])
    return texts


def two_columns(compression, prefix):
    """Adders of different columns, as cells of the emitted module."""
    adders = [
        (f"{prefix}_{i}", step)
        for i, step in enumerate(compression.steps)
        if isinstance(step, Adder)
    ]
    cell, adder = adders[0]
    other = next(name for name, step in adders if step.column != adder.column)
    return (cell, "a"), (other, "a")


PLAIN = TapsPlan(2, 12, 3, 2, cuts=1, magnitudes=(1, 3))
CUT = TapsPlan(2, 24, 3, 2, cuts=2, magnitudes=(1, 3))
SHIFT = TapsPlan(2, 16, 3, 2, 2, block=4, cuts=2, magnitudes=(1, 2))
MUTANTS = {
    "sum and carry swapped": (
        PLAIN, "hn_neuron", lambda t: swap_pins(t, ("count_0", "sum"), ("count_0", "carry")),
        "count_0: pin carry: carry does not weigh twice the sum",
    ),
    "input of another column": (
        PLAIN, "hn_neuron", lambda t: swap_pins(t, *two_columns(PLAIN.row_count, "count")),
        "carry does not weigh twice the sum",
    ),
    "inverter dropped": (
        PLAIN, "hn_neuron", replaced(r"= ~ (count_\w+;)", r"= \1"),
        "pin has another coefficient .got -1, not 1",
    ),
    "phases swapped": (
        PLAIN, "hn_neuron", replaced(r"pins\[1\]", "pins[0]"),
        "pins.0.: pin has another coefficient",
    ),
    "register without enable": (
        CUT, "hn_neuron", replaced(r"if \(advance\)", "if (enable)"), "does not advance",
    ),
    "selector of another segment": (
        CUT, "hn_neuron", replaced(r"\.phase\(phase_0\)", ".phase(phase_1)"), "out of step",
    ),
    "shift by nothing": (
        SHIFT, "hn_superblock",
        lambda t: swap_pins(t, ("shift_0_1", "a"), ("shift_0_2", "a")),
        "carry does not weigh twice the sum",
    ),
    "shift always": (
        SHIFT, "hn_superblock", replaced(r"\.phase\(\{ exponent_0__y, .*? \}\)",
                                         ".phase({ exponent_0__y, exponent_0__y })"),
        "selector is not told one input",
    ),
    "superblock adder": (
        SHIFT, "hn_superblock",
        lambda t: swap_pins(t, ("count_0", "sum"), ("count_0", "carry")),
        "count_0: pin carry: carry does not weigh twice the sum",
    ),
    "superblock counts moved": (
        SHIFT, "hn_neuron",
        lambda t: swap_pins(t, ("superblock_0", "exponents"), ("superblock_1", "exponents")),
        "exponent pins are other ones",
    ),
    "full adder": (
        PLAIN, "hn_full_adder_n", replaced(r"&", "|"), "cell does not do what its name says",
    ),
    "selector": (
        PLAIN, "hn_phase_select_2", replaced(r"&", "|"), "cell does not do what its name says",
    ),
    "accumulator adder": (
        PLAIN, "hn_accumulator",
        lambda t: swap_pins(t, ("add_0", "sum"), ("add_1", "sum")), "step is not",
    ),
    "accumulator keeps first": (
        PLAIN, "hn_accumulator", replaced(r"= ~ first;", "= first;"), "step is not",
    ),
    "source": (
        PLAIN, "hn_source", lambda t: swap_pins(t, ("x_0", "a"), ("x_1", "a")),
        "line does not carry",
    ),
    "source adder": (
        PLAIN, "hn_source", lambda t: swap_pins(t, ("times_3_1", "sum"), ("times_3_2", "sum")),
        "line does not carry 3",
    ),
    "sequencer moves under a waiting result": (
        PLAIN, "hn_sequencer", replaced(r"~ *y_ready", "y_ready"),
        "array moves while a result waits",
    ),
    "sequencer starts late": (
        CUT, "hn_sequencer", replaced(r"(phase_0|phase) *<= *2'h1|2'h1", "2'h2"),
        "a step is left out or done twice",
    ),
    "input of another column of the matrix": (
        PLAIN, "hn_base", replaced(r"x\[5:3\], x\[2:0\]", "x[2:0], x[5:3]"),
        "source_0: pin x",
    ),
    "source of another segment": (
        CUT, "hn_base", replaced(r"\.phase\(phase_0\)", ".phase(phase_1)"), "pin phase",
    ),
    "rows swapped": (
        PLAIN, "hn_base", lambda t: swap_pins(t, ("row_0", "pins"), ("row_1", "pins")),
        "row_0: pin pins",
    ),
    "tie": (PLAIN, "hn_base", replaced("1'b1", "1'b0"), "ties"),
    "gate in the array": (
        PLAIN, "hn_base", replaced("endmodule", "assign z = y_valid & x_valid;\nendmodule"),
        "more than instances and wires",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "module", "edit", "message"), MUTANTS.values(), ids=MUTANTS.keys()
)
def test_composition_finds(plan, module, edit, message):
    with pytest.raises(ProofError, match=message) as caught:
        prove_composition(plan, edited(plan, module, edit))
    assert caught.value.where.startswith("module hn_")


@pytest.mark.parametrize("plan", [PLAIN, CUT, SHIFT], ids=["plain", "cut", "shift"])
def test_composition(plan):
    proven = prove_composition(plan, emitted(plan))
    assert proven["max_count"] == plan.max_count
    assert proven["row_pins"] == plan.n_pins
    assert proven["array_instances"] == 1 + plan.n_bundles + plan.n_rows


def test_composition_at_full_size():
    plan = TapsPlan(8, 2880, 8, 4, 4, cuts=3)
    proven = prove_composition(plan, emitted(plan))
    assert proven["row_pins"] == plan.n_pins > 2880
    assert proven["sequencer_states"] > plan.interval_cycles


@pytest.mark.parametrize("adder", [24, 28])
def test_superblock_exhaustively(adder):
    """The equations say of 15 ports what trying all 2**15 inputs says."""
    plan = TapsPlan(1, 15, 2, 1, 3, block=15, magnitudes=(1,), adder=adder)
    texts = dict(emitted(plan))
    (name,) = (name for name in texts if name.startswith("hn_superblock"))
    circuit = read_circuits(texts.values(), [name])[name]
    form = form_of(plan)
    taps = every_input(15)
    algebra = Arrays(1 << 15)
    for exponent in range(plan.exponent_values):
        inputs = {
            "taps": taps,
            "phase": [algebra.constant(True)],
            "exponents": [algebra.constant(bool(exponent >> i & 1)) for i in range(2)],
        }
        outputs, _ = circuit.evaluate(algebra, inputs)
        count = sum(bit.astype(int) << i for i, bit in enumerate(outputs["count"]))
        equation = form.constant[0, 0] + sum(
            c * bit.astype(int) for c, bit in zip(form.coefficient[:15], taps, strict=True)
        )
        assert (count == equation << exponent).all()
    assert set(form.coefficient[:15]) == ({-1, 1} if adder == 24 else {1})


def test_composition_is_for_taps():
    with pytest.raises(HnlpuError, match="prove_small"):
        prove_composition(PaperPlan(1, 4))


SMALL = TapsPlan(1, 4, 2, 1, magnitudes=(1,))
SMALL_MUTANTS = {
    "sum and carry swapped": lambda t: swap_pins(t, ("count_0", "sum"), ("count_0", "carry")),
    "inverter dropped": replaced(r"= ~ (count_\w+;)", r"= \1"),
    "pins swapped": replaced(r"pins\[0\]", "pins[1]"),
}


@pytest.mark.parametrize("edit", SMALL_MUTANTS.values(), ids=SMALL_MUTANTS.keys())
def test_small_proof_finds(edit):
    texts = edited(SMALL, "hn_neuron", edit)
    with pytest.raises(ProofError, match=r"weight_0_0 = -?\d.*x0_0 = -?\d"):
        prove_taps(SMALL, modules=list(texts.values()))
    with pytest.raises(ProofError, match=r"matrix \d+, x0_0 = -?\d"):
        prove_matrices(SMALL, corner_matrices(SMALL, 9), modules=list(texts.values()))


def test_small_proof_finds_what_a_vector_leaves_behind():
    """An accumulator that does not start anew is right once, after a reset, if at all."""
    texts = edited(SMALL, "hn_accumulator", replaced(r"= ~ first;", "= first;"))
    with pytest.raises(ProofError, match="not the sum of products"):
        prove_taps(SMALL, modules=list(texts.values()))


# Wirings.


@lru_cache(maxsize=8)
def form_of(plan):
    texts = dict(emitted(plan))
    del texts[plan.name]
    return row_form(plan, read_circuits(texts.values()))


WIRED = [
    TapsPlan(16, 40, 8, 3),
    TapsPlan(40, 40, 4, 2, cuts=2, magnitudes=TWO_TAPS),
    TapsPlan(16, 100, 8, 3, 14, block=8, cuts=2),
]


@pytest.mark.parametrize("plan", WIRED, ids=lambda plan: plan.row_name)
def test_every_weight_on_every_pin(plan):
    """Row ``r`` has value ``(r + k) mod n`` in column ``k``: every stub meets every value."""
    values = np.array([0, *plan.magnitudes, *(-m for m in plan.magnitudes)])
    assert plan.n_rows >= len(values)
    rows, columns = np.indices((plan.n_rows, plan.n_columns))
    rng = np.random.default_rng(1)
    for exponents in (
        np.full((plan.n_rows, plan.n_blocks), plan.exponent_values - 1),
        rng.integers(0, plan.exponent_values, (plan.n_rows, plan.n_blocks)),
    ):
        matrix = AlignedMatrix(
            "all values",
            values[(rows + columns) % len(values)].astype(np.int16),
            exponents.astype(np.uint8),
            np.zeros(plan.n_rows, dtype=np.int16),
            plan.block,
        )
        assert prove_wiring(plan, matrix, form=form_of(plan))["weights"] == rows.size


@pytest.mark.parametrize("plan", WIRED, ids=lambda plan: plan.row_name)
def test_wiring_proof_finds_another_driver(plan):
    """A single pin on another driver changes the function, and is found."""
    matrix = random_matrix(plan)
    pins = plan.wire(matrix)
    form = form_of(plan)
    rng = np.random.default_rng(2)
    # Exponents of blocks that a row does not have change nothing.
    used = [*np.flatnonzero(form.phase >= 0), *form.exponent_pins.reshape(-1)[: plan.n_blocks]]
    for pin in rng.choice(used, 60):
        changed = pins.copy()
        changed[3, pin] = HIGH if pins[3, pin] == LOW else LOW
        with pytest.raises(ProofError, match="row 3|driver"):
            prove_wiring(plan, matrix, changed, form)


def test_wiring_proof_finds_a_line_that_is_out_of_step():
    plan = WIRED[1]
    segments = [plan.bundle_segment(bundle) for bundle in range(plan.n_bundles)]
    matrix = random_matrix(plan)
    pins = plan.wire(matrix)
    pin = 0  # of bundle 0
    other = next(b for b, segment in enumerate(segments) if segment != segments[0])
    pins[0, pin] = plan.bundle_line(other, 0)
    with pytest.raises(ProofError, match="another segment"):
        prove_wiring(plan, matrix, pins, form_of(plan))


@settings(deadline=None, max_examples=60)
@given(plan=taps_plans, seed=st.integers(0, 1 << 16))
def test_read_inverts_wire(plan, seed):
    matrix = random_matrix(plan, seed)
    wiring = plan.read(plan.wire(matrix))
    assert not wiring.missing.any()
    assert not wiring.errors.any()
    assert (wiring.values == matrix.multiples).all()
    if plan.exponent_values > 1:
        assert (wiring.block_exponents == matrix.block_exponents).all()


# The solver's algebra.


@pytest.mark.parametrize("text", ["a & b", "a | b", "a ^ b", "c ? b : a", "~a"])
def test_terms_agree_with_arrays(text):
    """Every operation, on every mixture of known and free bits."""
    module = f"module m(a, b, c, y); input a, b, c; output y; assign y = {text}; endmodule"
    circuit = read_circuits([module])["m"]
    names = circuit.inputs
    every = dict(zip("abc", every_input(3), strict=True))
    outputs, _ = circuit.evaluate(Arrays(8), {name: [every[name]] for name in names})
    table = outputs["y"][0].tolist()
    for known in range(8):
        for values in range(8):
            terms = Terms()
            bits = [
                bool(values >> i & 1) if known >> i & 1 else terms.variable(f"v{i}")
                for i in range(3)
            ]
            inputs = {name: [bit] for name, bit in zip("abc", bits, strict=True) if name in names}
            y = terms.unsigned(circuit.evaluate(terms, inputs)[0]["y"], 1)

            def wanted(table, terms=terms, bits=bits):
                return terms.pick(bits, [terms.number(int(bit), 1) for bit in table])

            assert terms.counterexample([(y, wanted(table))]) is None
            wrong = [bit ^ (i == values) for i, bit in enumerate(table)]
            assert terms.counterexample([(y, wanted(wrong))]) is not None
