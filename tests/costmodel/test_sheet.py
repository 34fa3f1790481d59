import numpy as np
import pytest
from numpy import ceil, maximum

from hnlpu.costmodel.sheet import Rule, Sheet, rule
from hnlpu.errors import HnlpuError


@rule("chip")
def chips(area, reticle):
    """Area / reticle, rounded up."""
    return ceil(area / reticle)


@rule("USD", source="a price list")
def masks(chips, price):
    """Chips x price."""
    return chips * price


@rule("USD")
def total(masks, fixed):
    """Masks + fixed."""
    return maximum(masks + fixed, fixed)


SHEET = Sheet([total, masks, chips])
VALUES = {"area": 30.0, "reticle": 8.0, "price": 2.0, "fixed": 1.0}
UNITS = {"area": "mm2", "reticle": "mm2/chip", "price": "USD/chip", "fixed": "USD"}


def test_rules_run_in_order_on_numbers_and_arrays() -> None:
    assert list(SHEET.rules) == ["chips", "masks", "total"]
    assert SHEET.inputs == ("area", "fixed", "price", "reticle")
    assert SHEET.evaluate(VALUES)["total"] == 9.0
    many = SHEET.evaluate({**VALUES, "area": np.array([8.0, 9.0])})
    assert many["total"].tolist() == [3.0, 5.0]


def test_a_division_by_zero_is_infinite() -> None:
    assert SHEET.evaluate({**VALUES, "reticle": 0.0})["total"] == np.inf


def test_a_rule_says_its_formula_and_source() -> None:
    assert masks.text == "Chips x price." and masks.source == "a price list"
    assert masks.inputs == ("chips", "price") and masks.unit == "USD"


def test_what_a_figure_depends_on() -> None:
    assert SHEET.ancestors("total") == {"area", "reticle", "price", "fixed"}
    assert SHEET.ancestors("chips") == {"area", "reticle"}
    assert SHEET.ancestors("price") == {"price"}
    assert list(SHEET.needed(["masks"]).rules) == ["chips", "masks"]


def test_rules_are_replaced_or_become_inputs() -> None:
    @rule("chip", name="chips")
    def exact(area, reticle):
        """Area / reticle."""
        return area / reticle

    assert SHEET.replaced([exact]).evaluate(VALUES)["chips"] == 3.75
    fixed = SHEET.replaced(without=["chips"])
    assert "chips" in fixed.inputs
    assert fixed.evaluate({"chips": 5.0, "price": 2.0, "fixed": 1.0})["total"] == 11.0


def test_unsound_sheets_are_refused() -> None:
    with pytest.raises(ValueError, match="two rules give chips"):
        Sheet([chips, Rule("chips", lambda area: area, "chip", ("area",), "other")])
    with pytest.raises(ValueError, match="need each other"):
        Sheet([Rule("a", lambda b: b, "1", ("b",), ""), Rule("b", lambda a: a, "1", ("a",), "")])
    with pytest.raises(HnlpuError, match=r"cost model: price: an input without a value.*masks"):
        SHEET.evaluate({key: value for key, value in VALUES.items() if key != "price"})
    with pytest.raises(ValueError, match="unknown"):
        rule("furlong")
    with pytest.raises(ValueError, match="not coherent"):
        rule("kW")
    with pytest.raises(ValueError, match="in words"):
        rule("1")(lambda area: area)


def test_dimensions_are_checked() -> None:
    values = {key: (value, UNITS[key]) for key, value in VALUES.items()}
    SHEET.check_units(values)
    with pytest.raises(ValueError, match="masks: "):
        SHEET.check_units({**values, "price": (2.0, "W/chip")})
    with pytest.raises(ValueError, match="total: "):
        SHEET.check_units({**values, "fixed": (1.0, "J")})
