"""The host port's tables, from the comments in ``hnlpu.host``: the page and the code cannot differ."""

import inspect
import re
from enum import IntEnum

from hnlpu.host import Control, HostError, Register, Status, TokenWord

__all__ = ["host_tables"]

_MEMBER = re.compile(r"^    ([A-Z_]+) = .*?(?:  #: ?(.*))?$", re.MULTILINE)


def host_tables() -> str:
    """Markdown: registers; bits of words, and errors."""
    lines = ["| address | register | |", "|---:|---|---|"]
    notes = _notes(Register)
    lines += [f"| {r.value} | `{r.name}` | {notes[r.name]} |" for r in Register]
    lines += ["", "| where | | name | |", "|---|---:|---|---|"]
    for kind, word in ((Control, "CONTROL"), (Status, "STATUS"), (TokenWord, "TOKEN")):
        notes = _notes(kind)
        for member in kind:
            if member is Status.ERROR_SHIFT:
                lines.append(f"| `{word}` | from bit {member.value} | | the error's code |")
                continue
            bit = member.value.bit_length() - 1
            lines.append(f"| `{word}` | bit {bit} | `{member.name}` | {notes[member.name]} |")
    notes = _notes(HostError)
    lines += [f"| error | {e.value} | `{e.name}` | {notes[e.name]} |" for e in HostError]
    return "\n".join(lines) + "\n"


def _notes(kind: type[IntEnum]) -> dict[str, str]:
    """Comment of every member."""
    return {m[1]: m[2] or "" for m in _MEMBER.finditer(inspect.getsource(kind))}
