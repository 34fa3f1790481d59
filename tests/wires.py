"""Pins in the text of a metal file, for tests that put faults into it."""

import re


def pins(text: str, row: int) -> list[str]:
    """What the pins of a row are on, lowest first."""
    found = re.search(rf"\.pins_{row}\({{([^}}]*)}}\)", text)
    assert found, f"no pins of row {row}"
    return found[1].split(", ")[::-1]


def with_pins(text: str, row: int, drivers: list[str]) -> str:
    """The text with the pins of a row on ``drivers``."""
    joined = ", ".join(reversed(drivers))
    changed, n = re.subn(rf"(\.pins_{row}\({{)[^}}]*}}\)", rf"\g<1>{joined}}})", text)
    assert n == 1
    return changed


def with_pin(text: str, row: int, pin: int, driver: str) -> str:
    """The text with one pin of a row on another driver."""
    drivers = pins(text, row)
    assert drivers[pin] != driver
    drivers[pin] = driver
    return with_pins(text, row, drivers)


def other_line(driver: str, *, negate: bool = False) -> str:
    """Another line of the same bundle: the next multiple of equal sign, or the complement."""
    found = re.fullmatch(r"(lines_\d+)\[(\d+)\]", driver)
    assert found, driver
    line = int(found[2])
    return f"{found[1]}[{line ^ 1 if negate else (line + 2) % 14}]"
