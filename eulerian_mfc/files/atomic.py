"""Files that are whole or not there: written beside, forced to the disk, renamed.

Everything that the package writes goes through `together` or `write_whole`. A file that is there keeps its mode and, where the
system lets it, its owner and group; a new one gets what the user's umask says. Symbolic links stay, and the file that they
name is written. A second name of a file (a hard link) keeps the old content.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .._validate import fail
from ..errors import MissingFileError, StorageError

#: ending of files that are being written; one that is left behind by a killed process may be deleted
PART = ".part"
#: characters of a name that its parts repeat: file systems take 255 bytes, and a character may have four
LONGEST = 48


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
def reading(path: Path) -> Iterator[None]:
    """StorageError for what keeps the system from reading a file that is there: it is not damaged."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def read_whole(path: Path) -> bytes:
    """The bytes of a file that there is.

    Raises
    ------
    StorageError
        If the system does not let it be read.
    """
    with reading(path):
        return path.read_bytes()


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
    with together() as put:
        put(path, data)


@contextmanager
def together() -> Iterator[Callable[[str | os.PathLike[str], bytes], None]]:
    """Files that belong together, written by `put(path, data)`: all of them take their places when the block has ended.

    If the block raises, no file is changed and nothing is left beside them.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    parts: list[tuple[Path, Path, Path]] = []

    def put(path: str | os.PathLike[str], data: bytes) -> None:
        target = as_path("path", path)
        with _told(target):
            old = _status(target)
            if old is not None and not stat.S_ISREG(old.st_mode) and not stat.S_ISDIR(old.st_mode):
                # A terminal, a pipe, /dev/null: nothing is kept there, and no other file may take its place.
                target.write_bytes(data)
            else:
                real = Path(os.path.realpath(target))
                parts.append((_written_beside(real, data, old), real, target))

    try:
        yield put
        for part, real, target in parts:
            with _told(target):
                os.replace(part, real)
    finally:
        for part, _, _ in parts:
            _remove(part)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """StorageError for an error of the system, with what has become of the file."""
    try:
        yield
    except OSError as error:
        old = "the file of before is intact" if target.is_file() else "there was none before"
        raise StorageError(f"cannot write {target}: {error.strerror or error}; {old}") from error


def _status(path: Path) -> os.stat_result | None:
    """What the system knows of a file; None where there is none."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _written_beside(real: Path, data: bytes, old: os.stat_result | None) -> Path:
    """A new file with `data` and the rights of the old file, in the folder of the path `real` that it is to replace."""
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if old is not None and not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is write-protected")
    real.parent.mkdir(parents=True, exist_ok=True)
    part = real.with_name(f"{_stem(real)}.{secrets.token_hex(4)}{PART}")
    # The umask, and the folder's own rules, are the system's to apply; what may be private is private from the first byte.
    mode = 0o666 if old is None else 0o600
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            _give_rights(part, old)
    except BaseException:
        _remove(part)
        raise
    return part


def _remove(part: Path) -> None:
    """Delete a part if it is there; an error here must not hide the one that led here."""
    with suppress(OSError):
        part.unlink()


def _give_rights(part: Path, old: os.stat_result) -> None:
    """Mode, group and owner of the old file, as far as the system lets this user give them."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(part, -1, old.st_gid)
        with suppress(OSError):
            os.chown(part, old.st_uid, -1)
    with suppress(OSError):
        os.chmod(part, stat.S_IMODE(old.st_mode))


def _stem(real: Path) -> str:
    """How the names of a file's parts begin: like the file, or, where that is long, with a hash instead of the rest."""
    if len(real.name) <= LONGEST:
        return real.name
    return f"{real.name[:LONGEST]}~{hashlib.sha256(os.fsencode(real.name)).hexdigest()[:8]}"


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
    real = Path(os.path.realpath(path))
    for stale in real.parent.glob(f"{glob.escape(_stem(real))}.*{PART}"):
        stale.unlink(missing_ok=True)
