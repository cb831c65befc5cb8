"""Checkpoints: a journal of the evaluations of a run, from which a killed run continues, with bitwise the same result.

A solver is a deterministic function of the values that the system returns. A `Journal` stores each value under a hash of the
question that it answers. A run that is started again reads these values instead of computing them. It therefore repeats its
steps bit for bit up to the last checkpoint, and continues from there. The journal does not depend on the solver, so that a
user's own solver is covered too. Densities are not stored: a record is a cost with its gradient, a Hessian product, or a
layer's value and slope, and each is about as long as the control.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from .._validate import fail, positive
from ..errors import NonFiniteError, StorageError
from ..files.atomic import as_path, remove_parts, write_whole
from ..fingerprint.fingerprint import fingerprint
from ..solvers.protocol import DiscreteProblem
from .journal_file import KEY, encode, read
from .journalled import journalled

#: bytes of values after which no more are stored (a resumed run evaluates the rest again)
LARGEST = 256 * 2**20
#: the time between two writes is at least this multiple of the time of a write
PATIENCE = 20


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often `solve(checkpoint=...)` stores its evaluations.

    Parameters
    ----------
    path : the file; each run has its own file.
    every : seconds between two writes (0: after every evaluation). Unless it is 0, writing takes at most a twentieth of the
        time.

    The file grows by about `8 layers m` bytes per evaluation, to at most `LARGEST` bytes.

    Raises
    ------
    ArgumentError
        For a value that is not a path, or negative seconds. Errors of the file itself are raised by `solve`.

    Examples
    --------
    >>> Checkpoint("run.checkpoint", every=60.0).every
    60.0
    """

    path: str | os.PathLike[str]
    every: float = 10.0

    def __post_init__(self) -> None:
        path = as_path("checkpoint", self.path)
        try:
            if path.is_dir():
                raise fail("checkpoint", str(path), "a file, not a folder")
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
        positive("every", self.every, allow_zero=True)

    @classmethod
    def of(cls, value: Checkpoint | str | os.PathLike[str]) -> Checkpoint:
        """The checkpoint from the argument of `solve`."""
        return value if isinstance(value, Checkpoint) else cls(value)

    def journal(self, **arguments: object) -> Journal:
        """The journal of the run with these arguments, with the values that the file already holds.

        Raises
        ------
        FileFormatError
            If the file is damaged, or belongs to another run or to other versions.
        ArgumentError
            If the value of an argument cannot be hashed, so that the file cannot be matched with the run.
        """
        return Journal(Path(self.path), self.every, fingerprint(arguments))


class Journal:
    """Values by the hash of the questions that they answer, in memory and in a file.

    It is a context manager: the file is also written at the end, unless an earlier write failed.

    Parameters
    ----------
    path : the file.
    every : seconds between two writes.
    run : the fingerprint of the run, a hash.

    Raises
    ------
    FileFormatError
        If the file is damaged, or belongs to another run or to other versions.
    StorageError
        If the file cannot be written.
    """

    def __init__(self, path: Path, every: float, run: str) -> None:
        self.path, self.every, self.run = path, every, run
        self._values: dict[bytes, np.ndarray] = {}
        self._errors: dict[bytes, str] = {}
        self._systems = self._bytes = 0
        self._written = -1
        self._next = time.monotonic() + every
        remove_parts(path)
        if path.exists():
            self._values, self._errors = read(path, run)
            self._bytes = sum(v.nbytes for v in self._values.values())
            self._written = len(self)
        else:
            self.write()  # a folder that is missing or read-only is reported before the work starts

    def __len__(self) -> int:
        return len(self._values) + len(self._errors)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        if error is None or isinstance(error, KeyboardInterrupt | NonFiniteError):
            self.write()

    def watching(self, system: DiscreteProblem) -> DiscreteProblem:
        """The system, whose values are read from the journal if it has them, and otherwise computed and stored there."""
        self._systems += 1
        return journalled(self, system, self._systems)

    def value(self, what: bytes, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The value of `what`, a new flat array `(size,)`: read from the journal, or computed and stored."""
        key = hashlib.blake2b(what, digest_size=KEY).digest()
        if key in self._errors:
            raise NonFiniteError(self._errors[key])
        if key not in self._values:
            try:
                found = np.array(compute(), dtype=np.float64).ravel()
            except NonFiniteError as error:
                self._errors[key] = str(error)
                self._grown(len(str(error)))
                raise
            if self._bytes > LARGEST:
                return found
            self._values[key] = found
            self._grown(found.nbytes)
        return self._values[key].copy()

    def _grown(self, size: int) -> None:
        self._bytes += size + KEY
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Write the complete file if there are new values."""
        if self._written == len(self):
            return
        start = time.monotonic()
        write_whole(self.path, encode(self.run, self._values, self._errors))
        self._written = len(self)
        end = time.monotonic()
        self._next = end + (max(self.every, PATIENCE * (end - start)) if self.every else 0.0)
