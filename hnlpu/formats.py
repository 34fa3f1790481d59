"""Formats: a codebook, and how blocks and rows scale it.

A weight of any format is

    codebook[code] * 2**(unit + block exponent) * row scale

and a format says which of the two scales it has. Nothing else of the flow knows a format's name: what
follows is the codebook, the block and the row scales of a :class:`hnlpu.weights.CodedMatrix`.

``mxfp4``, ``mxfp6_e2m3``, ``mxfp6_e3m2`` are those of the OCP Microscaling Formats (MX) Specification
v1.0: a power of two per 32 weights.

``nvfp4`` is E2M1 with an E4M3 scale per 16 weights, ``(8 + m) / 8 * 2**e``. The mantissa moves into the
weights: E2M1 times 8 .. 15 is an *expanded codebook* of integers, and ``2**e`` is left per block, which
is a block exponent like any other. Nothing is lost. (Subnormal scales have such a form too.) The scale
of a tensor, or a finer one, is a row scale.

``fp4`` (the paper's case), ``int2`` .. ``int6``, ``ternary``, ``binary`` and ``codebook:FILE.json`` have
one scale per row, any positive number, and no block exponents. The integers are two's complement, -8 to 7
for ``int4``, because a checkpoint with the symmetric range -7 to 7 is held too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from hnlpu.codebook import E2M1, Codebook, minifloat
from hnlpu.errors import HnlpuError

__all__ = ["FILE_PREFIX", "FORMATS", "MXFP4", "Format", "format_names", "parse_format"]

#: What a format's name starts with if its codebook is a file.
FILE_PREFIX = "codebook:"
#: Most values of a codebook file: 6 bits a weight.
_FILE_LIMIT = 64
_VALUE_LIMIT = (1 << 15) - 1


@dataclass(frozen=True, slots=True)
class Format:
    """How weights are written.

    Attributes
    ----------
    name : str
    codebook : Codebook
    block : int or None
        Inputs that share a power-of-two exponent; None without block exponents.
    row_scales : bool
        Each row has a scale, any positive number.
    grids : tuple of tuples of int
        Choices of codebook values for the weights of one block, a mantissa of the block's scale each;
        empty where a block takes any value of the codebook. Where two values are as near, that at the
        even position is taken, of a grid or else of the codebook.
    """

    name: str
    codebook: Codebook
    block: int | None = None
    row_scales: bool = False
    grids: tuple[tuple[int, ...], ...] = ()

    @property
    def block_exponents(self) -> bool:
        return self.block is not None


def _row_scaled(codebook: Codebook, name: str | None = None) -> Format:
    return Format(name or codebook.name, codebook, row_scales=True)


def _integers(bits: int) -> Format:
    half = 1 << bits - 1
    return _row_scaled(Codebook(f"int{bits}", (*range(half), *range(-half, 0)), 0))


def _nvfp4() -> Format:
    grids = tuple(tuple(value * scale for value in E2M1.values) for scale in range(8, 16))
    values = tuple(sorted({value for grid in grids for value in grid}))
    codebook = Codebook("E2M1 x E4M3", values, E2M1.unit_exponent - 3)
    return Format("nvfp4", codebook, block=16, row_scales=True, grids=grids)


MXFP4 = Format("mxfp4", E2M1, block=32)

#: Formats by name; codebook files are formats besides.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        fmt.name: fmt
        for fmt in (
            MXFP4,
            _row_scaled(E2M1, "fp4"),
            _nvfp4(),
            *map(_integers, range(2, 7)),
            _row_scaled(Codebook("ternary", (0, 1, -1), 0)),
            _row_scaled(Codebook("binary", (1, -1), 0)),
            Format("mxfp6_e2m3", minifloat("E2M3", 2, 3), block=32),
            Format("mxfp6_e3m2", minifloat("E3M2", 3, 2), block=32),
        )
    }
)


def format_names() -> str:
    """Every name that :func:`parse_format` takes, for messages."""
    return ", ".join([*FORMATS, f"{FILE_PREFIX}FILE.json"])


def parse_format(text: str) -> Format:
    """The format of this name.

    Parameters
    ----------
    text : str
        A name of ``FORMATS``, or ``codebook:FILE.json``: a JSON list of the values of a codebook, up
        to 64, integers or, if all are integers times a common factor, fractions (the row scale takes
        the factor).

    Raises
    ------
    HnlpuError
        Unknown name; a file that holds no codebook.
    """
    if text.startswith(FILE_PREFIX):
        path = Path(text.removeprefix(FILE_PREFIX))
        return _row_scaled(_read_codebook(path), text)
    if text not in FORMATS:
        raise HnlpuError(
            "unknown weight format",
            where="format",
            got=text or "nothing",
            do=f"choose one of {format_names()}",
        )
    return FORMATS[text]


def _read_codebook(path: Path) -> Codebook:
    def refuse(what: str, got: str, do: str, where: str = "") -> NoReturn:
        raise HnlpuError(what, where=f"{path}{where}", got=got, do=do)

    def constant(name: str) -> NoReturn:
        refuse("codebook value is not a finite number", name, "give finite numbers only")

    try:
        # Decimals as they are written: 0.1, 0.2, 0.3 have a common factor, their binary floats none.
        table: Any = json.loads(
            path.read_text(encoding="utf-8"), parse_float=Decimal, parse_constant=constant
        )
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        refuse("cannot read a codebook", reason, "give a JSON file with one list of numbers")
    if not isinstance(table, list) or not 2 <= len(table) <= _FILE_LIMIT:
        got = f"{len(table)} values" if isinstance(table, list) else type(table).__name__
        refuse("a codebook is a list of numbers", got, f"give 2 to {_FILE_LIMIT} numbers")
    for i, value in enumerate(table):
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            refuse("codebook value is not a number", json.dumps(value, default=str), "give numbers",
                   f"[{i}]")  # fmt: skip
        if value in table[:i]:
            refuse("codebook holds a value twice", f"{value}, as value {table.index(value)}",
                   "give every value once", f"[{i}]")  # fmt: skip
        if isinstance(value, Decimal) and not -100 <= value.adjusted() <= 100 and value:
            refuse("codebook value is out of range", str(value), "scale the values", f"[{i}]")
    integers = _common_integers(table)
    largest = max(map(abs, integers))
    if largest > _VALUE_LIMIT:
        refuse(
            "codebook values are no small integers times a common factor",
            f"integers up to {largest:.6g}" if largest < 1e300 else "huge integers",
            f"round them to multiples of one step, at most {_VALUE_LIMIT} steps from zero",
        )
    return Codebook(path.name, tuple(integers), 0)


def _common_integers(table: list[int | Decimal]) -> list[int]:
    """The values divided by their largest common factor; integers stay as they are given."""
    if all(isinstance(value, int) for value in table):
        return [int(value) for value in table]
    fractions = [Fraction(value) for value in table]
    factor = Fraction(
        reduce(gcd, (f.numerator for f in fractions)), lcm(*(f.denominator for f in fractions))
    )
    return [int(f / factor) for f in fractions] if factor else [0] * len(fractions)
