"""Every formula of consistent mode as Markdown: ``docs/formulas.md`` is what this writes.

python -m hnlpu.reports.formulas > docs/formulas.md
"""

import sys
from types import ModuleType

from hnlpu.costmodel import (
    attention,
    engineering,
    ownership,
    power,
    roofline,
    silicon_area,
    simulated_speed,
    speed,
    wafers,
)
from hnlpu.costmodel.modes import changes
from hnlpu.costmodel.sheet import Rule, rules_of
from hnlpu.reports.cost_format import unit_text

__all__ = ["formulas_markdown"]

_SECTIONS: tuple[tuple[str, ModuleType], ...] = (
    ("Area", silicon_area),
    ("Wafers and chips", wafers),
    ("One-time cost and respins", engineering),
    ("Attention of a request", attention),
    ("Speed", speed),
    ("Speed with `--throughput simulated`", simulated_speed),
    ("Power and energy", power),
    ("Ownership and carbon", ownership),
    ("Accelerators: the roofline", roofline),
)


def formulas_markdown() -> str:
    """A table of each module's rules, and what consistent mode changes of the paper's."""
    lines = [
        "# Formulas of consistent mode",
        "",
        "Written by `python -m hnlpu.reports.formulas`; the tests compare. A formula takes inputs and figures by name; units are",
        "coherent (mm, s, J, USD, B, kg), so there are no conversion factors. *assumed* marks laws that are assumptions themselves.",
        "Inputs with value, range and source: `hnlpu estimate --model M --json`, or `costmodel/data/*.toml`.",
    ]
    for title, module in _SECTIONS:
        lines += ["", f"## {title}", "", *_table(rules_of(module))]
    lines += [
        "",
        "## What consistent mode changes",
        "",
        "Figures that both modes compute. The paper's formulas are in `costmodel/paper_*.py`.",
        "",
        "| figure | law | paper | here | why |",
        "|---|---|---|---|---|",
    ]
    for item in changes():
        law = "same" if item.same else "changed"
        cells = (f"`{item.figure}`", law, item.paper, item.ours, item.reason)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


def _table(rules: tuple[Rule, ...]) -> list[str]:
    lines = ["| figure | unit | formula | inputs | source |", "|---|---|---|---|---|"]
    for item in rules:
        unit = "" if item.unit == "1" else unit_text(item.unit)
        source = ", ".join(part for part in (item.source, item.tag or "") if part)
        inputs = ", ".join(f"`{name}`" for name in item.inputs)
        cells = (f"`{item.name}`", unit, item.text, inputs, source)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(formulas_markdown())
