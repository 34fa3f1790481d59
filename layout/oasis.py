"""Masks as OASIS files: write them, read them back, flatten them.

with OasisWriter("masks.oas") as writer:
    with writer.cell("BUNDLE"):
        writer.boxes((17, 0), vias)
    with writer.cell("ARRAY"):
        writer.place("BUNDLE", 0, 0, nx=90, dx=960)
vias = flatten(read_oasis("masks.oas"), (17, 0))
"""

from hnlpu.layout.hierarchy import (
    MOST_BOXES,
    Boxes,
    Layer,
    OasisCell,
    OasisFile,
    Placement,
    flatten,
    layers,
)
from hnlpu.layout.oasis_reader import read_oasis
from hnlpu.layout.oasis_writer import OasisWriter

__all__ = [
    "MOST_BOXES",
    "Boxes",
    "Layer",
    "OasisCell",
    "OasisFile",
    "OasisWriter",
    "Placement",
    "flatten",
    "layers",
    "read_oasis",
]
