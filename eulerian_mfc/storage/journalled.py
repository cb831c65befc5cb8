"""A discrete problem whose answers come from a journal: made from the protocol of the questions, whatever these are.

Numbers and arrays (and tuples of them) that a question returns are kept by the question and its arguments. Objects that it
returns are asked in turn, by the protocol that its annotation names, and are made only where the journal lacks an answer of
theirs. What is annotated as `DEFERRED` (densities, potentials) is not kept, but computed where it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cache, cached_property
from typing import Any, Protocol, cast, get_args, get_type_hints

import numpy as np

from ..fingerprint.fingerprint import address
from ..solvers.protocol import DEFERRED, DiscreteProblem, LayeredProblem, LayerWise

#: first number of a packed answer, or of one of its parts
NONE, NUMBER, ARRAY, TUPLE, OBJECTS = range(5)
#: a question, its arguments' values and names, and what it would take to answer it
Compute = Callable[[], np.ndarray]


class Values(Protocol):
    """Where answers are kept, see `Journal`."""

    def value(self, what: bytes, compute: Compute) -> np.ndarray:
        """The answer to `what`, flat: from there, or computed and kept."""
        ...


class Asked:
    """An object that is asked by a protocol; what is asked of it besides is answered by the object itself.

    Parameters
    ----------
    values : where answers are kept.
    path : the questions that lead to the object, with their arguments.
    make : makes the object.
    """

    def __init__(self, values: Values, path: bytes, make: Callable[[], Any]) -> None:
        self._values, self._path, self._make = values, path, make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._own, name)

    @cached_property
    def _own(self) -> Any:
        return self._make()

    def _ask(self, name: str, hint: object, arguments: tuple[object, ...]) -> object:
        """The answer to a method's question."""

        def answer() -> object:
            return getattr(self._own, name)(*map(_resolved, arguments))

        named = [_named(a) for a in arguments]
        if any(n is None for n in named):
            return answer()  # an argument that nothing names
        path = b"|".join([self._path, name.encode(), *(n for n in named if n is not None)])
        if DEFERRED in getattr(hint, "__metadata__", ()):
            return Deferred(path, answer)
        if _is_protocol(hint):
            return _class_for(cast(type, hint))(self._values, path, answer)
        return self._kept(path, hint, answer)

    def _kept(self, path: bytes, hint: object, answer: Callable[[], object]) -> object:
        """Numbers and arrays from the journal, and objects that are asked in turn."""
        computed: list[object] = []

        def whole() -> object:
            if not computed:
                computed.append(answer())
            return computed[0]

        flat = iter(self._values.value(path, lambda: np.array(_packed(whole()), dtype=np.float64)).tolist())

        def made(part: object, where: tuple[int, ...]) -> object:
            kind = int(next(flat))
            if kind == NONE:
                return None
            if kind == NUMBER:
                return next(flat)
            if kind == ARRAY:
                return _array(flat)
            count, parts = int(next(flat)), get_args(part)
            if kind == TUPLE:
                return tuple(made(parts[k], (*where, k)) for k in range(count))
            element = _class_for(parts[0])
            return [element(self._values, b"%s|%d" % (path, k), _picker(whole, (*where, k))) for k in range(count)]

        return made(hint, ())


class Deferred:
    """An array that is computed where it is looked at.

    Parameters
    ----------
    path : the questions that lead to it, with their arguments.
    answer : computes it.
    """

    def __init__(self, path: bytes, answer: Callable[[], object]) -> None:
        self.path, self._answer = path, answer

    @cached_property
    def value(self) -> np.ndarray:
        """The array."""
        return np.asarray(self._answer())

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self.value

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]


def journalled(values: Values, system: DiscreteProblem, number: int) -> DiscreteProblem:
    """The system, each of its answers taken from where they are kept, and kept there where it was not.

    Parameters
    ----------
    values : where answers are kept.
    system : an OptimalitySystem, a ParticleSystem or one of the user's.
    number : of the system in its run, so that answers of several differ.
    """
    protocol = LayeredProblem if isinstance(system, LayerWise) else DiscreteProblem
    return cast(DiscreteProblem, _class_for(protocol, present=True)(values, str(number).encode(), lambda: system))


@cache
def _class_for(protocol: type, present: bool = False) -> type[Asked]:
    """The class of objects that are asked by a protocol: a method for each of its methods, a property for each property.

    Properties of an object that is `present` are its own.
    """
    members = {
        name: value for base in reversed(protocol.__mro__) if _is_protocol(base) for name, value in vars(base).items()
    }
    made: dict[str, object] = {}
    for name, value in members.items():
        if isinstance(value, property):
            made[name] = _property(name, get_type_hints(value.fget)["return"], present)
        elif callable(value) and (name == "__call__" or not name.startswith("_")):
            made[name] = _method(name, get_type_hints(value, include_extras=True)["return"])
    return type(f"Asked{protocol.__name__}", (Asked,), made)


def _method(name: str, hint: object) -> Callable[..., object]:
    def ask(self: Asked, *arguments: object) -> object:
        return self._ask(name, hint, arguments)

    return ask


def _property(name: str, hint: object, present: bool) -> property:
    def own(self: Asked) -> object:
        return getattr(self._own, name)

    def kept(self: Asked) -> object:
        return self._kept(b"%s|%s" % (self._path, name.encode()), hint, lambda: getattr(self._own, name))

    return property(own if present else kept)


def _is_protocol(hint: object) -> bool:
    return isinstance(hint, type) and hint is not Protocol and Protocol in hint.__mro__


def _named(argument: object) -> bytes | None:
    """Bytes that tell an argument from others; None where nothing does."""
    if isinstance(argument, np.ndarray):
        return np.ascontiguousarray(argument, dtype=np.float64).tobytes()
    if isinstance(argument, Deferred):
        return argument.path
    if isinstance(argument, str | int | float) or (is_dataclass(argument) and not isinstance(argument, type)):
        return address(argument).encode()
    return None


def _resolved(argument: object) -> object:
    return argument.value if isinstance(argument, Deferred) else argument


def _picker(whole: Callable[[], Any], where: tuple[int, ...]) -> Callable[[], object]:
    def pick() -> object:
        found = whole()
        for k in where:
            found = found[k]
        return found

    return pick


def _packed(value: Any) -> list[float]:
    """An answer as numbers that say what they are; of objects, how many."""
    if value is None:
        return [NONE]
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return [NUMBER, float(value)]
    if isinstance(value, np.ndarray):
        return [ARRAY, value.ndim, *value.shape, *np.ravel(value).tolist()]
    if isinstance(value, tuple):
        return [TUPLE, len(value), *(number for part in value for number in _packed(part))]
    return [OBJECTS, len(value)]


def _array(flat: Iterator[float]) -> np.ndarray:
    shape = [int(next(flat)) for _ in range(int(next(flat)))]
    return np.array([next(flat) for _ in range(int(np.prod(shape)))], dtype=np.float64).reshape(shape)
