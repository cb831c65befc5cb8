"""Values that nobody can write into: read-only arrays, tuples, and mappings without assignment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

T = TypeVar("T")


def frozen(value: T) -> T:
    """The same value in a form that nobody can write into.

    Parameters
    ----------
    value : an array, of which a read-only view is returned, without a copy; a list, which becomes a tuple; a mapping, of which a
        read-only copy is returned; or a tuple or a NamedTuple, whose entries are treated in the same way. Other values are
        returned unchanged.

    Examples
    --------
    >>> frozen(np.zeros(2)).flags.writeable, frozen([1, 2]), frozen({"a": 1})
    (False, (1, 2), mappingproxy({'a': 1}))
    """
    return cast(T, _frozen(value))


def _frozen(value: object) -> object:
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view if value.flags.writeable else value
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, tuple):
        entries = list(map(_frozen, value))
        if all(a is b for a, b in zip(entries, value, strict=True)):
            return value
        make: Callable[..., object] = type(value)
        return tuple(entries) if type(value) is tuple else make(*entries)  # a NamedTuple takes its fields one by one
    if isinstance(value, Mapping) and not isinstance(value, MappingProxyType):
        return MappingProxyType(dict(value))
    return value


class FrozenFields:
    """A base of frozen dataclasses: nobody can write into the values of their fields, see `frozen`.

    Pickles and copies hold the fields only; what is computed from them is computed again.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Line(FrozenFields):
    ...     values: np.ndarray
    >>> Line(np.zeros(2)).values.flags.writeable
    False
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __post_init__(self) -> None:
        self.__dict__.update({name: frozen(value) for name, value in self._values().items()})

    def _values(self) -> dict[str, object]:
        """The fields by name, without what is computed from them and kept beside them."""
        return {field.name: vars(self)[field.name] for field in fields(self)}

    def __getstate__(self) -> dict[str, object]:
        """The fields, as pickles and copies hold them: with dicts, because a read-only mapping cannot be pickled."""
        return {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in self._values().items()}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update({name: frozen(value) for name, value in state.items()})
