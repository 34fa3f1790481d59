"""Strip parasitics: resistance and capacitance of the jogs of a region base.

A jog is a net of its own load: from the line (or the output) that drives it to the port of its pin. Its lengths
are those drawn: the piece of M9 between its vias, its way on M11 with both vias and the landing, its stub on M8.

    line - VIA9 - M9 - VIA8 - M8 - VIA7 - port
    line - VIA10 - M11 - VIA10 - M10 - VIA9 - M9 - VIA8 - M8 - VIA7 - port
    output's port - VIA7 - M8 - VIA8 - M9 - VIA8 - M8 - VIA7 - port

Checked by ``tests/layout/test_strip_parasitics.py`` by hand.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.layout.router import M11, Routing
from hnlpu.layout.strips import Strips

__all__ = ["Jogs", "jog_nets"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Jogs:
    """The jogs of some rows; arrays (n_nets,), in the order of the routing's nets.

    Attributes
    ----------
    m8_um, m9_um, m11_um : float
        Lengths of wire.
    ohm : float
        From the driver's wire to the pin's port.
    ff : float
        Of all its wire.
    """

    m8_um: Floats
    m9_um: Floats
    m11_um: Floats
    ohm: Floats
    ff: Floats

    @property
    def length_um(self) -> Floats:
        return self.m8_um + self.m9_um + self.m11_um


def jog_nets(strips: Strips, routing: Routing) -> Jogs:
    """Parasitics of every net of a routing."""
    nets, rules, pitch = routing.nets, strips.rules, strips.pitch_nm
    up, own = routing.layer == M11, nets.output >= 0
    height = strips.track_height(np.where(up, routing.piece, routing.track))
    m8 = np.abs(height - strips.port_height[nets.pin])
    stand = strips.n_row_pins + np.maximum(nets.output, 0)
    from_output = np.abs(height - strips.port_height[np.minimum(stand, len(strips.column) - 1)])
    m8_um = (m8 + np.where(own, from_output, 0)) * pitch * 1e-3
    landing = np.zeros(len(nets), dtype=np.int64)
    landing[up] = strips.floorplan.landing_x_nm[routing.landing[up]]
    begin = np.where(up, landing, nets.driver_x_nm)
    m9_um = np.abs(begin - nets.pin_x_nm) * 1e-3
    m11_um = np.where(up, np.abs(nets.driver_x_nm - landing), 0) * 1e-3
    m10_um = np.where(up, np.abs(strips.high_offset_nm(np.where(up, routing.track, 0))
                                 - height * pitch), 0) * 1e-3  # fmt: skip
    wires = (("M8", m8_um), ("M9", m9_um), ("M10", m10_um), ("M11", m11_um))
    via = {name: rule.ohm for name, rule in rules.vias.items()}
    to_pin = via["VIA8"] + via["VIA7"]
    vias = to_pin + np.where(own, to_pin, via["VIA9"]) + np.where(up, 2 * via["VIA10"], 0)
    ohm = vias + sum(length * rules.metals[layer].ohm_per_um for layer, length in wires)
    ff = sum(length * rules.metals[layer].ff_per_um for layer, length in wires)
    return Jogs(m8_um, m9_um, m11_um, np.asarray(ohm), np.asarray(ff))
