"""Partition: which part of every matrix lies on which chip of an R x C grid.

    QKV      rows by grid column (heads), inputs by grid row          sum over a column of chips
    K, V     position p on row p modulo R                             maximum and sums over a column
    O        inputs by grid column (heads), rows by grid row          sum over a row, gathered over a column
    experts  by chip, whole; the router on every chip                 sum over all chips
    dense    inner values by chip                                     sum over all chips
    head     rows by chip                                             gathered on chip (0, 0)

So the axes of O are those of the paper's Appendix A, where attention leaves the heads of a column on every chip of it:
its inputs are there without any communication. (Figure 11 draws the other axes; each chip would have to fetch
heads of other columns first.)

Slices of an axis have one length, so that all chips share a base; what lies beyond the matrix is zeros.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.chip import MULTIPLIER_BITS, Chip, Expert, HardwiredMatrix, Layer
from hnlpu.errors import HnlpuError
from hnlpu.grid import Grid, Tile
from hnlpu.model import ModelShape
from hnlpu.weights import BLOCK

__all__ = ["Part", "Partition", "Slice", "cut_matrix", "cut_values", "entry_part", "tile_chip"]

_Array = TypeVar("_Array", bound=npt.NDArray[Any])

#: Columns that share a block exponent, at least, where a matrix is cut.
_LEAST_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Slice:
    """``length`` places from ``first`` on, of an axis of ``total``; those beyond it are padding."""

    first: int
    length: int
    total: int

    @classmethod
    def all(cls, n: int) -> "Slice":
        """A whole axis."""
        return cls(0, n, n)

    @property
    def whole(self) -> bool:
        return self.first == 0 and self.length == self.total

    @property
    def n_padded(self) -> int:
        return self.length - max(0, min(self.length, self.total - self.first))


@dataclass(frozen=True, slots=True)
class Part:
    """What a chip holds of a matrix."""

    rows: Slice
    columns: Slice


@dataclass(frozen=True, slots=True)
class Partition:
    """A model on a grid.

    Parameters
    ----------
    shape : ModelShape
    grid : Grid

    Raises
    ------
    HnlpuError
        The grid does not fit the model.
    """

    shape: ModelShape
    grid: Grid = field(default_factory=Grid)

    def __post_init__(self) -> None:
        shape, grid = self.shape, self.grid
        if grid.rows & (grid.rows - 1):
            raise _misfit(
                f"{grid.rows} rows",
                "position p lies on row p modulo R: choose a power of two, as 2x2 or 4x4",
            )
        c, n_kv = grid.columns, shape.n_kv_heads
        if shape.n_heads % c or (n_kv % c and c % n_kv):
            raise _misfit(
                f"{c} columns for {shape.n_heads} query heads and {n_kv} key and value heads",
                "choose columns that divide both, or divide the one and are a multiple of the other",
            )
        for what, n in (
            ("experts", shape.n_experts if shape.is_moe else shape.intermediate),
            ("tokens of the vocabulary", shape.vocab),
        ):
            if -(-n // grid.n_chips) * (grid.n_chips - 1) >= n:
                what = what if shape.is_moe or what != "experts" else "inner values"
                raise _misfit(f"{grid.n_chips} chips for {n} {what}", "choose fewer chips")
        if self.hidden(grid.rows - 1).n_padded >= self.hidden(0).length:
            raise _misfit(f"{grid.rows} rows for vectors of {shape.hidden}", "choose fewer rows")

    @property
    def n_heads(self) -> int:
        """Query heads of a chip."""
        return self.shape.n_heads // self.grid.columns

    @property
    def n_kv_heads(self) -> int:
        """Key and value heads of a chip; columns that share one each have a copy of it."""
        return max(1, self.shape.n_kv_heads // self.grid.columns)

    def hidden(self, row: int) -> Slice:
        """Of the residual stream."""
        return _share(self.shape.hidden, self.grid.rows, row, cuts_columns=True)

    def inner(self, tile: Tile) -> Slice:
        """Of the values inside a dense layer."""
        n = self.grid.n_chips
        return _share(self.shape.intermediate, n, self.grid.number(tile), cuts_columns=True)

    def vocabulary(self, tile: Tile) -> Slice:
        n = self.grid.n_chips
        return _share(self.shape.vocab, n, self.grid.number(tile), cuts_columns=False)

    def row_vocabulary(self, row: int) -> int:
        """Tokens of the vocabulary that a row of chips has, together and without padding."""
        of_row = self.grid.columns * self.vocabulary(Tile()).length
        return min(of_row, self.shape.vocab - row * of_row)

    def experts(self, tile: Tile) -> range:
        """Experts that a chip holds."""
        n = self.shape.n_experts
        length = -(-n // self.grid.n_chips)
        first = self.grid.number(tile) * length
        return range(first, min(n, first + length))

    def part(self, role: str, expert: int | None, tile: Tile) -> Part | None:
        """What a chip holds of a matrix of ``role`` (``hnlpu.model.LinearShape``); None for nothing."""
        shape = self.shape
        hidden = Slice.all(shape.hidden)
        if role in "qkv":
            heads, n = (
                (shape.n_heads, self.n_heads)
                if role == "q"
                else (shape.n_kv_heads, self.n_kv_heads)
            )
            first = heads * tile.column // self.grid.columns
            size = shape.head_dim
            return Part(Slice(first * size, n * size, heads * size), self.hidden(tile.row))
        if role == "o":
            n = shape.head_dim * self.n_heads
            columns = Slice(n * tile.column, n, n * self.grid.columns)
            return Part(self.hidden(tile.row), columns)
        if role == "unembedding":
            return Part(self.vocabulary(tile), hidden)
        if role == "router":
            return Part(Slice.all(shape.n_experts), hidden)
        if expert is not None and expert not in self.experts(tile):
            return None
        inner = self.inner(tile) if expert is None else Slice.all(shape.intermediate)
        if role == "down":
            return Part(hidden, inner)
        if role == "gate_up":
            return Part(Slice.all(2 * shape.intermediate), hidden)
        return Part(inner, hidden)


def _misfit(got: str, do: str) -> HnlpuError:
    return HnlpuError("the grid does not fit the model", where="--grid", got=got, do=do)


def _share(n: int, parts: int, index: int, *, cuts_columns: bool) -> Slice:
    """One of ``parts`` slices; where columns are cut, of whole or half or quarter MX blocks."""
    length = -(-n // parts)
    if cuts_columns and parts > 1 and gcd(length, BLOCK) < _LEAST_BLOCK:
        length += -length % _LEAST_BLOCK
    return Slice(index * length, length, n)


def _cut_axis(values: Any, axis: int, part: Slice, fill: float = 0) -> Any:
    """A view where nothing is padded."""
    kept = values[(slice(None),) * axis + (slice(part.first, part.first + part.length),)]
    missing = part.length - kept.shape[axis]
    if not missing:
        return kept
    pad = [(0, 0)] * values.ndim
    pad[axis] = 0, missing
    return np.pad(kept, pad, constant_values=fill)


def cut_values(values: _Array, part: Part, fill: float = 0.0) -> _Array:
    """A chip's part of numbers by row and column, or of numbers by row."""
    if values.ndim > 1:
        values = _cut_axis(values, 1, part.columns)
    cut: _Array = _cut_axis(values, 0, part.rows, fill)
    return cut


