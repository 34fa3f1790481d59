from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hnlpu.costmodel.presets import preset
from hnlpu.costmodel.technology import load_technology
from hnlpu.costmodel.throughput import layer_stages, speed
from hnlpu.model import ModelShape

TECHNOLOGY = load_technology()
PAPER = preset("gpt-oss-120b")


def test_the_papers_pipeline_holds_216_sequences(make_arrays: Callable[..., Any]) -> None:
    assert speed(PAPER, make_arrays(PAPER), TECHNOLOGY, 16).slots == 216


def test_links_carry_what_the_papers_dataflow_implies(make_arrays: Callable[..., Any]) -> None:
    """7 collectives and 19,072 B a layer, 11,872 B of them on a column link (2-byte numbers)."""
    stages = layer_stages(PAPER, make_arrays(PAPER), 16)
    column = 2 * sum(stage.column_elements for stage in stages)
    row = 2 * sum(stage.row_elements for stage in stages)
    assert sum(stage.collectives for stage in stages) == 7
    assert (column, column + row) == (11872, 19072)


def test_arrays_alone_give_the_hand_calculated_times(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    result = speed(tiny, make_arrays(tiny), TECHNOLOGY, 1)
    # Four array stages of 3 phases x 12 bit-times in each of 5 layers, then the unembedding.
    assert result.latency_parts["arrays"].mid == pytest.approx((5 * 4 * 36 + 36) * 1e-9)
    assert result.intervals["arrays"].mid == pytest.approx(36e-9)
    assert result.latency_parts["links"].high == 0


def test_one_sequence_is_never_faster_than_a_full_pipeline(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    for model, chips in ((tiny, 1), (PAPER, 16)):
        result = speed(model, make_arrays(model), TECHNOLOGY, chips)
        assert result.batch_1.mid == pytest.approx(1 / result.latency.mid)
        assert result.batch_1.mid < result.pipelined.mid
        worst = max(result.intervals.values(), key=lambda figure: figure.mid)
        assert result.intervals[result.bottleneck] is worst
        assert result.pipelined.mid == pytest.approx(1 / worst.mid)
        assert result.pipelined.tag == "assumed"


def test_slower_arrays_and_deeper_models_are_slower(
    tiny: ModelShape, make_arrays: Callable[..., Any]
) -> None:
    arrays = make_arrays(tiny)
    slow = {key: replace(a, interval_cycles=5000, latency_cycles=5000) for key, a in arrays.items()}
    fast, late = speed(tiny, arrays, TECHNOLOGY, 1), speed(tiny, slow, TECHNOLOGY, 1)
    assert late.bottleneck == "arrays"
    assert late.pipelined.mid == pytest.approx(1e9 / 5000)
    assert late.batch_1.mid < fast.batch_1.mid
    deep = replace(tiny, n_layers=10)
    assert speed(deep, make_arrays(deep), TECHNOLOGY, 1).latency.mid > fast.latency.mid


def test_a_sliding_window_halves_most_of_the_attention(
    make_arrays: Callable[..., Any], tiny: ModelShape
) -> None:
    windowed = replace(tiny, sliding_window=16)
    times = [
        speed(model, make_arrays(model), TECHNOLOGY, 1).intervals["vex"].mid
        for model in (windowed, tiny)
    ]
    assert times[0] < times[1]
