"""Readback: the weights of a bundle, recovered from its emitted files and compared with the checkpoint.

Whoever holds the base and the metal files can read the weights. This is that reading, done on the
text of the files, by the position of ports and never by a name:

    drivers of a row's pins       -> values and block exponents, as the architecture defines them
    ties at the row exponents     -> row exponent

    weight = value * 2**(block exponent + row exponent)

A pin that is on nothing that stands for a weight (in ``taps``, a stub on anything but its own bundle) makes
its weight *missing*, and so does a wire that does not lead straight through the metal: an input ``x`` or
a result ``y`` that is led elsewhere loses its column or row. ``missing`` also counts padding and row constants
that are not as the weights ask.

Contract (checked by ``tests/verification/test_readback.py``): every weight of an intact bundle comes
back; a tap, pin, tie or wire changed anywhere is found; names and the order of statements change nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.bundle import read_manifest, write_json
from hnlpu.errors import HnlpuError
from hnlpu.metal import ROW_EXPONENT_BITS, MetalPlan, exponents_of_bits
from hnlpu.partition import Part, cut_values, entry_part
from hnlpu.progress import Progress, Silent
from hnlpu.rtl.array import array_ports
from hnlpu.verification.boot_readback import read_boot_image
from hnlpu.verification.dequantize import Tensors, dequantize, hardwired_size, is_hardwired
from hnlpu.verification.netlist import Drivers, Foreign, Header, Netlist, read_header, read_netlist

__all__ = ["MatrixReader", "Readback", "read_back", "read_matrix", "read_metal", "readback"]

# Positions in the header of a base (``hnlpu.rtl.array.array_ports``). Bits from the low tie on are drivers
# as ``hnlpu.base`` numbers them; a row's own outputs, then the rows' pins, come last.
_X, _Y, _TIE_LOW, _TIE_HIGH = 4, 7, 8, 9
#: Ports that a metal module hands through from its base: clk to y, with the same positions.
_N_OUTSIDE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Readback:
    """What one metal file wires.

    Attributes
    ----------
    plan : ArrayPlan
    multiples : int32 array (n_rows, n_columns)
        Codebook values; 0 where missing.
    missing : bool array (n_rows, n_columns)
        Weights that are not, or not properly, wired.
    block_exponents : uint8 array (n_rows, n_blocks)
    row_exponents : int16 array (n_rows,)
    n_padding_errors : int
        Pins of padding and of row constants that are not as the weights ask.
    foreign : list of Foreign
        Operators, cells and other things in the metal that are not wires.
    """

    plan: ArrayPlan
    multiples: npt.NDArray[np.int32]
    missing: npt.NDArray[np.bool_]
    block_exponents: npt.NDArray[np.uint8]
    row_exponents: npt.NDArray[np.int16]
    n_padding_errors: int
    foreign: list[Foreign]

    @property
    def n_missing(self) -> int:
        return int(self.missing.sum()) + self.n_padding_errors

    @property
    def base_cells_in_metal(self) -> int:
        return len(self.foreign)

    def _shifts(self) -> npt.NDArray[np.int64]:
        columns = np.arange(self.plan.n_columns) // self.plan.block
        return self.block_exponents.astype(np.int64)[:, columns]

    def integers(self) -> npt.NDArray[np.int64]:
        """Weights in units of ``2**row_exponent``, 0 where missing, (n_rows, n_columns)."""
        return self.multiples.astype(np.int64) << self._shifts()

    def values(self, row_scales: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """The weights as numbers, not-a-number where missing, (n_rows, n_columns)."""
        exponents = self._shifts() + self.row_exponents.astype(np.int64)[:, None]
        multiples = self.multiples.astype(np.float64)
        if row_scales is not None:
            multiples = multiples * row_scales[:, None]
        values = np.ldexp(multiples, exponents.astype(np.int32))
        return np.where(self.missing, np.nan, values)


def _check_base(header: Header, plan: ArrayPlan, path: Path) -> None:
    """The base has the ports that ``plan`` asks for: directions and widths, in order."""
    expected = [(port.direction, port.n_bits) for port in array_ports(plan)]
    found = [(port.direction, port.n_bits) for port in header.ports]
    if found == expected:
        return
    n = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
             min(len(found), len(expected)))  # fmt: skip

    def shown(ports: list[tuple[str, int]]) -> str:
        return f"{ports[n][0]} of {ports[n][1]} bits" if n < len(ports) else "no port"

    raise HnlpuError(
        "the base is not what its parameters say",
        where=f"{path}: port {n} of {len(found)}",
        got=f"{shown(found)} for {shown(expected)}",
        do="give the base of these parameters, its array file first",
    )


def _check_metal(netlist: Netlist, plan: ArrayPlan, path: Path) -> None:
    """The metal has the outside ports of its base and the row exponents behind them."""
    outside = [(port.direction, port.n_bits) for port in netlist.base.ports[:_N_OUTSIDE]]
    expected = [*outside, ("output", plan.n_rows * ROW_EXPONENT_BITS)]
    found = [(port.direction, port.n_bits) for port in netlist.header.ports]
    if found != expected:
        raise HnlpuError(
            "the metal has other ports than its base asks for",
            where=str(path),
            got=", ".join(f"{direction} {n_bits}" for direction, n_bits in found),
            do=f"expected {', '.join(f'{direction} {n_bits}' for direction, n_bits in expected)}",
        )


def _loose(netlist: Netlist, position: int) -> npt.NDArray[np.bool_]:
    """Bits of outside port ``position`` that do not lead straight from the base to the outside."""
    pin, output = netlist.pins[position], netlist.outputs[position]
    if pin is not None:  # an input: the base must see the metal's own port
        first = netlist.base.n_bits + netlist.header.starts[position]
        return np.asarray(pin != np.arange(len(pin)) + first)
    assert output is not None
    return np.asarray(output != np.arange(len(output)) + netlist.base.starts[position])


def _ties(netlist: Netlist, drivers: Drivers) -> tuple[Drivers, npt.NDArray[np.bool_]]:
    """Values of constant pins, and which of them are on no tie."""
    high = drivers == netlist.base.starts[_TIE_HIGH]
    return high.astype(np.int64), ~high & (drivers != netlist.base.starts[_TIE_LOW])


def _pins(netlist: Netlist, plan: ArrayPlan) -> Drivers:
    """Drivers of every pin of every row as ``hnlpu.base`` numbers them; -1 for anything else."""
    n_ports = len(netlist.base.ports)
    local = n_ports - 2 * plan.n_rows
    pins = [pin for pin in netlist.pins[n_ports - plan.n_rows :] if pin is not None]
    bits = np.stack(pins)
    drivers = bits - netlist.base.starts[_TIE_LOW]
    shared = plan.n_drivers - plan.n_local
    known = (drivers >= 0) & (drivers < shared)
    if plan.n_local:
        starts = np.asarray(netlist.base.starts[local : local + plan.n_rows])[:, None]
        own = (bits >= starts) & (bits < starts + plan.n_local)
        drivers = np.where(own, shared + bits - starts, drivers)
        known |= own
    return np.where(known, drivers, -1)


def read_matrix(metal: Path, base_files: list[Path], plan: ArrayPlan) -> Readback:
    """Weights that the metal file ``metal`` wires on its base.

    Parameters
    ----------
    metal : Path
    base_files : list of Path
        Verilog of the base, the file of the array first; only its header is read.
    plan : ArrayPlan
        The parameters in ``base.json``.

    Raises
    ------
    HnlpuError
        Files that cannot be read, or that do not belong together.
    """
    if not base_files:
        raise HnlpuError("a base needs files", where=plan.name, got="none",
                         do="give the base's Verilog, the array first")  # fmt: skip
    return _read_matrix(metal, base_files[0], read_header(base_files[0]), plan)


def read_metal(metal: Path, base_files: list[Path], plan: ArrayPlan) -> MetalPlan:
    """The wiring that the metal file ``metal`` holds, to be drawn.

    Raises
    ------
    HnlpuError
        Files that cannot be read, that do not belong together, or a pin on nothing that could be drawn.
    """
    netlist = _netlist(metal, base_files[0], read_header(base_files[0]), plan)
    pins = _pins(netlist, plan)
    row_exponents, loose = _row_exponents(netlist, plan)
    for what, wrong in (("pin", pins < 0), ("row exponent", loose)):
        if wrong.any():
            row, n = (int(i) for i in np.argwhere(wrong)[0])
            raise HnlpuError("the metal holds more than wires", where=f"{metal}: row {row}, {what} {n}",
                             got="no line, tie or output of the row", do="generate it again")  # fmt: skip
    return MetalPlan(plan, pins, row_exponents)


def _netlist(metal: Path, base_file: Path, header: Header, plan: ArrayPlan) -> Netlist:
    _check_base(header, plan, base_file)
    netlist = read_netlist(metal, header)
    _check_metal(netlist, plan, metal)
    return netlist


def _row_exponents(
    netlist: Netlist, plan: ArrayPlan
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """Exponents of the rows, and which of their bits are on no tie."""
    row_drivers = netlist.outputs[_N_OUTSIDE]
    assert row_drivers is not None
    bits, loose = _ties(netlist, row_drivers.reshape(plan.n_rows, ROW_EXPONENT_BITS))
    return exponents_of_bits(bits), loose


def _read_matrix(metal: Path, base_file: Path, header: Header, plan: ArrayPlan) -> Readback:
    netlist = _netlist(metal, base_file, header, plan)
    wiring = plan.read(_pins(netlist, plan))
    missing = wiring.missing.copy()
    n_padding_errors = int(wiring.errors.sum())
    row_exponents, loose = _row_exponents(netlist, plan)
    missing |= np.any(loose, axis=1, keepdims=True)

    missing |= np.any(_loose(netlist, _X).reshape(plan.n_columns, -1), axis=1)
    missing |= np.any(_loose(netlist, _Y).reshape(plan.n_rows, -1), axis=1, keepdims=True)
    if any(_loose(netlist, n).any() for n in range(_N_OUTSIDE) if n not in (_X, _Y)):
        missing[:] = True  # clock, reset or a handshake
    return Readback(
        plan,
        np.where(missing, 0, wiring.values).astype(np.int32),
        missing,
        wiring.block_exponents,
        row_exponents,
        n_padding_errors,
        netlist.foreign,
    )


def _relative_rmse(got: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> float:
    """Root mean square distance over root mean square reference; a missing weight counts as zero."""
    error = float(np.mean((np.nan_to_num(got) - reference) ** 2))
    power = float(np.mean(reference**2))
    return math.sqrt(error / (power or error)) if error else 0.0


class MatrixReader(Protocol):
    """How the arrays of a bundle are read back."""

    def __call__(
        self, entry: Mapping[str, Any], plan: ArrayPlan, base: Mapping[str, Any]
    ) -> Readback:
        """The array of an ``entry`` of the manifest on ``base``, another, with parameters ``plan``."""


class _VerilogReader:
    """Reads the Verilog of a bundle; the header of a base is read once."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._headers: dict[Path, Header] = {}

    def __call__(
        self, entry: Mapping[str, Any], plan: ArrayPlan, base: Mapping[str, Any]
    ) -> Readback:
        try:
            file, metal = self._bundle / base["files"][0], self._bundle / entry["metal"]
        except (LookupError, TypeError) as error:
            raise HnlpuError("cannot use a base", got=str(error), do="generate it again",
                             where=f"{self._bundle / 'manifest.json'}: {plan.name}") from error  # fmt: skip
        if file not in self._headers:
            self._headers[file] = read_header(file)
        return _read_matrix(metal, file, self._headers[file], plan)


