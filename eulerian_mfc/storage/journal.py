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
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .._validate import fail, positive
from ..errors import NonFiniteError, StorageError
from ..files.atomic import as_path, remove_parts, write_whole
from ..fingerprint.fingerprint import address
from ..system.hessian import Hessian
from .journal_file import KEY, encode, read

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
    def of(cls, value: Any) -> Checkpoint:
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

    def watching(self, system: Any) -> Journalled:
        """The system, each of its values taken from the journal where it has it, and kept there where not."""
        self._systems += 1
        return Journalled(self, system, self._systems)

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


class Journalled:
    """A system whose values come from a journal; what solvers ask of it besides is the system's own.

    Parameters
    ----------
    journal : where values are kept.
    system : an OptimalitySystem or a ParticleSystem.
    number : the system's number in its run, so that keys differ.
    """

    def __init__(self, journal: Journal, system: Any, number: int) -> None:
        self._journal, self._own, self._number = journal, system, str(number).encode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def _value(self, what: str, compute: Callable[[], np.ndarray], *inputs: np.ndarray) -> np.ndarray:
        pieces = [np.ascontiguousarray(i, dtype=np.float64).tobytes() for i in inputs]
        return self._journal.value(b"|".join([self._number, what.encode(), *pieces]), compute)

    def cost_and_gradient(self, control: np.ndarray) -> tuple[float, np.ndarray]:
        """J and its gradient `(layers, m)`, from the journal where it has them."""
        found = self._value("gradient", lambda: flat(*self._own.cost_and_gradient(control)), control)
        return float(found[0]), found[1:].reshape(np.shape(control))

    def hessian(self, control: np.ndarray) -> Hessian:
        """Hessian products at a control `(layers, m)`, each from the journal where it has it."""
        return _Hessian(self, control)

    def layer_updates(self, control: np.ndarray, form: str = "discrete") -> tuple[float, np.ndarray, list[Any]]:
        """J, its gradient `(layers, m)` and the layers' Hamiltonians, whose values are in the journal too."""
        layers = _Layers(self, control, form)

        def compute() -> np.ndarray:
            cost, gradient, layers.known = self._own.layer_updates(control, form)
            return flat(cost, gradient)

        found = self._value(f"layers {form}", compute, control)
        own = [_Hamiltonian(layers, n) for n in range(len(control))]
        return float(found[0]), found[1:].reshape(control.shape), own

    def potentials(self, control: np.ndarray) -> _Potentials:
        """What stands for the potentials `(layers + 1, R, *shape)` of a control: computed when they are looked at."""
        return _Potentials(self._own, control)

    def sequential_update(self, potentials: Any, choose: Any) -> tuple[np.ndarray, float]:
        """The control `(layers, m)` of one forward sweep and its cost, from the journal where it has them."""

        def compute() -> np.ndarray:
            theta, cost = self._own.sequential_update(np.asarray(potentials), choose)
            return flat(cost, theta)

        if not (isinstance(potentials, _Potentials) and is_dataclass(choose)):
            return self._own.sequential_update(np.asarray(potentials), choose)  # a value that nothing names
        control = potentials.control
        found = self._value(f"sequential {address(choose)}", compute, control)
        return found[1:].reshape(control.shape), float(found[0])


def flat(number: float, array: np.ndarray) -> np.ndarray:
    """`(1 + size,)`: a number and an array as one flat array.

    Parameters
    ----------
    number : the cost.
    array : of any shape.
    """
    return np.concatenate([[number], np.ravel(array)])


class _Potentials:
    """Potentials at a control, swept for where they are looked at."""

    def __init__(self, system: Any, control: np.ndarray) -> None:
        self._system, self.control = system, control.copy()

    @cached_property
    def _swept(self) -> np.ndarray:
        return self._system.potentials(self.control)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._swept

    def __getitem__(self, index: Any) -> Any:
        return self._swept[index]


class _Hessian(Hessian):
    def __init__(self, watched: Journalled, control: np.ndarray) -> None:
        self._watched, self._control = watched, control.copy()
        self.exact = bool(watched._value("exact", lambda: np.array([self._own.exact]), control)[0])

    @cached_property
    def _own(self) -> Hessian:
        return self._watched._own.hessian(self._control)

    def product(self, direction: np.ndarray) -> np.ndarray:
        found = self._watched._value("product", lambda: self._own.product(direction), self._control, direction)
        return found.reshape(np.shape(direction))


class _Layers:
    """The Hamiltonians of all layers at a control, made where one of them is asked what the journal does not have."""

    def __init__(self, watched: Journalled, control: np.ndarray, form: str) -> None:
        self.watched, self.control, self.form = watched, control.copy(), form
        self.known: list[Any] | None = None
        self.weights = watched.dt * watched.problem.penalties

    def own(self, n: int) -> Any:
        if self.known is None:
            self.known = self.watched._own.layer_updates(self.control, self.form)[2]
        return self.known[n]

    def value(self, what: str, n: int, compute: Callable[[], np.ndarray], theta: np.ndarray) -> np.ndarray:
        return self.watched._value(f"{what} {self.form} {n}", compute, self.control, theta)


class _Hamiltonian:
    def __init__(self, layers: _Layers, n: int) -> None:
        self._layers, self._n, self.weights = layers, n, layers.weights

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = self._layers.value("value", self._n, lambda: flat(*self._layers.own(self._n)(theta)), theta)
        return float(found[0]), found[1:]

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        found = self._layers.value("hessian", self._n, lambda: self._layers.own(self._n).hessian(theta), theta)
        return found.reshape(len(theta), len(theta))

    def minimiser(self) -> np.ndarray | None:
        def compute() -> np.ndarray:
            found = self._layers.own(self._n).minimiser()
            return np.zeros(0) if found is None else found

        found = self._layers.value("minimiser", self._n, compute, self.weights)
        return found if found.size else None
