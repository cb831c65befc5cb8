"""Atomic writing: a file is written under another name beside its target, forced to the disk, and then renamed.

Everything that the package writes goes through `together` or `write_whole`. A file that is replaced keeps its mode and, if the
system allows it, its owner and group; a new one gets the mode of the user's umask. Symbolic links stay, and the file that they
point to is replaced. A second name of a file (a hard link) keeps the old content.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .._validate import fail
from ..errors import MissingFileError, StorageError

#: ending of files that are being written; those that a killed process left behind may be deleted
PART = ".part"
#: the name of a part begins with at most so many characters of the file's name: file systems take 255 bytes, and a character
#: may have four
LONGEST = 48
#: the flag with which Windows writes bytes unchanged; other systems always do
BINARY: int = vars(os).get("O_BINARY", 0)


def as_path(name: str, value: object) -> Path:
    """The path of a file or folder that an argument names."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise fail(name, value, "a path")
    return Path(text)


def existing(name: str, value: object, what: str) -> Path:
    """The path of an existing file; `what` says in the error what it should be."""
    path = as_path(name, value)
    try:
        there = path.is_file()
        other = path.exists()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if not there:
        raise MissingFileError(
            f"no {what} at {path}" + (": the path is a folder, or not a regular file" if other else "")
        )
    return path


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises StorageError if the system cannot read an existing file (which says nothing about its content)."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def read_whole(path: Path) -> bytes:
    """The bytes of an existing file.

    Raises
    ------
    StorageError
        If the system does not let it be read.
    """
    with reading(path):
        return path.read_bytes()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises StorageError if a library cannot write to a path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`. At any moment, even after a kill or a power cut, the file is the old one or the new one.

    Raises
    ------
    StorageError
        If it cannot be written; the old file is intact, and nothing is left beside it.
    """
    with together() as put:
        put(path, data)


@contextmanager
def together() -> Iterator[Callable[[str | os.PathLike[str], bytes], None]]:
    """Write files that belong together, by `put(path, data)`: all of them are renamed to their paths at the end of the block.

    If the block raises an exception, no file is changed, and no other files are left behind.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    parts: list[tuple[Path, Path, Path]] = []

    def put(path: str | os.PathLike[str], data: bytes) -> None:
        target = as_path("path", path)
        with _storage_errors(target):
            old = _status(target)
            if old is not None and not stat.S_ISREG(old.st_mode) and not stat.S_ISDIR(old.st_mode):
                # A terminal, a pipe, or /dev/null: it does not keep what is written, and must not be replaced by a file.
                target.write_bytes(data)
            else:
                real = Path(os.path.realpath(target))
                parts.append((_written_beside(real, data, old), real, target))

    try:
        yield put
        for part, real, target in parts:
            with _storage_errors(target):
                os.replace(part, real)
    finally:
        for part, _, _ in parts:
            _remove(part)


@contextmanager
def _storage_errors(target: Path) -> Iterator[None]:
    """Turn an error of the system into a StorageError that also says what has become of the old file."""
    try:
        yield
    except OSError as error:
        old = "the old file is intact" if target.is_file() else "no file has been written there"
        raise StorageError(f"cannot write {target}: {error.strerror or error}; {old}") from error


def _status(path: Path) -> os.stat_result | None:
    """The system's record of a file; None if there is no file."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _written_beside(real: Path, data: bytes, old: os.stat_result | None) -> Path:
    """A new file with `data` and the rights of the old file, in the folder of the path `real`, which it will replace."""
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if old is not None and not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is write-protected")
    real.parent.mkdir(parents=True, exist_ok=True)
    part = real.with_name(f"{_stem(real)}.{secrets.token_hex(4)}{PART}")
    # The system applies the umask and the folder's own rules to a new file. The replacement of an old file, which may be private,
    # can be read by its owner only until it gets the rights of the old one.
    mode = 0o666 if old is None else 0o600
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, mode)
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
    """Delete a part if it exists; an error here must not hide the error because of which it is deleted."""
    with suppress(OSError):
        part.unlink()


def _give_rights(part: Path, old: os.stat_result) -> None:
    """Give a part the mode, group and owner of the old file, as far as the system allows this user."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.chown(part, -1, old.st_gid)
        with suppress(OSError):
            os.chown(part, old.st_uid, -1)
    with suppress(OSError):
        os.chmod(part, stat.S_IMODE(old.st_mode))


def _stem(real: Path) -> str:
    """The beginning of the names of a file's parts: the file's name, or, if that is long, its beginning and a hash."""
    if len(real.name) <= LONGEST:
        return real.name
    return f"{real.name[:LONGEST]}~{hashlib.sha256(os.fsencode(real.name)).hexdigest()[:8]}"


def make_folder(name: str, path: object) -> Path:
    """The folder `path`, which is made if it does not exist; `name` is the name of the argument, for messages.

    Raises
    ------
    StorageError
        If it cannot be made, or is not a folder.
    """
    target = as_path(name, path)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{name}: cannot make the folder {target}: {error.strerror or error}") from error
    return target


def remove_parts(path: str | os.PathLike[str]) -> None:
    """Delete the parts beside `path` that killed processes have left behind."""
    real = Path(os.path.realpath(path))
    for stale in real.parent.glob(f"{glob.escape(_stem(real))}.*{PART}"):
        stale.unlink(missing_ok=True)
