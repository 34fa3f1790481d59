"""Verilator's lint on an emitted block."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hnlpu.errors import MissingToolError
from hnlpu.rtl.hierarchy import Library, SharedComponent
from hnlpu.tools import find_verilator

#: Yosys leaves operands at the width they need, writes ``!`` of a vector for "is zero", drops unused cases
#: and compares with what a value cannot reach.
_OF_YOSYS = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "CMPCONST")


def emit(folder: Path, kind: type[SharedComponent], *parameters: Any) -> dict[str, str]:
    """Write the modules of a block into ``folder``; their texts by name, the block's own first."""
    library = Library()
    library.prototype(kind, *parameters)
    modules = dict(library.modules())
    for name, text in modules.items():
        (folder / f"{name}.v").write_text(text)
    instance = re.compile(r"^  (hn_\w+) \S+ \($", re.MULTILINE)
    used = set().union(*map(instance.findall, modules.values()))
    assert used == set(modules) - {next(iter(modules))}
    return modules


def lint(folder: Path, kind: type[SharedComponent], *parameters: Any) -> str:
    """What Verilator says of a block, but for Yosys' own habits."""
    try:
        verilator = find_verilator()[0]
    except MissingToolError as error:
        pytest.skip(str(error))
    top = next(iter(emit(folder, kind, *parameters)))
    habits = [f"-Wno-{name}" for name in _OF_YOSYS]
    done = subprocess.run(
        [verilator, "--lint-only", "-Wall", *habits, "-y", folder, "--top-module", top,
         folder / f"{top}.v"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr + ("" if done.returncode == 0 else "failed")
