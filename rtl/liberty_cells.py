"""Liberty cells: pins, loads and functions of a library, as far as a netlist needs them.

Delays are not read: OpenSTA does that.

Contract (checked by ``tests/rtl/test_liberty_cells.py``).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hnlpu.errors import HnlpuError
from hnlpu.rtl.liberty_text import read_liberty

__all__ = ["CellLibrary", "LibraryCell", "read_cells"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}();:,]|[^\s{}();:,"]+')
_COMMENT = re.compile(r"/\*.*?\*/|\\\r?\n", re.DOTALL)
#: Picofarad in the units that a library may use.
_FARAD = {"ff": 1e-3, "pf": 1.0}


@dataclass(slots=True)
class _Group:
    """``kind (name) { attributes; groups }``."""

    kind: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["_Group"] = field(default_factory=list)

    def each(self, kind: str) -> Iterator["_Group"]:
        return (group for group in self.groups if group.kind == kind)


@dataclass(frozen=True, slots=True)
class LibraryCell:
    """One cell.

    Attributes
    ----------
    name : str
    area : float
    loads_ff : mapping of str to float
        Capacitance of each input.
    functions : mapping of str to str
        Of each output, without spaces and outer brackets; empty for outputs of registers.
    is_register : bool
    """

    name: str
    area: float
    loads_ff: Mapping[str, float]
    functions: Mapping[str, str]
    is_register: bool

    def is_gate(self, function: str) -> bool:
        """Whether it has one input, A, and one output with this function of A."""
        if len(self.loads_ff) != 1 or len(self.functions) != 1 or self.is_register:
            return False
        ((name, _),) = self.loads_ff.items()
        return set(self.functions.values()) == {function.replace("A", name)}

    @property
    def input(self) -> str:
        """The first input."""
        return next(iter(self.loads_ff))

    @property
    def output(self) -> str:
        """The first output."""
        return next(iter(self.functions))


@dataclass(frozen=True, slots=True)
class CellLibrary:
    """The cells of a Liberty file.

    Attributes
    ----------
    path : Path
    name : str
    cells : mapping of str to LibraryCell
    """

    path: Path
    name: str
    cells: Mapping[str, LibraryCell]

    @property
    def inverter(self) -> LibraryCell:
        """The smallest one."""
        return self._smallest("!A", "an inverter")

    @property
    def buffers(self) -> tuple[LibraryCell, ...]:
        """All of them, smallest first.

        Raises
        ------
        HnlpuError
            None.
        """
        found = [cell for cell in self.cells.values() if cell.is_gate("A")]
        if not found:
            self._smallest("A", "a buffer")
        return tuple(sorted(found, key=lambda cell: (cell.area, cell.name)))

    def cell(self, name: str) -> LibraryCell:
        """The cell of this name; HnlpuError where there is none."""
        if name not in self.cells:
            raise HnlpuError("the library lacks the cell", where=str(self.path), got=name,
                             do=f"buffers are {', '.join(c.name for c in self.buffers)}")  # fmt: skip
        return self.cells[name]

    def _smallest(self, function: str, what: str) -> LibraryCell:
        found = [cell for cell in self.cells.values() if cell.is_gate(function)]
        if not found:
            raise HnlpuError(f"the library lacks {what}", where=str(self.path),
                             got=f"{len(self.cells)} cells", do="use a library with one")  # fmt: skip
        return min(found, key=lambda cell: (cell.area, cell.name))


def read_cells(path: Path) -> CellLibrary:
    """Read a ``.lib`` file.

    Raises
    ------
    HnlpuError
        No such file, or not a Liberty file.
    """
    text = read_liberty(path)
    library = next(_groups(_TOKEN.findall(_COMMENT.sub(" ", text))), None)
    if library is None or library.kind != "library":
        raise HnlpuError("not a Liberty file", where=str(path), got="no library (...) group",
                         do="name a .lib file")  # fmt: skip
    unit = library.attributes.get("capacitive_load_unit", "1 pf").replace(",", " ").split()
    to_ff = float(unit[0]) * _FARAD[unit[1].lower()] * 1e3
    cells = (_cell(group, to_ff) for group in library.each("cell"))
    return CellLibrary(path, library.name, {cell.name: cell for cell in cells})


def _cell(group: _Group, to_ff: float) -> LibraryCell:
    inputs, outputs = {}, {}
    is_register = any(True for kind in ("ff", "latch") for _ in group.each(kind))
    for pin in group.each("pin"):
        if pin.attributes.get("direction") == "input":
            inputs[pin.name] = float(pin.attributes.get("capacitance", "0")) * to_ff
        elif pin.attributes.get("direction") == "output":
            function = pin.attributes.get("function", "").replace(" ", "")
            while function.startswith("(") and function.endswith(")"):
                function = function[1:-1]
            outputs[pin.name] = "" if is_register else function
    return LibraryCell(group.name, float(group.attributes.get("area", "0")), inputs, outputs,
                       is_register)  # fmt: skip


def _groups(tokens: list[str]) -> Iterator[_Group]:
    """Outermost groups of a text."""
    open_groups: list[_Group] = [_Group("", "")]
    i, n = 0, len(tokens)
    while i < n:
        token = tokens[i]
        following = tokens[i + 1] if i + 1 < n else ""
        if token == "}":
            done = open_groups.pop()
            if not open_groups:
                return
            open_groups[-1].groups.append(done)
            if len(open_groups) == 1:
                yield done
        elif following == ":":
            end = i + 2
            while end < n and tokens[end] not in (";", "}"):
                end += 1
            open_groups[-1].attributes[token] = " ".join(tokens[i + 2 : end]).strip('"')
            i = end if end < n and tokens[end] == ";" else end - 1
        elif following == "(":
            end = tokens.index(")", i + 2) if ")" in tokens[i + 2 : i + 4096] else n
            value = " ".join(tokens[i + 2 : end]).strip('"')
            if end + 1 < n and tokens[end + 1] == "{":
                open_groups.append(_Group(token, value))
                i = end + 1
            else:
                open_groups[-1].attributes[token] = value
                i = end
        i += 1
