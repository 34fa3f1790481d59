import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.costmodel.quantity import CONFIDENCES, Figure, Quantity, weakest


@given(st.lists(st.sampled_from(CONFIDENCES), min_size=1, max_size=4))
def test_a_result_is_tagged_like_its_weakest_input(tags: list[str]) -> None:
    expected = next((tag for tag in ("assumed", "calibrated") if tag in tags), "derived")
    assert weakest(tags) == expected


def test_as_dict_has_the_documented_keys_and_no_infinity() -> None:
    figure = Figure(3, 4, float("inf"), "chip", "measured", "counted", ("here",), 5)
    assert figure.as_dict() == {
        "low": 3, "mid": 4, "high": None, "median": 5, "unit": "chip", "tag": "measured",
        "note": "counted", "source": "here",
    }  # fmt: skip


def test_a_figure_changes_its_unit() -> None:
    figure = Figure(1000, 2000, 3000, "kg", "derived", "", median=2500).in_unit("t")
    assert (figure.low, figure.mid, figure.high, figure.median) == (1, 2, 3, 2.5)
    assert figure.unit == "t"


def test_coherent_units_have_no_factors() -> None:
    quantity = Quantity(0.095, "USD/(kW*h)", 0.05, 0.15, "a bill", "published")
    assert quantity.in_coherent_units() == pytest.approx(
        (0.05 / 3.6e6, 0.095 / 3.6e6, 0.15 / 3.6e6)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "furlong"},
        {"tag": "guessed"},
        {"low": 2.0},
        {"high": 0.5},
        {"mid": float("nan")},
    ],
)
def test_impossible_figures_are_refused(change: dict[str, float | str]) -> None:
    good = {"low": 1.0, "mid": 1.0, "high": 1.0, "unit": "mm2", "tag": "derived", "note": ""}
    with pytest.raises(ValueError, match="unknown|not one of|out of order|not numbers"):
        Figure(**(good | change))  # type: ignore[arg-type]


def test_a_quantity_needs_a_source_and_finite_numbers() -> None:
    with pytest.raises(ValueError, match="source"):
        Quantity(1, "mm2", 1, 1, " ", "published")
    with pytest.raises(ValueError, match="finite"):
        Quantity(1, "mm2", 1, float("inf"), "here", "published")
