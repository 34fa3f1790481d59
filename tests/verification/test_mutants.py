"""Mutants: one fault each, in a row of its own, and always another weight."""

from pathlib import Path

import numpy as np
import pytest

from hnlpu.alignment import align
from hnlpu.codebook import E2M1, Codebook
from hnlpu.metal import plan_metal
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.taps import TapsPlan
from hnlpu.verification.mutants import MUTANT_KINDS, mutants
from hnlpu.verification.readback import Readback, read_matrix
from hnlpu.weights import CodedMatrix

INT8 = Codebook("int8", (*range(128), *range(-128, 0)), 0)


def emitted(
    folder: Path,
    codes: np.ndarray,
    e: int,
    phases: int,
    adder: int = 24,
    codebook: Codebook = E2M1,
) -> tuple[TapsPlan, str, Path]:
    """Plan, metal text and base file of a matrix with these codes."""
    rng = np.random.default_rng(codes.size)
    n_blocks = -(-codes.shape[1] // 32)
    exponents = rng.integers(0, e, (codes.shape[0], n_blocks)).astype(np.int16)
    aligned = align(CodedMatrix("m", codes.astype(np.uint8), exponents, codebook))
    plan = TapsPlan(
        *codes.shape,
        phases=phases,
        exponent_values=1 << aligned.spread.bit_length(),
        magnitudes=codebook.magnitudes,
        adder=adder,
    )
    base = folder / "base.v"
    base.write_text("".join(next(base_modules(plan))[1]))
    return plan, "".join(metal_module("m", "test", plan_metal(aligned, plan))), base


def read(folder: Path, text: str, base: Path, plan: TapsPlan) -> Readback:
    metal = folder / "metal.v"
    metal.write_text(text)
    return read_matrix(metal, [base], plan)


def constants(back: Readback) -> np.ndarray:
    """What the complements of each row lack."""
    shifts = np.repeat(back.block_exponents.astype(np.int64), 32, axis=1)
    return ((back.multiples < 0) << shifts[:, : back.plan.n_columns]).sum(axis=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows, columns", [(12, 40), (2, 70), (1, 33), (5, 6), (4, 128)])
@pytest.mark.parametrize("e", [1, 4])
@pytest.mark.parametrize("adder", [24, 28])
def test_every_kind_changes_its_row_and_no_other(tmp_path, rows, columns, e, seed, adder):
    rng = np.random.default_rng([seed, rows, columns])
    codes = rng.integers(0, 16, (rows, columns))
    plan, text, base = emitted(tmp_path, codes, e, 2, adder)
    polarity = plan.port_polarity()[[plan.place(column)[0] for column in range(columns)]]
    before = read(tmp_path, text, base, plan)
    kinds = []
    for faults, mutant in mutants(text, plan, seed):
        assert len(set(faults.values())) == len(faults)  # a row each
        kinds += faults
        after = read(tmp_path, mutant, base, plan)
        assert not after.missing.any() and after.base_cells_in_metal == 0
        # Beside the weights only what follows from them: constants that they now ask for.
        assert after.n_missing == (constants(before) != constants(after)).sum()
        differs = before.values() != after.values()
        assert set(np.flatnonzero(differs.any(axis=1))) == set(faults.values())
        for kind, row in faults.items():
            old, new = before.multiples[row], after.multiples[row]
            taps = int((old != new).sum())
            pins = int((before.block_exponents[row] != after.block_exponents[row]).sum())
            pins += int(before.row_exponents[row] != after.row_exponents[row])
            expected = {"tap_moved": (1, 0), "sign_flipped": (1, 0), "stubs_swapped": (2, 0)}
            assert (taps, pins) == expected.get(kind, (0, 1)), kind
            if kind == "sign_flipped":
                assert (before.values()[row] == -after.values()[row])[differs[row]].all()
            if kind == "stubs_swapped":  # each on the other's line; a port may take complements
                a, b = np.flatnonzero(old != new)
                sign = polarity[a] * polarity[b]
                assert (new[a], new[b]) == (sign * old[b], sign * old[a])
    assert sorted(kinds) == sorted(MUTANT_KINDS)


@pytest.mark.parametrize("seed", range(4))
def test_two_taps_a_weight(tmp_path, seed):
    """One of them changes, and with it one weight, into another or into none; a swap changes two."""
    codes = np.random.default_rng(seed).integers(0, 256, (6, 40))
    plan, text, base = emitted(tmp_path, codes, 4, 2, codebook=INT8)
    before = read(tmp_path, text, base, plan)
    kinds = []
    for faults, mutant in mutants(text, plan, seed):
        kinds += faults
        after = read(tmp_path, mutant, base, plan)
        differs = before.values() != after.values()
        assert set(np.flatnonzero(differs.any(axis=1))) == set(faults.values())
        for kind, row in faults.items():
            n_weights = int(((before.multiples != after.multiples) | after.missing)[row].sum())
            expected = {"tap_moved": {1}, "sign_flipped": {1}, "stubs_swapped": {1, 2}}
            assert n_weights in expected.get(kind, {0}), kind
    assert sorted(kinds) == sorted(MUTANT_KINDS)


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_row_has_an_exponent_pin_to_flip(tmp_path, seed):
    """24 of many ties; blocks with 1 and 12 in them cannot take another exponent."""
    codes = np.zeros((1, 576), dtype=int)
    codes[0, ::8], codes[0, 1::8] = 1, 7
    plan, text, base = emitted(tmp_path, codes, 2, phases=8)
    assert plan.exponent_values == 2
    before = read(tmp_path, text, base, plan)
    found = {kind: mutant for faults, mutant in mutants(text, plan, seed) for kind in faults}
    after = read(tmp_path, found["pin_flipped"], base, plan)
    assert (before.block_exponents != after.block_exponents).sum() == 1


def test_the_seed_decides(tmp_path):
    codes = np.random.default_rng(0).integers(0, 16, (8, 40))
    plan, text, _ = emitted(tmp_path, codes, 1, phases=2)
    a, b, c = (list(mutants(text, plan, seed)) for seed in (1, 1, 2))
    assert a == b and a != c


def test_equal_weights_have_nothing_to_swap(tmp_path):
    plan, text, _ = emitted(tmp_path, np.full((6, 32), 3), 1, 1, adder=28)
    kinds = [kind for faults, _ in mutants(text, plan, 0) for kind in faults]
    assert sorted(kinds) == ["pin_flipped", "sign_flipped", "tap_moved"]


def test_rows_of_zeros_are_passed_over(tmp_path):
    """Nor has a row with one weight anything to swap it with."""
    codes = np.zeros((6, 40), dtype=int)
    codes[4, 7] = 5
    plan, text, base = emitted(tmp_path, codes, 1, phases=2)
    before = read(tmp_path, text, base, plan)
    found = list(mutants(text, plan, 0))
    assert [list(faults.values()) for faults, _ in found] == [[4]] * 3
    assert sorted(kind for faults, _ in found for kind in faults) == [
        "pin_flipped", "sign_flipped", "tap_moved",
    ]  # fmt: skip
    for _, mutant in found:
        assert (read(tmp_path, mutant, base, plan).values() != before.values()).any()


def test_a_matrix_of_zeros_has_no_mutants(tmp_path):
    plan, text, _ = emitted(tmp_path, np.zeros((3, 5)), 1, phases=1)
    assert list(mutants(text, plan, 0)) == []
