"""Formal: proofs that small bases compute ``y = sum of weight times x``, for all weights and all inputs.

A harness is written around the emitted base. Each pin is driven through a symbolic choice among the
drivers that the metal may connect it to, the inputs are symbolic, and registers without a reset start with
symbolic contents. From a reset on, the gates of the whole are evaluated cycle by cycle in terms of the
solver (Bitwuzla); control comes out constant, the results do not. In the cycle in which a result is
valid, the solver is asked for choices and inputs for which it differs from

    y[row] = sum over columns of weight[row, column] * 2**exponent * x[column]

with plain signed multiplication. "Unsatisfiable" is the proof. Vectors follow back to back, each with its
own symbolic input, so that what a vector leaves behind is covered too.

Where the ways to wire a base are no product of choices, the weights are those of a list of matrices and
only the inputs are symbolic; the harness is then the emitted metal itself.

What holds for bases of any size is in ``hnlpu.verification.composition``.

Contract (checked by ``tests/verification/test_formal.py``): a base with a wrong wire or inverter has a
counterexample, and the message holds it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError, MissingToolError
from hnlpu.metal import plan_metal
from hnlpu.rtl.array import array_ports, base_modules
from hnlpu.rtl.metal import driver_names, metal_module
from hnlpu.rtl.structure import Instance, Port, Structure, concat
from hnlpu.taps import TapsPlan
from hnlpu.verification.circuit import Circuit, read_circuits

__all__ = ["ProofError", "Terms", "corner_matrices", "prove_matrices", "prove_small", "prove_taps"]

_OUTSIDE = ("clk", "rst", "x_valid", "x_ready", "x", "y_valid", "y_ready", "y")
_DO = "report it: the base or its wiring is wrong"


class ProofError(HnlpuError):
    """A check that failed: the message holds the counterexample (exit code 1)."""

    exit_code = 1


class Terms:
    """The algebra of solver terms; bits that are known stay Python booleans."""

    def __init__(self) -> None:
        if find_spec("bitwuzla") is None:
            raise MissingToolError(
                "Bitwuzla is missing",
                where="formal proof",
                got="no Python package bitwuzla",
                do="pip install bitwuzla (0.10 is tested); everything else works without it",
            )
        import bitwuzla

        self._kinds = bitwuzla.Kind
        self._solver = bitwuzla
        self._terms = bitwuzla.TermManager()
        self._bit = self._terms.mk_bv_sort(1)
        self.variables: dict[str, Any] = {}

    def variable(self, name: str) -> Any:
        """A free bit."""
        self.variables[name] = term = self._terms.mk_const(self._bit, name)
        return term

    def word(self, name: str, n_bits: int) -> list[Any]:
        """Free bits, lowest first."""
        return [self.variable(f"{name}[{i}]") for i in range(n_bits)]

    def _term(self, bit: Any) -> Any:
        return self._terms.mk_bv_value(self._bit, int(bit)) if isinstance(bit, bool) else bit

    def _make(self, kind: str, *terms: Any, indices: Sequence[int] = ()) -> Any:
        return self._terms.mk_term(getattr(self._kinds, kind), list(terms), list(indices))

    def constant(self, value: bool) -> Any:
        return bool(value)

    def invert(self, a: Any) -> Any:
        return not a if isinstance(a, bool) else self._make("BV_NOT", a)

    def conjunction(self, a: Any, b: Any) -> Any:
        for one, other in ((a, b), (b, a)):
            if isinstance(one, bool):
                return other if one else False
        return self._make("BV_AND", a, b)

    def disjunction(self, a: Any, b: Any) -> Any:
        return self.invert(self.conjunction(self.invert(a), self.invert(b)))

    def parity(self, a: Any, b: Any) -> Any:
        for one, other in ((a, b), (b, a)):
            if isinstance(one, bool):
                return self.invert(other) if one else other
        return self._make("BV_XOR", a, b)

    def choose(self, a: Any, b: Any, select: Any) -> Any:
        if isinstance(select, bool):
            return b if select else a
        taken = self.conjunction(select, b)
        return self.disjunction(taken, self.conjunction(self.invert(select), a))

    def number(self, value: int, n_bits: int) -> Any:
        """A constant word, two's complement."""
        return self._terms.mk_bv_value(self._terms.mk_bv_sort(n_bits), value % (1 << n_bits))

    def signed(self, bits: Sequence[Any], n_bits: int) -> Any:
        """The word with these bits, sign-extended to ``n_bits``."""
        return self._extended("BV_SIGN_EXTEND", bits, n_bits)

    def unsigned(self, bits: Sequence[Any], n_bits: int) -> Any:
        """The word with these bits, zero-extended to ``n_bits``."""
        return self._extended("BV_ZERO_EXTEND", bits, n_bits)

    def _extended(self, kind: str, bits: Sequence[Any], n_bits: int) -> Any:
        terms = [self._term(bit) for bit in reversed(bits)]
        word = self._make("BV_CONCAT", *terms) if len(terms) > 1 else terms[0]
        return self._make(kind, word, indices=[n_bits - len(bits)])

    def plus(self, a: Any, b: Any) -> Any:
        return self._make("BV_ADD", a, b)

    def times(self, a: Any, b: Any) -> Any:
        return self._make("BV_MUL", a, b)

    def shifted(self, a: Any, by: Any) -> Any:
        """``a << by``."""
        return self._make("BV_SHL", a, by)

    def pick(self, index: Sequence[Any], options: Sequence[Any]) -> Any:
        """The word at ``index``; the last one where the index is beyond."""
        result = options[-1]
        for i in reversed(range(len(options) - 1)):
            here = self._make("EQUAL", self.unsigned(index, len(index)),
                              self.number(i, len(index)))  # fmt: skip
            result = self._make("ITE", here, options[i], result)
        return result

    def select(self, bit: Any, a: Any, b: Any) -> Any:
        """The word ``a`` if the bit is set, else ``b``."""
        here = self._make("EQUAL", self._term(bit), self.number(1, 1))
        return self._make("ITE", here, a, b)

    def bits(self, word: Any, n_bits: int) -> list[Any]:
        return [self._make("BV_EXTRACT", word, indices=[i, i]) for i in range(n_bits)]

    def renamed(
        self, bits: Sequence[Any], old: Sequence[Sequence[Any]], new: Sequence[Sequence[Any]]
    ) -> list[Any]:
        """``bits`` with each variable of ``old`` replaced by the one of ``new`` in its place."""
        table = {a: b for x, y in zip(old, new, strict=True) for a, b in zip(x, y, strict=True)}
        return [
            bit if isinstance(bit, bool) else self._terms.substitute_term(bit, table)
            for bit in bits
        ]

    def counterexample(self, pairs: Sequence[tuple[Any, Any]]) -> dict[str, int] | None:
        """Values of the variables for which some pair of words differs; None if there are none."""
        solver = self._solver
        options = solver.Options()
        options.set(solver.Option.PRODUCE_MODELS, True)
        search = solver.Bitwuzla(self._terms, options)
        different = [self._make("DISTINCT", a, b) for a, b in pairs]
        search.assert_formula(self._make("OR", *different) if len(pairs) > 1 else different[0])
        if search.check_sat() == solver.Result.UNSAT:
            return None
        found: dict[str, int] = {}
        for name, term in self.variables.items():
            value = int(search.get_value(term).value(10))
            word, _, index = name.partition("[")
            found[word] = found.get(word, 0) | value << (int(index[:-1]) if index else 0)
        return found


