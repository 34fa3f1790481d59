"""Composition: a proof, from its emitted Verilog, of what a tap-crossbar base of any size computes.

The theorem: whatever the metal connects, the result of a row is

    y = sum over its pins of  coefficient(pin) * value(driver of the pin)  +  constant

where the value of a line is its multiple of the input that its bundle carries in the pin's phase (less
one for a complement), that of a tie 0 or -1, that of a constant line its constant. Both streams may stall
as they like; an input that is offered must stay until it is taken. The proof goes by parts, each read back from the Verilog text:

leaf cells       truth tables
superblock, row  The counting network as equations: starting from the weighted sum of its outputs, an
                 adder's ``sum + 2 carry`` is replaced by ``a + b + c`` (which fails unless the carry weighs
                 twice what the sum does), an inverter's ``~a`` by ``1 - a``, a register by its input one
                 cycle earlier, a selector by the input of the phase. What is left are the pins, each with
                 a coefficient, modulo a power of two that the bounds of the sum make irrelevant.
accumulator      One step against ``acc + count`` or ``acc - count``, by the solver, for all contents; that
                 it cannot overflow follows from the bounds.
source           Every line in every bit-time and phase against ``m * x``, by the solver, for all inputs.
sequencer        All states that can be reached with streams that stall or not: every vector is
                 accumulated once, completely, in order, from its own input, by all segments alike.
array            Every connection of every instance.

What is trusted: Yosys' reading of Verilog, Bitwuzla, and this module. Contract (checked by
``tests/verification/test_formal.py``): one wrong wire, gate or inverter in any part is found and named.

:func:`prove_wiring` then evaluates the theorem for a matrix: a proof for all inputs, at full size.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import CONSTANT_BITS, CONSTANT_VALUES, HIGH, LINES, LOW, ArrayPlan, Pins
from hnlpu.errors import HnlpuError
from hnlpu.rtl.array import array_ports, base_modules
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.rows import row_component
from hnlpu.taps import TapsPlan
from hnlpu.verification.circuit import (
    ONE,
    ZERO,
    Arrays,
    Cell,
    Circuit,
    Gate,
    Register,
    every_input,
    read_circuits,
)
from hnlpu.verification.formal import ProofError, Terms

__all__ = ["RowForm", "prove_composition", "prove_wiring", "row_form"]

_DO = "report it: the base is wrong"
_SELECT = re.compile(r"hn_phase_select_(\d+)\Z")
_ADDERS = {"hn_full_adder": ("a", "b", "c"), "hn_full_adder_n": ("a", "b", "c"),
           "hn_half_adder": ("a", "b")}  # fmt: skip


def _failure(circuit: str, what: str, cell: str, pin: str, got: str) -> ProofError:
    where = f"module {circuit}" + f": cell {cell}" * bool(cell) + f": pin {pin}" * bool(pin)
    return ProofError(what, where=where, got=got, do=_DO)


# Leaf cells.


def prove_leaf(circuit: Circuit) -> int:
    """Check the truth table of a leaf cell; the number of input patterns."""

    def check(good: npt.NDArray[np.bool_], pin: str) -> None:
        if not good.all():
            raise _failure(circuit.name, "cell does not do what its name says", "", pin,
                           f"wrong for input pattern {int(np.flatnonzero(~good)[0])}")  # fmt: skip

    if match := _SELECT.match(circuit.name):
        n = int(match[1])
        a = every_input(n)
        algebra = Arrays(1 << n)
        for hot in range(n):
            phase = [algebra.constant(p == hot) for p in range(n)]
            outputs, _ = circuit.evaluate(algebra, {"a": a, "phase": phase})
            check(outputs["y"][0] == a[hot], f"y, phase {hot}")
        return n << n
    pins = _ADDERS[circuit.name]
    bits = every_input(len(pins))
    outputs, _ = circuit.evaluate(
        Arrays(1 << len(pins)), {pin: [bit] for pin, bit in zip(pins, bits, strict=True)}
    )
    total = np.sum(bits, axis=0)
    inverting = circuit.name.endswith("_n")
    check((outputs["sum"][0] ^ inverting) == total % 2, "sum")
    check((outputs["carry"][0] ^ inverting) == total // 2, "carry")
    return 1 << len(pins)


# Counting networks as equations.


@dataclass(slots=True)
class _Form:
    """``constant + sum of coefficients[bit, delay] * bit``; bits as they were ``delay`` cycles ago.

    Modulo ``modulus`` until :meth:`settle` has found it to be exact.
    """

    constant: int
    coefficients: dict[tuple[int, int], int]
    modulus: int

    def settle(self, maxima: Mapping[int, int]) -> tuple[int, int]:
        """Choose the constant for which the sum is not negative; least and greatest sum.

        ``maxima`` has the greatest value of what is no bit but a number. The form is exact if the
        greatest sum is below the modulus: no other multiple of the modulus is in range.
        """
        low = high = 0
        for (bit, _), coefficient in self.coefficients.items():
            reach = coefficient * maxima.get(bit, 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        self.constant = (self.constant + low) % self.modulus - low
        return self.constant + low, self.constant + high


class _Network:
    """The counting network of a module.

    Parameters
    ----------
    circuit : Circuit
        With cells; leaves and the modules in ``opaque`` are not looked into.
    opaque : collection of str
        Modules whose outputs stay in the form.
    advance : int or None
        Bit that enables registers.
    """

    def __init__(
        self, circuit: Circuit, opaque: Iterable[str] = (), advance: int | None = None
    ) -> None:
        self.circuit = circuit
        self.opaque = frozenset(opaque)
        self.advance = advance
        self.selectors: dict[str, set[int]] = {}  # delays of what passed each, in the last form
        self.makers: dict[int, Gate | Register | Cell] = {g.output: g for g in circuit.gates}
        self.makers.update({register.output: register for register in circuit.registers})
        for cell in circuit.cells:
            outputs: tuple[str, ...] = ()
            if cell.module in _ADDERS:
                outputs = "sum", "carry"
            elif _SELECT.match(cell.module):
                outputs = ("y",)
            elif cell.module in self.opaque:
                outputs = ("count",)
            for port in outputs:
                self.makers.update({bit: cell for bit in cell.pins.get(port, ())})

    def known(self, bit: int, given: Mapping[int, bool]) -> bool | None:
        """Value of a control bit, given those of some inputs."""
        if bit in (ZERO, ONE):
            return bit == ONE
        if bit in given:
            return given[bit]
        maker = self.makers.get(bit)
        if isinstance(maker, Gate) and maker.kind == "$_NOT_":
            value = self.known(maker.inputs[0], given)
            return None if value is None else not value
        if isinstance(maker, Cell) and _SELECT.match(maker.module):
            return self.known(maker.pins["a"][self.hot(maker, given)], given)
        return None

    def hot(self, cell: Cell, given: Mapping[int, bool]) -> int:
        """Which input a selector passes."""
        phases = [self.known(bit, given) for bit in cell.pins["phase"]]
        if None in phases or phases.count(True) != 1:
            raise _failure(self.circuit.name, "selector is not told one input", cell.name,
                           "phase", str(phases))  # fmt: skip
        return phases.index(True)

    def _held(self, register: Register) -> int:
        """What a register takes when enabled; it must keep its value otherwise."""
        gate = self.makers.get(register.input)
        if (
            isinstance(gate, Gate)
            and gate.kind == "$_MUX_"
            and gate.inputs[0] == register.output
            and gate.inputs[2] == self.advance
        ):
            return gate.inputs[1]
        raise _failure(self.circuit.name, "register does not advance with the others",
                       register.name, "D", f"net {register.input}")  # fmt: skip

    def _inputs(self, maker: Gate | Register | Cell, given: Mapping[int, bool]) -> list[int]:
        """Bits that a maker's outputs are replaced by."""
        if isinstance(maker, Register):
            return [self._held(maker)]
        if isinstance(maker, Gate):
            if maker.kind != "$_NOT_":
                raise _failure(self.circuit.name, "gate in a counting network", "",
                               f"net {maker.output}", maker.kind)  # fmt: skip
            return [maker.inputs[0]]
        if maker.module in _ADDERS:
            return [maker.pins[pin][0] for pin in _ADDERS[maker.module]]
        if _SELECT.match(maker.module):
            return [maker.pins["a"][self.hot(maker, given)]]
        if maker.module in self.opaque:
            return []
        raise _failure(self.circuit.name, "cell in a counting network", maker.name, "",
                       maker.module)  # fmt: skip

    def _order(
        self, outputs: Iterable[int], given: Mapping[int, bool]
    ) -> list[tuple[Gate | Register | Cell, list[int]]]:
        """Makers behind ``outputs`` with their inputs, each before those it reads."""
        order: list[tuple[Gate | Register | Cell, list[int]]] = []
        started: set[int] = set()
        finished: set[int] = set()
        stack: list[tuple[int, list[int] | None]] = [(bit, None) for bit in outputs]
        while stack:
            bit, inputs = stack.pop()
            maker = self.makers.get(bit)
            if maker is None:
                continue
            if inputs is not None:
                order.append((maker, inputs))
                finished.add(id(maker))
            elif id(maker) not in started:
                started.add(id(maker))
                inputs = self._inputs(maker, given)
                stack.append((bit, inputs))
                stack += [(other, None) for other in inputs]
        return order[::-1]

    def form(self, outputs: Mapping[int, int], modulus: int, given: Mapping[int, bool]) -> _Form:
        """The sum of ``outputs`` (bit: coefficient) in terms of inputs and opaque outputs.

        Modulo ``modulus``; coefficients come out above ``-modulus/2`` and up to ``modulus/2``.
        """
        rest: dict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        constant = 0
        self.selectors.clear()

        def add(bit: int, delay: int, coefficient: int) -> None:
            nonlocal constant
            if bit == ONE:
                constant += coefficient
            elif bit != ZERO:
                rest[bit][delay] += coefficient

        for bit, coefficient in outputs.items():
            add(bit, 0, coefficient)
        for maker, inputs in self._order(outputs, given):
            if isinstance(maker, Register):
                for delay, coefficient in rest.pop(maker.output, {}).items():
                    add(inputs[0], delay + 1, coefficient)
            elif isinstance(maker, Gate):
                for delay, coefficient in rest.pop(maker.output, {}).items():
                    constant += coefficient
                    add(inputs[0], delay, -coefficient)
            elif maker.module in _ADDERS:
                # An output that is not connected weighs nothing.
                sums, carries = (
                    {k: v for bit in maker.pins.get(port, ()) for k, v in rest.pop(bit, {}).items()}
                    for port in ("sum", "carry")
                )
                for delay in sorted({*sums, *carries}):
                    one, two = sums.get(delay, 0), carries.get(delay, 0)
                    if (two - 2 * one) % modulus:
                        raise _failure(self.circuit.name, "carry does not weigh twice the sum",
                                       maker.name, "carry",
                                       f"weights {one} and {two}, {delay} registers before "
                                       "the end")  # fmt: skip
                    sign = -1 if maker.module.endswith("_n") else 1
                    constant += 3 * one if sign < 0 else 0
                    for bit in inputs:
                        add(bit, delay, sign * one)
            elif inputs:  # a selector
                self.selectors[maker.name] = set(rest.get(maker.pins["y"][0], {}))
                for delay, coefficient in rest.pop(maker.pins["y"][0], {}).items():
                    add(inputs[0], delay, coefficient)
        half = modulus // 2
        coefficients = {
            (bit, delay): half - (half - coefficient) % modulus
            for bit, delays in rest.items()
            for delay, coefficient in delays.items()
            if coefficient % modulus
        }
        return _Form(constant, coefficients, modulus)

    def count(self, bits: tuple[int, ...], given: Mapping[int, bool]) -> _Form:
        """The number on ``bits`` (lowest first)."""
        outputs: dict[int, int] = defaultdict(int)
        for i, bit in enumerate(bits):
            outputs[bit] += 1 << i
        return self.form(outputs, 1 << len(bits), given)


