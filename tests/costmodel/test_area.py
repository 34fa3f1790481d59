from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.costmodel.area import hn_area_paper, system_area
from hnlpu.costmodel.presets import preset
from hnlpu.costmodel.quantity import exact
from hnlpu.costmodel.technology import load_technology
from hnlpu.model import ModelShape

TECHNOLOGY = load_technology()
PAPER = preset("gpt-oss-120b")


def test_the_papers_density_gives_the_papers_system_back() -> None:
    area = system_area(PAPER, hn_area_paper(PAPER, TECHNOLOGY), TECHNOLOGY)
    assert (area.chips.low, area.chips.mid, area.chips.high) == (16, 16, 16)
    assert area.die.mid == pytest.approx(827.08)
    assert area.total.mid == pytest.approx(16 * 827.08)
    assert area.blocks["hn_array"].mid == pytest.approx(16 * 573.16)


def test_a_tiny_model_is_not_charged_for_the_buffers_of_a_large_one(tiny: ModelShape) -> None:
    area = system_area(tiny, hn_area_paper(tiny, TECHNOLOGY), TECHNOLOGY)
    assert area.chips.high == 1
    assert area.total.high < 5
    assert area.blocks["interconnect"].high == area.blocks["hbm_phy"].high == 0
    assert area.blocks["embedding_sram"].mid > 0
    assert area.total.tag == "assumed"


@given(st.floats(0, 60_000))
def test_dies_fit_the_reticle_and_one_chip_less_would_not(hn_mm2: float) -> None:
    model = replace(PAPER, n_layers=24)
    area = system_area(model, exact(hn_mm2, "mm2", "measured", ""), TECHNOLOGY)
    reticle = TECHNOLOGY.reticle.value
    assert area.die.high <= reticle * (1 + 1e-12)
    per_chip = (
        sum(area.blocks[name].mid for name in ("interconnect", "hbm_phy", "control"))
        / area.chips.mid
    )
    divided = area.total.mid - per_chip * area.chips.mid
    if area.chips.mid > 2:
        assert divided / (area.chips.mid - 1) + per_chip > reticle


@given(st.floats(0, 60_000), st.floats(0, 5_000))
def test_more_weights_never_take_less_silicon(hn_mm2: float, more: float) -> None:
    def system(mm2: float) -> tuple[float, float]:
        area = system_area(PAPER, exact(mm2, "mm2", "measured", ""), TECHNOLOGY)
        return area.total.mid, area.chips.mid

    assert all(a <= b for a, b in zip(system(hn_mm2), system(hn_mm2 + more), strict=True))


@pytest.mark.parametrize("field", ["n_layers", "max_context", "n_kv_heads", "vocab"])
def test_blocks_grow_with_the_model(tiny: ModelShape, field: str) -> None:
    larger = replace(tiny, **{field: 2 * getattr(tiny, field)})
    hn = exact(1.0, "mm2", "measured", "")
    small, large = (system_area(shape, hn, TECHNOLOGY).total.mid for shape in (tiny, larger))
    assert small < large
