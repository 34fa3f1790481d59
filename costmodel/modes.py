"""What consistent mode changes: figures that both modes compute, and why ours differ."""

from dataclasses import dataclass
from functools import cache

from hnlpu.costmodel.consistent import consistent_sheet
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.reproduction import paper_sheet

__all__ = ["Change", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both modes.

    Attributes
    ----------
    same : bool
        Both obey the same law.
    paper, ours : str
        The formulas in words.
    """

    figure: str
    same: bool
    paper: str
    ours: str
    reason: str


@cache
def changes() -> tuple[Change, ...]:
    """Figures of both modes, in the order of ``modes.toml``.

    Raises
    ------
    HnlpuError
        The file lists a figure that one mode lacks, or not all of them.
    """
    file = DataFile("modes.toml")
    paper, ours = paper_sheet().rules, consistent_sheet().rules
    file.only(paper.keys() & ours.keys())
    found = []
    for name in sorted(paper.keys() & ours.keys(), key=[*file.names(), *paper].index):
        file.only(("law", "reason"), name)
        law = file.text(f"{name}.law")
        if law not in ("same", "changed"):
            raise file.error(f"{name}.law", "unknown law", repr(law), "write same or changed")
        found.append(
            Change(name, law == "same", paper[name].text, ours[name].text,
                   file.text(f"{name}.reason"))
        )  # fmt: skip
    return tuple(found)