def _settle(form: _Form, circuit: Circuit, maxima: Mapping[int, int]) -> int:
    """Greatest value of a count that must fit its bits."""
    low, high = form.settle(maxima)
    if low < 0 or high >= form.modulus:
        raise _failure(circuit.name, "count does not fit its bits", "", "count",
                       f"{low} .. {high} below {form.modulus}")  # fmt: skip
    return high


@dataclass(frozen=True, slots=True, eq=False)
class RowForm:
    """What the pins of a row count for: the row's netlist as one equation.

    In phase ``p`` a row counts, for every bit-time, the sum over pins of phase ``p`` of

        coefficient[pin] * 2**exponent(superblock[pin], p) * bit on the pin

    plus, for every superblock, ``constant[p, superblock]`` times the same power of two, plus
    ``constant[p, -1]``.

    Attributes
    ----------
    coefficient, phase, superblock, segment : arrays (n_pins,)
        A pin of no phase (-1) holds an exponent, one of no superblock (-1) has none.
    constant : array (T, n_superblocks + 1)
    exponent_pins : int array (n_superblocks, T, exponent_bits)
        Pins that hold the exponents.
    max_count : int
        Greatest count of a cycle.
    """

    coefficient: npt.NDArray[np.int64]
    phase: npt.NDArray[np.int64]
    superblock: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    constant: npt.NDArray[np.int64]
    exponent_pins: npt.NDArray[np.int64]
    max_count: int


