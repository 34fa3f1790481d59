"""Numbers of the cost page: what a reader sees, and that the page's script writes the same."""

import json
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from hnlpu.reports.cost_format import between, shown, unit_text

UNITS = ("USD", "USD/chip", "s", "W", "J", "J/token", "kg", "mm2", "mm2/chip", "1/s", "mm2/weight", "um2/weight", "token/s",
         "token/J", "chip", "gpu", "1", "1/chip", "B", "GB/s", "transistor/weight", "USD/kWh",
         "USD/token", "token/(gpu*s)")  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> MiniRacer:
    made = MiniRacer()
    made.eval((files("hnlpu.reports") / "templates" / "cost_format.js").read_text("utf-8"))
    return made


@pytest.mark.parametrize(
    "value, unit, text",
    [
        (827.08, "mm2", "827 mm²"),
        (13232.1, "mm2", "13,200 mm²"),
        (3.25e6, "mm2", "3.25 M mm²"),
        (4.4e-5, "mm2", "44 µm²"),
        (9.5e-8, "mm2/weight", "0.0950 µm²/weight"),
        (1 / 31_536_000, "1/s", "1/year"),
        (76.4, "1/s", "76.4/s"),
        (27_690_000, "USD", "$27.7 M"),
        (346_000, "USD", "$346,000"),
        (-1_234_567_890, "USD", "−$1.23 B"),
        (629, "USD/chip", "$629 per chip"),
        (0.1, "USD/kWh", "$0.100 per kWh"),
        (249_960, "token/s", "250,000 tokens/s"),
        (2.0e6, "token/s", "2 M tokens/s"),
        (999_999, "token/s", "1 M tokens/s"),
        (1, "chip", "1 chip"),
        (16, "chip", "16 chips"),
        (2048, "token", "2,048 tokens"),
        (123_456, "token", "123,456 tokens"),
        (2048.5, "token", "2,050 tokens"),
        (9.29e9, "1/token", "9.29 B/token"),
        (2, "gpu", "2 GPUs"),
        (3, "year", "3 years"),
        (0.000852, "s", "852 µs"),
        (0.9999, "s", "1 s"),
        (94_608_000, "s", "3 years"),
        (172_800, "s", "2 days"),
        (7.2e12, "J", "2 GWh"),
        (0.0635, "J/token", "63.5 mJ/token"),
        (0, "J/token", "0 J/token"),
        (1e-20, "J", "1.00e-5 fJ"),
        (12_600_000, "kg", "12,600 t"),
        (12.5, "kg", "12.5 kg"),
        (0.125, "1", "0.125"),
        (12.25, "1", "12.3"),
        (8e9, "B", "8 GB"),
        (float("inf"), "system", "∞"),
        (float("nan"), "USD", "n/a"),
        (1.234e-7, "USD/token", "$0.123 per M tokens"),
        (0.1, "USD/(kW*h)", "$0.100 per kWh"),
        (1080, "token/(gpu*s)", "1,080 tokens/GPU·s"),
        (0.5, "1/year", "0.500/year"),
    ],
)
def test_what_a_reader_sees(value, unit, text):
    assert shown(value, unit) == text


def test_stated_numbers_are_shown_in_full():
    assert shown(827.08, "mm2", 6) == "827.08 mm²"
    assert shown(249_960, "token/s", 6) == "249,960 tokens/s"
    assert shown(6900, "W", 6) == "6.9 kW"


@pytest.mark.parametrize(
    "unit, text",
    [("1/year", "per year"), ("USD/(kW*h)", "USD/kWh"), ("mm2/chip", "mm²/chip"), ("1", "")],
)
def test_units(unit, text):
    assert unit_text(unit) == text


@pytest.mark.parametrize(
    "low, high, unit, text",
    [
        (15, 22, "chip", "15 – 22 chips"),
        (1, 2, "chip", "1 chip – 2 chips"),
        (31e6, 88e6, "USD", "$31 – $88 M"),
        (800_000, 1.2e6, "USD", "$800,000 – $1.20 M"),
        (8.1e-6, 2e-3, "s", "8.10 µs – 2 ms"),
        (329_000, 1.05e6, "token/s", "329,000 – 1.05 M tokens/s"),
        (-5.0, 5.0, "1", "−5 – 5"),
        (5.0, 5.0, "s", ""),
    ],
)
def test_ranges(low, high, unit, text):
    assert between(low, high, unit) == text


@given(st.floats(-1e290, 1e290), st.sampled_from(UNITS), st.sampled_from((3, 6)))
@example(float("inf"), "USD", 3)
@example(float("-inf"), "system", 3)
@example(0.125, "1", 3)
@example(1.125, "1", 3)
@example(999.5, "W", 3)
@example(0.00099951, "W", 3)
def test_the_page_writes_the_same(engine, value, unit, digits):
    text = engine.eval(f"shown({_literal(value)}, {json.dumps(unit)}, {digits})")
    assert text == shown(value, unit, digits)


@given(st.floats(1e-12, 1e15), st.floats(1e-12, 1e15), st.sampled_from(UNITS))
def test_the_page_writes_the_same_ranges(engine, low, high, unit):
    text = engine.eval(f"between({low!r}, {high!r}, {json.dumps(unit)})")
    assert text == between(low, high, unit)


def _literal(value: float) -> str:
    return repr(value).replace("inf", "Infinity")
