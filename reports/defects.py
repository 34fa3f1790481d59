"""Chart of defects: yield and answers against density, beside the laws of Poisson and Murphy."""

from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from hnlpu.reports.chart import GRID, INK, MUTED, STYLE, Chart, panels, save

__all__ = ["defects_chart"]

_FAULT, _EFFECT, _ANSWER = "#1f5f8b", "#1a7f4b", "#a8741a"


def defects_chart(result: Mapping[str, Any], name: str = "defects") -> Chart:
    """Draw the rows of :func:`hnlpu.damage_chips`: shares of good chips, and the mean share of right answers."""
    rows = [row for row in result["rows"] if row["per_cm2"] > 0]
    what, spares = result["questions"]["kind"], result["options"]["spare_rows"]
    x = [row["per_cm2"] for row in rows]

    def line(
        axis: Axes, key: str, colour: str, label: str, style: str = "-", mark: str = "o"
    ) -> None:
        axis.plot(x, [row[key] for row in rows], color=colour, linestyle=style, marker=mark,
                  markersize=3.5, linewidth=1.1, label=label)  # fmt: skip

    with matplotlib.rc_context(STYLE):
        figure, (yields, answers) = panels(2, 2.8)
        errors = [row["no_fault_error"] for row in rows]
        yields.errorbar(x, [row["no_fault"] for row in rows], errors, color=_FAULT, marker="o",
                        markersize=3.5, linewidth=0, elinewidth=1.1, label="no fault")  # fmt: skip
        line(yields, "poisson", _FAULT, "Poisson", mark="")
        line(yields, "murphy", MUTED, "Murphy", ":", "")
        line(yields, "no_effect", _EFFECT, "no pin wrong")
        line(yields, "as_intact", _ANSWER, f"{what} as intact")
        line(answers, "accuracy", _ANSWER, f"{what} right")
        if spares:
            line(
                yields,
                "repaired_no_effect",
                _EFFECT,
                f"{spares} spare a matrix: no pin wrong",
                "--",
                "s",
            )
            line(yields, "repaired_as_intact", _ANSWER, f"{spares} spare a matrix: {what} as intact",
                 "--", "s")  # fmt: skip
            line(answers, "repaired_accuracy", _ANSWER, f"{spares} spare a matrix", "--", "s")
        answers.axhline(result["intact_accuracy"], color=MUTED, linewidth=0.8, linestyle=":")
        for axis, title in ((yields, "share of chips"), (answers, f"share of {what} right, mean")):
            if x:
                axis.set_xscale("log")
                axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_ylim(0, 1.04)
            axis.set_title(title, fontsize=9, color=INK)
            axis.set_xlabel("defects per cm2", fontsize=8)
            axis.tick_params(labelsize=8)
            axis.grid(color=GRID, linewidth=0.8)
            axis.set_axisbelow(True)
            axis.legend(frameon=False, fontsize=7, labelcolor=MUTED)
        text = "; ".join(
            f"{row['per_cm2']:g} per cm2: no fault {row['no_fault']:.3f} (Poisson {row['poisson']:.3f}), "
            f"{what} right {row['accuracy']:.3f}"
            for row in rows
        )
        return save(figure, name, "Chips with defects", text)