def _superblock_forms(plan: TapsPlan, circuit: Circuit) -> list[_Form]:
    """Form of a superblock by phase, at exponent 0; at the others it must be that times 2**e."""
    network = _Network(circuit)
    n_bits = plan.exponent_bits
    forms = []
    for phase in range(plan.phases):
        given = {bit: p == phase for p, bit in enumerate(circuit.inputs["phase"])}
        base: _Form | None = None
        for exponent in range(plan.exponent_values):
            own = circuit.inputs["exponents"][phase * n_bits :][:n_bits]
            given |= {bit: bool(exponent >> i & 1) for i, bit in enumerate(own)}
            form = network.count(circuit.outputs["count"], given)
            _settle(form, circuit, {})
            if base is None:
                forms.append(base := form)
            wanted = {key: value << exponent for key, value in base.coefficients.items()}
            if form.coefficients != wanted or form.constant != base.constant << exponent:
                raise _failure(circuit.name, "count is not shifted by the exponent", "", "count",
                               f"phase {phase}, exponent {exponent}")  # fmt: skip
        taps = set(circuit.inputs["taps"])
        for bit, delay in base.coefficients if base else ():
            if bit not in taps or delay:
                raise _failure(circuit.name, "count depends on more than taps", "", "count",
                               f"net {bit}")  # fmt: skip
    return forms


def _segment_of(circuit: Circuit, bus: tuple[int, ...], cell: str) -> int:
    """The segment whose phases a bus carries."""
    for port, bits in circuit.inputs.items():
        if port.startswith("phase_") and bits == bus:
            return int(port.removeprefix("phase_"))
    raise _failure(circuit.name, "phases are not those of a segment", cell, "phase", str(bus))


def _row_module(plan: ArrayPlan) -> str:
    return Library().prototype(*row_component(plan)).module_name


def row_form(plan: TapsPlan, circuits: Mapping[str, Circuit]) -> RowForm:
    """The equation of a row, from its modules as they were emitted.

    Raises
    ------
    ProofError
        The adders do not add up, a segment is out of step, a count may overflow; names module, cell
        and pin.
    """
    row = circuits[_row_module(plan)]
    superblocks = [cell for cell in row.cells if cell.module.startswith("hn_superblock_")]
    superblocks.sort(key=lambda cell: int(cell.name.removeprefix("superblock_")))
    if len(superblocks) != plan.n_superblocks:
        raise _failure(row.name, "superblocks are missing", "", "", str(len(superblocks)))
    inside = circuits[superblocks[0].module] if superblocks else None
    block_forms = _superblock_forms(plan, inside) if inside else []
    top = plan.exponent_values - 1

    advance = row.inputs.get("advance", (-1,))[0]
    network = _Network(row, {cell.module for cell in superblocks}, advance)
    accumulators = [cell for cell in row.cells if cell.module.startswith("hn_accumulator_")]
    (accumulator,) = accumulators
    pin_of = {bit: i for i, bit in enumerate(row.inputs["pins"])}
    n_pins = len(pin_of)
    coefficient = np.zeros(n_pins, dtype=object if top > 32 else np.int64)
    phase_of, superblock_of, segment_of = (np.full(n_pins, -1) for _ in range(3))
    constant = np.zeros((plan.phases, len(superblocks) + 1), dtype=coefficient.dtype)
    exponent_pins = np.full((len(superblocks), plan.phases, plan.exponent_bits), -1)

    def use(pin_bit: int, phase: int, value: int, block: int, segment: int, cell: str) -> None:
        pin = pin_of.get(pin_bit)
        if pin is None:
            raise _failure(row.name, "count depends on more than pins", cell, "", f"net {pin_bit}")
        if phase_of[pin] not in (-1, phase) or (phase_of[pin] == phase and coefficient[pin]):
            raise _failure(row.name, "pin counts twice", cell, f"pins[{pin}]",
                           f"phases {phase_of[pin]} and {phase}")  # fmt: skip
        coefficient[pin], phase_of[pin] = value, phase
        superblock_of[pin], segment_of[pin] = block, segment

    max_count = 0
    for phase in range(plan.phases):
        given = {
            bit: p == phase
            for port, bits in row.inputs.items()
            if port.startswith("phase_")
            for p, bit in enumerate(bits)
        }
        form = network.count(accumulator.pins["count"], given)
        for cell, delays in network.selectors.items():
            segment = _segment_of(row, cell_pins(row, cell)["phase"], cell)
            if delays != {plan.n_cuts - segment}:
                raise _failure(row.name, "selector is out of step", cell, "phase",
                               f"segment {segment}, {delays} registers behind it")  # fmt: skip
        maxima: dict[int, int] = {}
        for s, block in enumerate(superblocks):
            assert inside is not None
            count = block.pins["count"]
            segment = _segment_of(row, block.pins["phase"], block.name)
            key = count[0], plan.n_cuts - segment
            for i, bit in enumerate(count):
                if form.coefficients.get((bit, key[1])) != 1 << i:
                    raise _failure(row.name, "count of a superblock has another weight", block.name,
                                   f"count[{i}]",
                                   f"{form.coefficients.get((bit, key[1]))}, not {1 << i}, "
                                   f"{key[1]} registers behind it")  # fmt: skip
                if i:
                    del form.coefficients[bit, key[1]]
            own = block_forms[phase]
            low, high = own.settle({})
            assert low >= 0
            maxima[count[0]] = high << top
            constant[phase, s] = own.constant
            outer = dict(zip(inside.inputs["taps"], block.pins["taps"], strict=True))
            for (bit, _), value in own.coefficients.items():
                use(outer[bit], phase, value, s, segment, block.name)
            held = block.pins["exponents"][phase * plan.exponent_bits :][: plan.exponent_bits]
            exponent_pins[s, phase] = [pin_of.get(bit, -1) for bit in held]
        max_count = max(max_count, _settle(form, row, maxima))
        constant[phase, -1] = form.constant
        for (bit, delay), value in form.coefficients.items():
            if bit not in maxima:
                use(bit, phase, value, -1, plan.n_cuts - delay, "")
    if len(set(exponent_pins.ravel())) != exponent_pins.size or (exponent_pins < 0).any():
        raise _failure(row.name, "exponents are not on pins of their own", "", "exponents",
                       str(exponent_pins.ravel().tolist())[:80])  # fmt: skip
    return RowForm(coefficient, phase_of, superblock_of, segment_of, constant, exponent_pins,
                   max_count)  # fmt: skip


