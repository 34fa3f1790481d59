"""Counted bases for whole models, without counting any."""

from collections.abc import Callable

import pytest

from hnlpu.model import ModelShape
from hnlpu.silicon import ArraySilicon
from hnlpu.taps import TapsPlan

Arrays = dict[tuple[int, int], ArraySilicon]
#: Transistors per thousand weights; about what a base with three phases has.
PER_THOUSAND = {"ports": 5200, "compressors": 4900, "tree": 600, "accumulator": 250, "source": 90}


def stand_in_arrays(model: ModelShape, factor: int = 1) -> Arrays:
    arrays = {}
    for linear in model.linears():
        base = TapsPlan(linear.n_rows, linear.n_columns)
        arrays[linear.n_rows, linear.n_columns] = ArraySilicon(
            linear.n_rows,
            linear.n_columns,
            {
                part: factor * (count * linear.n_rows * linear.n_columns // 1000)
                for part, count in PER_THOUSAND.items()
            },
            base.interval_cycles,
            base.latency_cycles,
        )
    return arrays


@pytest.fixture
def make_arrays() -> Callable[..., Arrays]:
    return stand_in_arrays


@pytest.fixture
def tiny() -> ModelShape:
    """A dense model of 0.2 M weights: fits a corner of a chip."""
    return ModelShape(
        name="tiny", family="llama", n_layers=5, hidden=64, intermediate=172, n_heads=8,
        n_kv_heads=4, head_dim=8, vocab=512, n_experts=0, experts_per_token=0,
        tied_embedding=True, max_context=512, sliding_window=None,
    )  # fmt: skip
