"""Checkpoints: a journal of what a run has evaluated, from which a killed run goes on and ends with the same bits.

A solver is a deterministic function of the values that the system gives it. A `Journal` keeps these values by a hash of
what they are values of; a run that is started again finds them there instead of computing them, so that it takes the steps
that it took before, bit for bit, up to the moment of the last checkpoint, and goes on from there. Nothing in it depends on
the solver, and a solver of the user's own is covered as well. Densities are not kept: a record is a cost with its
gradient, a Hessian product, a layer's value and slope, each about as long as the control.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .._validate import fail, positive
from ..errors import NonFiniteError, StorageError
from ..files.atomic import as_path, remove_parts, write_whole
from ..fingerprint.fingerprint import address
from ..solvers.protocol import DiscreteProblem
from .journal_file import KEY, encode, read
from .journalled import journalled

#: bytes of values after which no more are kept (a resumed run then evaluates the rest again)
LARGEST = 256 * 2**20
#: the time between two writes is at least so many times the time that a write takes
PATIENCE = 20


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often `solve(checkpoint=...)` keeps what it has evaluated.

    Parameters
    ----------
    path : the file; one run a file.
    every : seconds between two writes (0: after every evaluation); never more than a twentieth of the time is spent on
        writing, unless it is 0.

    The file grows by about `8 layers m` bytes an evaluation, to `LARGEST` bytes at most.

    Raises
    ------
    ArgumentError
        For a path that is none, or negative seconds. What is wrong with the file is told by `solve`.

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
        """From what `solve` takes."""
        return value if isinstance(value, Checkpoint) else cls(value)

    def journal(self, **arguments: Any) -> Journal:
        """The journal of the run with these arguments, with what the file has of it.

        Raises
        ------
        FileFormatError
            If the file is damaged, or belongs to another run or to other versions.
        ArgumentError
            If an argument's value cannot be told, so that nothing says whether the file belongs to the run.
        """
        return Journal(Path(self.path), self.every, address(arguments))


class Journal:
    """Values by the hash of what they are values of, in memory and in a file.

    A context: the file is written at the end too, unless a file could not be written.

    Parameters
    ----------
    path : the file.
    every : seconds between two writes.
    run : the address of the run, a hash.

    Raises
    ------
    FileFormatError
        If the file is damaged, or belongs to another run or to other versions.
    StorageError
        If it cannot be written.
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
            self.write()  # a folder that does not exist, or may not be written to, is told before the work

    def __len__(self) -> int:
        return len(self._values) + len(self._errors)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        if error is None or isinstance(error, KeyboardInterrupt | NonFiniteError):
            self.write()

    def watching(self, system: DiscreteProblem) -> DiscreteProblem:
        """The system, each of its values taken from the journal where it has it, and kept there where not."""
        self._systems += 1
        return journalled(self, system, self._systems)

    def value(self, what: bytes, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The value of `what`, a new flat array `(size,)`: from the journal, or computed and kept."""
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
        """Write the file, whole, if anything is new."""
        if self._written == len(self):
            return
        start = time.monotonic()
        write_whole(self.path, encode(self.run, self._values, self._errors))
        self._written = len(self)
        end = time.monotonic()
        self._next = end + (max(self.every, PATIENCE * (end - start)) if self.every else 0.0)
