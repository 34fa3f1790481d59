"""Known models against the sizes their publishers give."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.presets import (
    PAPER_MODEL,
    is_paper_outline,
    load_outlines,
    load_presets,
    outline_preset,
)
from hnlpu.errors import HnlpuError
from hnlpu.model import shape_from_config
from hnlpu.outline import outline_of, read_outline

PRESETS = load_presets()
BUILDABLE = ("gpt-oss-20b", "gpt-oss-120b", "llama-3-8b", "llama-3-70b", "stories260k")


@pytest.mark.parametrize("name", PRESETS)
def test_size_is_the_published_one(name: str) -> None:
    item = PRESETS[name]
    model, within = item.outline, item.published_tolerance
    assert model.n_parameters == pytest.approx(item.published_parameters, rel=within)
    table = model.n_embedding_numbers if item.active_counts_embedding else 0
    assert model.n_active_weights + table == pytest.approx(
        item.published_active_parameters, rel=within
    )


def test_only_rounded_sizes_need_more_than_one_percent() -> None:
    wide = {name: item.published_tolerance for name, item in PRESETS.items()}
    assert {name for name, within in wide.items() if within > 0.01} == {"deepseek-v3", "kimi-k2"}
    # 37e9 stands for anything between 36.5e9 and 37.5e9, 1T for the digit 1.0
    assert wide["deepseek-v3"] <= 0.5 / 37 and wide["kimi-k2"] <= 0.05


@pytest.mark.parametrize("name", BUILDABLE)
def test_a_buildable_model_has_one_set_of_matrices(name: str) -> None:
    config = DataFile("models.toml").table(f"{name}.config")
    shape, model = shape_from_config(config, where=name, name=name), outline_preset(name)
    assert model.linears == tuple(shape.linears()) == outline_of(shape).linears
    assert model.windows == shape.windows


def test_stories260k_is_the_checkpoint(shared_checkpoint) -> None:
    found = read_outline(shared_checkpoint("stories260k") / "config.json")
    known = outline_preset("stories260k")
    assert {key for key in known.__slots__ if getattr(known, key) != getattr(found, key)} == {
        "source"
    }


def test_names() -> None:
    assert list(load_outlines()) == list(PRESETS) and PAPER_MODEL in PRESETS
    with pytest.raises(HnlpuError, match="known are gpt-oss-20b,.*kimi-k2"):
        outline_preset("gpt-5")


def test_the_paper_model_whatever_it_is_called() -> None:
    assert is_paper_outline(replace(outline_preset(PAPER_MODEL), name="mine", source="here"))
    assert not is_paper_outline(outline_preset("gpt-oss-20b"))


@pytest.mark.parametrize(
    ("pattern", "new", "where"),
    [
        (r"^hidden_size = .*", "hidden_size = 0", "gpt-oss-20b.config: hidden_size"),
        (r"^vocab_size = .*\n", "", "gpt-oss-20b.config: vocab_size"),
        (r'^model_type = .*', 'model_type = "bert"', "gpt-oss-20b.config: model_type"),
        (r"^source = .*\n", "", "gpt-oss-20b.source"),
        (r"^source = ", 'sauce = "x"\nsource = ', "gpt-oss-20b.sauce"),
        (r"^published_parameters = .*", "published_parameters = -1", "gpt-oss-20b.published_parameters"),
        (r"^published_source = .*", 'published_source = ""', "gpt-oss-20b.published_source"),
        (r"^active_counts_embedding = .*", "active_counts_embedding = 1", "gpt-oss-20b.active_counts_embedding"),
    ],
)  # fmt: skip
def test_a_bad_preset_is_refused_by_file_and_key(
    tmp_path: Path, pattern: str, new: str, where: str
) -> None:
    text = (files("hnlpu.costmodel") / "data" / "models.toml").read_text(encoding="utf-8")
    changed, n = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
    assert n == 1
    path = tmp_path / "models.toml"
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(HnlpuError) as caught:
        load_presets(path)
    assert caught.value.where == f"{path}: {where}"
