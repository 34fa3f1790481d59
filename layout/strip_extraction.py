"""Strip extraction: what the drawn metal of a region base joins, found by klayout's netlist extraction.

    pin's port - VIA7 - M8 stub - VIA8 - M9 jog - VIA9 - M10 line - ... - line's port
                                             or - VIA9 - M10 landing - VIA10 - M11 - VIA10 - line
                                             or - VIA8 - M8 stub - VIA7 - output's port
                                or - VIA8 - M9 rail - ... - feed's port

Nothing of the drawing's arithmetic is used but the places of ports.

Contract (checked by ``tests/layout/test_strip_drawing.py``): as of :mod:`hnlpu.layout.extraction`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from hnlpu.base import LINES
from hnlpu.layout.extraction import Nets
from hnlpu.layout.faults import OPEN, Fault, Reading
from hnlpu.layout.strips import Strips
from hnlpu.layout.turns import track_y, turns
from hnlpu.layout.windows import Window

if TYPE_CHECKING:
    from klayout import db

__all__ = ["extract_strips"]

#: A driver's name, what it is, the row (or the segment, below zero) that alone may use it, and its port's place.
_Port = tuple[str, int, int, int, int]
_ANYWHERE = -1


def extract_strips(
    strips: Strips, masks: "Mapping[str, db.Region]", window: Window | None = None
) -> Reading:
    """Pins of the rows as the masks wire them; parameters as of :func:`hnlpu.layout.extraction.extract`."""
    nets = Nets(strips.rules, masks)
    faults: list[Fault] = []
    drives: dict[int, tuple[str, int, int]] = {}
    begun: set[tuple[int, int]] = set()
    for name, driver, where, x, y in _driver_ports(strips):
        if window is not None and not window.holds(x, y):
            continue
        net = nets.at(x, y)
        begun.add((driver, where))
        if net is None:
            faults.append(Fault("open", name, x, y))
            continue
        other = drives.setdefault(net, (name, driver, where))
        tie = driver < LINES and other[1] == driver
        if not tie and other != (name, driver, where):
            faults.append(Fault("short", f"{name} with {other[0]}", x, y))
            drives[net] = (other[0], OPEN, _ANYWHERE)
    for name, segment, line, x, y in _line_ends(strips):
        line_of_segment = LINES + line, _segment(segment)
        if line_of_segment not in begun or (window is not None and not window.holds(x, y)):
            continue
        net = nets.at(x, y)
        if net is None or drives.get(net, ("", OPEN, 0))[1:] != line_of_segment:
            faults.append(Fault("break", name, x, y))
    n_rows, n_pins = strips.plan.n_rows, strips.n_row_pins
    pins = np.full((n_rows, n_pins), OPEN, dtype=np.int64)
    x_of = strips.column_x_nm(strips.column[:n_pins]).tolist()
    for row in range(n_rows):
        y_of = strips.y_nm(np.array(row), strips.port_height[:n_pins] * strips.pitch_nm).tolist()
        for pin, (x, y) in enumerate(zip(x_of, y_of, strict=True)):
            if window is not None and not window.holds(x, y):
                continue
            net, name = nets.at(x, y), f"row {row}, pin {pin}"
            found = None if net is None else drives.get(net)
            if found is None:
                faults.append(Fault("open", name, x, y))
            elif found[1] == OPEN:
                faults.append(Fault("on more than one driver", name, x, y))
            elif found[2] not in (_ANYWHERE, row, _segment(row // strips.segment_rows)):
                faults.append(Fault(f"on {found[0]}", name, x, y))
            else:
                pins[row, pin] = found[1]
    return Reading(pins, faults, len(faults))


def _segment(segment: int) -> int:
    """A segment where a row's number is meant: below zero."""
    return -2 - segment


def _driver_ports(strips: Strips) -> Iterator[_Port]:
    plan, pitch = strips.plan, strips.pitch_nm
    for segment, (turn, bottom) in enumerate(turns(strips)):
        for line, landing in enumerate(strips.landing_lines):
            y = track_y(strips, bottom, turn.m10_out[landing.turn])
            name = f"line {line}, segment {segment}"
            yield name, LINES + line, _segment(segment), landing.m8_x, y
    for row in range(plan.n_rows):
        for level, tie in strips.rails:
            offset = np.array(strips.rail_height(level, tie) * pitch)
            x = int(strips.column_x_nm(np.array(strips.feeds[tie])))
            name = f"feed of tie {tie}, row {row}"
            yield name, tie, _ANYWHERE, x, int(strips.y_nm(np.array(row), offset))
        for output in range(strips.floorplan.n_outputs):
            stand = strips.n_row_pins + output
            offset = np.array(strips.port_height[stand] * pitch)
            x = int(strips.column_x_nm(strips.column[stand]))
            name = f"output {output} of row {row}"
            y = int(strips.y_nm(np.array(row), offset))
            yield name, plan.local_driver(output), row, x, y


def _line_ends(strips: Strips) -> Iterator[_Port]:
    """Where lines enter the base again: at the turn above their segment."""
    for above, (turn, bottom) in enumerate(turns(strips)):
        if turn.m10_in:
            for line, landing in enumerate(strips.landing_lines):
                y = track_y(strips, bottom, turn.m10_in[landing.turn])
                yield f"line {line}, segment {above - 1}", above - 1, line, landing.m8_x, y