def cell_pins(circuit: Circuit, name: str) -> Mapping[str, tuple[int, ...]]:
    """Pins of the cell of this name."""
    return next(cell.pins for cell in circuit.cells if cell.name == name)


# Source, accumulator, sequencer.


def prove_source(plan: ArrayPlan, circuit: Circuit) -> int:
    """Check every line in every bit-time and phase for all inputs; the number of line bits.

    ``circuit`` is flattened. Registers of a source may hold anything and change only on ``load``.
    """
    a_bits, n_bits = plan.activation_bits, plan.product_bits
    multiples = plan.lines.multiples
    n_proven = 0
    for phase in range(plan.phases):
        terms = Terms()
        x = terms.word("x", plan.phases * a_bits)
        inputs: dict[str, list[Any]] = {"x": x, "phase": _one_hot(phase, plan.phases)}
        state = _free_state(terms, circuit)
        if plan.holds_input:
            load = inputs["load"] = [terms.variable("load")]
        lines: list[list[Any]] = [[] for _ in multiples]
        held: list[Any] = []
        for b in range(n_bits):
            late = [b >= i for i in range(n_bits)]
            inputs |= {"bit_time": _one_hot(b, n_bits), "late": late,
                       "early": [not bit for bit in late]}  # fmt: skip
            outputs, following = circuit.evaluate(terms, inputs, state)
            for line, bit in zip(lines, outputs["lines"], strict=True):
                line.append(bit)
            # What a register takes must be known by its place in x: see below.
            held = [following[register.output] for register in circuit.registers]
        source = x
        if plan.holds_input:
            source = _held_inputs(terms, circuit, x, load[0], state, held)
        own = source[phase * a_bits : (phase + 1) * a_bits]
        word = terms.signed(own, n_bits)
        for multiple, line in zip(multiples, lines, strict=True):
            product = terms.times(word, terms.number(abs(multiple), n_bits))
            if multiple < 0:
                line = [terms.invert(bit) for bit in line]
            found = terms.counterexample([(terms.unsigned(line, n_bits), product)])
            if found is not None:
                raise _failure(circuit.name, f"line does not carry {multiple} times the input", "",
                               f"lines[{multiples.index(multiple)}]",
                               f"phase {phase}, x = {found.get('x', 0):#x}")  # fmt: skip
            n_proven += n_bits
    return n_proven


def _one_hot(index: int, n: int) -> list[Any]:
    return [i == index for i in range(n)]


def _free_state(terms: Terms, circuit: Circuit) -> dict[int, Any]:
    return {r.output: terms.variable(f"state_{i}") for i, r in enumerate(circuit.registers)}


def _held_inputs(
    terms: Terms, circuit: Circuit, x: list[Any], load: Any, state: Mapping[int, Any],
    held: list[Any],
) -> list[Any]:  # fmt: skip
    """The register of every input bit: the one that takes it on ``load``, and keeps it else."""
    registers: list[Any] = []
    for i, bit in enumerate(x):
        for register, following in zip(circuit.registers, held, strict=True):
            own = state[register.output]
            wanted = terms.choose(own, bit, load)
            if following == wanted:
                registers.append(own)
                break
        else:
            raise _failure(circuit.name, "no register takes this input on load", "", f"x[{i}]", "-")
    return registers


