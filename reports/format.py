"""Numbers as a reader wants them, without a unit; ``cost_format`` has those with one."""

from math import floor, isfinite, log10

__all__ = ["count", "number"]


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