@dataclass(frozen=True, slots=True)
class _Choice:
    """A symbolic choice among ``n`` options; ``values[i]`` is what option ``i`` stands for."""

    name: str
    values: tuple[int, ...]

    @property
    def n_bits(self) -> int:
        return max(2, (len(self.values) - 1).bit_length())  # a port of one bit has no index


@dataclass(frozen=True, slots=True)
class _Row:
    """How the metal of a row depends on choices.

    Attributes
    ----------
    weights : tuple of _Choice
        One for each column; values are codebook values.
    exponents : tuple of _Choice
        One for each block.
    constant : _Choice
        Follows from the others: which constant the row needs.
    pins : tuple of (choice or None, drivers by option)
        One for each pin.
    """

    weights: tuple[_Choice, ...]
    exponents: tuple[_Choice, ...]
    constant: _Choice
    pins: tuple[tuple[_Choice | None, tuple[int, ...]], ...]

    @property
    def choices(self) -> tuple[_Choice, ...]:
        return (*self.weights, *self.exponents, self.constant)


def _matrix(plan: ArrayPlan, multiples: npt.ArrayLike, exponents: npt.ArrayLike) -> AlignedMatrix:
    return AlignedMatrix(
        "proof",
        np.broadcast_to(np.asarray(multiples), (plan.n_rows, plan.n_columns)).astype(np.int16),
        np.broadcast_to(np.asarray(exponents), (plan.n_rows, plan.n_blocks)).astype(np.uint8),
        np.zeros(plan.n_rows, dtype=np.int16),
        plan.block,
    )


