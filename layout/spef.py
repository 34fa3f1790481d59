"""SPEF: wires as ladders of resistance and capacitance (IEEE 1481), with the pins on them.

Contract (checked by ``tests/layout/test_spef.py``): sums are kept, and Elmore delays are those of
the ladder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["HEADER", "Pin", "Wire", "elmore_ps", "spef_net"]

HEADER = (
    '*SPEF "IEEE 1481-1998"\n*DESIGN "{name}"\n*DATE ""\n*VENDOR "hnlpu"\n*PROGRAM "hnlpu"\n'
    '*VERSION "1"\n*DESIGN_FLOW "COUPLING C"\n*DIVIDER /\n*DELIMITER :\n*BUS_DELIMITER [ ]\n'
    "*T_UNIT 1 PS\n*C_UNIT 1 FF\n*R_UNIT 1 OHM\n*L_UNIT 1 HENRY\n\n"
)


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin on a wire.

    Attributes
    ----------
    name : str
        ``instance:pin``.
    at : float
        How far along the wire it is joined to it, 0 to 1.
    ohm, ff : float
        Of the branch that leads to it; the pin's own capacitance is the library's.
    """

    name: str
    at: float
    ohm: float = 0.0
    ff: float = 0.0


@dataclass(frozen=True, slots=True)
class Wire:
    """A net: a wire from its driver to its end, and pins on it.

    Attributes
    ----------
    net, driver : str
        ``driver`` is ``instance:pin``.
    ohm, ff : float
        Of the wire alone.
    pins : tuple of Pin
    sections : int
        Of the ladder.
    """

    net: str
    driver: str
    ohm: float
    ff: float
    pins: tuple[Pin, ...]
    sections: int = 1

    @property
    def total_ff(self) -> float:
        return self.ff + sum(pin.ff for pin in self.pins)

    def section_of(self, pin: Pin) -> int:
        """Node of the ladder at which a pin is joined; 0 is the driver."""
        return round(pin.at * self.sections)


def spef_net(wire: Wire, ohm_factor: float = 1.0, ff_factor: float = 1.0) -> str:
    """A ``*D_NET`` section, resistances and capacitances times the factors."""
    nodes = [wire.driver, *(f"{wire.net}:{k}" for k in range(1, wire.sections + 1))]
    part = wire.ff / wire.sections
    caps = [part / 2, *[part] * (wire.sections - 1), part / 2]
    resistors = [(nodes[k], nodes[k + 1], wire.ohm / wire.sections) for k in range(wire.sections)]
    for pin in wire.pins:
        node = wire.section_of(pin)
        resistors.append((nodes[node], pin.name, pin.ohm))
        caps[node] += pin.ff
    lines = [f"*D_NET {wire.net} {wire.total_ff * ff_factor:.6f}", "*CONN", f"*I {wire.driver} O"]
    lines += [f"*I {pin.name} I" for pin in wire.pins]
    lines.append("*CAP")
    for i, (name, c) in enumerate(zip(nodes, caps, strict=True), 1):
        lines.append(f"{i} {name} {c * ff_factor:.6f}")
    lines.append("*RES")
    # No resistor may be zero.
    for i, (a, b, r) in enumerate(resistors, 1):
        lines.append(f"{i} {a} {b} {max(r * ohm_factor, 1e-3):.6f}")
    return "\n".join([*lines, "*END", "", ""])


def elmore_ps(wire: Wire, loads_ff: Sequence[float], pin: int) -> float:
    """Elmore delay from the driver to a pin, of the wire alone; ``loads_ff`` of each pin's own."""
    part = wire.ff / wire.sections
    caps = [part / 2, *[part] * (wire.sections - 1), part / 2]
    for other, load in zip(wire.pins, loads_ff, strict=True):
        caps[wire.section_of(other)] += other.ff + load
    place = wire.section_of(wire.pins[pin])
    behind = [sum(caps[k:]) for k in range(1, place + 1)]
    return (sum(behind) * wire.ohm / wire.sections + wire.pins[pin].ohm * loads_ff[pin]) * 1e-3
