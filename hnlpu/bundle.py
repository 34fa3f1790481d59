"""Folders that appear whole or not at all, and the files every bundle has."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = ["digest", "new_folder", "read_manifest", "write_json"]


def digest(path: Path) -> str:
    """SHA-256 of a file, or an empty string where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted layout: same value, same bytes."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _replace(target: Path, temporary: Path) -> None:
    """Put ``temporary`` in the place of ``target``, which is removed only after that."""
    old = temporary.with_name(f"{temporary.name}.old")
    replaced = target.exists()
    if replaced:
        target.rename(old)
    try:
        temporary.rename(target)
    except BaseException:
        if replaced:
            old.rename(target)
        raise
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)


@contextmanager
def new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its place when the block ends well.

    An exception, an interrupt or a full disk removes it and leaves ``out`` as it was.

    Raises
    ------
    HnlpuError
        ``out`` is a file, or holds files and ``force`` is not set; or the disk refuses.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not force:
        raise HnlpuError(
            "output is not an empty folder",
            where=str(out),
            got="a folder with files" if out.is_dir() else "a file",
            do="name another, or replace it with --force",
        )
    target = out.resolve()  # "." has no name to put a temporary folder beside
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        temporary.chmod(0o755)
        yield temporary
        _replace(target, temporary)
    except OSError as error:
        raise HnlpuError(
            "cannot write the output",
            where=str(out),
            got=error.strerror or str(error),
            do="check free space and permissions; nothing was left behind",
        ) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def read_manifest(bundle: Path) -> dict[str, Any]:
    """Manifest of a bundle.

    Raises
    ------
    HnlpuError
        ``bundle`` is not a folder that ``hnlpu generate`` wrote.
    """
    path = bundle / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or "matrices" not in manifest:
            raise ValueError("no list of matrices")
    except (OSError, ValueError) as error:
        raise HnlpuError(
            "not a bundle",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            do="name a folder written by hnlpu generate",
        ) from error
    return manifest