def _lacking(plan: TapsPlan, value: int) -> int:
    """Complemented lines that stand for ``value``; each lacks one."""
    return sum(part < 0 for part in plan.lines.parts(value))


def _row_of_taps(plan: TapsPlan, row: int) -> _Row:
    """Read off ``plan.wire`` which pins depend on which weight or exponent, and how.

    The wiring of taps is a product: the stubs of a weight depend on that weight, the pins of an exponent
    on that exponent, the constant stubs on what the row lacks in all. That it is so is not taken for
    granted: a pin that follows two choices raises.
    """
    one = replace(plan, n_rows=1)
    values = (0, *(sign * m for m in plan.magnitudes for sign in (1, -1)))
    zero = one.wire(_matrix(one, 0, 0))[0]
    pins: list[tuple[_Choice | None, tuple[int, ...]]] = [(None, (int(d),)) for d in zero]
    n_constants = plan.phases * len(plan.constant_ports)
    constants = range(plan.n_stubs, plan.n_stubs + n_constants)

    def follow(choice: _Choice, drivers: npt.NDArray[np.int64]) -> None:
        for pin in np.flatnonzero((drivers != drivers[0]).any(axis=0)):
            if pin in constants and choice.name.startswith(("weight", "exponent")):
                continue
            if pins[pin][0] is not None:
                raise ProofError("pin follows two choices", where=f"{plan.name}: pin {pin}",
                                 got=f"{pins[pin][0]} and {choice}",
                                 do="prove this architecture for matrices instead")  # fmt: skip
            pins[pin] = (choice, tuple(map(int, drivers[:, pin])))

    weights, exponents = [], []
    for column in range(plan.n_columns):
        choice = _Choice(f"weight_{row}_{column}", values)
        columns = np.eye(plan.n_columns, dtype=np.int64)[column]
        follow(choice, np.array([one.wire(_matrix(one, v * columns, 0))[0] for v in values]))
        weights.append(choice)
    for block in range(plan.n_blocks):
        choice = _Choice(f"exponent_{row}_{block}", tuple(range(plan.exponent_values)))
        blocks = np.eye(plan.n_blocks, dtype=np.int64)[block]
        follow(choice, np.array([one.wire(_matrix(one, 0, e * blocks))[0] for e in choice.values]))
        exponents.append(choice)

    # The constant stubs must be the same for the same total, however it comes about.
    found: dict[int, npt.NDArray[np.int64]] = {}
    kinds = {_lacking(plan, value): value for value in values}
    per_block = [range(plan.exponent_values)] * plan.n_blocks
    for lacks in product(sorted(kinds), repeat=plan.n_columns):
        for shifts in product(*per_block):
            column_shifts = np.repeat(shifts, plan.block)[: plan.n_columns]
            total = int((np.array(lacks) << column_shifts).sum())
            multiples = [kinds[lack] for lack in lacks]
            drivers = one.wire(_matrix(one, multiples, shifts))[0, constants]
            if (found.setdefault(total, drivers) != drivers).any():
                raise ProofError("constant stubs are not the same for the same total",
                                 where=f"{plan.name}: total {total}",
                                 got=f"weights {multiples}, exponents {shifts}",
                                 do="prove this architecture for matrices instead")  # fmt: skip
    totals = tuple(range(max(found) + 1))  # those not found do not occur
    constant = _Choice(f"constant_{row}", totals)
    drivers = np.tile(zero, (len(totals), 1))
    drivers[:, constants] = [found.get(total, found[0]) for total in totals]
    follow(constant, drivers)
    return _Row(tuple(weights), tuple(exponents), constant, tuple(pins))