def entry_part(entry: Mapping[str, Any]) -> Part:
    """What an array of a manifest holds of its matrix."""
    (first_row, rows), (first_column, columns) = entry["rows"], entry["columns"]
    return Part(
        Slice(first_row, rows, entry["n_rows"]), Slice(first_column, columns, entry["n_columns"])
    )


def cut_matrix(matrix: AlignedMatrix, part: Part) -> AlignedMatrix:
    """A chip's part of a matrix, in the units of the whole rows.

    Where a slice does not begin with a block, blocks are as much shorter as it takes.
    """
    block, columns = matrix.block, part.columns
    exponents = matrix.block_exponents
    if not columns.whole:
        block = gcd(block, columns.length)
        each = np.repeat(exponents, matrix.block, axis=1)[:, : matrix.n_columns]
        exponents = _cut_axis(each, 1, columns)[:, ::block]
    scales = matrix.row_scales
    return AlignedMatrix(
        matrix.name,
        _cut_axis(_cut_axis(matrix.multiples, 1, columns), 0, part.rows),
        _cut_axis(exponents, 0, part.rows),
        _cut_axis(matrix.row_exponents, 0, part.rows),
        block,
        None if scales is None else _cut_axis(scales, 0, part.rows, fill=1),
    )


def _cut_hardwired(matrix: HardwiredMatrix, part: Part) -> HardwiredMatrix:
    weights = _cut_axis(_cut_axis(matrix.weights, 1, part.columns), 0, part.rows)
    multipliers = matrix.multipliers
    return HardwiredMatrix(
        matrix.name,
        weights,
        _cut_axis(matrix.row_exponents, 0, part.rows),
        None if multipliers is None else _cut_axis(multipliers, 0, part.rows, 1 << MULTIPLIER_BITS),
        _cut_axis(matrix.bias, 0, part.rows),
    )


def tile_chip(chip: Chip, partition: Partition, tile: Tile) -> Chip:
    """What one chip of the grid has of a model: its experts only, its parts of all else."""

    def cut(matrix: HardwiredMatrix, role: str) -> HardwiredMatrix:
        part = partition.part(role, None, tile)
        assert part is not None
        return _cut_hardwired(matrix, part)

    def experts(layer: Layer) -> Iterator[Expert]:
        if chip.shape.is_moe:
            yield from (layer.experts[e] for e in partition.experts(tile))
            return
        for expert in layer.experts:
            gate, up = expert.gate_up
            yield Expert((cut(gate, "gate"), cut(up, "up")), cut(expert.down, "down"))

    def layer_of(layer: Layer) -> Layer:
        heads = slice(tile.column * partition.n_heads, (tile.column + 1) * partition.n_heads)
        return replace(
            layer,
            q=cut(layer.q, "q"),
            k=cut(layer.k, "k"),
            v=cut(layer.v, "v"),
            o=cut(layer.o, "o"),
            sinks=None if layer.sinks is None else layer.sinks[heads],
            experts=tuple(experts(layer)),
        )

    shape = replace(chip.shape, n_heads=partition.n_heads, n_kv_heads=partition.n_kv_heads)
    return replace(
        chip,
        shape=shape,
        layers=tuple(layer_of(layer) for layer in chip.layers),
        unembedding=cut(chip.unembedding, "unembedding"),
    )
