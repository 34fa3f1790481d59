import pytest

from hnlpu.costmodel.units import coherent, convert, is_unit, quantity, same_dimension


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("1", 1), ("mm2", 1), ("um2", 1e-6), ("1/cm2", 1e-2), ("kW*h", 3.6e6), ("GHz", 1e9),
        ("um2/bit", 8e-6), ("Mtransistor/mm2", 1e6), ("fJ/um", 1e-12), ("year", 8760 * 3600),
        ("t", 1000), ("USD/MW", 1e-6),
    ],
)  # fmt: skip
def test_coherent_factors(unit: str, factor: float) -> None:
    assert coherent(unit) == pytest.approx(factor, rel=1e-12)


def test_counts_have_no_dimension_but_tokens_have() -> None:
    assert same_dimension("USD/chip", "USD")
    assert not same_dimension("J/token", "J")
    assert not same_dimension("W", "J")


def test_unknown_units_are_told() -> None:
    assert is_unit("USD/wafer")
    assert not is_unit("furlong")
    assert not is_unit("USD/")


def test_adding_different_things_fails() -> None:
    with pytest.raises(Exception, match="convert"):
        quantity(1.0, "J/token") + quantity(1.0, "J")
    assert convert(2.0, "kg", "t") == pytest.approx(0.002)
