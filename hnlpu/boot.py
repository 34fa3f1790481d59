"""The boot image: every constant of a chip that is not wired, as words for its host port.

Each block with a memory of constants has a window of addresses, a power of two long and aligned to it. The
map follows from the model's shape and the kind of its row scales, not from its weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hnlpu.chip import Chip, HardwiredMatrix, Norm
from hnlpu.grid import Tile
from hnlpu.partition import Partition, tile_chip

__all__ = ["Window", "boot_windows", "grid_windows", "padded", "write_image"]

Words = npt.NDArray[np.int64]


def padded(n: int) -> int:
    """The smallest power of two that is not below ``n``."""
    return 1 << (n - 1).bit_length()


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Addresses of one block.

    Attributes
    ----------
    block : str
        Name of the block in the chip.
    base : int
        First address.
    address_bits : int
        The window has ``2**address_bits`` words.
    parts : tuple of (offset, words)
        What is written; words are signed 32-bit integers.
    """

    block: str
    base: int
    address_bits: int
    parts: tuple[tuple[int, Words], ...]


def boot_windows(chip: Chip, *, has_embedding: bool = True) -> tuple[Window, ...]:
    """Windows of every block of a chip, largest first, so that none needs padding before it.

    Parameters
    ----------
    chip : Chip
    has_embedding : bool
        Of several chips only the one with the host port has the table.
    """
    blocks = sorted(_blocks(chip, has_embedding), key=lambda block: -block[1])
    windows, base = [], 0
    for name, address_bits, parts in blocks:
        windows.append(Window(name, base, address_bits, parts))
        base += 1 << address_bits
    return tuple(windows)


_Block = tuple[str, int, tuple[tuple[int, Words], ...]]


def _blocks(chip: Chip, has_embedding: bool) -> Iterator[_Block]:
    if has_embedding:
        yield _block("embedding", (0, chip.embedding.ravel()))
    for i, layer in enumerate(chip.layers):
        stem = f"layer_{i}"
        yield _norm(f"{stem}_attention_norm", layer.attention_norm)
        for role, matrix in (("q", layer.q), ("k", layer.k), ("v", layer.v), ("o", layer.o)):
            yield _matrix(f"{stem}_{role}", matrix)
        n_heads = chip.shape.n_heads
        window = (padded(n_heads), np.array([layer.window or 0]))
        sinks = () if layer.sinks is None else ((0, layer.sinks),)
        yield _block(f"{stem}_attention", *sinks, window)
        yield _norm(f"{stem}_mlp_norm", layer.mlp_norm)
        if layer.router is not None:
            yield _matrix(f"{stem}_router", layer.router)
        for e, expert in enumerate(layer.experts):
            inner = f"{stem}_expert_{e}" if chip.shape.is_moe else stem
            roles = ("gate_up",) if len(expert.gate_up) == 1 else ("gate", "up")
            for role, matrix in zip(roles, expert.gate_up, strict=True):
                yield _matrix(f"{inner}_{role}", matrix)
            yield _matrix(f"{inner}_down", expert.down)
    yield _norm("head_norm", chip.norm)
    yield _matrix("head_logits", chip.unembedding)


def grid_windows(chip: Chip, partition: Partition) -> dict[Tile, tuple[Window, ...]]:
    """Windows of every chip of a grid, one chip after another."""
    found: dict[Tile, tuple[Window, ...]] = {}
    base = 0
    for tile in partition.grid.tiles:
        own = tile_chip(chip, partition, tile) if partition.grid.n_chips > 1 else chip
        windows = boot_windows(own, has_embedding=tile == Tile())
        size = 1 << windows[0].address_bits
        base += -base % size
        found[tile] = tuple(replace(window, base=base + window.base) for window in windows)
        base = found[tile][-1].base + (1 << found[tile][-1].address_bits)
    return found


def _block(name: str, *parts: tuple[int, Words]) -> _Block:
    end = max(offset + len(words) for offset, words in parts)
    return name, (end - 1).bit_length(), parts


def _norm(name: str, norm: Norm) -> _Block:
    return _block(name, (0, norm.gains), (padded(len(norm.gains)), np.array([norm.octaves])))


def _matrix(name: str, matrix: HardwiredMatrix) -> _Block:
    parts = [(0, matrix.bias)]
    if matrix.multipliers is not None:
        parts.append((padded(matrix.n_rows), matrix.multipliers))
    return _block(name, *parts)


def write_image(windows: tuple[Window, ...]) -> Iterator[str]:
    """Lines of the boot image: address and data, eight hexadecimal digits each, ascending addresses."""
    for window in windows:
        for offset, words in window.parts:
            first = window.base + offset
            for i, word in enumerate(words.tolist()):
                yield f"{first + i:08x}{word & 0xFFFFFFFF:08x}\n"
