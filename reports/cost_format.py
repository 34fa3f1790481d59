"""Numbers with their units as the cost page, its files and its script write them.

Three digits, a metric prefix where the unit takes one, M, B and T for counts and money. The page recomputes its
figures, so its script formats as well: ``templates/cost_format.js`` holds the twin of :func:`shown`.

Contract (checked by ``tests/reports/test_cost_format.py`` in V8): the twin writes the same text.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite, isnan
from typing import Any

__all__ = ["between", "finite", "shown", "unit_text"]

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""),
             (1e-3, "m"), (1e-6, "\u00b5"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))  # fmt: skip
_COUNTS = ((1e12, " T"), (1e9, " B"), (1e6, " M"))
_METRIC = ("s", "W", "J", "Hz", "B")
_YEAR, _DAY, _HOUR = 31_536_000.0, 86_400.0, 3600.0

#: Units as a reader wants them; what is not here is written as it is.
_NAMES = {
    "mm2": "mm\u00b2",
    "um2": "\u00b5m\u00b2",
    "cm2": "cm\u00b2",
    "um": "\u00b5m",
    "us": "\u00b5s",
    "Mtransistor": "M transistors",
    "gpu": "GPU",
}
#: Counted things take M, B, T and a plural.
_COUNTED = (
    "token",
    "weight",
    "transistor",
    "sequence",
    "cycle",
    "chip",
    "wafer",
    "mask",
    "system",
    "gpu",
    "year",
)


def shown(value: float, unit: str, digits: int = 3) -> str:
    """``value`` with its unit: ``827 mm²``, ``$59.3 M``, ``119,000 tokens/s``, ``3.2 mJ/token``."""
    if not isfinite(value):
        return "n/a" if isnan(value) else "\u221e" if value > 0 else "\u2212\u221e"
    head, slash, tail = unit.partition("/")
    size = abs(value)
    if unit == "USD/token":
        return f"${_number(value * 1e6, digits)} per M tokens"
    if head == "USD":
        sign = "\u2212" if value < 0 else ""
        return f"{sign}${_count(size, digits)}" + (f" per {unit_text(tail)}" if slash else "")
    if unit == "s" and size >= 2 * _DAY:
        length, name = (_YEAR, "years") if size >= _YEAR else (_DAY, "days")
        return f"{_number(value / length, digits)} {name}"
    if unit == "J" and size >= 1e3 * _HOUR:
        return _metric(value / _HOUR, "Wh", digits)
    if unit == "kg" and size >= 1e3:
        return f"{_count(value / 1e3, digits)} t"
    after = f"/{unit_text(tail)}" if slash else ""
    if head == "mm2" and 0 < size < 1e-3:
        return f"{_number(value * 1e6, digits)} \u00b5m\u00b2{after}"
    if unit == "1/s" and 0 < size < 1e-5:
        return f"{_number(value * _YEAR, digits)}/year"
    if head in _METRIC:
        return _metric(value, head, digits) + after
    if head in _COUNTED:
        if not slash and value == int(value) and size < 1e6:
            digits = 6  # a count
        return f"{_count(value, digits)} {unit_text(head)}{'' if value == 1 else 's'}{after}"
    if head == "1":
        return f"{_count(value, digits)}{after}"
    return f"{_count(value, digits)} {unit_text(unit)}"


def between(low: float, high: float, unit: str) -> str:
    """``low`` to ``high``, the unit once where both carry the same; empty for a point."""
    first, last = shown(low, unit), shown(high, unit)
    if first == last:
        return ""
    head, _, tail = first.partition(" ")
    if tail and last.partition(" ")[2] == tail:
        first = head
    elif " " in last and first.endswith(last[last.rindex(" ") :]):
        first = first[: first.rindex(" ")]
    return f"{first} \u2013 {last}"


def finite(value: Any) -> Any:
    """Data for JSON, which has neither infinity nor NaN: both become null."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def unit_text(unit: str) -> str:
    """A unit alone: ``mm²/chip``, ``USD/kWh``, ``token/GPU·s``, ``per year``."""
    if unit.startswith("1/"):
        return f"per {unit_text(unit[2:])}"
    plain = unit.replace("kW*h", "kWh").replace("(", "").replace(")", "")
    parts = (part.split("*") for part in plain.split("/") if part != "1")
    return "/".join("\u00b7".join(_NAMES.get(name, name) for name in part) for part in parts)


def _metric(value: float, unit: str, digits: int) -> str:
    size = _rounded(value, digits)
    fitting = [(scale, prefix) for scale, prefix in _PREFIXES if abs(size) >= Decimal(str(scale))]
    scale, prefix = fitting[0] if fitting else _PREFIXES[-1] if size else (1.0, "")
    return f"{_number(value / scale, digits)} {prefix}{unit}"


def _count(value: float, digits: int) -> str:
    for scale, prefix in _COUNTS:
        if abs(_rounded(value, digits)) >= scale:
            return f"{_number(value / scale, digits)}{prefix}"
    return _number(value, digits)


def _rounded(value: float, digits: int) -> Decimal:
    """To so many significant digits; half goes away from zero, as in JavaScript."""
    exact = Decimal(value)
    if not exact:
        return exact
    return exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), ROUND_HALF_UP)


def _number(value: float, digits: int) -> str:
    """To so many significant digits, grouped; zeros at the end show a precision of three digits only."""
    rounded = _rounded(value, digits)
    sign, size = ("\u2212" if rounded < 0 else ""), abs(rounded)
    if not size:
        return "0"
    exponent = size.adjusted()
    if not -5 < exponent < 15:
        return f"{sign}{size.scaleb(-exponent):.{digits - 1}f}e{exponent}"
    if size == size.to_integral_value():
        return f"{sign}{size:,.0f}"
    text = f"{sign}{size:,.{digits - 1 - exponent}f}"
    return text.rstrip("0") if digits > 3 else text
