from typing import Any

import numpy as np
import pytest
from numpy import maximum

from hnlpu.costmodel.quantity import Quantity
from hnlpu.costmodel.sheet import Sheet, rule
from hnlpu.costmodel.uncertainty import draw, figures, sample, tornado


@rule("USD", source="a list")
def cost(chips, price):
    """Chips x price."""
    return chips * price


@rule("1", tag="assumed")
def never(cost, ceiling):
    """Infinite where the cost reaches the ceiling."""
    return cost / maximum(ceiling - cost, 0)


SHEET = Sheet([cost, never])
INPUTS = {
    "chips": Quantity(16, "chip", 16, 16, "counted", "measured"),
    "price": Quantity(2.0, "USD/chip", 1.0, 3.0, "an offer", "published"),
    "ceiling": Quantity(40.0, "USD", 40.0, 40.0, "a budget", "published"),
}


def test_draws_follow_the_prior_and_the_seed() -> None:
    drawn = draw(INPUTS, 4000, seed=1)
    assert drawn["chips"] == 16
    price = drawn["price"]
    assert price.min() >= 1.0 and price.max() <= 3.0
    assert price.mean() == pytest.approx(2.0, abs=0.01)
    assert price.std() == pytest.approx(np.sqrt(1 / 6), rel=0.02)
    assert (draw(INPUTS, 4000, seed=1)["price"] == price).all()
    assert (draw(INPUTS, 4000, seed=2)["price"] != price).any()


def test_a_wide_range_is_drawn_on_the_logarithm() -> None:
    wide = {"x": Quantity(1.0, "1", 0.01, 100.0, "a guess", "assumed")}
    drawn = draw(wide, 4000)["x"]
    assert np.median(drawn) == pytest.approx(1.0, rel=0.03)
    assert np.log10(drawn).mean() == pytest.approx(0.0, abs=0.01)


def test_percentiles_of_a_triangle_are_exact() -> None:
    found = figures(SHEET, INPUTS, sample(SHEET, INPUTS, 8000))["cost"]
    assert found.mid == 32
    assert found.low == pytest.approx(16 * (1 + np.sqrt(0.1)), rel=0.005)
    assert found.high == pytest.approx(16 * (3 - np.sqrt(0.1)), rel=0.005)
    assert found.median == pytest.approx(32, rel=0.005)
    assert (found.tag, found.unit, found.note) == ("derived", "USD", "Chips x price.")
    assert found.sources == ("a list", "an offer", "counted")


def test_an_infinite_figure_has_finite_percentiles_where_draws_are_finite() -> None:
    found = figures(SHEET, INPUTS, sample(SHEET, INPUTS, 2000))["never"]
    assert np.isfinite(found.low) and found.high == np.inf
    assert found.tag == "assumed"


def test_a_tornado_ranks_what_has_a_range(consistent: Any) -> None:
    (only,) = tornado(SHEET, INPUTS, "cost")
    assert (only.name, only.at_low, only.at_high, only.mid, only.swing) == ("price", 16, 48, 32, 32)
    effects = tornado(consistent.sheet, consistent.inputs, "tco_usd")
    swings = [effect.swing for effect in effects]
    assert swings == sorted(swings, reverse=True)
    assert {effect.name for effect in effects} <= consistent.sheet.ancestors("tco_usd")


def test_every_figure_has_order_tag_and_formula(consistent: Any) -> None:
    found = figures(
        consistent.sheet, consistent.inputs, sample(consistent.sheet, consistent.inputs, 300)
    )
    assert found.keys() == consistent.sheet.rules.keys() and len(found) > 100
    for name, figure in found.items():
        assert figure.low <= figure.mid <= figure.high, name
        assert figure.note and figure.sources, name
        assert figure.tag in ("derived", "assumed", "calibrated"), name
