import csv
import io
import json
import re
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hnlpu.errors import HnlpuError
from hnlpu.reports.report import write_report

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting as it reads, and keeps what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.titles: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]
        if tag == "span" and (values.get("class") or "").startswith("tag "):
            self.tags.append(str(values["class"])[4:])
            self.titles.append(values.get("title") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(out: Path) -> Page:
    return Page((out / "index.html").read_text(encoding="utf-8"))


def edit(bundle: Path, name: str, **changes: Any) -> None:
    path = bundle / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts take most of a report's time; tests of other things do without."""
    monkeypatch.setattr("hnlpu.reports.report.draw_charts", lambda bundle, rows, estimate: {})
    monkeypatch.setattr("hnlpu.reports.report.write_cost_report", lambda *args, **options: None)


def states(summary: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in summary["checks"]}


def test_a_full_bundle_gives_one_self_contained_page_twice(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = write_report(bundle, out)
    page = read(out)
    assert {link for link in page.loads if not link.startswith("#")} == {"cost/index.html"}
    source = (out / "index.html").read_text()
    assert not re.search(r"url\((?!#)|@import|<link|fetch\(|XMLHttp", source)
    assert len(page.ids) == len(set(page.ids))
    assert source.count("<svg") == 5
    assert set(states(summary).values()) == {"passed"}
    assert summary["missing"] == []
    text = " ".join(page.text)
    for name in summary["figures"]:
        assert name in text, name
    assert "78,336 / 78,336" in text
    assert {"measured", "derived", "published", "assumed"} <= set(page.tags)
    written = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert json.loads(written.pop("report.json")) == summary
    assert {name: sha256(data).hexdigest() for name, data in written.items()} == summary["files"]
    charts = ("codes", "silicon", "area", "tokens_per_s", "tokens_per_j")
    assert all(written[f"{name}.png"].startswith(b"\x89PNG") for name in charts)
    assert (out / "cost" / "index.html").is_file() and (out / "cost" / "report.md").is_file()
    assert write_report(bundle, tmp_path / "again") == summary


@pytest.mark.usefixtures("no_charts")
def test_every_tagged_figure_tells_where_it_comes_from(bundle: Path, tmp_path: Path) -> None:
    write_report(bundle, tmp_path / "out")
    page = read(tmp_path / "out")
    titled = [title for title in page.titles if title]
    # The legend's five tags are the only ones that stand for no figure.
    assert len(page.tags) - len(titled) == 5
    assert any("Source: HNLPU paper" in title for title in titled)


@pytest.mark.usefixtures("no_charts")
def test_the_tables_hold_every_figure_and_matrix(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = write_report(bundle, out)
    figures = list(csv.DictReader(io.StringIO((out / "figures.csv").read_text())))
    assert {line["figure"] for line in figures} == set(summary["figures"])
    for line in figures:
        assert float(line["low"]) <= float(line["mid"]) <= float(line["high"])
        assert line["unit"] and line["tag"]
    matrices = list(csv.DictReader(io.StringIO((out / "matrices.csv").read_text())))
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert sum(int(line["n_weights"]) for line in matrices) == manifest["totals"]["weights"]
    assert [line["name"] for line in matrices] == [m["name"] for m in manifest["matrices"]]


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize("name", ["readback", "verify", "estimate"])
def test_an_absent_result_names_its_command(bundle: Path, tmp_path: Path, name: str) -> None:
    (bundle / f"{name}.json").unlink()
    summary = write_report(bundle, tmp_path / "out")
    assert [missing["command"] for missing in summary["missing"]] == [f"hnlpu {name} bundle"]
    text = " ".join(read(tmp_path / "out").text)
    assert f"hnlpu {name} bundle" in text
    if name != "estimate":
        assert "absent" in states(summary).values()
        assert "not run" in text


def test_a_manifest_alone_is_enough(bundle: Path, tmp_path: Path) -> None:
    for name in ("readback", "verify", "estimate"):
        (bundle / f"{name}.json").unlink()
    summary = write_report(bundle, tmp_path / "out")
    assert set(states(summary).values()) == {"absent"}
    assert len(summary["missing"]) == 3
    assert "78,336" in " ".join(read(tmp_path / "out").text)


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize(
    ("name", "changes", "check"),
    [
        ("readback", {"mismatches": 1}, "Read back"),
        ("readback", {"weights": 78335}, "Read back"),
        ("readback", {"missing": ["a.weight"]}, "Read back"),
        ("readback", {"base_cells_in_metal": 1}, "Read back"),
        ("readback", {"weights": 0, "expected": 0}, "Read back"),
        ("verify", {"mismatches": 3}, "Simulation"),
        ("verify", {"vectors": 0}, "Simulation"),
        ("verify", {"mutants_killed": 15}, "Mutation"),
        ("verify", {"mutants": 0, "mutants_killed": 0}, "Mutation"),
    ],
)
def test_a_failed_check_is_shown_as_failed(
    bundle: Path, tmp_path: Path, name: str, changes: dict[str, Any], check: str
) -> None:
    edit(bundle, name, **changes)
    summary = write_report(bundle, tmp_path / "out")
    assert [key for key, state in states(summary).items() if state == "failed"] == [check]
    assert 'class="fail-note"' in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.usefixtures("no_charts")
def test_names_from_a_checkpoint_cannot_become_markup_or_formulas(
    bundle: Path, tmp_path: Path
) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["matrices"][0]["name"] = "=1+1"
    manifest["matrices"][1]["name"] = manifest["checkpoint"]["name"] = "<script>alert(1)</script>"
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    write_report(bundle, tmp_path / "out")
    assert "<script>alert" not in (tmp_path / "out" / "index.html").read_text()
    assert "'=1+1" in (tmp_path / "out" / "matrices.csv").read_text()


@pytest.mark.usefixtures("no_charts")
def test_unknown_keys_and_no_matrices_do_no_harm(bundle: Path, tmp_path: Path) -> None:
    edit(bundle, "manifest", future={"a": 1}, matrices=[], bases=[], off_fabric=[])
    edit(bundle, "verify", future=[1, 2])
    write_report(bundle, tmp_path / "out")
    read(tmp_path / "out")


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_bad_bundles_are_refused(bundle: Path, tmp_path: Path, content: str) -> None:
    (bundle / "verify.json").write_text(content)
    with pytest.raises(HnlpuError, match=r"verify\.json"):
        write_report(bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HnlpuError, match="not a bundle"):
        write_report(tmp_path, tmp_path / "out")
