"""A discrete problem whose answers come from a journal. Its methods are generated from the protocol of the problem.

A question is a method or a property with its arguments. If it returns numbers or arrays (or tuples of them), they are stored
under the question. If it returns an object, this object is journalled in turn, by the protocol that the annotation names, and is
made only if the journal lacks one of its answers. Results that are annotated as `DEFERRED` (densities, potentials) are not
stored, but computed when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cache, cached_property
from typing import Any, Protocol, cast, get_args, get_type_hints

import numpy as np

from ..fingerprint.fingerprint import fingerprint
from ..solvers.protocol import DEFERRED, DiscreteProblem, LayeredProblem, LayerWise

#: first number of a packed answer, or of one of its parts: it encodes the type
NONE, NUMBER, ARRAY, TUPLE, OBJECTS = range(5)
#: a function without arguments that computes an answer
Compute = Callable[[], np.ndarray]


class Values(Protocol):
    """The store of answers, see `Journal`."""

    def value(self, what: bytes, compute: Compute) -> np.ndarray:
        """The answer to `what` as a flat array: read from the store, or computed and stored."""
        ...


class Asked:
    """An object whose protocol is journalled; attributes outside the protocol are those of the object itself.

    Parameters
    ----------
    values : the store of answers.
    path : the questions that lead to the object, with their arguments.
    make : a function that makes the object.
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
            return answer()  # an argument cannot be named, so that the answer cannot be stored
        path = b"|".join([self._path, name.encode(), *(n for n in named if n is not None)])
        if DEFERRED in getattr(hint, "__metadata__", ()):
            return Deferred(path, answer)
        if _is_protocol(hint):
            return _class_for(cast(type, hint))(self._values, path, answer)
        return self._kept(path, hint, answer)

    def _kept(self, path: bytes, hint: object, answer: Callable[[], object]) -> object:
        """The answer: numbers and arrays from the journal, or an object that is journalled in turn."""
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
    """An array that is computed when it is used.

    Parameters
    ----------
    path : the questions that lead to it, with their arguments.
    answer : a function that computes the array.
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
    """The system, whose answers are read from the store if it has them, and otherwise computed and stored.

    Parameters
    ----------
    values : the store of answers.
    system : an OptimalitySystem, a ParticleSystem, or a user's system.
    number : the number of the system in its run, which separates the answers of several systems.
    """
    protocol = LayeredProblem if isinstance(system, LayerWise) else DiscreteProblem
    return cast(DiscreteProblem, _class_for(protocol, present=True)(values, str(number).encode(), lambda: system))


@cache
def _class_for(protocol: type, present: bool = False) -> type[Asked]:
    """The class of journalled objects of a protocol: a method per method of the protocol, a property per property.

    If the object is `present`, its properties are read from it directly.
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
    """Bytes that identify an argument; None if it cannot be identified."""
    if isinstance(argument, np.ndarray):
        return np.ascontiguousarray(argument, dtype=np.float64).tobytes()
    if isinstance(argument, Deferred):
        return argument.path
    if isinstance(argument, str | int | float) or (is_dataclass(argument) and not isinstance(argument, type)):
        return fingerprint(argument).encode()
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
    """An answer as numbers that also encode its types; objects are only counted."""
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
