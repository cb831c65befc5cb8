"""The kind of a value, which determines how it is written into a hash; see `fingerprint`."""

from __future__ import annotations

import functools
import io
import random
import threading
import types
import weakref
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .arrays import write_array, write_array_of_a_class, write_dict, write_dtype, write_items, write_list, write_set
from .attributes import attribute
from .classes import MEMBERS, made_in_c, own_class, package_class, write_class, write_module
from .code import write_code, write_function
from .libraries import (
    BY_NAME,
    GLOBAL_RANDOM,
    write_builtin,
    write_cached,
    write_cell,
    write_method,
    write_random,
    write_reference,
    write_tensor,
    write_ufunc,
    write_view,
)
from .pickled import write_attributes, write_reduced
from .writer import Handler, Writer

#: for a user's subclass of numbers, texts or containers: the conversion to the plain value
_CONTENT: dict[type, Callable[[Any], Any]] = {
    int: lambda v: int.__getnewargs__(v)[0],
    float: lambda v: float.__getnewargs__(v)[0],
    complex: lambda v: complex(v.real, v.imag),
    str: lambda v: str.__getnewargs__(v)[0],
    bytes: lambda v: bytes.__getnewargs__(v)[0],
    bytearray: bytes,
    tuple: lambda v: tuple(tuple.__iter__(v)),
    list: lambda v: list.__getitem__(v, slice(None)),
    dict: lambda v: dict(dict.items(v)),
    set: lambda v: frozenset(set.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
}
_RANDOM = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
#: arrays of at least this many bytes are hashed once per session
_LARGE = 10_000


def new_writer(known: dict[int, tuple[object, bytes]], packages: dict[str, str]) -> Writer:
    """A writer of values of all kinds.

    Parameters
    ----------
    known, packages : see `Writer`; the writers of one session share them.
    """
    return Writer(known, packages, at_once, write_other)


def at_once(value: object) -> Handler | None:
    """The function that writes a value without a number: immutable values, arrays, and shared code; None for other values."""
    kind = type(value)
    if kind is tuple:
        return _write_tuple
    if kind is np.ndarray:
        return _write_shared_array
    if isinstance(value, types.FunctionType | types.ModuleType | type):
        return _write_shared_code
    return _AT_ONCE.get(kind)


def _write_tuple(writer: Writer, value: tuple[object, ...]) -> None:
    write_items(writer, "tuple", value)


def _write_shared_array(writer: Writer, value: np.ndarray) -> None:
    if value.nbytes > _LARGE:
        writer.shared(value, write_array, code=False)
    else:
        write_array(writer, value)


def _write_shared_code(writer: Writer, value: object) -> None:
    writer.shared(value, write_named_or_code)


def write_other(writer: Writer, value: object) -> None:
    """Write a value that may occur again."""
    _HANDLERS.get(type(value), write_object)(writer, value)


def write_named_or_code(writer: Writer, value: types.FunctionType | types.ModuleType | type) -> None:
    if isinstance(value, types.FunctionType):
        write_function(writer, value)
    elif isinstance(value, types.ModuleType):
        write_module(writer, value)
    else:
        write_class(writer, value)


def write_object(writer: Writer, value: Any) -> None:
    kind = type(value)
    if issubclass(kind, np.ndarray):
        write_array_of_a_class(writer, value)
    elif issubclass(kind, np.generic):
        writer.put("scalar")
        write_array(writer, np.asarray(value))
    elif special := next((_SPECIAL[c] for c in kind.__mro__ if c in _SPECIAL), None):
        special(writer, value)
    elif (name := f"{kind.__module__}.{kind.__qualname__}") in BY_NAME:
        BY_NAME[name](writer, value)
    elif issubclass(kind, _RANDOM) and (not writer.library or value is GLOBAL_RANDOM):
        write_random(writer, value)
    elif any(f"{c.__module__}.{c.__qualname__}" == "torch.Tensor" for c in kind.__mro__):
        write_tensor(writer, value)
    elif kind in _LOCKS or (issubclass(kind, io.IOBase) and value.closed):
        writer.put("no value", kind.__qualname__.encode())  # nothing can be read from it
    elif own_class(kind):
        _write_own_object(writer, value)
    elif package_class(kind):
        writer.put("object", f"{kind.__module__}.{kind.__qualname__}".encode())
        write_attributes(writer, value)
    elif is_dataclass(kind) and kind.__reduce_ex__ is object.__reduce_ex__:
        # Other attributes of a library's dataclass are derived from its fields, and appear when it is used.
        writer.write(kind)
        for field in fields(value):
            writer.under(field.name, attribute(value, field.name, None))
    else:
        writer.library += 1
        write_reduced(writer, value)
        writer.library -= 1


def _write_own_object(writer: Writer, value: Any) -> None:
    """Write an object of a user's class: the whole class, and all attributes of the object."""
    kind = type(value)
    writer.put("object")
    writer.write(kind)
    write_attributes(writer, value)
    base = made_in_c(kind)
    if base in _CONTENT:
        writer.under("content", _CONTENT[base](value))
    elif base is not object:
        write_reduced(writer, value)


#: writers by exact type, for values without numbers
_AT_ONCE: dict[type, Handler] = {types.CodeType: write_code, frozenset: write_set}
#: writers by exact type
_HANDLERS: dict[type, Handler] = {
    list: write_list,
    dict: write_dict,
    set: write_set,
    types.MappingProxyType: write_dict,
    types.MethodType: write_method,
    types.BuiltinFunctionType: write_builtin,
    types.CellType: write_cell,
    memoryview: write_view,
    np.ufunc: write_ufunc,
    functools._lru_cache_wrapper: write_cached,
}
#: writers by class, for instances of subclasses too
_SPECIAL: dict[type, Handler] = {
    **MEMBERS,
    np.dtype: write_dtype,
    weakref.ref: write_reference,
}
