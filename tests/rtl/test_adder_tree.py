import re
from collections.abc import Callable, Sequence
from itertools import product
from random import Random

import pytest
from amaranth.hdl import Elaboratable, Module, Signal, Value

from hnlpu.rtl.adder_tree import add, balanced_sum, compress
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.superblock import Superblock

Build = Callable[[Module, list[Signal], object], Value]


class Adder(Elaboratable):
    """Inputs of given widths around one adder."""

    def __init__(self, widths: Sequence[int], build: Build) -> None:
        self.inputs = [Signal(width, name=f"i{k}") for k, width in enumerate(widths)]
        self.build = build
        self.out = Signal(64)
        self.out_bits = 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        result = self.build(m, self.inputs, platform)
        self.out_bits = len(result)
        m.d.comb += self.out.eq(result)
        return m


def outputs(
    simulate: Callable[..., None], dut: Adder, vectors: Sequence[Sequence[int]]
) -> list[int]:
    results: list[int] = []

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for vector in vectors:
            for signal, value in zip(dut.inputs, vector, strict=True):
                ctx.set(signal, value)
            results.append(ctx.get(dut.out))

    simulate(dut, bench, clocked=False)
    return results


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7, 9])
def test_compress_counts_every_pattern_of_one_column(simulate, n):
    dut = Adder(
        [1] * n, lambda m, bits, p: compress(m, "c", [bits], p, n_bits=max(1, n.bit_length()))
    )
    vectors = list(product((0, 1), repeat=n))
    assert outputs(simulate, dut, vectors) == [sum(vector) for vector in vectors]


@pytest.mark.parametrize("heights", [(1, 1), (2, 0, 3), (0, 5, 1), (3, 3, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize("n_bits", [2, 3, 6])
def test_compress_weighs_columns_and_wraps(simulate, heights, n_bits):
    weights = [1 << i for i, height in enumerate(heights) for _ in range(height)]

    def build(m, bits, platform):
        remaining = iter(bits)
        columns = [[next(remaining) for _ in range(height)] for height in heights]
        return compress(m, "c", columns, platform, n_bits=n_bits)

    vectors = list(product((0, 1), repeat=len(weights)))
    expected = [sum(w for w, bit in zip(weights, v, strict=True) if bit) % (1 << n_bits)
                for v in vectors]  # fmt: skip
    assert outputs(simulate, Adder([1] * len(weights), build), vectors) == expected


@pytest.mark.parametrize("a_bits, b_bits", [(1, 1), (1, 4), (4, 2), (4, 4)])
def test_add_is_exhaustively_right(simulate, a_bits, b_bits):
    dut = Adder([a_bits, b_bits], lambda m, bits, p: add(m, "sum", *bits, p))
    vectors = list(product(range(1 << a_bits), range(1 << b_bits)))
    assert outputs(simulate, dut, vectors) == [a + b for a, b in vectors]
    assert dut.out_bits == max(a_bits, b_bits) + 1


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13, 30])
def test_balanced_sum(simulate, n):
    random = Random(n)
    widths = [random.randint(1, 7) for _ in range(n)]
    dut = Adder(widths, lambda m, bits, p: balanced_sum(m, "tree", bits, p))
    vectors = [[random.getrandbits(width) for width in widths] for _ in range(40)]
    vectors += [[0] * n, [(1 << width) - 1 for width in widths]]
    assert outputs(simulate, dut, vectors) == [sum(vector) for vector in vectors]


@pytest.mark.parametrize("n, full, half", [(1, 0, 0), (2, 0, 1), (3, 1, 0), (7, 4, 0), (32, 26, 5)])
def test_counting_bits_takes_a_full_adder_per_bit_removed(n, full, half):
    """A full adder turns three bits into two; what remains of ``n`` bits is the result."""
    library = Library()
    library.prototype(Superblock, n, 1, 1)
    text = dict(library.modules())[f"hn_superblock_p{n}_t1_e1"]
    assert full == n - n.bit_length()
    assert len(re.findall(r"^  hn_full_adder \S+ \($", text, re.MULTILINE)) == full
    assert len(re.findall(r"^  hn_half_adder \S+ \($", text, re.MULTILINE)) == half