def prove_accumulator(plan: ArrayPlan, circuit: Circuit, max_count: int) -> int:
    """Check one step for all contents and counts; the greatest sum of a whole vector."""
    terms = Terms()
    n_acc, n_low = plan.accumulator_bits, plan.product_bits - 1
    y = circuit.outputs["y"]
    state = _free_state(terms, circuit)
    strangers = [bit for bit in y if bit not in state]
    if strangers or len(set(y)) != n_acc + n_low or len(state) != len(y):
        raise _failure(circuit.name, "result is not the registers", "", "y", f"nets {strangers}")
    count = terms.word("count", len(circuit.inputs["count"]))
    first, shift, sign, enable = (
        terms.variable(name) for name in ("first", "shift", "sign", "enable")
    )
    stay = terms.invert(shift)
    inputs = {"count": count, "first": [first], "shift": [shift], "stay": [stay], "sign": [sign],
              "enable": [enable]}  # fmt: skip
    _, following = circuit.evaluate(terms, inputs, state)
    low, acc = [state[bit] for bit in y[:n_low]], [state[bit] for bit in y[n_low:]]

    before = terms.unsigned([terms.conjunction(bit, terms.invert(first)) for bit in acc], n_acc)
    negative = terms.times(terms.unsigned(count, n_acc), terms.number(-1, n_acc))
    added = terms.select(sign, negative, terms.unsigned(count, n_acc))
    total = terms.bits(terms.plus(before, added), n_acc)
    wanted_acc = [
        terms.choose(old, terms.choose(here, above, shift), enable)
        for old, here, above in zip(acc, total, [*total[1:], False], strict=True)
    ]
    shifting = terms.conjunction(enable, shift)
    wanted_low = [
        terms.choose(old, new, shifting) for old, new in zip(low, [*low[1:], total[0]], strict=True)
    ]
    pairs = [
        (terms.unsigned([following[bit]], 1), terms.unsigned([wanted], 1))
        for bit, wanted in zip(y, [*wanted_low, *wanted_acc], strict=True)
    ]
    found = terms.counterexample(pairs)
    if found is not None:
        raise _failure(circuit.name, "step is not acc + count", "", "y", str(found))
    # Sums of a bit-time: what the shift left of those before, and T counts.
    greatest = rest = 0
    for _ in range(plan.product_bits - 1):
        greatest = max(greatest, rest + plan.phases * max_count)
        rest = (rest + plan.phases * max_count) >> 1
    if greatest >= 1 << n_acc or plan.phases * max_count > 1 << (n_acc - 1):
        raise _failure(circuit.name, "accumulator may overflow", "", "y",
                       f"{greatest} in {n_acc} bits")  # fmt: skip
    assert rest < 1 << (n_acc - 1)
    return greatest


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a watcher of the streams and of the control lines remembers.

    Vectors are numbered modulo 4; that never more than three are on their way is checked.

    Attributes
    ----------
    offered : bool
        A vector is on offer and was not taken: it stays.
    taken, pending : int
        Vectors taken, and how many of them the accumulators have not begun (-1: one begun before).
    held : tuple of (int or None)
        Vector in the input registers of each segment.
    past : tuple of tuples of (vector, step)
        What each segment worked on, last cycle first; None where its inputs are not valid.
    vector, step : int
        What the accumulators hold: steps 0 .. step of a vector.
    ready : bool
        A result is on offer.
    """

    offered: bool
    taken: int
    pending: int
    held: tuple[int | None, ...]
    past: tuple[tuple[tuple[int | None, int], ...], ...]
    vector: int
    step: int
    ready: bool


def prove_sequencer(plan: ArrayPlan, circuit: Circuit) -> tuple[int, int]:
    """Follow every state that streams can lead to; numbers of states and of steps.

    Checked in every one, whatever the streams do next: the control lines mean one phase and bit-time;
    nothing moves while a result waits; each segment works through each vector's steps in order and at its
    distance from the accumulators; these take each step once, of one vector, which all segments read;
    results come once for each vector, in order, stay while they wait, and do come.
    """
    terms = Terms()
    free = _free_state(terms, circuit)
    inputs = {name: [terms.variable(name)] for name in ("x_valid", "y_ready")}
    _, reset = circuit.evaluate(terms, {"rst": [True], **inputs}, free)
    for register in circuit.registers:
        if not isinstance(reset[register.output], bool):
            raise _failure(circuit.name, "reset does not define a register", register.name, "D",
                           "neither 0 nor 1")  # fmt: skip
    order = [register.output for register in circuit.registers]
    history = (((None, 0),) * plan.n_cuts,) * plan.n_segments
    last = plan.interval_cycles - 1
    watch = _Watch(False, 0, 0, (None,) * plan.n_segments, history, 3, last, False)
    start = tuple(reset[bit] for bit in order), watch
    seen = {start}
    frontier = [start]
    n_steps = 0
    while frontier:
        cases = [
            (state, seen_, bool(valid), bool(ready))
            for state, seen_ in frontier
            for valid in (0, 1)
            for ready in (0, 1)
            if valid or not seen_.offered
        ]
        frontier = []
        outputs, following = _evaluate(circuit, order, [(s, v, r) for s, _, v, r in cases])
        for i, (_, seen_, valid, ready) in enumerate(cases):
            values = {port: bits[i] for port, bits in outputs.items()}
            after = tuple(following[i].tolist()), _watched(plan, circuit, seen_, valid, ready,
                                                           values)  # fmt: skip
            n_steps += 1
            if after not in seen:
                seen.add(after)
                frontier.append(after)
    _check_progress(plan, circuit, order, [state for state, _ in seen])
    return len(seen), n_steps


def _evaluate(
    circuit: Circuit, order: list[int], cases: list[tuple[tuple[bool, ...], bool, bool]]
) -> tuple[dict[str, npt.NDArray[np.bool_]], npt.NDArray[np.bool_]]:
    """Outputs by port (n_cases, n_bits) and next states (n_cases, n_registers)."""
    algebra = Arrays(len(cases))
    states = np.array([state for state, _, _ in cases], dtype=bool).reshape(len(cases), -1)
    inputs = {
        "rst": [algebra.constant(False)],
        "x_valid": [np.array([valid for _, valid, _ in cases])],
        "y_ready": [np.array([ready for _, _, ready in cases])],
    }
    own = {bit: states[:, i] for i, bit in enumerate(order)}
    outputs, following = circuit.evaluate(algebra, inputs, own)
    return (
        {port: np.stack(bits, axis=1) for port, bits in outputs.items()},
        np.stack([following[bit] for bit in order], axis=1),
    )


def _watched(
    plan: ArrayPlan, circuit: Circuit, old: _Watch, valid: bool, ready: bool,
    values: Mapping[str, npt.NDArray[np.bool_]],
) -> _Watch:  # fmt: skip
    """Check the outputs of one cycle; what is to be remembered."""

    def check(good: bool, what: str, pin: str) -> None:
        if not good:
            raise _failure(circuit.name, what, "", pin,
                           f"{old}, x_valid {int(valid)}, y_ready {int(ready)}")  # fmt: skip

    def flag(name: str) -> bool:
        return bool(values[name][0])

    last = plan.interval_cycles - 1
    check(flag("y_valid") == old.ready, "results do not come with their vectors", "y_valid")
    waits = old.ready and not ready
    moves = not waits
    check(flag("advance") == moves, "array moves while a result waits, or stands", "advance")

    now = []  # what each segment works on in this cycle
    held = []
    for j in range(plan.n_segments):
        step = _step(plan, values, j, check)
        vector: int | None
        if plan.holds_input:
            vector, load = old.held[j], flag(f"load_{j}")
            check(not load or (valid and moves), "input is copied that is not offered",
                  f"load_{j}")  # fmt: skip
            held.append(old.taken if load else vector)
        else:
            vector = old.taken if valid else None
            held.append(None)
        now.append((vector, step))

    vector, step, done = old.vector, old.step, False
    if flag("enable"):
        check(moves, "accumulators move while a result waits", "enable")
        parts = [(now[j], *old.past[j])[plan.n_cuts - j] for j in range(plan.n_segments)]
        check(len(set(parts)) == 1, f"segments bring parts of different steps: {parts}", "enable")
        own, step = parts[0]
        check(own is not None, "accumulators take what is not valid", "enable")
        assert own is not None
        check(step == (old.step + 1) % (last + 1), "a step is left out or done twice", "enable")
        vector = own
        check(step == 0 or own == old.vector, "a result is of two vectors", "enable")
        check(
            step != 0 or own == (old.vector + 1) % 4, "a vector is left out or done twice", "enable"
        )
        check(not old.ready or ready, "a result is overwritten", "enable")
        bit_time, phase = divmod(step, plan.phases)
        check(flag("first") == (step == 0), "first step is not told", "first")
        check(flag("sign") == (bit_time == plan.product_bits - 1), "sign is not told", "sign")
        ends = phase == plan.phases - 1 and bit_time < plan.product_bits - 1
        check(flag("shift") == ends, "end of a bit-time is not told", "shift")
        check(flag("stay") == (not ends), "shift and stay are not one-hot", "stay")
        done = step == last
    taken = valid and flag("x_ready")
    check(not flag("x_ready") or moves, "input is taken while a result waits", "x_ready")
    pending = old.pending + taken - (step == 0 and vector != old.vector)
    check(-1 <= pending <= 2, "vectors pile up", "x_ready")
    past = tuple(
        ((now[j], *old.past[j])[: plan.n_cuts]) if moves else old.past[j]
        for j in range(plan.n_segments)
    )
    return _Watch(
        offered=valid and not taken,
        taken=(old.taken + taken) % 4,
        pending=pending,
        held=tuple(held),
        past=past,
        vector=vector,
        step=step,
        ready=waits or done,
    )


def _step(
    plan: ArrayPlan, values: Mapping[str, npt.NDArray[np.bool_]], segment: int,
    check: Callable[[bool, str, str], None],
) -> int:  # fmt: skip
    """The step that the lines to a segment tell: T * bit-time + phase."""
    phases, times = values[f"phase_{segment}"], values[f"bit_time_{segment}"]
    check(int(phases.sum()) == 1, "phase is not one-hot", f"phase_{segment}")
    check(int(times.sum()) == 1, "bit-time is not one-hot", f"bit_time_{segment}")
    phase, b = int(phases.argmax()), int(times.argmax())
    late = np.arange(plan.product_bits) <= b
    check(bool((values[f"late_{segment}"] == late).all()), "wrong bit-times", f"late_{segment}")
    check(bool((values[f"early_{segment}"] != late).all()), "wrong bit-times", f"early_{segment}")
    constants = [
        b < plan.product_bits - 1 and bool(value << CONSTANT_BITS * pair >> b & 1)
        for pair in range(plan.n_constant_lines // CONSTANT_VALUES)
        for value in range(1, CONSTANT_VALUES + 1)
    ]
    check(values[f"constants_{segment}"].tolist() == constants, "wrong constants",
          f"constants_{segment}")  # fmt: skip
    return b * plan.phases + phase


def _check_progress(
    plan: ArrayPlan, circuit: Circuit, order: list[int], states: list[tuple[bool, ...]]
) -> None:
    """From every state, results come if inputs do and nobody stalls."""
    came = np.zeros(len(states), dtype=bool)
    now = states
    for _ in range(plan.latency_cycles + plan.n_segments + 1):
        outputs, following = _evaluate(circuit, order, [(state, True, True) for state in now])
        came |= outputs["y_valid"][:, 0]
        now = [tuple(state) for state in following.tolist()]
    if not came.all():
        raise _failure(circuit.name, "array stands still", "", "y_valid",
                       f"state {states[int(came.argmin())]}")  # fmt: skip


# Array.

_INSTANCE = re.compile(r"^  (\w+) (\w+) \(\n(.*?)\n  \);\n", re.MULTILINE | re.DOTALL)
_PIN = re.compile(r"    \.(\w+)\((.*)\)(?:,|$)")
_NET = re.compile(r"^  (input|output|wire) (?:\[(\d+):0\] )?(\w+);$", re.MULTILINE)
_ASSIGN = re.compile(r"^  assign (\w+) = (.*);$", re.MULTILINE)
_PART = re.compile(r"(\w+)(?:\[(\d+)(?::(\d+))?\])?\Z")
_ZEROS = re.compile(r"(\d+)'d0\Z")

_Part = tuple[str, int, int]  # name, lowest bit, number of bits; zeros have no name


def _joined(parts: Iterable[_Part]) -> list[_Part]:
    """The same bits in as few parts as possible."""
    result: list[_Part] = []
    for name, low, n_bits in parts:
        if result and result[-1][0] == name and (not name or sum(result[-1][1:]) == low):
            result[-1] = name, result[-1][1], result[-1][2] + n_bits
        elif n_bits:
            result.append((name, low, n_bits))
    return result


class _Array:
    """Bits of the expressions of a structural module."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        body = re.sub(r"^//.*\n", "", text, flags=re.MULTILINE)
        self.widths = {n: int(high or 0) + 1 for _, high, n in _NET.findall(body)}
        self.directions = {n: kind for kind, _, n in _NET.findall(body)}
        self.instances = [
            (module, instance, dict(_PIN.findall(pins)))
            for module, instance, pins in _INSTANCE.findall(body)
        ]
        self.assigns = dict(_ASSIGN.findall(body))
        rest = body
        for pattern in (_INSTANCE, _NET, _ASSIGN):
            rest = pattern.sub("", rest)
        rest = re.sub(r"\Amodule \w+\([\w, ]*\);\s*endmodule\s*\Z", "", rest)
        if rest.strip():
            raise _failure(name, "array holds more than instances and wires", "", "",
                           rest.strip()[:60])  # fmt: skip

    def parts(self, expression: str, cell: str, pin: str) -> list[_Part]:
        """Bits, lowest first."""
        expression = expression.strip()
        if expression.startswith("{"):
            return _joined(
                part
                for item in reversed(expression[1:-1].split(","))
                for part in self.parts(item, cell, pin)
            )
        if match := _ZEROS.match(expression):
            return [("", 0, int(match[1]))]
        match = _PART.match(expression)
        width = self.widths.get(match[1]) if match else None
        if match is None or width is None:
            raise _failure(self.name, "expression is no wire", cell, pin, expression)
        high = int(match[2]) if match[2] else width - 1
        low = int(match[3]) if match[3] else high if match[2] else 0
        if not low <= high < width:
            raise _failure(self.name, "bits that the wire does not have", cell, pin, expression)
        return [(match[1], low, high - low + 1)]

    def whole(self, name: str) -> list[_Part]:
        return [(name, 0, self.widths[name])] if name in self.widths else []


