"""What all bases have in common: parameters, driver numbers, names, and the way to a file and back."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from plans import MAGNITUDES, taps_plans

from hnlpu.alignment import AlignedMatrix
from hnlpu.architecture import ARCHITECTURES, plan_from_dict
from hnlpu.base import CONSTANT_VALUES, HIGH, LINES, LOW, constant_lines, name_of_magnitudes
from hnlpu.errors import HnlpuError
from hnlpu.taps import TapsPlan


@given(taps_plans)
def test_drivers_are_numbered_without_gap(plan):
    """Ties, lines, constant lines, own outputs: every number once, none beyond ``n_drivers``."""
    numbers = [LOW, HIGH]
    numbers += [
        plan.bundle_line(bundle, line)
        for bundle in range(plan.n_bundles)
        for line in range(plan.lines.n_lines)
    ]
    pairs = range(plan.n_constant_lines // CONSTANT_VALUES)
    numbers += [plan.constant_line(pair, value) for pair in pairs for value in (1, 2, 3)]
    numbers += [plan.local_driver(output) for output in range(plan.n_local)]
    assert numbers == list(range(plan.n_drivers))
    assert numbers[LINES] == plan.bundle_line(0, 0)


@pytest.mark.parametrize("product_bits", range(2, 40))
def test_constant_lines_reach_every_bit_time_but_the_last(product_bits):
    pairs = constant_lines(product_bits) // 3
    assert 2 * pairs >= product_bits - 1 > 2 * (pairs - 1)
    assert constant_lines(product_bits) == 3 * pairs


@given(taps_plans)
def test_a_plan_comes_back_from_its_file(plan):
    entry = json.loads(json.dumps(plan.as_dict()))
    assert plan_from_dict(entry) == plan
    assert plan_from_dict(entry).name == plan.name
    assert ARCHITECTURES[entry["arch"]] is type(plan)


@pytest.mark.parametrize(
    "entry, what, got",
    [
        ({}, "unknown architecture", "None"),
        ({"arch": "magic", "n_rows": 2, "n_columns": 2}, "unknown architecture", "'magic'"),
        ({"arch": "taps", "n_rows": 2}, "not those of the architecture", "n_columns"),
        ({"arch": "taps", "n_rows": 2, "n_columns": 2, "volts": 5}, "not those of", "volts"),
        ({"arch": "taps", "n_rows": "2", "n_columns": 2}, "not those of", "str"),
        ({"arch": "taps", "n_rows": 2, "n_columns": 0}, "n_columns is out of range", "0"),
    ],
)
def test_a_file_that_holds_no_plan_is_refused(entry, what, got):
    before = dict(entry)
    with pytest.raises(HnlpuError, match=what) as caught:
        plan_from_dict(entry)
    assert got in caught.value.got
    assert entry == before


def test_magnitudes_are_told_in_names():
    """Distinct for every codebook; nothing for E2M1, so that its names stay short."""
    names = [name_of_magnitudes(magnitudes) for magnitudes in MAGNITUDES]
    assert name_of_magnitudes((1, 2, 3, 4, 6, 8, 12)) == ""
    assert name_of_magnitudes(tuple(range(1, 9))) == "_m8"
    assert len(set(names)) == len(MAGNITUDES)
    assert all(name.replace("_", "").isalnum() or not name for name in names)


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
        ("block", 1025),
    ],
)
def test_bad_parameter_is_named(name, value):
    with pytest.raises(HnlpuError, match=f"{name} is out of range") as caught:
        TapsPlan(**{"n_rows": 2, "n_columns": 2, name: value})
    assert caught.value.got == str(value)


@pytest.mark.parametrize("magnitudes", [(), (0, 1), (-1, 1), (2, 1), (1, 1, 2)])
def test_bad_magnitudes(magnitudes):
    with pytest.raises(HnlpuError, match="magnitudes must be positive and ascending") as caught:
        TapsPlan(2, 2, magnitudes=magnitudes)
    assert caught.value.got == str(magnitudes)


def matrix(rows: int, columns: int) -> AlignedMatrix:
    return AlignedMatrix(
        "some.matrix",
        np.ones((rows, columns), dtype=np.int16),
        np.zeros((rows, -(-columns // 32)), dtype=np.uint8),
        np.zeros(rows, dtype=np.int16),
    )


@pytest.mark.parametrize("shape", [(4, 71), (5, 70), (70, 4)])
def test_only_its_own_shape_fits(shape):
    TapsPlan(4, 70).check_shape(matrix(4, 70))
    with pytest.raises(HnlpuError, match="does not fit the base") as caught:
        TapsPlan(*shape).check_shape(matrix(4, 70))
    assert caught.value.got == f"4 x 70 on {shape[0]} x {shape[1]}"


@pytest.mark.parametrize("value", [5, -5, 7, 13, -300])
def test_only_its_own_codebook_fits(value):
    other = matrix(4, 70)
    other.multiples[2, 33] = value
    plan = TapsPlan(4, 70)
    with pytest.raises(HnlpuError, match="not in the codebook") as caught:
        plan.check_shape(other)
    assert caught.value.where.startswith("some.matrix[2, 33] on hn_base_4x70")
    assert caught.value.got == str(value)
    replace(plan, magnitudes=tuple(range(1, 301))).check_shape(other)


def test_only_its_own_blocks_fit():
    """Where all weights of a row share an exponent, blocks do not matter."""
    plan = TapsPlan(4, 70, exponent_values=2, block=16)
    other = matrix(4, 70)
    plan.check_shape(other)
    other.block_exponents[2, 1] = 1
    with pytest.raises(HnlpuError, match="other blocks than the base") as caught:
        plan.check_shape(other)
    assert caught.value.got == "blocks of 32 for 16"
