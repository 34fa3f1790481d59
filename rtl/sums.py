"""Sums of numbers by mantissa: the adder cells of a plan of ``hnlpu.sums``.

Contract (checked by the tests of the rows): exact modulo ``2**n_bits``.
"""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Value

from hnlpu.rtl.compressor import compress_bits
from hnlpu.sums import MantissaSum, TermSum

__all__ = ["sum_by_mantissa"]


def sum_by_mantissa(
    m: Module,
    name: str,
    plan: MantissaSum,
    numbers: Sequence[tuple[int, Value]],
    platform: object,
) -> Value:
    """Add ``numbers``, each with its odd mantissa, in the order of the plan's terms.

    Parameters
    ----------
    m : Module
        Receives the cells as submodules ``{name}_...``.
    plan : MantissaSum
    numbers : sequence of (int, Value)

    Returns
    -------
    Value
        The sum, ``plan.total.n_bits`` wide.
    """
    own = [number for mantissa, number in numbers if mantissa == 1]
    for mantissa, part in plan.parts:
        these = [number for other, number in numbers if other == mantissa]
        total = _sum(m, f"{name}_times_{mantissa}", part, these, platform)
        own += [total] * mantissa.bit_count()
    return _sum(m, name, plan.total, own, platform)


def _sum(m: Module, name: str, plan: TermSum, numbers: Sequence[Value], platform: object) -> Value:
    inputs: list[Value] = []
    for term, number in zip(plan.terms, numbers, strict=True):
        bits = [number[i] for i in range(term.n_bits)]
        if term.complemented(plan.n_bits):
            bits[-1] = ~bits[-1]
        inputs += bits
    inputs += [Const(1, 1) for _ in plan.ones]
    return compress_bits(m, name, plan.compression, inputs, platform)