def _expected_instances(
    plan: ArrayPlan, array: _Array, circuits: Mapping[str, Circuit]
) -> dict[str, tuple[str, dict[str, list[_Part]]]]:
    """Module and connections of every instance."""
    wanted: dict[str, tuple[str, dict[str, list[_Part]]]] = {}

    def expect(instance: str, module: str, own: Mapping[str, list[_Part]]) -> None:
        circuit = circuits[module]
        ports = [*circuit.inputs, *circuit.outputs]
        wanted[instance] = module, {port: own.get(port, array.whole(port)) for port in ports}

    (sequencer,) = (name for name in circuits if name.startswith("hn_sequencer_"))
    (source,) = (name for name in circuits if name.startswith("hn_source"))
    row_module = _row_module(plan)
    expect("sequencer", sequencer, {})
    a_bits, y_bits = plan.activation_bits, plan.y_bits
    for bundle in range(plan.n_bundles):
        columns = [plan.column(phase, bundle) for phase in range(plan.phases)]
        x = _joined(("", 0, a_bits) if c is None else ("x", c * a_bits, a_bits) for c in columns)
        j = plan.bundle_segment(bundle)
        pins = {"x": x, "lines": array.whole(f"lines_{bundle}")}
        for name in ("phase", "bit_time", "late", "early", "load"):
            pins[name] = array.whole(f"{name}_{j}")
        expect(f"source_{bundle}", source, pins)
    for row in range(plan.n_rows):
        pins = {"pins": array.whole(f"pins_{row}"), "locals": array.whole(f"local_{row}")}
        expect(f"row_{row}", row_module, pins | {"y": [("y", row * y_bits, y_bits)]})
    return wanted


