"""Liberty text: a ``.lib`` file, or one clear line."""

import re
from pathlib import Path

from hnlpu.errors import HnlpuError

__all__ = ["read_liberty"]


def read_liberty(path: Path) -> str:
    """The text of a Liberty file.

    Raises
    ------
    HnlpuError
        No such file, or not a Liberty file.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HnlpuError("cannot read the Liberty file", where=str(path),
                         got=error.strerror or str(error), do="name a .lib file") from error  # fmt: skip
    if not re.search(r"\blibrary\s*\(", text):
        raise HnlpuError("not a Liberty file", where=str(path), got="no library (...) group",
                         do="name a .lib file")  # fmt: skip
    return text
