"""Folders that are built once and kept in a cache: whole, or not there at all.

A manifest of checksums is written last; `models.packaged` and `models.encoder_build` keep their models so.
"""

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

__all__ = ["build_once", "checksum", "folder_checksum", "is_intact"]

_MANIFEST = "manifest.json"

_logger = logging.getLogger(__name__)


def build_once(folder: Path, write: Callable[[Path], None]) -> Path:
    """`folder`, after `write` has filled it, unless it is there and intact.

    Safe to call from several processes: one builds, the others wait. What is damaged is built again, never
    used. Raises what `write` raises, and OSError when the disk refuses.
    """
    if is_intact(folder):  # no lock then: in an image the folder cannot be written to
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not is_intact(folder):
            _build(folder, write)
    return folder


def _build(folder: Path, write: Callable[[Path], None]) -> None:
    """Write, and only then put in place, so that no half-made folder carries the name."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-new-") as made:
        parts = Path(made) / "model"
        parts.mkdir()
        write(parts)
        (parts / _MANIFEST).write_text(json.dumps(_checksums(parts), indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        parts.rename(folder)


def is_intact(folder: Path) -> bool:
    """Whether every file is there and as it was written; nothing less than its hash is believed."""
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        return False
    try:
        expected = json.loads(manifest.read_bytes())
    except ValueError:
        return False
    intact = bool(expected == _checksums(folder))
    if not intact:
        _logger.warning("the model in %s is damaged", folder)
    return intact


def folder_checksum(folder: Path) -> str:
    """One for all files, names and bytes. Of a folder built here its manifest, which says the same, is taken:
    whoever needs to know asks `is_intact`. Else all are read (half a second for 490 MB).
    """
    if (folder / _MANIFEST).is_file():
        return checksum(folder / _MANIFEST)
    return hashlib.sha256(json.dumps(_checksums(folder), sort_keys=True).encode()).hexdigest()


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)
    return {path.relative_to(folder).as_posix(): checksum(path) for path in paths}
