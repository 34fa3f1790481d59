"""Workload: what is asked of a machine, the same for a hardwired system and for an accelerator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import Quantity
from hnlpu.errors import HnlpuError

__all__ = ["DEFAULT_WORKLOAD", "INPUTS", "Workload", "load_workloads", "parse_workload"]

DEFAULT_WORKLOAD = "full"

#: Inputs that a workload gives, and their units.
INPUTS = {"prompt_tokens": "token", "output_tokens": "token", "concurrency": "sequence"}


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one kind.

    Attributes
    ----------
    prompt_tokens, output_tokens : int
        Tokens that come with a request, and tokens written after it.
    concurrency : int
        Requests that a machine has at a time: one hardwired system, or one accelerator (or the group that holds
        the model).
    """

    name: str
    prompt_tokens: int
    output_tokens: int
    concurrency: int
    source: str

    @property
    def context(self) -> int:
        """Positions at the end of a request."""
        return self.prompt_tokens + self.output_tokens

    def inputs(self) -> Inputs:
        return {
            name: Quantity(
                float(value), unit, value, value, f"workload {self.name}: {self.source}", "derived"
            )
            for name, unit in INPUTS.items()
            for value in (getattr(self, name),)
        }


def load_workloads(path: Path | None = None) -> Mapping[str, Workload]:
    """Named workloads of ``workloads.toml``; HnlpuError names the file and key of a bad entry."""
    file = DataFile("workloads.toml", path)
    found = {}
    for name in file.names():
        file.only((*INPUTS, "source"), name)
        prompt, output, concurrency = (file.integer(f"{name}.{key}") for key in INPUTS)
        found[name] = Workload(name, prompt, output, concurrency, file.text(f"{name}.source"))
    return found


def parse_workload(text: str) -> Workload:
    """A named workload, or ``PROMPT,OUTPUT,CONCURRENCY`` in tokens and requests.

    Raises
    ------
    HnlpuError
        Neither; the message lists the names.
    """
    known = load_workloads()
    if text in known:
        return known[text]
    try:
        prompt, output, concurrency = (int(part) for part in text.split(","))
        if min(prompt, output, concurrency) < 1:
            raise ValueError
    except ValueError:
        raise HnlpuError(
            "not a workload",
            where="--workload",
            got=repr(text),
            do=f"name one of {', '.join(known)}, or give PROMPT,OUTPUT,CONCURRENCY, e.g. 1024,1024,216",
        ) from None
    return Workload(text, prompt, output, concurrency, "set by the user")
