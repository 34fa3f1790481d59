"""Faults: places of drawn metal that do not join what they should."""

from dataclasses import dataclass

__all__ = ["OPEN", "Fault"]

#: Driver of a pin that is on no line, or on more than one.
OPEN = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, of what, and where; nm."""

    what: str
    where: str
    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.what}: {self.where} at ({self.x / 1000:.3f}, {self.y / 1000:.3f}) um"
