"""Locked files, so that only one process at a time writes into a folder. A lock ends with its process, however that ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StorageError
from .atomic import writing

#: name of the lock in a folder that a process is writing into
WRITING = ".emfc-writing"


class Claim:
    """A locked file. The lock ends with the process, however that ends; the file is removed when the claim is released."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path, self._handle = path, handle

    @classmethod
    def of(cls, path: Path) -> Claim | None:
        """The claim, or None if another process has it; on systems without such locks every process gets it.

        Raises
        ------
        StorageError
            If the file cannot be made.
        """
        try:
            import fcntl
        except ImportError:
            return cls(path, None)
        while True:
            with writing(path):
                handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            except OSError:  # a file system without locks
                return cls(path, handle)
            # The previous holder may have removed the file between our opening and our locking: then the lock is on a file
            # that no other process will find, and we try again.
            try:
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return cls(path, handle)
            except FileNotFoundError:
                pass
            os.close(handle)

    def release(self) -> None:
        if self._handle is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)


@contextmanager
def alone(folder: Path, patient: bool = False) -> Iterator[None]:
    """Only this process writes into the folder, inside the block.

    Parameters
    ----------
    folder : the folder.
    patient : wait until other processes have ended their writing; if False, raise an error at once.

    Raises
    ------
    StorageError
        If another process is writing there: the files would be a mixture of both.
    """
    while (claim := Claim.of(folder / WRITING)) is None and patient:
        time.sleep(0.05)
    if claim is None:
        raise StorageError(
            f"{folder}: another program is writing into this folder, and the files of both programs would be "
            "mixed: name another folder, or wait until the other program has ended"
        )
    try:
        yield
    finally:
        claim.release()
