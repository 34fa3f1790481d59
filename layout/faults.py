"""What masks hold, whichever road found it: the pins of the rows, and places that do not join what they should."""

from dataclasses import dataclass

from hnlpu.base import Pins

__all__ = ["OPEN", "Fault", "Reading"]

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


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the masks of an array hold.

    Attributes
    ----------
    pins : int64 array (n_rows, n_pins + row exponent bits)
        Drivers, as :func:`hnlpu.layout.drawing.array_pins` gives them; ``OPEN`` where there is none.
    faults : list of Fault
        The first ones of each kind.
    n_faults : int
        All of them.
    """

    pins: Pins
    faults: list[Fault]
    n_faults: int
