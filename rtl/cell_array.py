"""Cell array: the Cell-Embedding baseline, a constant multiplier per weight and an adder tree per row.

The weights are baked into the silicon, and a vector is multiplied at once:

    y[n] = sum over k of value[n, k] * 2**exponent(block of k) * x[k]

A multiplier by a constant is a few shifted copies of its input, one per non-zero signed digit of the
constant (3 = 4 - 1). Nothing is shared between weights or rows: the copies go straight into the row's
adders, which is the cheapest multiplier that stands alone. With ``shared`` the odd multiples of an input
are made once, for all rows, and a weight is one shifted copy of one of them.

Signs cost no adder. The sign bit of a copy weighs negative, in a subtracted copy all other bits do, and

    -b * 2**c  =  ~b * 2**c  -  2**c

so every such bit enters complemented, and what is missing is one constant per row, known at design time,
whose bits are ties among the inputs of the adders. Input bits have their complement at hand, made once.

Adders are those of ``hnlpu.compression`` without a limit on wires: a row is one heap, then a ripple through
what is left. There are no registers within; ``depth`` tells how many adders are in series, and
``settle_cycles`` gives them as many cycles.

Contract (checked by ``tests/rtl/test_cell_array.py`` against ``hnlpu.sim.array``): bit-exact, one result
per accepted vector.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hnlpu.alignment import AlignedMatrix
from hnlpu.compression import Compression, Input, compress
from hnlpu.errors import HnlpuError
from hnlpu.rtl.compressor import compress_bits
from hnlpu.rtl.hierarchy import Library, SharedComponent, place
from hnlpu.rtl.source import odd_steps
from hnlpu.weights import BLOCK

__all__ = [
    "CellArray",
    "CellControl",
    "CellPlan",
    "CellSum",
    "InputBit",
    "Multiple",
    "SumPlan",
    "Term",
    "cell_modules",
    "multiple_bits",
    "plan_sum",
]

_UNLIMITED = 1 << 30  # tracks
_MAX_SETTLE = 256


@dataclass(frozen=True, slots=True)
class Term:
    """A copy of a multiple of an input: ``+-(odd * x[column]) << shift``.

    Attributes
    ----------
    column, odd, shift : int
    negative : bool
    """

    column: int
    odd: int
    shift: int
    negative: bool


@dataclass(frozen=True, slots=True)
class InputBit:
    """Where an input of the adders comes from: ``bit`` of ``odd * x[column]``.

    Attributes
    ----------
    column, odd, bit : int
    inverted : bool
        The sum counts the complement.
    """

    column: int
    odd: int
    bit: int
    inverted: bool


@dataclass(frozen=True, slots=True, eq=False)
class SumPlan:
    """Adders of a signed sum of terms.

    Attributes
    ----------
    bits : tuple of (InputBit or None)
        Inputs of the adders in order; None is a tie that counts one.
    compression : Compression
    n_bits : int
        Width of the signed sum.
    """

    bits: tuple[InputBit | None, ...]
    compression: Compression
    n_bits: int

    @property
    def n_registers(self) -> int:
        """Flip-flops that hold the sum: bits that can be set."""
        return sum(output is not None for output in self.compression.outputs)

    @property
    def complemented(self) -> tuple[bool, ...]:
        """Of every input: its wire carries the complement of the multiple's bit (a tie: low)."""
        polarity = self.compression.polarity
        return tuple(
            (bit is not None and bit.inverted) != (polarity[i] < 0)
            for i, bit in enumerate(self.bits)
        )


def multiple_bits(odd: int, input_bits: int) -> int:
    """Width of ``odd`` times a signed input."""
    return input_bits + (odd - 1).bit_length()


