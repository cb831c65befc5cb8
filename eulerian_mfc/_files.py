"""Files that are whole or not there: written beside, forced to the disk, renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .errors import StorageError

#: ending of files that are being written; one that is left behind by a killed process may be deleted
PART = ".part"


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` so that at any moment, kills and power cuts included, the file is the old one or the new one.

    Raises
    ------
    StorageError
        If it cannot be written; the old file is intact, and nothing is left beside it.
    """
    target = Path(path)
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


def make_folder(name: str, path: str | os.PathLike[str]) -> Path:
    """The folder `path`, made where there is none; `name` is the argument that it comes from.

    Raises
    ------
    StorageError
        If it cannot be made, or is no folder.
    """
    target = Path(path)
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
