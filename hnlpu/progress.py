"""Progress of long work: a counter line on a terminal, plain lines elsewhere, always on stderr."""

import sys
import time
from typing import TextIO

__all__ = ["Progress", "Silent"]


class Progress:
    """Shows how far a named piece of work is.

    Parameters
    ----------
    stream : text file, optional
        Default: stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._stage = ""
        self._shown = 0.0

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """``done`` of ``total`` items of ``stage`` are finished; ``detail`` is the current one."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started, self._shown = stage, now, 0.0
        last = done >= total
        if not last and now - self._shown < (0.1 if self._terminal else 10.0):
            return
        self._shown = now
        text = f"{stage}: {done}/{total} {detail}".rstrip()
        text += f"  [{now - self._started:.1f} s]" if last or not self._terminal else ""
        if self._terminal:
            self._stream.write(f"\r\033[K{text[:110]}" + ("\n" if last else ""))
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


class Silent(Progress):
    """Shows nothing."""

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        pass