def _harness(plan: ArrayPlan, rows: Sequence[_Row]) -> str:
    """Verilog that wires the base as the choices say."""
    ports = [port for port in array_ports(plan) if port.name in _OUTSIDE]
    choices = [choice for row in rows for choice in row.choices]
    inside = [port for port in array_ports(plan) if port.name not in _OUTSIDE]

    def pins(port: Port) -> str:
        kind, _, row = port.name.partition("_")
        if kind != "pins":
            return port.name
        names = driver_names(plan, int(row))
        return concat(_pin(names, choice, drivers) for choice, drivers in rows[int(row)].pins)

    structure = Structure(
        name="harness",
        comment="Every wiring of a base at once.",
        ports=[*ports, *(Port("input", choice.name, choice.n_bits) for choice in choices)],
        wires=[(port.name, port.n_bits) for port in inside if port.direction == "output"],
        instances=[
            Instance(plan.name, "base", tuple((p.name, pins(p)) for p in array_ports(plan)))
        ],
    )
    return "".join(structure.render())


def _pin(names: npt.NDArray[np.str_], choice: _Choice | None, drivers: tuple[int, ...]) -> str:
    if choice is None:
        return str(names[drivers[0]])
    return _selected(choice.name, choice.n_bits, [str(names[driver]) for driver in drivers])


def _selected(name: str, n_bits: int, options: Sequence[str]) -> str:
    """A tree of multiplexers; options beyond the last repeat it."""
    if n_bits == 0:
        return options[0]
    half = 1 << (n_bits - 1)
    low = _selected(name, n_bits - 1, options[:half])
    high = _selected(name, n_bits - 1, options[half:] or options[-1:])
    bit = f"{name}[{n_bits - 1}]"
    return low if low == high else f"({bit} ? {high} : {low})"


@dataclass(frozen=True, slots=True)
class _Result:
    """The ``y`` of a vector, and what went in."""

    y: list[Any]
    x: list[list[Any]]
    cycle: int


