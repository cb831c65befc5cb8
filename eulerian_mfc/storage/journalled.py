"""A discrete problem whose answers come from a journal. Its methods are generated from the protocol of the problem.

A question is a method or a property with its arguments. If it returns numbers or arrays (or tuples of them), they are stored
under the question. If it returns an object, this object is journalled in turn, by the protocol that the annotation names, and is
made only if the journal lacks one of its answers. Results that are annotated as `DEFERRED` (densities, potentials) are not
stored, but computed when they are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Protocol, cast, get_args, get_origin, get_type_hints

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
        return self._read(name)

    def _read(self, name: str) -> Any:
        """A member of the object itself: this class is generated from a protocol, and knows names only."""
        return getattr(self._own, name)

    @cached_property
    def _own(self) -> Any:
        return self._make()

    def _ask(self, name: str, hint: object, arguments: tuple[object, ...]) -> object:
        """The answer to a method's question."""

        def answer() -> object:
            return self._read(name)(*map(_resolved, arguments))

        named = [_named(a) for a in arguments]
        if any(n is None for n in named):
            return answer()  # an argument cannot be named, so that the answer cannot be stored
        path = b"|".join([self._path, name.encode(), *(n for n in named if n is not None)])
        if get_origin(hint) is Annotated and DEFERRED in get_args(hint)[1:]:
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

        packed = _Unpacker(self._values.value(path, lambda: _packed(whole())))

        def made(part: object, where: tuple[int, ...]) -> object:
            kind = packed.integer()
            if kind == NONE:
                return None
            if kind == NUMBER:
                return packed.number()
            if kind == ARRAY:
                return packed.array()
            count, parts = packed.integer(), get_args(part)
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
        return self._read(name)

    def kept(self: Asked) -> object:
        return self._kept(b"%s|%s" % (self._path, name.encode()), hint, lambda: self._read(name))

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


def _packed(value: Any) -> np.ndarray:
    """An answer as one flat array of numbers that also encode its types; objects are only counted."""
    if value is None:
        return np.array([NONE], dtype=np.float64)
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return np.array([NUMBER, value], dtype=np.float64)
    if isinstance(value, np.ndarray):
        return np.concatenate([[ARRAY, value.ndim, *value.shape], value.ravel()], dtype=np.float64)
    if isinstance(value, tuple):
        return np.concatenate([[TUPLE, len(value)], *map(_packed, value)], dtype=np.float64)
    return np.array([OBJECTS, len(value)], dtype=np.float64)


class _Unpacker:
    """Reads a packed answer from its beginning to its end."""

    def __init__(self, packed: np.ndarray) -> None:
        self._left = packed

    def _taken(self, count: int) -> np.ndarray:
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def number(self) -> float:
        return float(self._taken(1)[0])

    def integer(self) -> int:
        return int(self.number())

    def array(self) -> np.ndarray:
        shape = [self.integer() for _ in range(self.integer())]
        return self._taken(math.prod(shape)).reshape(shape).copy()
