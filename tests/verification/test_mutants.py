"""Mutants: one fault each, in a row of its own, and always another weight."""

from pathlib import Path

import numpy as np
import pytest

from hnlpu.alignment import align
from hnlpu.base import BasePlan
from hnlpu.codebook import E2M1
from hnlpu.metal import plan_metal
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.verification.mutants import MUTANT_KINDS, mutants
from hnlpu.verification.readback import Readback, read_matrix
from hnlpu.weights import CodedMatrix


def emitted(folder: Path, codes: np.ndarray, e: int, phases: int) -> tuple[BasePlan, str, Path]:
    """Plan, metal text and base file of a matrix with these codes."""
    rng = np.random.default_rng(codes.size)
    n_blocks = -(-codes.shape[1] // 32)
    exponents = rng.integers(0, e, (codes.shape[0], n_blocks)).astype(np.int16)
    aligned = align(CodedMatrix("m", codes.astype(np.uint8), exponents, E2M1))
    plan = BasePlan(*codes.shape, phases=phases, exponent_values=1 << aligned.spread.bit_length())
    base = folder / "base.v"
    base.write_text("".join(next(base_modules(plan))[1]))
    return plan, "".join(metal_module("m", "test", plan_metal(aligned, plan))), base


def read(folder: Path, text: str, base: Path, plan: BasePlan) -> Readback:
    metal = folder / "metal.v"
    metal.write_text(text)
    return read_matrix(metal, [base], plan)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows, columns", [(12, 40), (2, 70), (1, 33), (5, 6), (4, 128)])
@pytest.mark.parametrize("e", [1, 4])
def test_every_kind_changes_its_row_and_no_other(tmp_path, rows, columns, e, seed):
    rng = np.random.default_rng([seed, rows, columns])
    codes = rng.integers(0, 16, (rows, columns))
    plan, text, base = emitted(tmp_path, codes, e, phases=2)
    before = read(tmp_path, text, base, plan)
    kinds = []
    for faults, mutant in mutants(text, plan, seed):
        assert len(set(faults.values())) == len(faults)  # a row each
        kinds += faults
        after = read(tmp_path, mutant, base, plan)
        assert after.n_missing == after.base_cells_in_metal == 0
        differs = before.values() != after.values()
        assert set(np.flatnonzero(differs.any(axis=1))) == set(faults.values())
        for kind, row in faults.items():
            taps = int((before.multiples[row] != after.multiples[row]).sum())
            pins = int((before.block_exponents[row] != after.block_exponents[row]).sum())
            pins += int(before.row_exponents[row] != after.row_exponents[row])
            expected = {"tap_moved": (1, 0), "sign_flipped": (1, 0), "stubs_swapped": (2, 0)}
            assert (taps, pins) == expected.get(kind, (0, 1)), kind
            if kind == "sign_flipped":
                assert (before.values()[row] == -after.values()[row])[differs[row]].all()
            if kind == "stubs_swapped":
                assert sorted(before.multiples[row]) == sorted(after.multiples[row])
    assert sorted(kinds) == sorted(MUTANT_KINDS)


def test_the_seed_decides(tmp_path):
    codes = np.random.default_rng(0).integers(0, 16, (8, 40))
    plan, text, _ = emitted(tmp_path, codes, 1, phases=2)
    a, b, c = (list(mutants(text, plan, seed)) for seed in (1, 1, 2))
    assert a == b and a != c


def test_equal_weights_have_nothing_to_swap(tmp_path):
    plan, text, _ = emitted(tmp_path, np.full((6, 32), 3), 1, phases=1)
    kinds = [kind for faults, _ in mutants(text, plan, 0) for kind in faults]
    assert sorted(kinds) == ["pin_flipped", "sign_flipped", "tap_moved"]


def test_rows_of_zeros_are_passed_over(tmp_path):
    codes = np.zeros((6, 40), dtype=int)
    codes[4, 7] = 5
    plan, text, base = emitted(tmp_path, codes, 1, phases=2)
    before = read(tmp_path, text, base, plan)
    found = list(mutants(text, plan, 0))
    assert [list(faults.values()) for faults, _ in found] == [[4]] * 4
    for _, mutant in found:
        assert (read(tmp_path, mutant, base, plan).values() != before.values()).any()


def test_a_matrix_of_zeros_has_no_mutants(tmp_path):
    plan, text, _ = emitted(tmp_path, np.zeros((3, 5)), 1, phases=1)
    assert list(mutants(text, plan, 0)) == []
