"""Circuit: an emitted Verilog module as gates, evaluated over any algebra of bits.

Yosys reads the emitted text and breaks it into two-input gates and plain flip-flops (enables and resets
become multiplexers). What the gates compute is then evaluated bit by bit in an :class:`Algebra`: numpy
arrays try many inputs at once, solver terms stand for all of them.

Contract (checked by ``tests/verification/test_circuit.py``): gates mean what Yosys' manual says of the
cells ``$_NOT_``, ``$_AND_``, ``$_OR_``, ``$_XOR_``, ``$_MUX_`` and ``$_DFF_P_``.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.rtl.synthesis import run_yosys

__all__ = ["ONE", "ZERO", "Algebra", "Arrays", "Cell", "Circuit", "Gate", "Register",
           "every_input", "read_circuits"]  # fmt: skip

#: Bits with these numbers are constants; Yosys numbers nets from 2.
ZERO, ONE = 0, 1
_CONSTANTS = {"0": ZERO, "1": ONE}
_GATES = {"$_NOT_": "A", "$_AND_": "AB", "$_OR_": "AB", "$_XOR_": "AB", "$_MUX_": "ABS"}

Bit = TypeVar("Bit")


class Algebra(Protocol[Bit]):
    """What gates do to bits."""

    def constant(self, value: bool) -> Bit: ...

    def invert(self, a: Bit) -> Bit: ...

    def conjunction(self, a: Bit, b: Bit) -> Bit: ...

    def disjunction(self, a: Bit, b: Bit) -> Bit: ...

    def parity(self, a: Bit, b: Bit) -> Bit: ...

    def choose(self, a: Bit, b: Bit, select: Bit) -> Bit:
        """``b`` where ``select`` is set, else ``a``."""


class Arrays:
    """Many evaluations at once: a bit is a boolean array with one element for each."""

    def __init__(self, n: int) -> None:
        self.n = n

    def constant(self, value: bool) -> npt.NDArray[np.bool_]:
        return np.full(self.n, value)

    def invert(self, a: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return ~a

    def conjunction(
        self, a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        return a & b

    def disjunction(
        self, a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        return a | b

    def parity(self, a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return a ^ b

    def choose(
        self,
        a: npt.NDArray[np.bool_],
        b: npt.NDArray[np.bool_],
        select: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        return np.where(select, b, a)


def every_input(n_bits: int) -> list[npt.NDArray[np.bool_]]:
    """All ``2**n_bits`` values, as one array for each bit."""
    values = np.arange(1 << n_bits)
    return [(values >> i & 1).astype(bool) for i in range(n_bits)]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate of the given Yosys type."""

    kind: str
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True, slots=True)
class Register:
    """A flip-flop on the module's clock: ``output`` is ``input`` one cycle later."""

    name: str
    input: int
    output: int