def prove_array(plan: ArrayPlan, text: str, circuits: Mapping[str, Circuit]) -> dict[str, int]:
    """Check every connection of the array module; numbers of instances and of pins."""
    array = _Array(plan.name, text)
    wanted = _expected_instances(plan, array, circuits)
    found = {instance for _, instance, _ in array.instances}
    if found != set(wanted) or len(array.instances) != len(wanted):
        odd = sorted(found ^ set(wanted))
        raise _failure(plan.name, "instances are missing or too many", odd[0] if odd else "twice",
                       "", f"{len(array.instances)}, not {len(wanted)}")  # fmt: skip
    driven: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    n_pins = 0
    for module, instance, connections in array.instances:
        module_wanted, pins = wanted[instance]
        if module != module_wanted or connections.keys() != pins.keys():
            raise _failure(plan.name, "instance of another module", instance, "", module)
        circuit = circuits[module]
        for pin, expression in connections.items():
            parts = array.parts(expression, instance, pin)
            is_output = pin in circuit.outputs
            width = len((circuit.outputs if is_output else circuit.inputs)[pin])
            if parts != pins[pin] or sum(part[2] for part in parts) != width:
                raise _failure(plan.name, "pin is connected to something else", instance, pin,
                               expression[:80])  # fmt: skip
            if is_output:
                for name, low, n_bits in parts:
                    driven[name].append((low, low + n_bits))
            n_pins += width
    expected = {"tie_low": "1'b0", "tie_high": "1'b1",
                "constants": f"constants_{plan.constant_segment}"}  # fmt: skip
    if array.assigns != expected:
        raise _failure(plan.name, "ties or constants are other ones", "", "assign",
                       str(array.assigns)[:120])  # fmt: skip
    for name in expected:
        driven[name].append((0, array.widths[name]))
    if array.widths[expected["constants"]] != array.widths["constants"]:
        raise _failure(plan.name, "constants are not as wide as their lines", "", "constants",
                       str(array.widths["constants"]))  # fmt: skip
    ports = {port.name: (port.direction, port.n_bits) for port in array_ports(plan)}
    declared = {
        name: (kind, array.widths[name])
        for name, kind in array.directions.items()
        if kind != "wire"
    }
    if ports != declared:
        odd = sorted(dict(ports.items() ^ declared.items()))
        raise _failure(plan.name, "port has another width or direction", "", odd[0], str(odd[:3]))
    for name, kind in array.directions.items():
        ends = sorted(driven[name])
        bounds = [] if kind == "input" else [0, array.widths[name]]
        if [*(low for low, _ in ends), *bounds[1:]] != [*bounds[:1], *(high for _, high in ends)]:
            raise _failure(plan.name, "net has not one driver", "", name, str(ends[:4]))
    return {"instances": len(array.instances), "pins": n_pins}


# The whole.


def _texts(plan: ArrayPlan) -> dict[str, str]:
    return {name: "".join(pieces) for name, pieces in base_modules(plan)}


def _check_plan(plan: TapsPlan, form: RowForm, module: str) -> None:
    """Pins must count for what ``hnlpu.taps`` says they do."""
    n = plan.n_ports
    polarity = plan.port_polarity()
    bundles = np.arange(n) // plan.n_taps
    segments = np.array([plan.bundle_segment(bundle) for bundle in range(plan.n_bundles)])
    blocks = bundles // plan.superblock_bundles if plan.n_superblocks else np.full(n, -1)
    n_constants = len(plan.constant_ports)
    columns = [1 << port.column for port in plan.constant_ports]
    filler = np.full(plan.n_exponent_pins, -1)

    def pins(stubs: npt.NDArray[Any], constants: npt.NDArray[Any], rest: Any) -> npt.NDArray[Any]:
        return np.concatenate([stubs, constants, rest])

    phases, each = np.arange(plan.phases), np.ones(plan.phases, dtype=np.int64)
    ones = np.ones(n_constants, dtype=np.int64)
    expected = {
        "coefficient": pins(np.tile(polarity, plan.phases), np.repeat(columns, plan.phases),
                            0 * filler),
        "phase": pins(np.repeat(phases, n), np.tile(phases, n_constants), filler),
        "superblock": pins(np.tile(blocks, plan.phases), np.kron(-ones, each), filler),
        "segment": pins(np.tile(segments[bundles], plan.phases),
                        np.kron(ones * plan.constant_segment, each), filler),
    }  # fmt: skip
    for what, wanted in expected.items():
        got = getattr(form, what)
        if len(got) != len(wanted):
            raise _failure(module, "row has another number of pins", "", "pins", str(len(got)))
        wrong = np.flatnonzero(got != wanted)
        if len(wrong):
            raise _failure(module, f"pin has another {what}", "", f"pins[{wrong[0]}]",
                           f"{got[wrong[0]]}, not {wanted[wrong[0]]}")  # fmt: skip
    slots = np.arange(plan.n_exponent_pins) + plan.n_pins - plan.n_exponent_pins
    if (form.exponent_pins.ravel() != slots).any():
        raise _failure(module, "exponent pins are other ones", "", "pins", "another order")


