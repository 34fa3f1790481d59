"""The cost page, opened and played with in headless Chromium, against the sheet in Python."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cost_pages import INPUTS, NODES, SHEET, cost_page

from hnlpu.costmodel.inputs import at
from hnlpu.costmodel.units import coherent
from hnlpu.reports.cost_page import render_cost_page
from hnlpu.reports.cost_view import Line, Metric, Parts, label_of

CHROMIUM = shutil.which("chromium")
PAGE = cost_page()
HTML = render_cost_page(PAGE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the cost page is not opened")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(HTML, "utf-8")
    return path


class Opened:
    """The page in a tab, with everything it complains of or asks for."""

    def __init__(self, browser: Any, file: Path, settings: str = "", **options: Any) -> None:
        self.tab = browser.new_page(**{"viewport": {"width": 1400, "height": 900}, **options})
        self.complaints: list[str] = []
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.requests: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(f"{file.as_uri()}{settings}")
        self.settle()

    def settle(self) -> None:
        self.tab.wait_for_selector("body:not([data-busy])")

    def value(self, key: str) -> float:
        """What a tile shows, before it is rounded."""
        text = self.tab.get_attribute(f'[data-tile="{key}"] .value', "data-value")
        return {"Infinity": np.inf}.get(text) or float(text)

    def type(self, control: str, value: float) -> None:
        box = self.tab.locator(f'[data-control="{control}"] input[type="number"]')
        box.fill(str(value))
        box.blur()
        self.settle()


def assert_shows(opened: Opened, values: dict[str, float]) -> None:
    """Every tile is what the sheet gives for ``values``, in coherent units."""
    results = SHEET.evaluate(values)
    for item in PAGE.headline:
        expected = float(results[item.figure]) / coherent(item.unit or PAGE.unit(item.figure))
        assert opened.value(item.key) == pytest.approx(expected, rel=1e-9), item.key
    slowest = max(PAGE.resources, key=lambda label: results[PAGE.resources[label]])
    assert opened.tab.inner_text('[data-tile="bottleneck"] .value') == slowest


@pytest.fixture(scope="module")
def one_tab(browser: Any, file: Path) -> Iterator[Opened]:
    page = Opened(browser, file)
    yield page
    page.tab.close()


@pytest.fixture
def opened(one_tab: Opened) -> Iterator[Opened]:
    """The page as it is at first; it must complain of nothing and load nothing."""
    if one_tab.tab.is_enabled("#reset"):
        one_tab.tab.click("#reset")
        one_tab.settle()
    yield one_tab
    assert one_tab.complaints == []
    assert [
        url for url in one_tab.requests if not url.startswith(("file:", "data:", "blob:"))
    ] == []


def test_opens_with_the_figures_of_the_sheet(opened: Opened) -> None:
    assert_shows(opened, at(INPUTS, "mid"))
    tile = opened.tab.inner_text('[data-tile="die_area_mm2"]').split()
    assert {"813", "mm²", "827.08", "assumed", "published"} <= set(tile)
    for chart in PAGE.charts:
        assert opened.tab.locator(f'[data-chart="{chart.key}"] .main-svg').count() > 0
    assert opened.tab.locator('[data-chart="tornado"] .bars path').count() > 6
    assert opened.tab.locator("#baseline-table tbody tr").count() == 1 + len(PAGE.baselines)


def test_settings_are_recomputed_as_in_python(opened: Opened) -> None:
    values = at(INPUTS, "mid")
    opened.type("systems", 400)
    values["systems"] = 400.0
    assert_shows(opened, values)
    opened.type("electricity", 0.2)
    values["electricity_price"] = 0.2 * coherent("USD/(kW*h)")
    opened.type("respins", 2.5)
    values["respins_per_year"] = 2.5 * coherent("1/year")
    opened.type("years", 7)
    values["years"] = 7 * coherent("year")
    assert_shows(opened, values)
    opened.type("context", 65536)  # prompt and output keep their proportion
    values["prompt_tokens"] = values["output_tokens"] = 32768.0
    opened.type("concurrency", 3)
    values["concurrency"] = 3.0
    assert_shows(opened, values)


@pytest.mark.parametrize("node", list(NODES))
def test_a_node_sets_its_inputs(opened: Opened, node: str) -> None:
    opened.tab.select_option("#set-node", node)
    opened.settle()
    assert_shows(opened, at(INPUTS, "mid") | at(NODES[node], "mid"))
    source = opened.tab.inner_text("#row-density .refs")
    text = opened.tab.locator("ol.sources li").nth(int(source) - 1).text_content()
    assert text == NODES[node]["density"].source


def test_sliders_move_by_keys(opened: Opened) -> None:
    slider = opened.tab.locator('[data-control="years"] input[type="range"]')
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    opened.settle()
    assert opened.tab.input_value("#set-years") == "4.5"
    assert_shows(opened, at(INPUTS, "mid") | {"years": 4.5 * coherent("year")})
    log = opened.tab.locator('[data-control="systems"] input[type="range"]')
    log.focus()
    log.press("End")
    opened.settle()
    assert opened.value("tco_usd") == pytest.approx(
        SHEET.evaluate(at(INPUTS, "mid") | {"years": 4.5 * coherent("year"), "systems": 1e4})[
            "tco_usd"
        ],
        rel=1e-9,
    )


def test_ranges_are_percentiles_of_the_draws(opened: Opened) -> None:
    opened.type("years", 6)
    values: dict[str, Any] = at(INPUTS, "mid") | {"years": 6 * coherent("year")}
    mid = SHEET.evaluate(values)
    drawn = {name: np.array([float(f"{x:.6g}") for x in xs]) for name, xs in PAGE.draws.items()}
    results = SHEET.evaluate({**values, **drawn})
    for item in PAGE.headline:
        scale, n = coherent(item.unit or PAGE.unit(item.figure)), len(next(iter(drawn.values())))
        found = np.sort(np.broadcast_to(results[item.figure], n))
        for end, p, extreme in (("low", 5, min), ("high", 95, max)):
            text = opened.tab.get_attribute(f'[data-tile="{item.key}"] .range', f"data-{end}")
            expected = extreme(float(found[n * p // 100]), float(mid[item.figure])) / scale
            assert float(text) == pytest.approx(expected, rel=1e-9), (item.key, end)


def test_the_address_keeps_the_settings(browser: Any, file: Path, opened: Opened) -> None:
    opened.type("systems", 400)
    opened.tab.select_option("#set-node", "28nm")
    opened.settle()
    address = opened.tab.evaluate("location.hash")
    assert address == "#node=28nm&systems=400"
    again = Opened(browser, file, address)
    assert_shows(again, at(INPUTS, "mid") | at(NODES["28nm"], "mid") | {"systems": 400.0})
    assert again.tab.inner_text("#reset + .state") == "2 changed"
    again.tab.click("#reset")
    again.settle()
    assert_shows(again, at(INPUTS, "mid"))
    assert again.tab.evaluate("location.hash") == ""
    again.tab.close()


@pytest.mark.parametrize(
    "address", ["#systems=abc", "#systems=&node=1nm", "#nonsense=3&&=", "#years=3"]
)
def test_a_bad_address_changes_nothing(browser: Any, file: Path, address: str) -> None:
    page = Opened(browser, file, address)
    assert_shows(page, at(INPUTS, "mid"))
    assert page.complaints == []
    page.tab.close()


def test_values_outside_a_control_are_clamped(opened: Opened) -> None:
    opened.type("years", 99)
    assert opened.tab.input_value("#set-years") == "10"
    assert_shows(opened, at(INPUTS, "mid") | {"years": 10 * coherent("year")})
    opened.type("years", "")
    assert_shows(opened, at(INPUTS, "mid"))


def test_a_broken_limit_is_said(opened: Opened) -> None:
    assert opened.tab.inner_text("#limits") == ""
    opened.tab.select_option("#set-node", "28nm")
    opened.settle()
    assert opened.tab.inner_text("#limits") == "More chips than a board holds."


def test_baselines_are_recomputed_with_their_inputs(opened: Opened) -> None:
    opened.type("years", 5)
    values = at(INPUTS, "mid") | {"years": 5 * coherent("year")}
    b200 = SHEET.evaluate({**values, **PAGE.baselines[2].values})
    row = opened.tab.locator("#baseline-table tbody tr").nth(3).inner_text()
    assert row.startswith("NVIDIA B200")
    assert f"${b200['gpu_tco_usd'] / 1e6:.0f} M" in row
    fixed = opened.tab.locator("#baseline-table tbody tr").nth(4).inner_text()
    assert "2,940 tokens/s" in fixed
    opened.tab.select_option("#metric", "tco_usd")
    opened.settle()
    label = opened.tab.get_attribute('[data-chart="baseline"] .plot', "aria-label")
    assert label.startswith("Cost, same tokens: this design $")


def test_tornado_ranks_the_inputs(opened: Opened) -> None:
    opened.tab.select_option("#effect", "nre_usd")
    opened.settle()
    values, swing = at(INPUTS, "mid"), {}
    for name in SHEET.ancestors("nre_usd"):
        ends = [
            SHEET.evaluate({**values, name: at(INPUTS, end)[name]})["nre_usd"]
            for end in ("low", "high")
        ]
        swing[name] = abs(ends[1] - ends[0])
    expected = [
        label_of(name) for name in sorted(swing, key=lambda name: -swing[name]) if swing[name]
    ]
    opened.tab.click('[data-chart="tornado"] summary')
    found = opened.tab.locator('[data-chart="tornado"] tbody tr td:first-child').all_inner_texts()
    assert found == expected[:12]


def test_every_tile_explains_itself_by_mouse_and_keyboard(opened: Opened) -> None:
    value = opened.tab.locator('[data-tip-tile="die_area_mm2"]')
    value.hover()
    text = opened.tab.inner_text("#tip")
    for part in ("Die area", "813 mm²", "assumed", "Area / chips.", "bit cell and periphery"):
        assert part in text
    opened.tab.keyboard.press("Escape")
    assert opened.tab.is_hidden("#tip")
    opened.tab.mouse.move(0, 0)
    for element in opened.tab.locator("main .value[tabindex]").all():
        element.focus()
        assert opened.tab.is_visible("#tip")
        assert "Tag" in opened.tab.inner_text("#tip")
        assert element.get_attribute("aria-describedby") == "tip"
    assert opened.tab.locator("#tip").inner_html().count("<b>") == 1


def test_every_bar_explains_itself_by_keyboard(opened: Opened) -> None:
    opened.tab.click('[data-chart="area"] summary')
    cell = opened.tab.locator('[data-chart="area"] .fig').first
    cell.focus()
    text = opened.tab.inner_text("#tip")
    for part in ("arrays", "10,900 mm²", "derived", "Transistors / density.", "public tables"):
        assert part in text
    opened.tab.click('[data-chart="area"] summary')


def test_the_table_is_searched(opened: Opened) -> None:
    rows = opened.tab.locator("#all tbody tr:visible")
    assert rows.count() == len(SHEET.rules) + len(INPUTS)
    opened.tab.fill("#search", "die area")
    assert rows.count() >= 2
    assert {"die_area_mm2"} <= {row.get_attribute("data-name") for row in rows.all()}
    opened.tab.select_option("#kind", "input")
    opened.tab.fill("#search", "clock")
    assert [row.get_attribute("data-name") for row in rows.all()] == ["clock"]
    assert opened.tab.inner_text("#found").startswith("1 of ")
    opened.tab.fill("#search", "no such thing")
    assert rows.count() == 0


@pytest.mark.parametrize("width, scheme", [(400, "light"), (1400, "light"), (1400, "dark")])
def test_fits_the_screen(browser: Any, file: Path, tmp_path: Path, width: int, scheme: str) -> None:
    page = Opened(browser, file, viewport={"width": width, "height": 900}, color_scheme=scheme)
    wide = page.tab.evaluate("document.documentElement.scrollWidth")
    assert wide == width
    overlapping = page.tab.evaluate(
        "Array.from(document.querySelectorAll('.tile .value, .tile .range, .tile .mode'))"
        ".filter((x) => x.scrollWidth > x.clientWidth + 1).map((x) => x.textContent)"
    )
    assert overlapping == []
    picture = tmp_path / f"page-{width}-{scheme}.png"
    page.tab.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 100_000
    assert page.complaints == []
    page.tab.close()


def test_prints_without_its_controls(opened: Opened, tmp_path: Path) -> None:
    opened.tab.emulate_media(media="print")
    assert opened.tab.is_hidden("#settings") and opened.tab.is_hidden("#search")
    assert "systems 50" in opened.tab.inner_text("#printed-state")
    opened.tab.emulate_media(media="screen")
    opened.tab.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
    opened.settle()


def test_one_file_that_loads_nothing() -> None:
    assert "default-src 'none'" in HTML
    assert not re.search(r"<(script|img|iframe)[^>]* src=|<link[^>]*href=\"(?!data:)|@import", HTML)


def test_text_from_outside_is_escaped() -> None:
    assert "<b>scaled</b>" not in HTML
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', HTML, re.DOTALL)
    assert data is not None
    assert "attention buffers; <b>scaled</b> & rounded" in json.loads(data[1])["sources"]


@pytest.mark.parametrize(
    "change, missing",
    [
        ({"headline": (Metric("x", "X", "no_figure"),)}, "no_figure"),
        ({"charts": (Parts("x", "X", (Line("no_part", "part"),), "mm2"),)}, "no_part"),
        ({"node": "2nm"}, "2nm"),
        ({"figures": {}}, "figures without range and tag"),
        ({"inputs": {"density": INPUTS["density"]}}, "the page names what its sheet lacks"),
    ],
)
def test_a_page_names_only_what_its_sheet_has(change: dict[str, Any], missing: str) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match=missing):
        render_cost_page(replace(PAGE, **change))
