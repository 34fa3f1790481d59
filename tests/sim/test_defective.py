"""The twin of a damaged chip: other weights in some rows are a chip with those weights."""

from dataclasses import replace

import numpy as np

from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_loading import chip_from_checkpoint
from hnlpu.numerics import Numerics
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.defective import ArrayChange, DefectiveTwin
from hnlpu.sim.pins import RowSums
from hnlpu.taps import TapsPlan

IDS = np.array([[1, 2, 3, 4, 5], [11, 0, 7, 7, 2]])


def change(matrix, rows, weights, offset=0, exponent=0):
    rows = np.array(rows)
    plan = TapsPlan(matrix.n_rows, matrix.weights.shape[1])
    n = len(rows)
    sums = RowSums(plan, weights.astype(np.int64), np.full(n, offset), [],
                   np.zeros((0, n), dtype=np.int64), np.zeros(n, dtype=bool), True)  # fmt: skip
    exponents = matrix.row_exponents.copy()
    exponents[rows] += exponent
    return {matrix.name: ArrayChange(rows, sums, exponents)}


def logits(chip, changes):
    return DefectiveTwin(chip, changes, n_sequences=2).forward(IDS)


def test_changed_rows_are_changed_weights(gpt_oss):
    chip = chip_from_checkpoint(open_checkpoint(gpt_oss), Numerics())
    intact = ChipTwin(chip, n_sequences=2).forward(IDS)
    layer = chip.layers[0]
    matrix, rows = layer.o, [0, 3]
    assert np.array_equal(logits(chip, {}), intact)
    assert np.array_equal(logits(chip, change(matrix, rows, matrix.weights[rows])), intact)

    weights = matrix.weights.copy()
    weights[rows] = weights[rows][:, ::-1] + 2
    exponents = matrix.row_exponents.copy()
    exponents[rows] += 1
    other = replace(layer, o=replace(matrix, weights=weights, row_exponents=exponents))
    wanted = ChipTwin(replace(chip, layers=(other,)), n_sequences=2).forward(IDS)
    found = logits(chip, change(matrix, rows, weights[rows], exponent=1))
    assert np.array_equal(found, wanted) and not np.array_equal(found, intact)


def test_an_offset_is_a_bias(gpt_oss):
    """In units of the row: as large as the grid, it is as much of a bias."""
    chip = chip_from_checkpoint(open_checkpoint(gpt_oss), Numerics())
    matrix = chip.unembedding
    rows = [2]
    found = logits(chip, change(matrix, rows, matrix.weights[rows], offset=1 << 12))
    intact = ChipTwin(chip, n_sequences=2).forward(IDS)
    differs = found != intact
    assert differs[..., 2].all() and not np.delete(differs, 2, axis=2).any()
    assert (found[..., 2] > intact[..., 2]).all()