@dataclass(frozen=True, slots=True)
class _Base:
    plan: ArrayPlan
    entry: Mapping[str, Any]


class _Check:
    """Readback of one bundle against one checkpoint."""

    def __init__(self, bundle: Path, checkpoint: Path, reader: MatrixReader) -> None:
        self.bundle = bundle
        self.reader = reader
        self.manifest = read_manifest(bundle)
        self.checkpoint = Tensors(checkpoint)
        self.reference = Tensors(bundle / "reference.safetensors")
        self.boot = Tensors(bundle / "boot.safetensors")
        self.bases: dict[str, _Base] = {}
        self.base_cells = 0

    def entry(self, kind: str, entry: Mapping[str, Any], *keys: str) -> Any:
        """An item of the manifest, or the error that it is missing."""
        value: Any = entry
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                raise HnlpuError("entry of the manifest is incomplete",
                                 where=f"{self.bundle / 'manifest.json'}: {kind}",
                                 got=f"no {'.'.join(keys)}", do="generate the bundle again")  # fmt: skip
            value = value[key]
        return value

    def base(self, name: str) -> _Base:
        """Base ``name`` of the manifest."""
        if name not in self.bases:
            bases = self.entry("bundle", self.manifest, "bases")
            found = [base for base in bases if base.get("name") == name]
            if len(found) != 1:
                raise HnlpuError("a matrix needs one base of this name",
                                 where=f"{self.bundle / 'manifest.json'}: bases",
                                 got=f"{len(found)} called {name}",
                                 do="generate the bundle again")  # fmt: skip
            parameters = self.entry(f"base {name}", found[0], "parameters")
            self.entry(f"base {name}", found[0], "files")
            try:
                plan = plan_from_dict(parameters)
            except TypeError as error:
                raise HnlpuError("cannot use a base", got=str(error), do="generate it again",
                                 where=f"{self.bundle / 'manifest.json'}: base {name}") from error  # fmt: skip
            self.bases[name] = _Base(plan, found[0])
        return self.bases[name]

    def matrix(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Read one matrix back and compare it; the entry of the report."""
        name = self.entry("matrix", item, "name")
        tensor = self.entry(name, item, "source", "tensor")
        expert = self.entry(name, item, "source", "expert")
        base = self.base(self.entry(name, item, "base"))
        original = dequantize(self.checkpoint, tensor, expert, self.entry(name, item, "n_columns"))
        reference = self._reference(name)
        shape = (self.entry(name, item, "n_rows"), self.entry(name, item, "n_columns"))
        for where, got in (
            (f"{self.checkpoint.path}: {tensor}", original.shape),
            (f"{self.reference.path}: {name}.weights", reference.shape),
        ):
            if got != shape:
                raise HnlpuError("a matrix has another shape than in the manifest", where=where,
                                 got=f"{got} for {shape} of {name}",
                                 do="give the checkpoint that the bundle was generated from")  # fmt: skip
        part = self._part(name, item)
        if (base.plan.n_rows, base.plan.n_columns) != (part.rows.length, part.columns.length):
            raise HnlpuError("an array has another shape than its base",
                             where=f"{self.bundle / 'manifest.json'}: {name}",
                             got=f"{part.rows.length} x {part.columns.length} on {base.plan.name}",
                             do="generate the bundle again")  # fmt: skip
        original, reference = cut_values(original, part), cut_values(reference, part)
        self.entry(name, item, "metal")
        back = self.reader(item, base.plan, base.entry)
        self.base_cells += back.base_cells_in_metal

        scales = self._row_scales(name, part)
        values = back.values(scales)
        if scales is not None:
            reference = reference * scales[:, None]
        expected = original if self.entry(name, item, "requantised") is None else reference
        padding = back.missing.size - item["n_weights"]
        differs = (values != expected) | (values != reference)  # missing ones differ too
        first = None
        if differs.any():
            row, column = np.unravel_index(int(differs.argmax()), differs.shape)
            should = expected[row, column]
            if should == values[row, column]:
                should = reference[row, column]
            first = {
                "row": int(row) + part.rows.first,
                "column": int(column) + part.columns.first,
                "expected": float(should),
                "got": None if back.missing[row, column] else float(values[row, column]),
            }
        return {
            "name": name,
            "chip": item["chip"],
            "weights": int((~back.missing).sum()) - padding,
            "mismatches": int((differs & ~back.missing).sum()),
            "missing": back.n_missing,
            "first_mismatch": first,
            "relative_rmse": _relative_rmse(values, original),
        }

    def _part(self, name: str, item: Mapping[str, Any]) -> Part:
        """What the array holds of its matrix."""
        for key in ("chip", "rows", "columns", "n_rows", "n_columns", "n_weights"):
            self.entry(name, item, key)
        return entry_part(item)

    def _row_scales(self, name: str, part: Part) -> npt.NDArray[np.float64] | None:
        """Row scales of a matrix from the boot image; None where there are none."""
        if f"{name}.row_scales" not in self.boot:
            return None
        scales = np.asarray(self.boot.read(f"{name}.row_scales"), dtype=np.float64)
        if scales.shape != (part.rows.total,):
            raise HnlpuError("row scales do not fit the matrix",
                             where=f"{self.boot.path}: {name}.row_scales", got=str(scales.shape),
                             do="generate the bundle again")  # fmt: skip
        return cut_values(scales, part, fill=1.0)

    def nowhere(self) -> dict[str, int]:
        """Weights of every matrix that no chip has."""
        held: dict[str, npt.NDArray[np.bool_]] = {}
        for item in self.manifest["matrices"]:
            (row, rows), (column, columns) = item["rows"], item["columns"]
            whole = held.setdefault(
                item["name"], np.zeros((item["n_rows"], item["n_columns"]), dtype=bool)
            )
            whole[row : row + rows, column : column + columns] = True
        return {name: int((~each).sum()) for name, each in held.items() if not each.all()}

    def _reference(self, name: str) -> npt.NDArray[np.float64]:
        return np.asarray(self.reference.read(f"{name}.weights")).astype(np.float64)

    def left_out(self) -> list[str]:
        """Tensors of the checkpoint (and experts of them) that the bundle does not account for."""
        names = set(self.constants())
        wired: dict[str, set[int | None]] = {}
        for item in self.manifest["matrices"]:
            tensor = item["source"]["tensor"].removesuffix("_blocks")
            wired.setdefault(tensor, set()).add(item["source"]["expert"])
        if "lm_head.weight" in wired and "lm_head.weight" not in self.checkpoint:
            wired["model.embed_tokens.weight"] = {None}
        for tensor, experts in wired.items():
            stored = [f"{tensor}{end}" for end in ("", "_blocks", "_scales")]
            stored = [name for name in stored if name in self.checkpoint]
            if experts == {None} or all(
                experts == set(range(self.checkpoint.shape(name)[0])) for name in stored
            ):
                names.update(stored)
        names.update(item["tensor"] for item in self.manifest.get("off_fabric", []))
        return [name for name in self.checkpoint
                if name not in names and not name.endswith("rotary_emb.inv_freq")]  # fmt: skip

    def constants(self) -> list[str]:
        listed = self.entry("bundle", self.manifest, "constants")
        return [self.entry("constants", item, "name") for item in listed]

    def run(self, progress: Progress, match: str = "") -> dict[str, Any]:
        matrices = [m for m in self.manifest["matrices"] if match in str(m.get("name"))]
        tensors = []
        for n, item in enumerate(matrices):
            progress("readback", n, len(matrices), str(item.get("name")))
            tensors.append(self.matrix(item))
        progress("readback", len(matrices), len(matrices))
        expected = sum(item["n_weights"] for item in matrices)
        for name, n in self.nowhere().items():
            if match not in name:
                continue
            expected += n
            tensors.append({"name": name, "weights": 0, "mismatches": 0, "missing": n,
                            "first_mismatch": None, "relative_rmse": 1.0})  # fmt: skip
        constants = self.constants()
        n_wrong = sum(not self.boot.same_bits(name, self.checkpoint) for name in constants)
        for name in self.left_out():
            if not is_hardwired(name):
                constants.append(name)
                n_wrong += 1
            elif not match and (size := hardwired_size(self.checkpoint, name)):
                sizes = {
                    item["name"]: item["n_rows"] * item["n_columns"]
                    for item in matrices
                    if item["source"]["tensor"].removesuffix("_blocks")
                    == name.removesuffix("_blocks")
                }
                wired = sum(sizes.values())
                expected += size - wired
                tensors.append({"name": name, "weights": 0, "mismatches": 0, "missing": size - wired,
                                "first_mismatch": None, "relative_rmse": 1.0})  # fmt: skip
        image_words, image_wrong = read_boot_image(self.bundle, self.manifest)
        return {
            "weights": sum(t["weights"] for t in tensors),
            "expected": expected,
            "missing": sum(t["missing"] for t in tensors),
            "mismatches": sum(t["mismatches"] for t in tensors),
            "base_cells_in_metal": self.base_cells,
            "constants": len(constants),
            "constant_mismatches": n_wrong,
            "image_words": image_words,
            "image_mismatches": image_wrong,
            "tensors": tensors,
        }


def readback(bundle: Path, checkpoint: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Read every weight and constant of ``bundle`` back and compare it with ``checkpoint``.

    An exact matrix must equal the checkpoint, as an independent dequantiser reads it; a requantised one
    must equal ``reference.safetensors``, and its distance to the checkpoint is told. Both must equal
    ``reference.safetensors``. Constants are compared bit for bit. A tensor of the checkpoint that is
    neither wired nor a constant nor listed as ``off_fabric`` is missing as a whole. Writes
    ``readback.json`` into the bundle.

    Returns
    -------
    dict
        ``weights`` read, ``expected``, ``missing``, ``mismatches``, ``base_cells_in_metal``,
        ``constants``, ``constant_mismatches``, ``image_words`` and ``image_mismatches`` of the boot image, and
        ``tensors`` with ``name``, ``weights``,
        ``mismatches``, ``missing``, ``first_mismatch`` and ``relative_rmse`` each.

    Raises
    ------
    HnlpuError
        Files that cannot be read or do not belong together.
    """
    result = read_back(bundle, checkpoint, _VerilogReader(bundle), progress)
    write_json(bundle / "readback.json", result)
    return result


def read_back(
    bundle: Path,
    checkpoint: Path,
    reader: MatrixReader,
    progress: Progress | None = None,
    match: str = "",
) -> dict[str, Any]:
    """The same with arrays that ``reader`` reads, of matrices whose names hold ``match``; writes nothing."""
    return _Check(bundle, checkpoint, reader).run(progress or Silent(), match)