def plan_sum(
    terms: Iterable[Term], input_bits: int, n_bits: int, *, inverting: bool = True
) -> SumPlan:
    """Plan the adders of a sum; nothing is kept, so that plans of large rows can be dropped.

    Parameters
    ----------
    terms : iterable of Term
    input_bits : int
        Width of an input.
    n_bits : int
        Width of the signed sum; it must hold the greatest one.
    inverting : bool
        Use the 24-transistor full adder.
    """
    bits: list[InputBit | None] = []
    inputs: list[Input] = []
    constant = 0
    for term in terms:
        sign = multiple_bits(term.odd, input_bits) - 1
        for bit in range(sign + 1):
            column = term.shift + bit
            if column >= n_bits:
                break
            inverted = term.negative != (bit == sign)
            bits.append(InputBit(term.column, term.odd, bit, inverted))
            inputs.append(Input(column, free=True))
            constant -= inverted << column
    for column in range(n_bits):
        if constant >> column & 1:
            bits.append(None)
            inputs.append(Input(column, free=True))
    # One slack, no cache: a row of thousands of weights has tens of thousands of adders.
    plan = compress.__wrapped__(
        tuple(inputs), n_columns=n_bits, tracks=_UNLIMITED, inverting=inverting, two_sided=False,
        slacks=(1,),
    )  # fmt: skip
    return SumPlan(tuple(bits), plan, n_bits)


@lru_cache(maxsize=4096)
def _signed_digits(value: int) -> tuple[tuple[int, bool], ...]:
    """Fewest ``(shift, negative)`` whose signed powers of two add up to ``value``."""
    digits, shift = [], 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            digits.append((shift, digit < 0))
            value -= digit
        value >>= 1
        shift += 1
    return tuple(digits)


@dataclass(frozen=True, slots=True, eq=False)
class Multiple:
    """How an odd multiple is made from smaller ones, once for each input that needs it.

    Attributes
    ----------
    odd : int
    plan : SumPlan
        On column 0.
    columns : tuple of int
        The inputs that need it.
    """

    odd: int
    plan: SumPlan
    columns: tuple[int, ...]


