"""Bundles for tests: bases are emitted by Yosys once per process, not once per test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from hnlpu.base import ArrayPlan
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.hierarchy import SharedComponent

SharedComponent._MustUse__silence = True  # prototypes that are not emitted, on purpose


@cache
def _below_the_array(row_plan: ArrayPlan) -> list[tuple[str, str]]:
    return [(name, "".join(pieces)) for name, pieces in base_modules(row_plan)][1:]


def _remembered_modules(plan: ArrayPlan) -> Iterator[tuple[str, Iterator[str]]]:
    name, pieces = next(base_modules(plan))
    yield name, iter(list(pieces))
    for name, text in _below_the_array(replace(plan, n_rows=1)):
        yield name, iter([text])


@contextmanager
def remembered_bases() -> Iterator[None]:
    """Within, ``generate`` takes modules that were emitted before in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hnlpu.generator.base_modules", _remembered_modules)
        yield


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