@dataclass(frozen=True, slots=True)
class Cell:
    """An instance of another module; ``pins`` are bits by port."""

    module: str
    name: str
    pins: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Circuit:
    """One module.

    Attributes
    ----------
    name : str
    inputs, outputs : mapping of port to bits
    gates : tuple of Gate
        Every gate behind those that drive it; outputs of cells and registers count as given.
    registers : tuple of Register
    cells : tuple of Cell
        Instances of other modules; none in a flattened circuit.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    gates: tuple[Gate, ...]
    registers: tuple[Register, ...]
    cells: tuple[Cell, ...]

    def error(self, what: str, cell: str, pin: str, got: str) -> HnlpuError:
        """A complaint about a pin of a cell of this module."""
        return HnlpuError(
            what,
            where=f"module {self.name}: {f'cell {cell}: ' if cell else ''}pin {pin}",
            got=got,
            do="generate the base again; if that fails too, the generator is wrong",
        )

    def evaluate(
        self,
        algebra: Algebra[Bit],
        inputs: Mapping[str, Sequence[Bit]],
        state: Mapping[int, Bit] | None = None,
    ) -> tuple[dict[str, list[Bit]], dict[int, Bit]]:
        """Outputs and next state of a flattened circuit.

        Parameters
        ----------
        algebra : Algebra
        inputs : mapping of port to bits
            The clock is not needed.
        state : mapping of register output to bit

        Returns
        -------
        dict of port to bits, dict of register output to bit
        """
        if self.cells:
            cell = self.cells[0]
            raise self.error("cell cannot be evaluated", cell.name, "-", f"module {cell.module}")
        bits: dict[int, Bit] = {ZERO: algebra.constant(False), ONE: algebra.constant(True)}
        for port, values in inputs.items():
            bits.update(zip(self.inputs[port], values, strict=True))
        bits.update(state or {})
        for gate in self.gates:
            given = [bits[bit] for bit in gate.inputs]
            match gate.kind:
                case "$_NOT_":
                    bits[gate.output] = algebra.invert(given[0])
                case "$_AND_":
                    bits[gate.output] = algebra.conjunction(given[0], given[1])
                case "$_OR_":
                    bits[gate.output] = algebra.disjunction(given[0], given[1])
                case "$_XOR_":
                    bits[gate.output] = algebra.parity(given[0], given[1])
                case _:
                    bits[gate.output] = algebra.choose(given[0], given[1], given[2])
        outputs = {port: [bits[bit] for bit in own] for port, own in self.outputs.items()}
        return outputs, {register.output: bits[register.input] for register in self.registers}


def read_circuits(texts: Iterable[str], flat: Sequence[str] = ()) -> dict[str, Circuit]:
    """Circuits of the modules in ``texts``.

    Parameters
    ----------
    texts : iterable of str
        Verilog.
    flat : sequence of str, optional
        Flatten these modules, so that they can be evaluated.

    Raises
    ------
    MissingToolError
        No Yosys.
    HnlpuError
        Text that Yosys refuses, a latch or memory, a net with no driver or several, a loop.
    """
    flatten = f"flatten {' '.join(flat)}\n" if flat else ""
    # No optimisation beyond removing what nothing uses: what is checked is what was emitted.
    script = (
        f"read_verilog modules.v\nhierarchy -check\nproc\n{flatten}simplemap\ntechmap\n"
        "dfflegalize -cell $_DFF_P_ x\nsimplemap\nopt_clean\nwrite_json circuits.json\n"
    )
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as name:
        folder = Path(name)
        (folder / "modules.v").write_text("\n".join(texts), encoding="utf-8")
        run_yosys(script, folder)
        modules = json.loads((folder / "circuits.json").read_text(encoding="utf-8"))["modules"]
    inputs = {
        name: {port for port, own in module["ports"].items() if own["direction"] == "input"}
        for name, module in modules.items()
    }
    return {name: _circuit(name, modules[name], inputs) for name in modules}


def _circuit(name: str, module: Mapping[str, Any], inputs: Mapping[str, set[str]]) -> Circuit:
    def numbers(bits: Sequence[int | str]) -> tuple[int, ...]:
        # "x" is not told from an open net: both are an error where something reads them.
        return tuple(bit if isinstance(bit, int) else _CONSTANTS.get(bit, -1) for bit in bits)

    ports = {
        direction: {
            port: numbers(own["bits"])
            for port, own in module["ports"].items()
            if own["direction"] == direction
        }
        for direction in ("input", "output")
    }
    gates: list[tuple[str, Gate]] = []
    registers: list[Register] = []
    cells: list[Cell] = []
    for cell_name, cell in module["cells"].items():
        kind = cell["type"]
        pins = {port: numbers(bits) for port, bits in cell["connections"].items()}
        if kind in _GATES:
            own = tuple(pins[pin][0] for pin in _GATES[kind])
            if kind == "$_MUX_" and -1 in own[:2]:
                # Yosys' "proc" leaves an x where the source assigns a value in one branch of an "if"
                # and uses it in that branch only.
                own = (max(own[:2]), max(own[:2]), own[2])
            gates.append((cell_name, Gate(kind, own, pins["Y"][0])))
        elif kind == "$_DFF_P_":
            registers.append(Register(cell_name, pins["D"][0], pins["Q"][0]))
            if pins["C"] != ports["input"].get("clk"):
                raise HnlpuError("register is not on the clock", got="another net",
                                 where=f"module {name}: cell {cell_name}: pin C",
                                 do="generate the base again")  # fmt: skip
        elif kind in inputs:
            cells.append(Cell(kind, cell_name, pins))
        elif kind != "$scopeinfo":
            raise HnlpuError("cell of a kind that no base has", got=kind,
                             where=f"module {name}: cell {cell_name}",
                             do="generate the base again")  # fmt: skip
    circuit = Circuit(name, ports["input"], ports["output"], (), tuple(registers), tuple(cells))
    ordered = _in_order(circuit, gates, inputs)
    return Circuit(name, ports["input"], ports["output"], ordered, tuple(registers), tuple(cells))


def _in_order(
    circuit: Circuit, gates: Sequence[tuple[str, Gate]], inputs: Mapping[str, set[str]]
) -> tuple[Gate, ...]:
    """Gates in topological order; every net that is read must have one driver."""
    known = {ZERO, ONE}
    drivers = [
        *((bit, "", port) for port, bits in circuit.inputs.items() for bit in bits),
        *((register.output, register.name, "Q") for register in circuit.registers),
        *(
            (bit, cell.name, port)
            for cell in circuit.cells
            for port, bits in cell.pins.items()
            if port not in inputs[cell.module]
            for bit in bits
        ),
        *((gate.output, name, "Y") for name, gate in gates),
    ]
    for bit, cell, pin in drivers:
        if bit in known:
            raise circuit.error("net has two drivers", cell, pin, f"net {bit}")
        known.add(bit)
    readers = [
        *((bit, "", port) for port, bits in circuit.outputs.items() for bit in bits),
        *((register.input, register.name, "D") for register in circuit.registers),
        *((bit, name, "input") for name, gate in gates for bit in gate.inputs),
        *(
            (bit, cell.name, port)
            for cell in circuit.cells
            for port, bits in cell.pins.items()
            if port in inputs[cell.module]
            for bit in bits
        ),
    ]
    for bit, cell, pin in readers:
        if bit not in known:
            raise circuit.error("net has no driver", cell, pin, f"net {bit}")

    made_by = {gate.output: (name, gate) for name, gate in gates}
    done: set[int] = set()
    ordered: list[Gate] = []
    for start in made_by:
        stack = [(start, False)]
        open_: set[int] = set()
        while stack:
            bit, finished = stack.pop()
            if finished:
                open_.discard(bit)
                done.add(bit)
                ordered.append(made_by[bit][1])
            elif bit in made_by and bit not in done:
                if bit in open_:
                    raise circuit.error("combinational loop", made_by[bit][0], "Y", f"net {bit}")
                open_.add(bit)
                stack.append((bit, True))
                stack += [(other, False) for other in made_by[bit][1].inputs]
    return tuple(ordered)
