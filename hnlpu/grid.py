"""Grid: chips in rows and columns, each with a link to every other of its row and of its column."""

import re
from dataclasses import dataclass

from hnlpu.errors import HnlpuError

__all__ = ["Grid", "Tile", "parse_grid"]


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A chip's place in the grid."""

    row: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"r{self.row}c{self.column}"


@dataclass(frozen=True, slots=True)
class Grid:
    """``rows`` x ``columns`` chips."""

    rows: int = 1
    columns: int = 1

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"

    @property
    def n_chips(self) -> int:
        return self.rows * self.columns

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Chips, row after row."""
        return tuple(Tile(r, c) for r in range(self.rows) for c in range(self.columns))

    def number(self, tile: Tile) -> int:
        """Place of a chip in ``tiles``."""
        return tile.row * self.columns + tile.column

    def group(self, tile: Tile, axis: str) -> tuple[Tile, ...]:
        """Chips of the ``row`` or ``column`` of one, in their order."""
        if axis == "row":
            return tuple(Tile(tile.row, c) for c in range(self.columns))
        assert axis == "column", axis
        return tuple(Tile(r, tile.column) for r in range(self.rows))

    def others(self, tile: Tile, axis: str) -> tuple[Tile, ...]:
        """The same without that one."""
        return tuple(each for each in self.group(tile, axis) if each != tile)


def parse_grid(text: str) -> Grid:
    """``RxC``, as ``4x4``.

    Raises
    ------
    HnlpuError
        Anything else.
    """
    found = re.fullmatch(r"([1-9]\d{0,2})x([1-9]\d{0,2})", text)
    if not found:
        raise HnlpuError(
            "not a grid of chips", where="--grid", got=repr(text), do="write rows x columns, as 2x2"
        )
    return Grid(int(found[1]), int(found[2]))
