import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlpu.costmodel.masks import load_masks, mask_cost
from hnlpu.costmodel.quantity import exact
from hnlpu.errors import HnlpuError

STACK = load_masks()


def test_the_stack_is_the_papers() -> None:
    assert len(STACK.layers) == 70
    assert sum(layer.kind == "euv" for layer in STACK.layers) == 12
    assert STACK.units() == 130
    assert STACK.weight_units("paper") == 10
    assert STACK.weight_units("taps") == 2


def test_the_papers_accounting_gives_the_papers_dollars() -> None:
    """Table 5 and Appendix B note 3, 16 chips."""
    cost = mask_cost(STACK, "paper", exact(16, "chips", "published", ""))
    assert [cost.shared.low, cost.shared.high] == pytest.approx([13.85e6, 27.69e6], rel=1e-3)
    assert [cost.per_chip.low, cost.per_chip.high] == pytest.approx([1.15e6, 2.31e6], rel=4e-3)
    assert [cost.respin.low, cost.respin.high] == pytest.approx([18.46e6, 36.92e6], rel=1e-3)
    assert cost.total.high == pytest.approx(64.6e6, rel=1e-3)
    assert cost.shared.tag == "derived"


def test_two_via_masks_respin_at_a_fifth() -> None:
    chips = exact(16, "chips", "published", "")
    paper, taps = mask_cost(STACK, "paper", chips), mask_cost(STACK, "taps", chips)
    assert paper.respin.mid / taps.respin.mid == pytest.approx(5)
    assert taps.respin.tag == "assumed"
    assert taps.n_weight_masks == 2


@given(st.integers(1, 500), st.sampled_from(sorted(STACK.weight_masks)))
def test_parts_add_up_and_one_chip_is_one_set(n: int, architecture: str) -> None:
    cost = mask_cost(STACK, architecture, exact(n, "chips", "measured", ""))
    assert cost.total.mid == pytest.approx(cost.shared.mid + cost.respin.mid)
    assert cost.respin.mid == pytest.approx(n * cost.per_chip.mid)
    assert cost.shared.mid + cost.per_chip.mid == pytest.approx(STACK.full_set.value)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(HnlpuError, match="choose one of paper, merged, taps"):
        mask_cost(STACK, "fpga", exact(1, "chips", "measured", ""))
