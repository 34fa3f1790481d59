"""Adders made of explicit full and half adder cells.

:func:`compress` is the only way bits are summed in a base: columns of equal weight are reduced by full
and half adders, oldest bits first, which keeps the tree balanced (a chain of 1,024 inputs would exceed
Python's recursion limit in Amaranth and be as deep as it is long).
"""

from collections import deque
from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

from hnlpu.rtl.cells import FullAdder, HalfAdder
from hnlpu.rtl.hierarchy import place

__all__ = ["add", "balanced_sum", "compress"]


def compress(
    m: Module, name: str, columns: Sequence[Sequence[Value]], platform: object, *, n_bits: int
) -> Value:
    """Sum of bits, ``columns[i]`` weighing ``2**i``, modulo ``2**n_bits``.

    Parameters
    ----------
    m : Module
        Receives the adder cells as submodules ``{name}_{column}_{index}``.
    columns : sequence of sequences of 1-bit values
    n_bits : int
        Width of the result; the carry out of the last column is dropped, so it must hold the maximum
        unless the sum is meant to wrap.

    Returns
    -------
    Value
        ``n_bits`` wide, unsigned.
    """
    heaps = [deque(columns[i] if i < len(columns) else ()) for i in range(n_bits)]
    result: list[Value] = []
    for i, heap in enumerate(heaps):
        index = 0
        while len(heap) > 1:
            n_inputs = min(len(heap), 3)
            kind = FullAdder if n_inputs == 3 else HalfAdder
            cell = place(m, f"{name}_{i}_{index}", platform, kind)
            for pin in "abc"[:n_inputs]:
                m.d.comb += getattr(cell, pin).eq(heap.popleft())
            heap.append(cell.sum)
            if i + 1 < n_bits:
                heaps[i + 1].append(cell.carry)
            index += 1
        result.append(heap[0] if heap else Signal(name=f"{name}_{i}_zero"))
    return Cat(*result)


def add(m: Module, name: str, a: Value, b: Value, platform: object) -> Value:
    """``a + b`` of two unsigned values as one ripple of adder cells, one bit wider than the wider."""
    n_bits = max(len(a), len(b)) + 1
    columns = [[v[i] for v in (a, b) if i < len(v)] for i in range(n_bits)]
    return compress(m, name, columns, platform, n_bits=n_bits)


def balanced_sum(m: Module, name: str, terms: Sequence[Value], platform: object) -> Value:
    """Sum of unsigned values as a binary tree of ripple adders (level ``k`` is ``{name}_{k}_*``)."""
    level, k = list(terms), 0
    while len(level) > 1:
        pairs = [
            add(m, f"{name}_{k}_{i // 2}", level[i], level[i + 1], platform)
            for i in range(0, len(level) - 1, 2)
        ]
        level = pairs + level[len(level) & ~1 :]
        k += 1
    return level[0]