def _run(
    terms: Terms, circuit: Circuit, plan: ArrayPlan, choices: Mapping[str, list[Any]],
    n_vectors: int,
) -> Iterator[_Result]:  # fmt: skip
    """Offer vectors back to back from a reset on, and yield each result in the cycle it is valid."""
    a_bits = plan.activation_bits
    state = {
        register.output: terms.variable(f"initial_{i}")
        for i, register in enumerate(circuit.registers)
    }
    x = [
        [terms.word(f"x{v}_{column}", a_bits) for column in range(plan.n_columns)]
        for v in range(n_vectors)
    ]

    def cycle(reset: bool, sent: int) -> tuple[dict[str, list[Any]], dict[int, Any]]:
        offered = x[min(sent, n_vectors - 1)]
        inputs: dict[str, list[Any]] = {
            "rst": [reset],
            "x_valid": [sent < n_vectors and not reset],
            "x": [bit for word in offered for bit in word],
            "y_ready": [True],
            **choices,
        }
        return circuit.evaluate(terms, inputs, state)

    _, state = cycle(True, 0)
    sent = done = 0
    for time_ in range(plan.latency_cycles + n_vectors * (plan.interval_cycles + plan.n_cuts + 2)):
        outputs, following = cycle(False, sent)
        valid, ready = outputs["y_valid"][0], outputs["x_ready"][0]
        if not isinstance(valid, bool) or (sent < n_vectors and not isinstance(ready, bool)):
            raise ProofError("handshake depends on data", where=f"{plan.name}: cycle {time_}",
                             got="y_valid or x_ready is not constant", do=_DO)  # fmt: skip
        if valid:
            if done == n_vectors:
                raise ProofError("more results than vectors", where=f"{plan.name}: cycle {time_}",
                                 got=f"result {done + 1} of {n_vectors}", do=_DO)  # fmt: skip
            yield _Result(outputs["y"], x[done], time_)
            done += 1
        if sent < n_vectors and ready:
            sent += 1
        state = following
    if done < n_vectors:
        raise ProofError("results are missing", where=plan.name,
                         got=f"{done} of {n_vectors}", do=_DO)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Weight:
    """A weight of the reference: one of ``values``, times two to a shift (a word)."""

    values: tuple[int, ...]
    index: list[Any] | None = None
    shift: Any = None
    variables: tuple[list[Any], ...] = ()  # that choose the value and the shift


def _expected(
    terms: Terms, plan: ArrayPlan, x: Sequence[list[Any]], weights: Sequence[_Weight]
) -> Any:
    """The sum of products, as wide as a result, by multiplication."""
    n_bits = plan.y_bits
    total = terms.number(0, n_bits)
    for bits, weight in zip(x, weights, strict=True):
        word = terms.signed(bits, n_bits)
        products = [terms.times(word, terms.number(v, n_bits)) for v in weight.values]
        one = products[0] if weight.index is None else terms.pick(weight.index, products)
        total = terms.plus(total, one if weight.shift is None else terms.shifted(one, weight.shift))
    return total


def _prove(
    terms: Terms, circuit: Circuit, plan: ArrayPlan, choices: Mapping[str, list[Any]],
    weights: Sequence[Sequence[_Weight]], n_vectors: int, describe: Callable[[dict[str, int]], str],
) -> list[int]:  # fmt: skip
    """Prove every result; the cycles in which they were valid.

    A result that is, term by term, one already proven with other variables needs no solver.
    """
    cycles: list[int] = []
    proven: list[_Case] = []
    for number, result in enumerate(_run(terms, circuit, plan, choices, n_vectors)):
        cycles.append(result.cycle)
        for row, own in enumerate(weights):
            y = result.y[row * plan.y_bits :][: plan.y_bits]
            if any(_is_renamed(terms, known, (y, result.x, own)) for known in proven):
                continue
            pair = terms.signed(y, plan.y_bits), _expected(terms, plan, result.x, own)
            found = terms.counterexample([pair])
            if found is not None:
                raise ProofError("result is not the sum of products",
                                 where=f"{plan.name}: vector {number}, row {row}, "
                                 f"cycle {result.cycle}",
                                 got=describe(found), do=_DO)  # fmt: skip
            proven.append((y, result.x, own))
    return cycles


_Case = tuple[list[Any], list[list[Any]], Sequence[_Weight]]


def _is_renamed(terms: Terms, old: _Case, new: _Case) -> bool:
    """Whether two cases differ in the names of their variables only."""
    if [w.values for w in old[2]] != [w.values for w in new[2]]:
        return False
    variables = [[*case[1], *(v for w in case[2] for v in w.variables)] for case in (old, new)]
    return bool(terms.renamed(old[0], *variables) == new[0])


