"""The Pareto chart: every point in its panel, the same bytes for the same points."""

from hnlpu.reports.pareto import pareto_chart


def point(arch, cycles, area, shape="8x8", **more):
    return {"arch": arch, "phases": 2, "cuts": 0, "cycles": cycles, "transistors_per_weight": area,
            "shape": shape, "wirable": True, "pareto": False, **more}  # fmt: skip


POINTS = [
    point("taps", 36, 10.5, pareto=True),
    point("taps", 12, 26.0, wirable=False),
    point("cell", 1, 230.0, wirable=None),
    point("merged", 32, 13.0, shape="16x4"),
]


def test_panels_legend_and_text():
    chart = pareto_chart(POINTS)
    for text in ("8x8 (inputs x outputs)", "16x4 (inputs x outputs)", "taps, not wirable", "cell"):
        assert text in chart.svg
    assert "cell, not wirable" not in chart.svg
    assert chart.text == "taps T=2 on 8x8: 10.50 transistors/weight at 36 cycles"
    assert chart.png.startswith(b"\x89PNG")
    assert chart == pareto_chart(POINTS)


def test_at_most_six_panels_the_largest():
    many = [point("taps", 10, 10, shape=f"{n}x2") for n in range(1, 10)]
    svg = pareto_chart(many).svg
    assert "9x2 (inputs" in svg and "3x2 (inputs" not in svg
