import pytest

from hnlpu.reports.format import count, number, quantity, spread


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00886, "mm2", "0.00886 mm²"),
        (13232.1, "mm2", "13,200 mm²"),
        (27_690_000, "USD", "$27.7 M"),
        (346_000, "USD", "$346,000"),
        (3.481e-6, "s", "3.48 µs"),
        (36e-9, "s", "36 ns"),
        (8450, "W", "8.45 kW"),
        (0.65, "W", "650 mW"),
        (0, "W", "0 W"),
        (116.2e9, "weights", "116 B weights"),
        (15.3, "1", "15.3×"),
        (1, "chips", "1 chip"),
        (16, "chips", "16 chips"),
        (10.9, "transistors/weight", "10.9 T/weight"),
        (1.5e-7, "mm2", "1.50e-07 mm²"),
    ],
)
def test_quantities(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_numbers_keep_their_digits() -> None:
    assert [number(x) for x in (0.0, 999.6, 9.999, 0.1, 1234567)] == [
        "0", "1,000", "10", "0.100", "1,230,000",
    ]  # fmt: skip
    assert number(249960, 6) == "249,960"
    assert number(float("nan")) == "n/a"
    assert count(78336) == "78,336"


def test_a_range_has_one_unit_and_a_point_none() -> None:
    assert spread(1, 2.5, "mm2") == "1 – 2.50 mm²"
    assert spread(0.5, 2500, "W") == "500 mW – 2.50 kW"
    assert spread(15e6, 30e6, "USD") == "$15 M – $30 M"
    assert spread(3, 3, "mm2") == ""
