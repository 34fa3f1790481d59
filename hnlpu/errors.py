"""The one exception that the command line turns into a line and an exit code."""

from functools import partial
from typing import Any

__all__ = ["HnlpuError", "MissingToolError"]


class HnlpuError(Exception):
    """Bad input: what is wrong, where, what was found there, and what to do about it.

    Parameters
    ----------
    what : str
        The complaint, a short clause.
    where : str
        The file, tensor, row or option it concerns.
    got : str
        What was found there.
    do : str
        What the user can do.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str, got: str, do: str) -> None:
        self.what, self.where, self.got, self.do = what, where, got, do
        super().__init__(f"{where}: {what} (got {got}); {do}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default; worker processes send errors home.
        return partial(type(self), self.what, where=self.where, got=self.got, do=self.do), ()

    def as_dict(self) -> dict[str, str]:
        """The four parts, for ``--json``."""
        return {"what": self.what, "where": self.where, "got": self.got, "do": self.do}


class MissingToolError(HnlpuError):
    """A program or optional package that a verb needs is absent or too old (exit code 3)."""

    exit_code = 3
