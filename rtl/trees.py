"""Trees: many values brought together two by two, so that depth grows with the logarithm."""

from collections.abc import Callable, Sequence
from operator import add, and_, or_

from amaranth.hdl import Mux, Value

__all__ = ["all_of", "any_of", "largest_of", "total_of"]


def _balanced(operation: Callable[[Value, Value], Value], values: Sequence[Value]) -> Value:
    level = list(values)
    while len(level) > 1:
        pairs = zip(level[0::2], level[1::2], strict=False)
        rest = level[len(level) & ~1 :]
        level = [*(operation(a, b) for a, b in pairs), *rest]
    return level[0]


def total_of(values: Sequence[Value]) -> Value:
    """The sum; every adder is as wide as it has to be."""
    return _balanced(add, values)


def any_of(values: Sequence[Value]) -> Value:
    """Bitwise or."""
    return _balanced(or_, values)


def all_of(values: Sequence[Value]) -> Value:
    """Bitwise and."""
    return _balanced(and_, values)


def largest_of(values: Sequence[Value]) -> Value:
    """The largest."""
    return _balanced(lambda a, b: Mux(a > b, a, b), values)
