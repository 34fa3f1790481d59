"""Numbers as a reader wants them: three digits, a prefix, a unit."""

from math import floor, isfinite, log10

__all__ = ["count", "number", "quantity", "spread"]

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "\u00b5"), (1e-9, "n"))
#: Units that take a metric prefix; counts take M and B; the rest are written out.
_METRIC = {"s", "W"}
_COUNTED = {"weights", "tokens/s", "tokens/J"}
_NAMES = {
    "mm2": "mm\u00b2",
    "um2": "\u00b5m\u00b2",
    "tokens/s": "tokens/s",
    "1": "",
    "transistors/weight": "T/weight",
}


def number(value: float, digits: int = 3) -> str:
    """``value`` to ``digits`` significant digits, grouped, without an exponent where it is short.

    Up to three digits are padded with zeros to show the precision; beyond that they are not.
    """
    if not isfinite(value):
        return "n/a"
    if value == 0:
        return "0"
    if digits > 3:
        return f"{value:,.{digits}g}"
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, decimals)
    if decimals <= 0 or rounded == int(rounded):
        return f"{int(rounded):,}"
    return f"{rounded:,.{decimals}f}"


def count(value: float) -> str:
    """A count in full: ``78,336``."""
    return f"{int(value):,}" if value == int(value) else number(value)


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """``value`` with its unit: ``0.82 mm2``, ``1.5 M USD`` as ``$1.5 M``, ``3.5 us``."""
    if unit == "USD":
        return f"${_scaled(value, _COUNTS, digits)}"
    if unit in _METRIC:
        if value and abs(value) < 1:
            for size, prefix in _SMALL:
                if abs(value) >= size or size == _SMALL[-1][0]:
                    return f"{number(value / size, digits)} {prefix}{unit}"
        for size, prefix in _PREFIXES:
            if abs(value) >= size:
                return f"{number(value / size, digits)} {prefix}{unit}"
        return f"{number(value, digits)} {unit}"
    name = _NAMES.get(unit, unit)
    if unit == "1":
        return f"{number(value, digits)}\u00d7"
    if unit == "chips":
        return f"{number(value, digits)} {'chip' if value == 1 else 'chips'}"
    text = _scaled(value, _COUNTS, digits) if unit in _COUNTED else number(value, digits)
    return f"{text} {name}".rstrip()


def spread(low: float, high: float, unit: str) -> str:
    """``low`` to ``high`` with one unit where both carry the same; empty for a point."""
    if low == high:
        return ""
    first, last = quantity(low, unit), quantity(high, unit)
    if first == last:
        return ""
    head, _, tail = first.rpartition(" ")
    if head and last.endswith(f" {tail}") and unit != "USD":
        first = head
    return f"{first} \u2013 {last}"


def _scaled(value: float, steps: tuple[tuple[float, str], ...], digits: int) -> str:
    for size, prefix in steps:
        if abs(value) >= size:
            return f"{number(value / size, digits)} {prefix}"
    return number(value, digits)
