"""Contradictions of the paper that touch a figure of the estimate: listed, not smoothed."""

from dataclasses import dataclass

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.presets import PAPER_MODEL, is_paper_outline
from hnlpu.outline import ModelOutline

__all__ = ["Note", "contradictions"]


@dataclass(frozen=True, slots=True)
class Note:
    """One contradiction: what it says, where it stands, which figures it touches."""

    text: str
    source: str
    touches: tuple[str, ...]


def contradictions(model: ModelOutline) -> tuple[Note, ...]:
    """Those that concern the figures of ``model``."""
    file = DataFile("contradictions.toml")
    file.only(("note",))
    found = []
    for index, entry in enumerate(file.get("note")):
        if set(entry) != {"text", "source", "touches", "applies"}:
            raise file.error(f"note[{index}]", "incomplete note", repr(sorted(entry)),
                             "give text, source, touches and applies")  # fmt: skip
        if entry["applies"] not in ("all", PAPER_MODEL):
            raise file.error(f"note[{index}].applies", "unknown model", repr(entry["applies"]),
                             f"use all or {PAPER_MODEL}")  # fmt: skip
        if entry["applies"] == "all" or is_paper_outline(model):
            found.append(Note(entry["text"], entry["source"], tuple(entry["touches"])))
    return tuple(found)
