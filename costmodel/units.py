"""Units: every number has a dimension, and one coherent unit per dimension inside the model.

Length is measured in mm, time in s, energy in J, money in USD, information in B, mass in kg. Weights, transistors, tokens and cycles are
dimensions too: adding J per token to J is an error. Chips, wafers, masks, systems, sequences and GPUs are counts: they
may stand in a unit to say what is counted, and have no dimension. With coherent units a formula holds no conversion
factor; the data files may state a number in any unit of the dimension.
"""

from functools import cache
from typing import Any

from pint import UnitRegistry
from pint.errors import PintError

__all__ = ["coherent", "convert", "is_unit", "quantity", "same_dimension"]

_DEFINITIONS = """
milli- = 1e-3 = m-
micro- = 1e-6 = u-
nano- = 1e-9 = n-
pico- = 1e-12 = p-
femto- = 1e-15 = f-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
percent = 0.01
mm = [length]
cm = 10 mm
um = 1e-3 mm
nm = 1e-6 mm
mm2 = mm ** 2
um2 = um ** 2
cm2 = cm ** 2
second = [time] = s
hour = 3600 s = h
year = 8760 h
cycle = [cycle]
hertz = cycle / s = Hz
joule = [energy] = J
watt = J / s = W
watt_hour = W * h = Wh
kilogram = [mass] = kg
tonne = 1000 kg = t
USD = [money]
coulomb = [charge] = C
uC = 1e-6 C
uA = 1e-6 C / s
byte = [information] = B
bit = 0.125 B
weight = [weight]
transistor = [transistor]
token = [token]
sequence = []
chip = []
wafer = []
mask = []
system = []
gpu = []
"""


@cache
def _registry() -> Any:
    registry: Any = UnitRegistry(None)
    for line in _DEFINITIONS.split("\n"):
        if line:
            registry.define(line)
    return registry


def quantity(value: Any, unit: str) -> Any:
    """A number (or array) with its unit, in which formulas can be computed to check their dimensions."""
    registry = _registry()
    return registry.Quantity(value, registry.parse_units("" if unit == "1" else unit))


@cache
def is_unit(unit: str) -> bool:
    """Whether ``unit`` is known, e.g. ``USD/chip``; ``1`` is no unit."""
    try:
        quantity(1.0, unit)
    except (PintError, AttributeError, TypeError, ValueError, SyntaxError, AssertionError):
        return False
    return True


@cache
def coherent(unit: str) -> float:
    """Coherent units in one ``unit``: 3.6e6 for ``kWh``, which is measured in J."""
    return float(quantity(1.0, unit).to_base_units().magnitude)


def convert(value: float, unit: str, to: str) -> float:
    """``value`` in another unit of the same dimension.

    Raises
    ------
    pint.DimensionalityError
        The units measure different things.
    """
    return float(quantity(value, unit).to(quantity(1.0, to).units).magnitude)


@cache
def same_dimension(one: str, other: str) -> bool:
    """Whether two units measure the same thing."""
    return bool(quantity(1.0, one).dimensionality == quantity(1.0, other).dimensionality)
