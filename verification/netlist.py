"""Netlist: what the text of an emitted metal file connects to what.

Read with no knowledge of how the file was written. A metal module may hold declarations, ``assign``
and one instance of the base with named pins, and its expressions may be identifiers, bit and part
selects, concatenations, constant replications and sized constants: wires. Everything else, be it an
operator, a gate, a register or a second instance, is *foreign*, kept with its line and connected to
nothing. Names matter only inside a file; what a pin means is the business of whoever asks, by the
position of the port in its module's header.

Every bit is a number. Inside :class:`Netlist` a pin resolves, through wires and any chain of assigns,
to a *driver*:

    0 .. n_base_bits - 1        a bit of a base port, counted along the base module's header
    n_base_bits ..              a bit of a port of the metal module, counted along its header
    ZERO, ONE                   a constant
    NONE                        nothing, several things, a loop of assigns, or something foreign

Contract (checked by ``tests/verification/test_netlist.py``): renaming and permuting change no driver;
a million taps per second.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError

__all__ = ["NONE", "ONE", "ZERO", "Drivers", "Foreign", "Header", "HeaderPort", "Netlist",
           "read_header", "read_netlist"]  # fmt: skip

Drivers = npt.NDArray[np.int64]

ZERO, ONE, NONE = -1, -2, -3

#: Widest vector that is believed; a wider one is a typing error or an attack on memory.
_MAX_BITS = 1 << 28

_BLANK = re.compile(r"\\(\S*)|//[^\n]*|/\*.*?\*/|\(\*(?!\s*\)).*?\*\)", re.DOTALL)
# An escaped identifier becomes \12\ : no text of the file can look like that afterwards.
_NAME = r"(?:[A-Za-z_][A-Za-z0-9_$]*|\\\d+\\)"
_RANGE = r"\[\s*(\d{1,9})\s*:\s*(\d{1,9})\s*\]"
_SPACE = re.compile(r"\s*")
_WORD = re.compile(rf"\s*({_NAME})")
_MODULE = re.compile(rf"\s*module\s+({_NAME})\s*(?:\(([^()]*)\))?\s*\Z")
_ANSI = re.compile(
    rf"\s*(?:(input|output|inout)\b)?\s*(?:wire\b)?\s*(?:{_RANGE})?\s*({_NAME})\s*\Z"
)
_DECLARATION = re.compile(
    rf"\s*(?:(input|output|inout)(?:\s+wire)?|wire)\b\s*(?:{_RANGE})?"
    rf"\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*(?:=([^=].*))?\Z",
    re.DOTALL,
)
_ASSIGN = re.compile(r"\s*assign\b([^=]*)=")
_INSTANCE = re.compile(rf"\s*({_NAME})\s+({_NAME})\s*\(")
_PIN = re.compile(rf"\s*\.\s*({_NAME})\s*\(([^()]*)\)\s*(,|\)\s*\Z)")
_PIN_NAME = re.compile(rf"\s*\.\s*({_NAME})\s*\(")
_SELECT = re.compile(rf"\s*({_NAME})\s*(?:\[\s*(\d{{1,9}})\s*(?::\s*(\d{{1,9}})\s*)?\])?\s*\Z")
_SIZED = re.compile(r"\s*(\d{1,9})\s*'[sS]?([bBoOdDhH])\s*([0-9a-fA-FxXzZ?_]+)\s*\Z")
_TOKEN = re.compile(r"[{},]")
_BRACKET = re.compile(r"[()]")
_DIRECTIVE = re.compile(r"\s*`(\w+)[^\n]*")
_HARMLESS_DIRECTIVES = ("timescale", "default_nettype", "resetall", "celldefine", "endcelldefine")
_CLOSERS = ("end", "endcase", "endfunction", "endtask", "endgenerate", "endspecify")
#: Words that mean something to this reader; as escaped identifiers they are names like any other.
_RESERVED = frozenset(
    ("module", "endmodule", "input", "output", "inout", "wire", "assign", *_CLOSERS)
)

# Bit numbers while reading: four that are not wires, then the bits of every net.
_BIT_ZERO, _BIT_ONE, _BIT_NONE, _FIRST_BIT = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something in the metal that is not a wire: its line, from 1, and how it begins."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class HeaderPort:
    """A port as its module declares it; ``direction`` is ``input``, ``output`` or ``inout``."""

    direction: str
    name: str
    n_bits: int


@dataclass(frozen=True)
class Header:
    """A module's name and its ports in the order of its header."""

    name: str
    ports: tuple[HeaderPort, ...]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First bit of every port, all ports laid end to end; one more entry, the total."""
        return (0, *accumulate(port.n_bits for port in self.ports))

    @property
    def n_bits(self) -> int:
        return self.starts[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Netlist:
    """The connections of one metal module.

    Attributes
    ----------
    header : Header
        Of the metal module.
    base : Header
    pins : list of int64 array, or None
        Drivers of every base port in header order, lowest bit first; None for ports that are not inputs.
    outputs : list of int64 array, or None
        Drivers of every port of the metal module; None for its inputs.
    foreign : list of Foreign
        What is neither wire nor the base, in file order.
    """

    header: Header
    base: Header
    pins: list[Drivers | None]
    outputs: list[Drivers | None]
    foreign: list[Foreign]


@dataclass(frozen=True, slots=True)
class _Net:
    """A declared vector: its lowest bit has number ``first``."""

    first: int
    n_bits: int
    left: int
    right: int

    def bit(self, index: int) -> int | None:
        """Number of bit ``index`` as the declaration counts; None outside of it."""
        offset = index - self.right if self.left >= self.right else self.right - index
        return self.first + offset if 0 <= offset < self.n_bits else None


class _Source:
    """Verilog text without comments, attributes and escapes; lines can still be told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise HnlpuError("cannot read Verilog", where=str(path),
                             got=error.strerror or str(error),
                             do="generate the bundle again") from error  # fmt: skip
        except UnicodeDecodeError as error:
            raise HnlpuError("not a Verilog text", where=str(path), got=str(error),
                             do="generate the bundle again") from error  # fmt: skip
        self._short: dict[str, str] = {}  # escaped name: what stands for it
        self._real: dict[str, str] = {}
        self.text = _BLANK.sub(self._blank, text)

    def _blank(self, match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return " " + "\n" * match[0].count("\n")
        if re.fullmatch(r"[A-Za-z_][\w$]*", name, re.ASCII) and name not in _RESERVED:
            return name  # IEEE 1364-2005, 3.7.1: \foo is foo
        short = self._short.setdefault(name, f"\\{len(self._short)}\\")
        self._real[short] = f"\\{name} "
        return short

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def shown(self, name: str) -> str:
        """``name`` as the file writes it."""
        return self._real.get(name, name)

    def foreign(self, position: int) -> Foreign:
        """What begins at ``position``, for the list of foreign things."""
        start = _end(_SPACE, self.text, position)
        line = bisect_right(self._line_ends, start - 1) + 1
        return Foreign(line, " ".join(self.text[start : start + 60].split()))

    def error(self, what: str, position: int, got: str, do: str) -> HnlpuError:
        return HnlpuError(
            what, where=f"{self.path}: line {self.foreign(position).line}", got=got, do=do
        )

    def statements(self, position: int = 0) -> Iterator[tuple[int, int]]:
        """Positions of every statement without its semicolon; ``endmodule`` stands for itself."""
        text = self.text
        while True:
            position = _end(_SPACE, text, position)
            directive = _DIRECTIVE.match(text, position)
            word = _WORD.match(text, position)
            if position >= len(text):
                return
            if directive:
                if directive[1] not in _HARMLESS_DIRECTIVES:
                    yield position, directive.end()
                position = directive.end()
            elif word and word[1] == "endmodule":
                yield position, word.end()
                position = word.end()
            elif word and word[1] in _CLOSERS:
                position = word.end()
            else:
                end = text.find(";", position)
                end = len(text) if end < 0 else end
                yield position, end
                position = end + 1


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _width(left: str | None, right: str | None) -> int:
    return 1 if left is None or right is None else abs(int(left) - int(right)) + 1


def _header(source: _Source, statements: Iterator[tuple[int, int]]) -> tuple[str, list[str], str]:
    """Name of the next module, its ports in order, and the text between the parentheses."""
    for start, end in statements:
        match = _MODULE.match(source.text, start, end)
        if match:
            inside = match[2] or ""
            items = [item for item in inside.split(",") if item.strip()]
            names = []
            for item in items:
                port = _ANSI.match(item)
                if port is None:
                    raise source.error("cannot read a module header", start, item.strip()[:60],
                                       "give the ports as a list of names")  # fmt: skip
                names.append(port[4])
            return match[1], names, inside
        if source.text.startswith("module", start):
            break
        raise source.error("expected a module", start, source.foreign(start).text,
                           "give an emitted Verilog file")  # fmt: skip
    raise HnlpuError("no module that can be read", where=str(source.path), got="another header",
                     do="give an emitted Verilog file")  # fmt: skip


_Declared = dict[str, tuple[str, str | None, str | None]]  # name: direction, left, right


def _ansi_ports(inside: str) -> _Declared:
    """Ports declared within the parentheses of a header; empty for a plain list of names."""
    declared: _Declared = {}
    direction, left, right = None, None, None
    for item in inside.split(","):
        match = _ANSI.match(item)
        if match is None:
            continue
        if match[1]:
            direction, left, right = match[1], match[2], match[3]
        if direction:
            declared[match[4]] = (direction, left, right)
    return declared


def _make_header(source: _Source, name: str, order: list[str], declared: _Declared) -> Header:
    missing = [port for port in order if port not in declared]
    if missing or len(set(order)) != len(order):
        raise HnlpuError(
            "ports of a module are not declared once each",
            where=f"{source.path}: module {source.shown(name)}",
            got=source.shown(missing[0]) if missing else "a port listed twice",
            do="generate the bundle again",
        )
    ports = []
    for port in order:
        direction, left, right = declared[port]
        ports.append(HeaderPort(direction, port, _width(left, right)))
    return Header(name, tuple(ports))


def read_header(path: Path) -> Header:
    """Ports of the first module of ``path``; what lies behind their declarations is not read.

    Raises
    ------
    HnlpuError
        Unreadable file, no module, or a port without a declaration.
    """
    source = _Source(path)
    statements = source.statements()
    name, order, inside = _header(source, statements)
    declared = _ansi_ports(inside)
    left = set(order) - set(declared)
    for start, end in statements:
        if not left or source.text.startswith("endmodule", start):
            break
        match = _DECLARATION.match(source.text, start, end)
        if match and match[1]:
            for port in match[4].split(","):
                declared[port.strip()] = (match[1], match[2], match[3])
                left.discard(port.strip())
    header = _make_header(source, name, order, declared)
    return Header(
        source.shown(header.name),
        tuple(HeaderPort(p.direction, source.shown(p.name), p.n_bits) for p in header.ports),
    )


class _Bits(dict[str, int]):
    """Bit number of an expression without braces; several bits at once are ``-1 - index in wide``.

    Filled on demand: a file repeats few expressions often, so most taps cost one dictionary access.
    """

    def __init__(self, nets: dict[str, _Net], first_free: int) -> None:
        super().__init__()
        self.nets = nets
        self.n_bits = first_free
        self.wide: list[Drivers] = []
        self.bad: set[str] = set()  # expressions that are not wires

    def __missing__(self, text: str) -> int:
        bits = self._evaluate(text)
        if bits is None:
            self.bad.add(text)
            bits = np.array([_BIT_NONE])
        if len(bits) == 1:
            value = int(bits[0])
        else:
            value = -1 - len(self.wide)
            self.wide.append(bits)
        self[text] = value
        return value

    def declare(self, name: str, left: int, right: int) -> _Net:
        net = _Net(self.n_bits, abs(left - right) + 1, left, right)
        self.nets[name] = net
        self.n_bits += net.n_bits
        return net

    def _evaluate(self, text: str) -> Drivers | None:
        match = _SELECT.match(text)
        if match is None:
            return _constant(text)
        name, left, right = match[1], match[2], match[3]
        net = self.nets.get(name)
        if net is None:  # an implicit net of one bit
            net = self.declare(name, 0, 0)
        if left is None:
            return np.arange(net.first, net.first + net.n_bits)
        high, low = net.bit(int(left)), net.bit(int(left if right is None else right))
        if high is None or low is None or high < low:
            return np.full(min(_width(left, right), net.n_bits), _BIT_NONE)
        return np.arange(low, high + 1)


def _constant(text: str) -> Drivers | None:
    """Bits of a sized constant; None if ``text`` is none."""
    match = _SIZED.match(text)
    if match is None or not 0 < int(match[1]) <= 1 << 20:
        return None
    n_bits, base, digits = int(match[1]), match[2].lower(), match[3].replace("_", "")
    per_digit = {"b": 1, "o": 3, "h": 4, "d": 0}[base]
    bits: list[int] = []
    try:
        if per_digit:
            for digit in reversed(digits):
                if digit in "xXzZ?":
                    bits += [_BIT_NONE] * per_digit
                else:
                    value = int(digit, 1 << per_digit)
                    bits += [value >> i & 1 for i in range(per_digit)]
        else:
            value = int(digits)
            bits = [value >> i & 1 for i in range(value.bit_length())]
    except ValueError:
        return None
    bits += [_BIT_NONE if bits and bits[-1] == _BIT_NONE else _BIT_ZERO] * (n_bits - len(bits))
    return np.array(bits[:n_bits], dtype=np.int64)


def _flat(bits: _Bits, tokens: list[str]) -> Drivers:
    """Bits of a list of simple expressions given most significant first."""
    numbers = np.fromiter(map(bits.__getitem__, tokens), dtype=np.int64, count=len(tokens))[::-1]
    if not (numbers < 0).any():
        return numbers
    return np.concatenate([[n] if n >= 0 else bits.wide[-1 - n] for n in numbers.tolist()])


def _expression(bits: _Bits, text: str) -> Drivers | None:
    """Bits of ``text``, lowest first; None if it is more than wires."""
    bits.bad.clear()
    text = text.strip()
    if "{" not in text:
        result = _flat(bits, [text])
    elif text.rfind("{") == 0 and text.find("}") == len(text) - 1:
        result = _flat(bits, text[1:-1].split(","))
    else:
        return _nested(bits, text)
    if bits.bad:
        # Each expression is remembered, but as nothing: the next pin that uses it must see it too.
        for bad in bits.bad:
            del bits[bad]
        return None
    return result


def _nested(bits: _Bits, text: str) -> Drivers | None:
    """Bits of a concatenation of concatenations and constant replications."""
    # Each level: times to repeat the whole, and its parts, most significant first.
    levels: list[tuple[int, list[Drivers]]] = [(1, [])]
    position, complete = 0, False
    for token in _TOKEN.finditer(text):
        between, position = text[position : token.start()].strip(), token.end()
        if token[0] == "{":
            if complete or (between and not re.fullmatch(r"\d{1,9}", between)):
                return None
            levels.append((int(between) if between else 1, []))
            continue
        if complete == bool(between):  # nothing between two commas, or text behind a brace
            return None
        if between:
            part = _expression(bits, between)
            if part is None:
                return None
            levels[-1][1].append(part)
        complete = False
        if token[0] == "}":
            times, parts = levels.pop()
            whole = np.concatenate(parts[::-1])
            if not levels or times * len(whole) > _MAX_BITS:
                return None
            levels[-1][1].append(np.tile(whole, times))
            complete = True
        elif len(levels) == 1:
            return None
    if text[position:].strip() or len(levels) != 1 or len(levels[0][1]) != 1:
        return None
    return levels[0][1][0]


class _Reader:
    """One pass over a metal file; see :func:`read_netlist`."""

    def __init__(self, path: Path, base: Header) -> None:
        self.source = _Source(path)
        self.base = base
        self.foreign: list[Foreign] = []
        self.nets: dict[str, _Net] = {}
        self.bits = _Bits(self.nets, _FIRST_BIT)
        self.declared: _Declared = {}
        self.assigns: list[tuple[str, str, int]] = []
        self.instances: list[tuple[int, int]] = []
        # (bits that are driven, bits or base drivers that drive them), base bits behind all others
        self.links: list[tuple[Drivers, Drivers]] = []
        self.base_links: list[tuple[Drivers, int]] = []

    def read(self) -> Netlist:
        statements = self.source.statements()
        name, order, inside = _header(self.source, statements)
        self.declared.update(_ansi_ports(inside))
        self._split(statements)
        header = _make_header(self.source, name, order, self.declared)
        for left, right, position in self.assigns:
            self._assign(left, right, position)
        pins = self._base_pins()
        inputs = [port.direction != "output" for port in header.ports]
        drivers = self._resolve(header, inputs)

        def look_up(numbers: Drivers, n_bits: int) -> Drivers:
            """Drivers of ``n_bits`` pins: what is too narrow leaves pins open."""
            found = np.full(n_bits, NONE, dtype=np.int64)
            found[: len(numbers)] = drivers[numbers[:n_bits]]
            return found

        no_bits = np.zeros(0, dtype=np.int64)
        return Netlist(
            header=header,
            base=self.base,
            pins=[
                look_up(pins.get(port.name, no_bits), port.n_bits)
                if port.direction == "input"
                else None
                for port in self.base.ports
            ],
            outputs=[
                None if is_input else look_up(self._net_bits(port.name), port.n_bits)
                for port, is_input in zip(header.ports, inputs, strict=True)
            ],
            foreign=sorted(self.foreign, key=lambda item: item.line),
        )

    def _net_bits(self, name: str) -> Drivers:
        net = self.nets[name]
        return np.arange(net.first, net.first + net.n_bits)

    def _is_foreign(self, position: int) -> None:
        self.foreign.append(self.source.foreign(position))

    def _split(self, statements: Iterator[tuple[int, int]]) -> None:
        """Declare every net and note assigns and instances, whatever their order in the file."""
        text = self.source.text
        ended = False
        for name, (_, left, right) in self.declared.items():
            self._declare(name, left, right, 0)
        for start, end in statements:
            word = _WORD.match(text, start, end)
            kind = word[1] if word else ""
            if ended:
                self._is_foreign(start)  # a second module
            elif kind == "endmodule":
                ended = True
            elif kind in ("input", "output", "inout", "wire"):
                self._declaration(start, end)
            elif kind == "assign":
                match = _ASSIGN.match(text, start, end)
                if match:
                    self.assigns.append((match[1], text[match.end() : end], start))
                else:
                    self._is_foreign(start)
            else:
                match = _INSTANCE.match(text, start, end)
                name = self.source.shown(match[1]) if match else ""
                if name == self.base.name and not self.instances:
                    assert match is not None
                    self.instances.append((match.end(), end))
                elif start < end:  # a stray semicolon is nothing
                    self._is_foreign(start)
        if not ended:
            raise HnlpuError("module does not end", where=str(self.source.path),
                             got="end of file", do="generate the bundle again")  # fmt: skip

    def _declare(self, name: str, left: str | None, right: str | None, position: int) -> None:
        high, low = int(left or 0), int(right or 0)
        known = self.nets.get(name)
        if known and (known.left, known.right) != (high, low):
            raise self.source.error("net declared twice", position, self.source.shown(name),
                                    "generate the bundle again")  # fmt: skip
        if self.bits.n_bits + abs(high - low) > _MAX_BITS:
            raise self.source.error("net is too wide", position, f"{abs(high - low) + 1} bits",
                                    f"keep a file below {_MAX_BITS} bits")  # fmt: skip
        if not known:
            self.bits.declare(name, high, low)

    def _declaration(self, start: int, end: int) -> None:
        match = _DECLARATION.match(self.source.text, start, end)
        names = [name.strip() for name in match[4].split(",")] if match else []
        if not match or (match[5] and len(names) != 1):
            self._is_foreign(start)
            return
        for name in names:
            self._declare(name, match[2], match[3], start)
            if match[1]:
                self.declared[name] = (match[1], match[2], match[3])
        if match[5]:
            self.assigns.append((names[0], match[5], start))

    def _assign(self, left: str, right: str, position: int) -> None:
        target, value = _expression(self.bits, left), _expression(self.bits, right)
        if target is None or value is None:
            self._is_foreign(position)
        if target is None:
            return
        if value is None:
            value = np.full(len(target), _BIT_NONE)
        missing = len(target) - len(value)  # Verilog extends with zeros
        if missing > 0:
            value = np.concatenate([value, np.full(missing, _BIT_ZERO)])
        self.links.append((target, value[: len(target)]))

    def _base_pins(self) -> dict[str, Drivers]:
        """Bits at every input of the base; notes what its outputs drive."""
        if not self.instances:
            raise HnlpuError(
                "the metal holds no base",
                where=str(self.source.path),
                got=f"no instance of {self.base.name.strip()}",
                do="give the base that the metal was generated for",
            )
        text = self.source.text
        position, end = self.instances[0]
        starts = dict(zip((p.name for p in self.base.ports), self.base.starts, strict=False))
        ports = {port.name: port for port in self.base.ports}
        seen: set[str] = set()
        pins: dict[str, Drivers] = {}
        more = True
        while more:
            match = _PIN.match(text, position, end)
            if match:
                name, expression, at = match[1], match[2], position
                position, more = match.end(), match[3] == ","
            else:  # parentheses or other things that no wire needs
                at = position
                name, position, more = self._skip_pin(position, end)
                expression = None
                if name is None:
                    break
            name = self.source.shown(name)
            if name not in ports or name in seen:
                raise self.source.error(
                    "pin is connected twice" if name in seen else "the base has no such pin",
                    at, name, "give the base that the metal was generated for",
                )  # fmt: skip
            seen.add(name)
            if expression is not None and not expression.strip():
                continue  # left open
            numbers = None if expression is None else _expression(self.bits, expression)
            if numbers is None:
                self._is_foreign(at)
            elif ports[name].direction == "input":
                pins[name] = numbers
            else:
                self.base_links.append((numbers[: ports[name].n_bits], starts[name]))
        return pins

    def _skip_pin(self, position: int, end: int) -> tuple[str | None, int, bool]:
        """Name of a pin with an expression that is not wires, what follows it, and if there is more."""
        text = self.source.text
        match = _PIN_NAME.match(text, position, end)
        depth = 0
        for bracket in _BRACKET.finditer(text, match.end() - 1 if match else end, end):
            depth += 1 if bracket[0] == "(" else -1
            if depth == 0:
                behind = _end(_SPACE, text, bracket.end())
                assert match is not None
                return match[1], behind + 1, text.startswith(",", behind)
        self._is_foreign(position)  # pins by position, or a text that breaks off
        return None, end, False

    def _resolve(self, header: Header, inputs: list[bool]) -> Drivers:
        """Driver of every bit number."""
        n_bits = self.bits.n_bits
        base_first = n_bits
        own_first = base_first + self.base.n_bits
        total = own_first + header.n_bits
        source = np.full(total, _BIT_NONE, dtype=np.int64)
        roots = np.r_[_BIT_ZERO, _BIT_ONE, _BIT_NONE, base_first:total]
        source[roots] = roots
        links = list(self.links)
        for numbers, start in self.base_links:
            links.append((numbers, np.arange(len(numbers)) + base_first + start))
        for port, is_input, start in zip(header.ports, inputs, header.starts, strict=False):
            if is_input:
                numbers = self._net_bits(port.name)
                links.append((numbers, np.arange(len(numbers)) + own_first + start))
        if links:
            driven = np.concatenate([link[0] for link in links])
            source[driven] = np.concatenate([link[1] for link in links])
            source[np.flatnonzero(np.bincount(driven, minlength=total) > 1)] = _BIT_NONE
            source[roots] = roots
        for _ in range(total.bit_length()):
            further = source[source]
            if np.array_equal(further, source):
                break
            source = further
        meaning = np.full(total, NONE, dtype=np.int64)  # what is no root after all that is a loop
        meaning[_BIT_ZERO], meaning[_BIT_ONE] = ZERO, ONE
        meaning[base_first:] = np.arange(total - base_first)
        return meaning[source]


def read_netlist(path: Path, base: Header) -> Netlist:
    """Connections of the metal module in ``path``, which holds one instance of ``base``.

    Raises
    ------
    HnlpuError
        Unreadable file, no instance of the base, a pin that the base lacks, clashing declarations.
    """
    return _Reader(path, base).read()
