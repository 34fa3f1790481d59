"""Partition: what lies where, and that nothing is lost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.alignment import align
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.grid import Grid, Tile, parse_grid
from hnlpu.model import ModelShape
from hnlpu.partition import Part, Partition, Slice, cut_matrix
from hnlpu.weights import CodedMatrix

MOE = ModelShape("m", "gpt-oss", 1, 64, 32, 4, 2, 16, 64, 4, 2, False, 256, None)
DENSE = replace(MOE, family="llama", n_experts=0, experts_per_token=0, intermediate=172)


@pytest.mark.parametrize("shape", [MOE, DENSE, replace(MOE, hidden=72, vocab=61)])
@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(1, 2), Grid(2, 1), Grid(2, 2), Grid(1, 4)])
def test_every_weight_lies_somewhere(shape, grid):
    partition = Partition(shape, grid)
    for linear in shape.linears():
        experts = range(shape.n_experts) if linear.role in ("gate_up", "down") else [None]
        for expert in experts if shape.is_moe else [None]:
            held = np.zeros((linear.n_rows, linear.n_columns), dtype=int)
            sizes = set()
            for tile in grid.tiles:
                part = partition.part(linear.role, expert, tile)
                if part is None:
                    continue
                assert (part.rows.total, part.columns.total) == held.shape
                sizes.add((part.rows.length, part.columns.length))
                held[
                    part.rows.first : part.rows.first + part.rows.length,
                    part.columns.first : part.columns.first + part.columns.length,
                ] += 1
            assert len(sizes) == 1  # one base
            copies = held.max()
            assert (held == copies).all(), linear.role
            copied = linear.role == "router" and grid.n_chips
            copied = copied or (linear.role in "kv" and max(1, grid.columns // shape.n_kv_heads))
            assert copies == (copied or 1)


def test_columns_that_share_a_head_have_copies_of_it():
    partition = Partition(replace(MOE, n_heads=4, n_kv_heads=1), Grid(1, 2))
    assert partition.n_kv_heads == 1
    assert {partition.part("k", None, tile).rows for tile in partition.grid.tiles} == {
        Slice(0, 16, 16)
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 9), st.integers(0, 6), st.integers(1, 5),
    st.integers(0, 1 << 30),
)  # fmt: skip
def test_parts_are_exact(n_columns, n_rows, index, parts, seed):
    """Values of a part are those of the matrix, in its rows' units, and zeros beyond it."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (n_rows, n_columns), dtype=np.uint8)
    exponents = rng.integers(-6, 7, (n_rows, -(-n_columns // 32))).astype(np.int16)
    whole = align(CodedMatrix("m", codes, exponents, E2M1))
    length = -(-n_columns // parts)
    first = length * min(index, parts - 1)
    part = Part(Slice(n_rows // 2, n_rows, n_rows), Slice(first, length, n_columns))
    cut = cut_matrix(whole, part)
    wanted = np.pad(whole.values(), ((0, n_rows), (0, first + length)))
    wanted = wanted[n_rows // 2 :][:n_rows, first : first + length]
    assert np.array_equal(cut.values(), wanted)
    kept = n_rows - n_rows // 2
    assert np.array_equal(cut.row_exponents[:kept], whole.row_exponents[n_rows // 2 :])
    assert cut.block_exponents.shape == (n_rows, -(-length // cut.block))


@pytest.mark.parametrize(
    ("shape", "grid", "words"),
    [
        (MOE, Grid(3, 1), "3 rows"),
        (MOE, Grid(1, 3), "3 columns"),
        (replace(MOE, n_heads=6, n_kv_heads=3), Grid(1, 2), "6 query heads and 3"),
        (MOE, Grid(4, 4), "16 chips for 4 experts"),
        (replace(MOE, vocab=3), Grid(2, 2), "tokens of the vocabulary"),
        (replace(DENSE, hidden=8), Grid(4, 1), "4 rows for vectors of 8"),
    ],
)
def test_grids_that_do_not_fit(shape, grid, words):
    with pytest.raises(HnlpuError, match=words):
        Partition(shape, grid)


@pytest.mark.parametrize("text", ["", "4", "0x2", "2x", "2x2x2", "-1x2", "axb", "2X2"])
def test_grids_that_are_none(text):
    with pytest.raises(HnlpuError, match="not a grid"):
        parse_grid(text)


def test_a_grid():
    grid = parse_grid("2x3")
    assert (grid, str(grid), grid.n_chips) == (Grid(2, 3), "2x3", 6)
    assert [grid.number(tile) for tile in grid.tiles] == list(range(6))
    assert str(Tile(1, 2)) == "r1c2"
