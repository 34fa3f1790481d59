from dataclasses import replace
from pathlib import Path

import pytest

from hnlpu.codebook import E2M1
from hnlpu.costmodel.measured import TapsKey, load_measured
from hnlpu.costmodel.presets import load_outlines
from hnlpu.errors import HnlpuError
from hnlpu.rtl.synthesis import count_base, count_rows
from hnlpu.selection import BaseOptions, taps_base
from hnlpu.weights import BLOCK

MEASURED = load_measured()


def plan(n_rows: int, n_columns: int):
    return taps_base(
        (n_rows, n_columns), BaseOptions(phases=3), exponent_values=4,
        magnitudes=E2M1.magnitudes, block=BLOCK,
    )  # fmt: skip


@pytest.mark.parametrize("n_columns", [64, 2880])
def test_measuring_again_gives_the_committed_counts(n_columns: int) -> None:
    base = plan(1, n_columns)
    key = TapsKey(n_columns, base.activation_bits, base.phases, base.exponent_values)
    assert count_rows(base) == MEASURED.rows[key]


def test_a_count_by_row_is_the_count_of_the_array() -> None:
    base = plan(48, 64)
    assert count_rows(base).array(48) == count_base(base)
    assert count_rows(replace(base, n_rows=7)) == count_rows(base)


def test_every_named_model_is_measured() -> None:
    widths = {item.n_columns for model in load_outlines().values() for item in model.linears}
    assert widths == {key.n_columns for key in MEASURED.rows}


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("row_flip_flops = 22", "row_flip_flops = -22", "row[0].row_flip_flops"),
        ("n_columns = 64\n", "", "row[0]"),
        ("ports = ", "portz = ", "row[0].row_transistors"),
        (
            "[toggles_per_weight]\nvalue = ",
            "[toggles_per_weight]\nvalue = -",
            "toggles_per_weight.value",
        ),
    ],
)
def test_a_bad_count_is_refused(tmp_path: Path, old: str, new: str, where: str) -> None:
    text = (Path(__file__).parents[2] / "costmodel/data/measured.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "measured.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(HnlpuError) as caught:
        load_measured(path)
    assert caught.value.where == f"{path}: {where}"
