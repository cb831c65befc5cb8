"""A value that is computed when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .._frozen import frozen
from ..errors import EulerianError

T = TypeVar("T")


class Deferred(Generic[T]):
    """A value that the first call of `get` computes and keeps.

    A solution has three of them: its potentials, its characteristics, and its second-order analysis. Arrays in the value are
    read-only, see `frozen`.

    Parameters
    ----------
    compute : the function that returns the value.

    Raises
    ------
    EulerianError
        From `get`, if nothing can compute the value.

    Examples
    --------
    >>> later = Deferred(lambda: 6 * 7)
    >>> later.known, later.get(), later.known
    (False, 42, True)
    """

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute: Callable[[], T] | None = compute
        self._found: list[T] = []
        self._missing = ""

    @classmethod
    def of(cls, value: T) -> Deferred[T]:
        """A value that is known already."""
        out = cls(lambda: value)
        out.put(value)
        return out

    @classmethod
    def missing(cls, what: str) -> Deferred[T]:
        """A value that is not available; `what` says what is missing, for the error message."""
        out = cls.__new__(cls)
        out._compute, out._found, out._missing = None, [], what
        return out

    @property
    def known(self) -> bool:
        """Whether the value is known already."""
        return bool(self._found)

    @property
    def available(self) -> bool:
        """Whether the value is known or can be computed."""
        return self.known or self._compute is not None

    def get(self) -> T:
        """Return the value; the first call computes it."""
        if not self._found:
            if self._compute is None:
                raise EulerianError(
                    f"{self._missing}: not available, since this solution was loaded without its problem: use "
                    "Solution.load(path, problem)"
                )
            self.put(self._compute())
        return self._found[0]

    def put(self, value: T) -> None:
        """Set a value that was computed elsewhere; the function that would have computed it is released.

        Raises
        ------
        EulerianError
            If the value is known already.
        """
        if self._found:
            raise EulerianError("the value is known already: it cannot be replaced")
        self._found, self._compute = [frozen(value)], None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled or deep-copied value: its arrays are read-only again."""
        self.__dict__.update(state)
        self._found = [frozen(value) for value in self._found]
