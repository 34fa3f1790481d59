"""What masks hold, whichever road found it: the pins of the rows, and places that do not join what they should."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.base import Pins
from hnlpu.layout.hierarchy import Boxes

__all__ = ["MOST_TOLD", "OPEN", "Fault", "FaultList", "Reading"]

#: Faults of a kind that are told one by one; the rest is counted.
MOST_TOLD = 100

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


class FaultList:
    """Faults so far: the first ones of each kind, and how many there are.

    Parameters
    ----------
    before : FaultList, optional
        What was found before; it stays as it is.

    Attributes
    ----------
    told : list of Fault
    n : int
    """

    def __init__(self, before: "FaultList | None" = None) -> None:
        self.told: list[Fault] = list(before.told) if before else []
        self.n: int = before.n if before else 0

    def add(
        self,
        what: str,
        where: str | Sequence[str],
        x: npt.NDArray[np.int64],
        y: npt.NDArray[np.int64],
        n: int | None = None,
    ) -> None:
        """Faults of one kind.

        Parameters
        ----------
        what : str
        where : str or sequence of str
            Of all of them, or of each that is told.
        x, y : int64 arrays
            Places, of the first :data:`MOST_TOLD` at least.
        n : int, optional
            How many there are; left out, as many as places.
        """
        self.n += len(x) if n is None else n
        places = zip(x[:MOST_TOLD].tolist(), y[:MOST_TOLD].tolist(), strict=True)
        for i, (at_x, at_y) in enumerate(places):
            self.told.append(Fault(what, where if isinstance(where, str) else where[i], at_x, at_y))

    def boxes(self, what: str, mask: str, boxes: Boxes) -> None:
        """Shapes of a mask that are not as they should be, at their centres."""
        middle = (boxes[:, :2] + boxes[:, 2:]) // 2
        self.add(what, mask, middle[:, 0], middle[:, 1])
