"""Files that are whole or not there: written beside, forced to the disk, renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ._validate import fail
from .errors import MissingFileError, StorageError

#: ending of files that are being written; one that is left behind by a killed process may be deleted
PART = ".part"


def as_path(name: str, value: Any) -> Path:
    """An argument that is the path of a file or folder."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise fail(name, value, "a path")
    return Path(text)


def existing(name: str, value: Any, what: str) -> Path:
    """The path of a file that there is; `what` says what it should be."""
    path = as_path(name, value)
    try:
        there = path.is_file()
        other = path.exists()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if not there:
        raise MissingFileError(f"no {what} at {path}" + (": it is a folder, or no plain file" if other else ""))
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """StorageError for what keeps a library from writing there."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` so that at any moment, kills and power cuts included, the file is the old one or the new one.

    Raises
    ------
    StorageError
        If it cannot be written; the old file is intact, and nothing is left beside it.
    """
    target = as_path("path", path)
    name = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=PART)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException as error:
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            old = "the file of before is intact" if target.is_file() else "there was none before"
            raise StorageError(f"cannot write {target}: {error.strerror or error}; {old}") from error
        raise


def make_folder(name: str, path: Any) -> Path:
    """The folder `path`, made where there is none; `name` is the argument that it comes from.

    Raises
    ------
    StorageError
        If it cannot be made, or is no folder.
    """
    target = as_path(name, path)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{name}: cannot make the folder {target}: {error.strerror or error}") from error
    return target


def remove_parts(path: str | os.PathLike[str]) -> None:
    """Delete what writes of `path` that were killed have left beside it."""
    target = Path(path)
    for stale in target.parent.glob(f"{target.name}.*{PART}"):
        stale.unlink(missing_ok=True)
