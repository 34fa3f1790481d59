import pytest

from hnlpu.costmodel.inputs import at, set_inputs
from hnlpu.costmodel.quantity import Quantity
from hnlpu.errors import HnlpuError

INPUTS = {"clock": Quantity(1.0, "GHz", 0.5, 1.2, "here", "published")}


def test_ends_are_coherent() -> None:
    assert [at(INPUTS, end)["clock"] for end in ("low", "mid", "high")] == [0.5e9, 1e9, 1.2e9]


@pytest.mark.parametrize(
    ("setting", "numbers"),
    [("clock=2", (2, 2, 2)), ("clock=1:3", (1, 2, 3)), ("clock = 1:1.5:3", (1, 1.5, 3))],
)
def test_a_setting_changes_value_and_range(setting: str, numbers: tuple[float, ...]) -> None:
    changed = set_inputs(INPUTS, [setting])["clock"]
    assert (changed.low, changed.value, changed.high) == numbers
    assert changed.unit == "GHz" and changed.confidence == "assumed"
    assert INPUTS["clock"].value == 1.0


@pytest.mark.parametrize("setting", ["clock", "clock=", "clock=fast", "clock=-1", "clock=3:1",
                                     "clock=1:2:3:4", "clock=nan", "clock=inf"])  # fmt: skip
def test_bad_values_are_refused_with_the_unit(setting: str) -> None:
    with pytest.raises(HnlpuError, match="GHz"):
        set_inputs(INPUTS, [setting])


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(HnlpuError, match="known are clock"):
        set_inputs(INPUTS, ["klock=1"])


def test_a_misspelt_key_is_told_what_it_may_be() -> None:
    many = {name: INPUTS["clock"] for name in ("wafer_price", "wafer_edge", "years", "hbm_price")}
    with pytest.raises(HnlpuError, match="known are .*wafer_price") as caught:
        set_inputs(many, ["wafer_prise=3"])
    assert "years" not in caught.value.do
