import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.costmodel.quantity import CONFIDENCES, Figure, Quantity, combine, exact, scenario

NUMBERS = st.floats(0.01, 1e6)


def quantity(ends: list[float], confidence: str = "published") -> Quantity:
    low, mid, high = sorted(ends)
    return Quantity(mid, "mm2", low, high, "a test", confidence)


@given(st.lists(NUMBERS, min_size=3, max_size=3), st.lists(NUMBERS, min_size=3, max_size=3))
def test_corners_hold_the_extremes_of_a_quotient(a: list[float], b: list[float]) -> None:
    figure = combine(lambda x, y: x / y, quantity(a), quantity(b), unit="1", note="")
    assert figure.low == min(a) / max(b)
    assert figure.high == max(a) / min(b)
    assert figure.mid == sorted(a)[1] / sorted(b)[1]


@given(st.lists(st.sampled_from(CONFIDENCES), min_size=1, max_size=4))
def test_a_result_is_tagged_like_its_weakest_input(tags: list[str]) -> None:
    figure = combine(
        lambda *x: sum(x), *(quantity([1, 2, 3], tag) for tag in tags), unit="mm2", note=""
    )
    expected = next((tag for tag in ("assumed", "calibrated") if tag in tags), "derived")
    assert figure.tag == expected


def test_scenarios_in_any_order_span_their_values() -> None:
    figure = scenario([7.0, 5.0, 3.0], [quantity([1, 2, 3])], unit="mm2", note="")
    assert (figure.low, figure.mid, figure.high) == (3.0, 5.0, 7.0)


def test_sources_are_carried_once() -> None:
    a = Quantity(1, "mm2", 1, 1, "one", "published")
    b = Quantity(1, "mm2", 1, 1, "two", "published")
    first = combine(lambda x, y: x + y, a, b, unit="mm2", note="")
    assert combine(lambda x, y: x + y, first, a, unit="mm2", note="").sources == ("one", "two")


def test_as_dict_has_the_documented_keys() -> None:
    assert list(exact(3, "chips", "measured", "counted").as_dict()) == [
        "low", "mid", "high", "unit", "tag", "note", "source",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "furlong"},
        {"tag": "guessed"},
        {"low": 2.0},
        {"high": 0.5},
        {"mid": float("nan")},
        {"high": float("inf")},
    ],
)
def test_impossible_figures_are_refused(change: dict[str, float | str]) -> None:
    good = {"low": 1.0, "mid": 1.0, "high": 1.0, "unit": "mm2", "tag": "derived", "note": ""}
    with pytest.raises(ValueError, match="unknown|not one of|out of order|finite"):
        Figure(**(good | change))  # type: ignore[arg-type]


def test_a_quantity_without_source_is_refused() -> None:
    with pytest.raises(ValueError, match="source"):
        Quantity(1, "mm2", 1, 1, " ", "published")
