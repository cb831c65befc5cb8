"""Rights that one process has at a time: locked files, which a process that ends leaves unlocked, however it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StorageError
from .atomic import writing

#: the file in a folder that one process writes into
WRITING = ".emfc-writing"


class Claim:
    """A locked file: the lock goes with the process, however it ends; the file goes when the claim is released."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path, self._handle = path, handle

    @classmethod
    def of(cls, path: Path) -> Claim | None:
        """The claim, or None where somebody has it; on systems without such locks everybody does.

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
            # Its holder may have removed the file between our opening and locking it.
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
    """The right to write into a folder, while it lasts.

    Parameters
    ----------
    folder : where is written.
    patient : wait for others to end; where not, a folder that somebody is writing into is refused.

    Raises
    ------
    StorageError
        If somebody is writing there, since the files would be a mixture; or if nothing can be written there.
    """
    while (claim := Claim.of(folder / WRITING)) is None and patient:
        time.sleep(0.05)
    if claim is None:
        raise StorageError(
            f"{folder}: another program is writing into it, and the files would be a mixture of both; name another folder, or "
            "wait until it has ended"
        )
    try:
        yield
    finally:
        claim.release()
