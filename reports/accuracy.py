"""Chart of a sweep: distance to floating point against each width, one panel per field."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from hnlpu.reports.chart import GRID, INK, MUTED, STYLE, Chart, panels, save

__all__ = ["sweep_chart"]

_ALL, _SAME = "#1f5f8b", "#1a7f4b"


def sweep_chart(rows: Sequence[Mapping[str, Any]], name: str = "sweep") -> Chart:
    """Draw the rows of ``hnlpu.evaluation``'s sweep; a ring marks the value the others were left at.

    ``same experts`` leaves out the positions where the twin chose other experts than floating point.
    """
    known = [row[key] for row in rows for key in ("logit_rmse", "logit_rmse_same_experts")]
    figures = [value for value in known if value]
    fields = list(dict.fromkeys(str(row["field"]) for row in rows))
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(fields), 2.3)
        for axis, field in zip(axes, fields, strict=True):
            own = [row for row in rows if row["field"] == field]
            for key, colour, label in (
                ("logit_rmse", _ALL, "all positions"),
                ("logit_rmse_same_experts", _SAME, "same experts"),
            ):
                shown = [row for row in own if row[key] is not None and row[key] > 0]
                axis.plot([row["value"] for row in shown], [row[key] for row in shown],
                          color=colour, marker="o", markersize=3.5, linewidth=1.1,
                          label=label)  # fmt: skip
            default = [row for row in own if row["default"] and row["logit_rmse"] > 0]
            axis.scatter([row["value"] for row in default], [row["logit_rmse"] for row in default],
                         s=60, facecolors="none", edgecolors=INK, zorder=3)  # fmt: skip
            axis.set_yscale("log")
            axis.set_ylim(min(figures, default=0.1) / 1.4, max(figures, default=1) * 1.4)
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.set_xticks(sorted({row["value"] for row in own}))
            axis.set_title(field, fontsize=9, color=INK)
            axis.set_ylabel("logit RMSE", fontsize=8)
            axis.tick_params(labelsize=8)
            axis.grid(color=GRID, linewidth=0.8)
            axis.set_axisbelow(True)
        handles: dict[str, Any] = {}
        for axis in axes:
            found, labels = axis.get_legend_handles_labels()
            handles.update(zip(labels, found, strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2,
                      frameon=False, fontsize=8, labelcolor=MUTED)  # fmt: skip
        text = "; ".join(
            f"{row['field']} {row['value']}: logit RMSE {row['logit_rmse']:.4f}" for row in rows
        )
        return save(figure, name, "Distance to floating point by width", text)
