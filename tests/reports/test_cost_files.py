"""Files of a cost report: tables and data agree with the sheet, charts are drawn, text is safe."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cost_pages import INPUTS, SHEET, cost_page

from hnlpu.costmodel.inputs import at
from hnlpu.costmodel.quantity import Figure
from hnlpu.costmodel.units import coherent
from hnlpu.errors import HnlpuError
from hnlpu.reports.cost_files import comparison_files, cost_files, write_files
from hnlpu.reports.cost_table import (
    baseline_table,
    compare,
    curve_table,
    headline_table,
    sensitivity_table,
)
from hnlpu.reports.cost_view import Curve

PAGE = cost_page()
FILES = cost_files(PAGE)
MID = SHEET.evaluate(at(INPUTS, "mid"))


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(FILES[name].decode())))


def test_every_chart_is_a_picture_twice() -> None:
    names = {name.rpartition(".")[0] for name in FILES if name.endswith(".png")}
    assert {chart.key for chart in PAGE.charts} < names
    assert {f"compare_{item.key}" for item in PAGE.metrics} < names
    assert {f"sensitivity_{item.key}" for item in PAGE.sensitivity} < names
    for name in names:
        assert FILES[f"{name}.png"].startswith(b"\x89PNG")
        root = ElementTree.fromstring(FILES[f"{name}.svg"])
        assert root.tag.endswith("svg") and root.get("width")


def test_same_report_same_bytes() -> None:
    again = cost_files(cost_page())
    assert again.keys() == FILES.keys()
    assert [name for name in FILES if again[name] != FILES[name]] == []


def test_figures_are_those_of_the_sheet() -> None:
    table = {row["name"]: row for row in rows("figures.csv")}
    assert table.keys() == {*SHEET.rules, *INPUTS}
    for name, row in table.items():
        assert float(row["mid"]) * coherent(row["unit"]) == pytest.approx(
            float(MID[name]), rel=1e-12
        )
        assert float(row["low"]) <= float(row["mid"]) <= float(row["high"])
        assert row["tag"] and row["unit"]
    assert table["die_yield"]["sources"].startswith("Murphy (1964)")
    assert table["chips"]["formula"] == "Area / reticle, rounded up."


def test_headline_has_both_modes_and_their_ratio() -> None:
    table = headline_table(PAGE)
    assert list(table.index) == [item.key for item in PAGE.headline]
    row = table.loc["total_area_mm2"]
    assert row["paper_mid"] == 13232.0
    assert row["ratio"] == pytest.approx(MID["total_area_mm2"] / 13232.0)
    assert np.isnan(table.loc["tco_usd", "ratio"]) and table.loc["tco_usd", "paper_tag"] == ""
    assert rows("headline.csv")[3]["key"] == "nre_usd"


def test_baselines_run_with_their_own_inputs() -> None:
    table = baseline_table(PAGE).set_index("label")
    b200 = SHEET.evaluate({**at(INPUTS, "mid"), **PAGE.baselines[2].values})
    assert table.loc["NVIDIA B200", "tco_usd"] == pytest.approx(b200["gpu_tco_usd"])
    ratio = MID["tco_usd"] / b200["gpu_tco_usd"]
    assert table.loc["NVIDIA B200", "tco_usd_ratio"] == pytest.approx(ratio)
    assert np.isnan(table.loc["Cerebras WSE-3", "tco_usd"])


def test_curves_pass_through_the_middle() -> None:
    chart = next(item for item in PAGE.charts if isinstance(item, Curve) and item.key == "context")
    exact = replace(
        chart, low=2048.0, high=2048.0 * 16
    )  # the first point is the page's own context
    table = curve_table(PAGE, exact)
    assert table["this design"].iloc[0] == pytest.approx(MID["tokens_per_s"])
    assert table["this design"].is_monotonic_decreasing
    assert table["one GPU"].nunique() == 1


def test_sensitivity_is_sorted_and_its_own_ends() -> None:
    table = sensitivity_table(PAGE, PAGE.sensitivity[0])
    assert table["swing"].is_monotonic_decreasing and (table["swing"] > 0).all()
    low = SHEET.evaluate({**at(INPUTS, "mid"), "bandwidth": at(INPUTS, "low")["bandwidth"]})
    assert table.loc["bandwidth", "at_low"] == pytest.approx(low["cost_advantage"])
    assert not {"one_token", "grid_carbon"} & set(table.index)


def test_json_holds_what_the_tables_hold() -> None:
    data = json.loads(FILES["report.json"])
    assert data["headline"]["chips"]["mid"] == MID["chips"]
    assert data["headline"]["tco_usd"]["paper_mid"] is None
    assert data["bottleneck"] == "attention memory"
    assert data["charts"]["area"]["parts"]["HN arrays"] == pytest.approx(MID["arrays_mm2"])
    assert len(data["charts"]["tco"]["lines"]["this design"]) == 41
    assert set(data["sensitivity"]) == {item.figure for item in PAGE.sensitivity}


def test_markdown_reads_and_names_existing_files() -> None:
    text = FILES["report.md"].decode()
    assert (
        "| Die area | 813 mm² | 805 – 856 mm² | assumed | 827.08 mm² | published | 0.983× |" in text
    )
    pictures = re.findall(r"\]\(([^)]+\.png)\)", text)
    assert len(pictures) == sum(name.endswith(".png") for name in FILES)
    assert set(pictures) <= set(FILES)
    assert "\\<b>scaled" in text and "<b>scaled" not in text.replace("\\<b>", "")
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1


def test_an_infinite_figure_is_null_and_drawn_around() -> None:
    figures = {**PAGE.figures, "break_even": Figure(1.0, np.inf, np.inf, "1", "assumed", "never")}
    page = replace(PAGE, figures=figures)
    files = cost_files(page)
    assert json.loads(files["report.json"])["figures"]["break_even"]["mid"] is None
    assert "| Break-even | ∞ | 1 – ∞ | assumed |" in files["report.md"].decode()


def test_a_name_from_outside_is_no_formula_of_a_spreadsheet() -> None:
    page = replace(PAGE, title='=HYPERLINK("x")')
    table = cost_files(page)["baselines.csv"].decode()
    assert "'=HYPERLINK" in table and ",=HYPERLINK" not in table and "\n=HYPERLINK" not in table


def test_two_designs_side_by_side() -> None:
    small = cost_page("a small one")
    inputs = {
        **small.inputs,
        "transistors": replace(INPUTS["transistors"], value=3e11, low=3e11, high=3e11),
    }
    other = SHEET.evaluate(at(inputs, "mid"))
    figures = {
        name: replace(
            figure, low=float(other[name]), mid=float(other[name]), high=float(other[name])
        )
        for name, figure in small.figures.items()
    }
    second = replace(small, inputs=inputs, figures=figures)
    table = compare((PAGE, second))
    assert table.loc["chips", "ratio"] == other["chips"] / MID["chips"]
    assert table.loc["tco2e", "second_mid"] == pytest.approx(other["carbon_kg"])
    files = comparison_files(PAGE, second)
    assert set(files) == {"compare.md", "compare.csv", "compare.json", "compare.svg", "compare.png"}
    assert "| Chips | 15 chips | 13 – 17 chips | assumed |" in files["compare.md"].decode()
    assert json.loads(files["compare.json"])["figures"]["chips"]["first_mid"] == 15


def test_a_comparison_takes_two() -> None:
    with pytest.raises(ValueError, match="3 pages"):
        compare((PAGE, PAGE, PAGE))
    with pytest.raises(ValueError, match="no headline figure in common"):
        compare((PAGE, replace(PAGE, headline=())))


def test_files_are_put_in_place(tmp_path: Path) -> None:
    write_files({"a.txt": b"1"}, tmp_path / "new" / "folder")
    write_files({"a.txt": b"2"}, tmp_path / "new" / "folder")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "new" / "folder").iterdir()] == [
        ("a.txt", b"2")
    ]
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(HnlpuError, match="cannot write the report"):
        write_files({"a.txt": b"1"}, blocked)