def prove_taps(
    plan: TapsPlan, *, n_vectors: int = 2, modules: Sequence[str] | None = None
) -> dict[str, Any]:
    """Prove a small tap-crossbar base for all weights, all exponents and all inputs; see above."""
    start = time.perf_counter()
    texts = list(_texts(plan)) if modules is None else list(modules)
    rows = [_row_of_taps(plan, row) for row in range(plan.n_rows)]
    circuit = read_circuits([_harness(plan, rows), *texts], ["harness"])
    terms = Terms()
    n_bits = plan.y_bits
    choices: dict[str, list[Any]] = {}
    weights: list[list[_Weight]] = []
    for row in rows:
        for choice in (*row.weights, *row.exponents):
            choices[choice.name] = terms.word(choice.name, choice.n_bits)
        shifts = [
            terms.pick(choices[e.name], [terms.number(v, n_bits) for v in e.values])
            for e in row.exponents
        ]
        lacks = terms.number(0, n_bits)
        own = []
        for column, choice in enumerate(row.weights):
            index, shift = choices[choice.name], shifts[column // plan.block]
            lack = [terms.number(_lacking(plan, v), n_bits) for v in choice.values]
            lacks = terms.plus(lacks, terms.shifted(terms.pick(index, lack), shift))
            exponent = choices[row.exponents[column // plan.block].name]
            own.append(
                _Weight(choice.values, index, shift, (index, exponent))
                if plan.exponent_values > 1
                else _Weight(choice.values, index, None, (index,))
            )
        weights.append(own)
        choices[row.constant.name] = terms.bits(lacks, row.constant.n_bits)

    def describe(found: dict[str, int]) -> str:
        shown = []
        for row in rows:
            for choice in (*row.weights, *row.exponents):
                value = choice.values[min(found[choice.name], len(choice.values) - 1)]
                shown.append(f"{choice.name} = {value}")
        return ", ".join([*shown, *_inputs(found, plan)])

    cycles = _prove(terms, circuit["harness"], plan, choices, weights, n_vectors, describe)
    return {
        "base": plan.name,
        "arch": plan.arch,
        "scope": "all weights, all exponents, all inputs, all initial register contents",
        "n_wirings": int(len(rows[0].weights[0].values) ** (plan.n_rows * plan.n_columns))
        * int(plan.exponent_values ** (plan.n_rows * plan.n_blocks)),
        "n_vectors": n_vectors,
        "valid_cycles": cycles,
        "seconds": round(time.perf_counter() - start, 2),
    }


def _inputs(found: Mapping[str, int], plan: ArrayPlan) -> list[str]:
    """The inputs of a counterexample as signed numbers."""
    n_bits = plan.activation_bits
    sign = 1 << (n_bits - 1)
    return [f"{name} = {(value ^ sign) - sign}" for name, value in found.items() if name[0] == "x"]


def _texts(plan: ArrayPlan) -> Iterator[str]:
    for _, pieces in base_modules(plan):
        yield "".join(pieces)


def corner_matrices(plan: ArrayPlan, n_random: int = 2, seed: int = 0) -> list[AlignedMatrix]:
    """Matrices that stress a wiring, and random ones.

    All zero, the largest of either sign everywhere, a single weight in the first or the last column, all
    codebook values in turn, and random ones with random block exponents. Some may not fit a base.
    """
    values = np.array([0, *(sign * m for m in plan.magnitudes for sign in (1, -1))])
    top = plan.exponent_values - 1
    rows, columns = np.indices((plan.n_rows, plan.n_columns))
    single = np.where(columns == (rows % 2) * (plan.n_columns - 1), values.min(), 0)
    matrices = [
        _matrix(plan, 0, 0),
        _matrix(plan, values.min(), top),
        _matrix(plan, values.max(), top),
        _matrix(plan, single, 0),
        _matrix(plan, values[(rows * plan.n_columns + columns) % len(values)], 0),
    ]
    rng = np.random.default_rng(seed)
    for _ in range(n_random):
        multiples = rng.choice(values, (plan.n_rows, plan.n_columns))
        exponents = rng.integers(0, plan.exponent_values, (plan.n_rows, plan.n_blocks))
        matrices.append(_matrix(plan, multiples, exponents))
    return matrices


def prove_matrices(
    plan: ArrayPlan,
    matrices: Sequence[AlignedMatrix],
    *,
    n_vectors: int = 2,
    modules: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Prove, for each matrix, base and emitted metal for all inputs; any architecture.

    Also checks that ``plan.read`` gives back each matrix from its pins.

    Parameters
    ----------
    plan : ArrayPlan
    matrices : sequence of AlignedMatrix
    n_vectors : int
        Vectors back to back.
    modules : sequence of str, optional
        Verilog of the base, where it is not the emitted one.

    Raises
    ------
    ProofError
        With the inputs for which a result is wrong.
    """
    start = time.perf_counter()
    if not matrices:
        raise HnlpuError("no matrix to prove", where=plan.name, got="an empty list",
                         do="give matrices that fit the base")  # fmt: skip
    texts = list(_texts(plan)) if modules is None else list(modules)
    weights = [_read_back(plan, number, matrix) for number, matrix in enumerate(matrices)]
    metals = {
        f"proof_{number}": "".join(
            metal_module(f"proof_{number}", "a proof", plan_metal(matrix, plan))
        )
        for number, matrix in enumerate(matrices)
    }
    circuits = read_circuits([*metals.values(), *texts], list(metals))
    cycles: list[int] = []
    for number, name in enumerate(metals):
        terms = Terms()
        words = [[_Weight((int(w),)) for w in row] for row in weights[number]]

        def describe(found: dict[str, int], number: int = number) -> str:
            return ", ".join([f"matrix {number}", *_inputs(found, plan)])

        cycles = _prove(terms, circuits[name], plan, {}, words, n_vectors, describe)
    return {
        "base": plan.name,
        "arch": plan.arch,
        "scope": "the matrices given, all inputs, all initial register contents",
        "n_wirings": len(matrices),
        "n_vectors": n_vectors,
        "valid_cycles": cycles,
        "seconds": round(time.perf_counter() - start, 2),
    }


def _read_back(plan: ArrayPlan, number: int, matrix: AlignedMatrix) -> npt.NDArray[np.int64]:
    """Weights as integers, which must be what ``plan.read`` finds in the pins."""

    def integers(values: npt.NDArray[Any], exponents: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        shifts = np.repeat(exponents.astype(np.int64), plan.block, axis=1)[:, : plan.n_columns]
        return values.astype(np.int64) << shifts

    weights = integers(matrix.multiples, matrix.block_exponents)
    wiring = plan.read(plan.wire(matrix))
    wrong = (integers(wiring.values, wiring.block_exponents) != weights).sum()
    if wrong or wiring.missing.any() or wiring.errors.any():
        raise ProofError("pins are not read as they were wired",
                         where=f"{plan.name}: matrix {number}",
                         got=f"{wrong} other weights, {wiring.missing.sum()} missing, "
                         f"{wiring.errors.sum()} errors", do=_DO)  # fmt: skip
    return weights


def prove_small(plan: ArrayPlan, *, n_vectors: int = 2) -> dict[str, Any]:
    """Prove a small base: for all weights where wirings are products of choices, else for many.

    Parameters
    ----------
    plan : ArrayPlan
        Small: the effort grows exponentially with columns and input bits (4 columns of 4 bits take
        seconds).
    n_vectors : int
        Vectors back to back.

    Returns
    -------
    dict
        What was proven: ``base``, ``arch``, ``scope``, ``n_wirings``, ``n_vectors``,
        ``valid_cycles``, ``seconds``.

    Raises
    ------
    ProofError
        With weights and inputs for which a result is wrong.
    MissingToolError
        No Bitwuzla, or no Yosys.
    """
    if isinstance(plan, TapsPlan):
        return prove_taps(plan, n_vectors=n_vectors)
    matrices = [matrix for matrix in corner_matrices(plan) if _fits(plan, matrix)]
    return prove_matrices(plan, matrices, n_vectors=n_vectors)


def _fits(plan: ArrayPlan, matrix: AlignedMatrix) -> bool:
    try:
        plan.wire(matrix)
    except HnlpuError:
        return False
    return True
