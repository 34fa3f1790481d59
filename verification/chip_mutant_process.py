"""The process of a mutant, in a copy of the package with one fault: ``python -m ... WHAT JOB``.

``emit`` writes the chip's Verilog, ``twin`` the logits of the sequences that entered.
"""

import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

import hnlpu
from hnlpu.bundle import read_manifest
from hnlpu.chip import Chip
from hnlpu.rtl.hierarchy import Library
from hnlpu.sim.chip import ChipTwin
from hnlpu.verification.chip_sources import stalling_sources
from hnlpu.verification.chip_stimulus import stimuli

__all__ = ["emitted_chip", "main", "twin_logits"]

_IMPORT = re.compile(r"^\s*from (hnlpu\.[\w.]+) import", re.MULTILINE)


def emitted_chip(bundle: Path) -> dict[str, str]:
    """Verilog of every block of the chip of a bundle and of its top, with stalls, by file name."""
    description = json.loads((bundle / "chip.json").read_text())
    return stalling_sources(read_manifest(bundle), description)


def twin_logits(chip: Chip, context: int, sequences: list[list[list[int]]]) -> list[list[Any]]:
    """The twin's logits of every sequence, by stimulus."""
    runs = zip(stimuli(chip, context), sequences, strict=True)
    return [
        [ChipTwin(stimulus.chip, context=context).forward([tokens])[0] for tokens in entered]
        for stimulus, entered in runs
    ]


def _forget(emitted: dict[Any, Any], file: str) -> None:
    """Leave out what the module of ``file`` can have changed: what it defines, and what imports it."""
    root = Path(hnlpu.__file__).parent
    imports = {
        ".".join(("hnlpu", *path.relative_to(root).with_suffix("").parts)): set(
            _IMPORT.findall(path.read_text())
        )
        for path in root.rglob("*.py")
    }
    changed: set[str] = set()
    new = {".".join(("hnlpu", *Path(file).with_suffix("").parts))}
    while new:
        changed |= new
        new = {name for name, used in imports.items() if used & new} - changed
    for key in [key for key in emitted if key[0].__module__ in changed]:
        del emitted[key]


def main(what: str, job: str) -> None:
    """Read ``job.pickle`` in the folder ``job``, and write the answer beside it."""
    folder = Path(job)
    given = pickle.loads((folder / "job.pickle").read_bytes())
    if what == "emit":
        known = pickle.loads(given["emitted"])
        _forget(known, given["file"])
        Library.emitted().update(known)
        (folder / "emitted.json").write_text(json.dumps(emitted_chip(given["bundle"])))
    else:
        logits = twin_logits(given["chip"], given["context"], given["sequences"])
        arrays = {f"{i}_{j}": x for i, run in enumerate(logits) for j, x in enumerate(run)}
        np.savez(folder / "logits.npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
