"""Drawing options: which rules masks obey, and which layers their lines may lie on."""

from dataclasses import dataclass
from pathlib import Path

from hnlpu.errors import HnlpuError
from hnlpu.layout.rules import Rules, load_rules
from hnlpu.layout.stations import LAYERS

__all__ = ["DrawingOptions"]


@dataclass(frozen=True)
class DrawingOptions:
    """How masks are drawn.

    Attributes
    ----------
    rules : str
        A rule set.
    rules_file : Path or None
        A TOML file of rule sets; None for those of the package.
    layers : str
        Layers that the lines of ``taps`` may lie on: ``both``, or ``M8`` so that one via mask holds the weights.
    tracks : int
        Tracks of M9 for wires in a strip of ``merged`` or ``paper``; 0 for as few as all matrices need.
    """

    rules: str = "n5"
    rules_file: Path | None = None
    layers: str = "both"
    tracks: int = 0

    def __post_init__(self) -> None:
        if self.layers not in LAYERS:
            raise HnlpuError("no such choice of layers", where="--layers", got=repr(self.layers),
                             do=f"choose {' or '.join(LAYERS)}")  # fmt: skip
        if self.tracks < 0:
            raise HnlpuError("tracks are negative", where="--tracks", got=str(self.tracks),
                             do="give a number of tracks, or 0 for as few as needed")  # fmt: skip

    def load(self) -> Rules:
        """The rules; HnlpuError where there are none, or they contradict."""
        return load_rules(self.rules, self.rules_file)
