"""Direct write: charge over current by hand; more area, more layers, dearer masks."""

from math import pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.costmodel.direct_write import price_direct_write
from hnlpu.costmodel.loader import DataFile

MASKS = (2e5, 3e5, 4e5)


def test_by_hand():
    """1 % of 706.9 cm2 at 50 uC/cm2 and 1 uA: 353 s, and half an hour around it."""
    found = price_direct_write({"VIA8": 0.01}, MASKS, 300.0)
    hours = pi * 225 * 0.01 * 50 / 3600 + 0.5
    assert found.hours[1] == pytest.approx(hours)
    assert found.usd_per_wafer[1] == pytest.approx(2000 * hours)
    assert found.wafers[1] == pytest.approx(3e5 / (2000 * hours))
    assert found.wafers[0] == pytest.approx(MASKS[0] / found.usd_per_wafer[2])
    assert found.wafers[2] == pytest.approx(MASKS[2] / found.usd_per_wafer[0])


def test_every_number_has_unit_range_and_source():
    file = DataFile("direct_write.toml")
    units = {"dose": "uC/cm2", "current": "uA", "overhead": "hour", "tool_hour": "USD/hour"}
    assert set(file.names()) == set(units)
    for name, unit in units.items():
        quantity = file.quantity(name, unit)
        assert quantity.low < quantity.value < quantity.high and quantity.source


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_more_costs_more(one, other):
    few, both = (
        price_direct_write({"A": one}, MASKS, 300.0),
        price_direct_write({"A": one, "B": other}, MASKS, 300.0),
    )
    for end in range(3):
        assert both.hours[end] > few.hours[end] and both.wafers[end] < few.wafers[end]
        assert few.hours[0] <= few.hours[end]