def prove_composition(plan: ArrayPlan, modules: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Prove what a base computes, whatever metal is put on it; see the head of this module.

    Parameters
    ----------
    plan : ArrayPlan
        Of any size. Only tap crossbars so far.
    modules : mapping of module name to Verilog, optional
        The base, where it is not the emitted one.

    Returns
    -------
    dict
        How many of what was checked, and ``seconds``.

    Raises
    ------
    ProofError
        Names module, cell and pin.
    """
    start = time.perf_counter()
    if not isinstance(plan, TapsPlan):
        raise HnlpuError(
            "architecture has no composition proof",
            where=plan.name,
            got=plan.arch,
            do="use hnlpu.verification.formal.prove_small on a small base of this architecture",
        )
    texts = dict(modules) if modules is not None else _texts(plan)
    array_text = texts.pop(plan.name)
    prefixes = ("hn_source", "hn_sequencer_", "hn_accumulator_")
    source, sequencer, accumulator = (
        next(name for name in texts if name.startswith(prefix)) for prefix in prefixes
    )
    circuits = read_circuits(texts.values(), [source, sequencer, accumulator])
    leaves = {
        name: prove_leaf(circuit)
        for name, circuit in circuits.items()
        if name in _ADDERS or _SELECT.match(name)
    }
    form = row_form(plan, circuits)
    row_module = _row_module(plan)
    _check_plan(plan, form, row_module)
    _check_row_wires(circuits[row_module], circuits[accumulator])
    greatest = prove_accumulator(plan, circuits[accumulator], form.max_count)
    line_bits = prove_source(plan, circuits[source])
    states, steps = prove_sequencer(plan, circuits[sequencer])
    array = prove_array(plan, array_text, circuits)
    row = circuits[row_module]
    return {
        "base": plan.name,
        "arch": plan.arch,
        "scope": "all metal, all inputs, all stalls",
        "leaf_cells": len(leaves),
        "leaf_patterns": sum(leaves.values()),
        "row_cells": len(row.cells),
        "row_pins": len(form.coefficient),
        "max_count": form.max_count,
        "accumulator_bits": plan.accumulator_bits,
        "accumulator_max": greatest,
        "line_bits": line_bits,
        "sequencer_states": states,
        "sequencer_steps": steps,
        "array_instances": array["instances"],
        "array_pins": array["pins"],
        "seconds": round(time.perf_counter() - start, 2),
    }


def _check_row_wires(row: Circuit, accumulator: Circuit) -> None:
    """The accumulator of a row has the row's control lines and drives its result."""
    (cell,) = (cell for cell in row.cells if cell.module == accumulator.name)
    for pin in (*accumulator.inputs, *accumulator.outputs):
        if pin == "count":
            continue
        wanted = row.outputs[pin] if pin == "y" else row.inputs[pin]
        if cell.pins[pin] != wanted:
            raise _failure(row.name, "accumulator is connected to something else", cell.name, pin,
                           str(cell.pins[pin])[:60])  # fmt: skip


def prove_wiring(
    plan: TapsPlan, matrix: AlignedMatrix, pins: Pins | None = None, form: RowForm | None = None
) -> dict[str, Any]:
    """Prove that the wiring of a matrix makes the base of ``plan`` compute it, for all inputs.

    Parameters
    ----------
    plan : TapsPlan
    matrix : AlignedMatrix
    pins : int array (n_rows, n_pins), optional
        Drivers; those of ``plan.wire`` if left out.
    form : RowForm, optional
        Of the plan, so that it need not be emitted again.

    Raises
    ------
    ProofError
        Names the row and the column, or the row whose constant is wrong.
    """
    start = time.perf_counter()
    if form is None:
        texts = _texts(plan)
        texts.pop(plan.name)
        form = row_form(plan, read_circuits(texts.values()))
    pins = plan.wire(matrix) if pins is None else pins
    weights, constants = _evaluate_pins(plan, pins, form)
    wide = weights.dtype
    shifts = np.repeat(matrix.block_exponents, plan.block, axis=1)[:, : plan.n_columns]
    wanted = matrix.multiples.astype(wide) << shifts.astype(wide)
    if (weights != wanted).any():
        row, column = np.argwhere(weights != wanted)[0]
        raise ProofError("wiring stands for another weight",
                         where=f"{matrix.name} on {plan.name}: row {row}, column {column}",
                         got=f"{weights[row, column]}, not {wanted[row, column]}",
                         do="report it: the metal plan is wrong")  # fmt: skip
    if constants.any():
        row = int(np.flatnonzero(constants)[0])
        raise ProofError("wiring adds a constant", where=f"{matrix.name} on {plan.name}: row {row}",
                         got=str(constants[row]),
                         do="report it: the metal plan is wrong")  # fmt: skip
    return {
        "base": plan.name,
        "scope": "one matrix, all inputs",
        "weights": int(weights.size),
        "pins": int(pins.size),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _evaluate_pins(
    plan: TapsPlan, pins: Pins, form: RowForm
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The theorem: weight of every input and constant of every row, (n_rows, n_columns), (n_rows,)."""
    kind: Any = np.int64 if plan.exponent_values <= 32 else object
    used = np.flatnonzero(form.phase >= 0)
    drivers, phases = pins[:, used], form.phase[used]
    scale = np.tile(form.coefficient[used].astype(kind), (plan.n_rows, 1))
    constants = np.zeros(plan.n_rows, dtype=kind)
    # A constant count in every bit-time of a phase is worth minus itself.
    constants -= int(form.constant[:, -1].sum())
    if form.exponent_pins.size:
        bits = pins[:, form.exponent_pins]
        if ((bits != LOW) & (bits != HIGH)).any():
            raise ProofError("exponent is not on ties", where=plan.name,
                             got=f"row {np.argwhere((bits != LOW) & (bits != HIGH))[0][0]}",
                             do="report it: the metal plan is wrong")  # fmt: skip
        exponents = ((bits == HIGH) << np.arange(plan.exponent_bits)).sum(axis=-1)
        own = exponents[:, form.superblock[used], phases].astype(kind)
        scale <<= np.where(form.superblock[used] >= 0, own, 0)
        offset = form.constant[:, :-1].T.astype(kind)
        constants -= (offset[None] << exponents.astype(kind)).sum(axis=(1, 2))

    line = drivers - LINES
    bundle, index = np.divmod(line, plan.lines.n_lines)
    is_line = (line >= 0) & (line < plan.n_lines)
    constant = line - plan.n_lines
    is_constant = (constant >= 0) & (constant < plan.n_constant_lines)
    segments = np.array([plan.bundle_segment(b) for b in range(plan.n_bundles)])
    arrives = np.where(is_line, segments[np.where(is_line, bundle, 0)], plan.constant_segment)
    if ((arrives != form.segment[used]) & (is_line | is_constant)).any():
        raise ProofError("pin takes a line of another segment", where=plan.name,
                         got="a driver that is out of step",
                         do="report it: the metal plan is wrong")  # fmt: skip
    if (~is_line & ~is_constant & (drivers != LOW) & (drivers != HIGH)).any():
        raise ProofError("driver that no base has", where=plan.name, got=str(drivers.max()),
                         do="report it: the metal plan is wrong")  # fmt: skip
    multiples = np.asarray(plan.lines.multiples, dtype=np.int64)
    multiple = np.where(is_line, multiples[np.where(is_line, index, 0)], 0).astype(kind)
    pair, value = np.divmod(np.where(is_constant, constant, 0), CONSTANT_VALUES)
    worth = (value + 1) << (CONSTANT_BITS * pair)
    worth &= (1 << (plan.product_bits - 1)) - 1  # the last bit-time is left out
    offsets = np.where(is_constant, worth, 0) - ((multiple < 0) | (drivers == HIGH))
    constants += (scale * offsets.astype(kind)).sum(axis=1)

    column = np.full((plan.phases, plan.n_bundles), plan.n_columns)
    for phase in range(plan.phases):
        for b in range(plan.n_bundles):
            own_column = plan.column(phase, b)
            column[phase, b] = plan.n_columns if own_column is None else own_column
    target = np.where(is_line, column[phases, np.where(is_line, bundle, 0)], plan.n_columns)
    weights = np.zeros((plan.n_rows, plan.n_columns + 1), dtype=kind)
    rows = np.broadcast_to(np.arange(plan.n_rows)[:, None], target.shape)
    np.add.at(weights, (rows, target), scale * multiple)
    return weights[:, :-1], constants
