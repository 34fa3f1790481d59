"""What a bundle holds: the manifest, and the results of the verbs that ran on it.

Keys that this version does not know are ignored; a result that is absent is not an error, the page
names the command that makes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = ["RESULTS", "Bundle", "Missing", "read_bundle"]

#: Result files and the verbs that write them.
RESULTS = {"readback": "hnlpu readback", "verify": "hnlpu verify", "estimate": "hnlpu estimate"}


@dataclass(frozen=True, slots=True)
class Missing:
    """A result that the bundle does not hold, and the command that makes it."""

    name: str
    file: str
    command: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Contents of a bundle's JSON files; an absent result is an empty mapping."""

    manifest: Mapping[str, Any]
    readback: Mapping[str, Any]
    verify: Mapping[str, Any]
    estimate: Mapping[str, Any]
    missing: tuple[Missing, ...]


def read_bundle(folder: Path) -> Bundle:
    """Read the JSON files of the bundle ``folder``.

    Raises
    ------
    HnlpuError
        No manifest, or a file that does not hold one JSON object.
    """
    manifest_path = folder / "manifest.json"
    if not manifest_path.is_file():
        raise HnlpuError(
            "not a bundle",
            where=str(folder),
            got="no manifest.json",
            do="name a folder that hnlpu generate wrote",
        )
    manifest = _read(manifest_path)
    for key in ("matrices", "bases", "off_fabric"):
        if not isinstance(manifest.get(key, []), list):
            raise HnlpuError(
                "not a list",
                where=f"{manifest_path}: {key}",
                got=type(manifest[key]).__name__,
                do="generate the bundle again",
            )
    results: dict[str, Mapping[str, Any]] = {}
    missing = []
    for name, verb in RESULTS.items():
        path = folder / f"{name}.json"
        if path.is_file():
            results[name] = _read(path)
        else:
            results[name] = {}
            missing.append(Missing(name, path.name, f"{verb} {folder.name}"))
    return Bundle(manifest=manifest, missing=tuple(missing), **results)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HnlpuError(
            "cannot read a file of the bundle", where=str(path), got=str(error),
            do="run the verb that writes it again",
        ) from error  # fmt: skip
    if not isinstance(content, dict):
        raise HnlpuError(
            "not one JSON object", where=str(path), got=type(content).__name__,
            do="run the verb that writes it again",
        )  # fmt: skip
    return content