class CellPlan:
    """What a Cell-Embedding of a matrix consists of.

    Parameters
    ----------
    matrix : AlignedMatrix
    activation_bits : int
        Width A of a signed input.
    shared : bool
        Make the odd multiples of an input once, for all rows.
    settle_cycles : int
        Cycles that the adders have for a vector.
    adder : int
        Transistors of the full adder: 24 (inverting) or 28.

    Raises
    ------
    HnlpuError
        A parameter out of range.
    """

    def __init__(
        self,
        matrix: AlignedMatrix,
        activation_bits: int,
        *,
        shared: bool = False,
        settle_cycles: int = 1,
        adder: int = 24,
    ) -> None:
        for name, value, known in (
            ("activation_bits", activation_bits, range(2, 17)),
            ("settle_cycles", settle_cycles, range(1, _MAX_SETTLE + 1)),
            ("adder", adder, (24, 28)),
        ):
            if value not in known:
                raise HnlpuError(
                    f"{name} is out of range",
                    where=f"cell array of {matrix.name}",
                    got=str(value),
                    do=f"choose {known[0]} to {known[-1]}" if len(known) > 2 else "choose 24 or 28",
                )
        self.matrix, self.activation_bits, self.shared = matrix, activation_bits, shared
        self.settle_cycles, self.inverting = settle_cycles, adder == 24

    @property
    def interval_cycles(self) -> int:
        """Cycles from one accepted vector to the next, nothing stalling."""
        return self.settle_cycles

    @property
    def latency_cycles(self) -> int:
        """Cycles from the first in which a vector is offered to the first in which its result is."""
        return self.settle_cycles

    def row_weights(self, row: int) -> list[tuple[int, int]]:
        """``(value, shift)`` of every weight of a row."""
        values = map(int, self.matrix.multiples[row])
        exponents = [int(e) for e in self.matrix.block_exponents[row]]
        return [(value, exponents[k // BLOCK]) for k, value in enumerate(values)]

    def row_terms(self, row: int) -> list[Term]:
        """The copies that a row adds up."""
        terms = []
        for column, (value, exponent) in enumerate(self.row_weights(row)):
            if self.shared and value:
                low = (value & -value).bit_length() - 1
                terms.append(Term(column, abs(value) >> low, exponent + low, value < 0))
            else:
                terms += [
                    Term(column, 1, exponent + shift, negative)
                    for shift, negative in _signed_digits(value)
                ]
        return terms

    def row_bits(self, row: int) -> int:
        """Width of a signed result of this row."""
        weights = [value << exponent for value, exponent in self.row_weights(row)]
        return _range_bits(weights, self.activation_bits)

    @cached_property
    def y_bits(self) -> int:
        """Width of every signed result, that of the widest row."""
        return max(map(self.row_bits, range(self.matrix.n_rows)))

    def row_plan(self, row: int) -> SumPlan:
        """Adders of a row; made anew at every call."""
        return plan_sum(
            self.row_terms(row), self.activation_bits, self.row_bits(row), inverting=self.inverting
        )

    @cached_property
    def multiples(self) -> tuple[Multiple, ...]:
        """Odd multiples in the order in which they can be made; none unless ``shared``."""
        if not self.shared:
            return ()
        values = np.abs(self.matrix.multiples.astype(np.int64))
        odds = values // np.maximum(values & -values, 1)
        needed = {int(odd): (odds == odd).any(axis=0) for odd in np.unique(odds[odds > 1])}
        steps = odd_steps(list(needed))
        for odd, a, b, _ in reversed(steps):
            for part in (abs(a), b):
                needed[part] = needed.get(part, np.zeros_like(needed[odd])) | needed[odd]
        made = []
        for odd, a, b, shift in steps:
            terms = (Term(0, abs(a), 0, a < 0), Term(0, b, shift, False))
            n_bits = multiple_bits(odd, self.activation_bits)
            plan = plan_sum(terms, self.activation_bits, n_bits, inverting=self.inverting)
            made.append(Multiple(odd, plan, tuple(np.flatnonzero(needed[odd]).tolist())))
        return tuple(made)


def _range_bits(weights: Sequence[int], input_bits: int) -> int:
    """Width of a signed sum of signed inputs times ``weights``."""
    low, high = -(1 << (input_bits - 1)), (1 << (input_bits - 1)) - 1
    largest = sum(w * (high if w > 0 else low) for w in weights)
    smallest = sum(w * (low if w > 0 else high) for w in weights)
    return max(largest.bit_length(), (-smallest - 1).bit_length() if smallest else 0) + 1


def _digest(plan: Compression) -> str:
    key = repr((plan.n_inputs, plan.polarity, plan.steps, plan.outputs))
    return sha256(key.encode()).hexdigest()[:12]


class CellSum(SharedComponent):
    """Adders of one compression plan.

    Parameters
    ----------
    compression : Compression

    Members
    -------
    pins : In(n_inputs)
        Complemented where the plan says so.
    y : Out(n_columns)
    """

    def __init__(self, compression: Compression) -> None:
        self.compression = compression
        n_inputs, n_bits = compression.n_inputs, len(compression.outputs)
        super().__init__({"pins": In(n_inputs), "y": Out(n_bits)})

    @property
    def module_name(self) -> str:
        return f"hn_cell_sum_{_digest(self.compression)}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins = [self.pins[i] for i in range(self.compression.n_inputs)]
        m.d.comb += self.y.eq(compress_bits(m, "add", self.compression, pins, platform))
        return m


class CellControl(SharedComponent):
    """Handshake: a vector stays on offer for ``settle_cycles`` cycles, then its result is taken.

    A result that is not taken stops the array.

    Members
    -------
    x_valid, x_ready : In(1), Out(1)
    y_valid, y_ready : Out(1), In(1)
    take : Out(1)
        Registers take the result.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, settle_cycles: int) -> None:
        self.settle_cycles = settle_cycles
        inputs = {name: In(1) for name in ("x_valid", "y_ready")}
        super().__init__(inputs | {name: Out(1) for name in ("x_ready", "y_valid", "take")})

    @property
    def module_name(self) -> str:
        return f"hn_cell_control_{self.settle_cycles}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, last = Signal(), Signal()
        m.d.comb += [
            advance.eq(~(self.y_valid & ~self.y_ready)),
            self.x_ready.eq(advance & last),
            self.take.eq(self.x_valid & advance & last),
        ]
        if self.settle_cycles == 1:
            m.d.comb += last.eq(1)
        else:
            cycle = Signal(self.settle_cycles, init=1)  # one-hot
            m.d.comb += last.eq(cycle[-1])
            with m.If(self.x_valid & advance):
                m.d.sync += cycle.eq(Cat(cycle[-1], cycle[:-1]))
        m.d.sync += self.y_valid.eq(self.take | (self.y_valid & ~self.y_ready))
        return m


class CellArray(SharedComponent):
    """Matrix times vector, weights baked into adders.

    Parameters
    ----------
    matrix, activation_bits, shared, settle_cycles, adder
        As ``CellPlan`` has them.

    Members
    -------
    x_valid, x_ready : In(1), Out(1)
    x : In(n_columns * A)
        Signed inputs, input 0 in the low bits; taken as the result is.
    y_valid, y_ready : Out(1), In(1)
    y : Out(n_rows * y_bits)
        Signed results in units of ``2**row_exponent``, row 0 in the low bits.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        matrix: AlignedMatrix,
        activation_bits: int,
        shared: bool = False,
        settle_cycles: int = 1,
        adder: int = 24,
    ) -> None:
        self.plan = plan = CellPlan(
            matrix, activation_bits, shared=shared, settle_cycles=settle_cycles, adder=adder
        )
        super().__init__(
            {
                "x_valid": In(1),
                "x_ready": Out(1),
                "x": In(matrix.n_columns * activation_bits),
                "y_valid": Out(1),
                "y_ready": In(1),
                "y": Out(matrix.n_rows * plan.y_bits),
            }
        )

    @property
    def module_name(self) -> str:
        matrix = self.plan.matrix
        key = sha256(matrix.multiples.tobytes() + matrix.block_exponents.tobytes())
        kind = "s" if self.plan.shared else ""
        name = f"hn_cell{kind}_{matrix.n_rows}x{matrix.n_columns}_a{self.plan.activation_bits}"
        adder = 24 if self.plan.inverting else 28
        return f"{name}_c{self.plan.settle_cycles}_f{adder}_{key.hexdigest()[:12]}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, a_bits = self.plan, self.plan.activation_bits
        control = place(m, "control", platform, CellControl, plan.settle_cycles)
        m.d.comb += [
            control.x_valid.eq(self.x_valid),
            self.x_ready.eq(control.x_ready),
            self.y_valid.eq(control.y_valid),
            control.y_ready.eq(self.y_ready),
        ]
        columns = range(plan.matrix.n_columns)
        multiples: dict[tuple[int, int], Value] = {
            (k, 1): self.x[k * a_bits : (k + 1) * a_bits] for k in columns
        }
        sums = _Sums(m, multiples, platform)
        for multiple in plan.multiples:
            for k in multiple.columns:
                name = f"times_{multiple.odd}_{k}"
                multiples[k, multiple.odd] = sums.place(name, multiple.plan, first=k)
        for row in range(plan.matrix.n_rows):
            row_plan = plan.row_plan(row)
            if not row_plan.bits:
                continue  # zero, as an undriven port is
            total = sums.place(f"row_{row}", row_plan)
            outputs = row_plan.compression.outputs
            register = Signal(row_plan.n_registers, name=f"y_{row}", reset_less=True)
            held = iter(register)
            result = Cat(*(Const(0, 1) if bit is None else next(held) for bit in outputs))
            can_be_set = [total[i] for i, bit in enumerate(outputs) if bit is not None]
            with m.If(control.take):
                m.d.sync += register.eq(Cat(*can_be_set))
            m.d.comb += self.y[row * plan.y_bits :][: plan.y_bits].eq(result.as_signed())
        return m


class _Sums:
    """Places the adders of sums of terms.

    Parameters
    ----------
    m : Module
    multiples : dict
        Bits of every odd multiple by ``(column, odd)``.
    """

    def __init__(
        self, m: Module, multiples: dict[tuple[int, int], Value], platform: object
    ) -> None:
        self.m, self.multiples, self.platform = m, multiples, platform
        self._known: dict[str, Compression] = {}  # equal plans become one module

    def place(self, name: str, plan: SumPlan, first: int = 0) -> Value:
        """The sum, of multiples of inputs from column ``first`` on."""
        pins: list[Value] = []
        for bit, complemented in zip(plan.bits, plan.complemented, strict=True):
            if bit is None:
                pins.append(Const(not complemented, 1))
            else:
                wire = self.multiples[first + bit.column, bit.odd][bit.bit]
                pins.append(~wire if complemented else wire)
        compression = self._known.setdefault(_digest(plan.compression), plan.compression)
        cells = place(self.m, name, self.platform, CellSum, compression)
        self.m.d.comb += cells.pins.eq(Cat(*pins))
        result: Value = cells.y
        return result


def cell_modules(
    matrix: AlignedMatrix,
    activation_bits: int,
    shared: bool = False,
    settle_cycles: int = 1,
    adder: int = 24,
) -> Iterator[tuple[str, str]]:
    """``(module name, Verilog text)`` of a ``CellArray`` and every module below it, the array first."""
    library = Library()
    library.prototype(CellArray, matrix, activation_bits, shared, settle_cycles, adder)
    yield from library.modules()
