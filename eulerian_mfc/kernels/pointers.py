"""Compiled functions behind pointers, so that a kernel that calls them is compiled once, and not once per function.

Numba compiles the callees of a kernel again, together with the kernel. For the layer kernels this would take ten seconds per
degree, dimension and field. A function behind a pointer is compiled once, at its first use, and kept on disk.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import callback

#: a type, a function or a value of Numba, which has no types
Compiled: TypeAlias = Any

DOUBLES, INTEGERS = types.CPointer(types.float64), types.CPointer(types.int64)
NUMBER, COUNT = types.float64, types.int64


class Pointed:
    """A function of numbers and of pointers to arrays that returns an integer, compiled on its first use.

    In calls from Python, contiguous arrays are passed as pointers, and the interpreter's lock is released.
    """

    def __init__(self, function: Callable[..., int], *arguments: Compiled, **options: Compiled) -> None:
        self._function, self._signature, self._options = function, types.int64(*arguments), options
        self.__module__ = function.__module__

    def __reduce__(self) -> str:
        """By its name: another process imports it."""
        return self._function.__qualname__

    @cached_property
    def _compiled(self) -> Compiled:
        return callback(self._signature, self._function, **self._options)

    @property
    def address(self) -> int:
        """The address of the machine code, for `call`."""
        return int(self._compiled.address)

    def __call__(self, *arguments: Compiled) -> int:
        return int(self._entry(*map(_passed, self._signature.args, arguments)))

    @cached_property
    def _entry(self) -> Compiled:
        kinds = {NUMBER: ctypes.c_double, COUNT: ctypes.c_int64}
        return ctypes.CFUNCTYPE(ctypes.c_int64, *(kinds.get(t, ctypes.c_void_p) for t in self._signature.args))(
            self.address
        )


def pointed(*arguments: Compiled, **options: Compiled) -> Callable[[Callable[..., int]], Pointed]:
    """A decorator that turns a function into a `Pointed`, from the types of its arguments and options of the compiler."""
    return lambda function: Pointed(function, *arguments, **options)


def _passed(kind: Compiled, value: Compiled) -> Compiled:
    if kind not in (DOUBLES, INTEGERS):
        return value
    if value.dtype != (np.float64 if kind == DOUBLES else np.int64) or not value.flags.c_contiguous:
        raise TypeError(f"a pointer to {kind.dtype}: got {value.dtype}, contiguous: {value.flags.c_contiguous}")
    return value.ctypes.data


@intrinsic
def call(typing, address, arguments):
    """Call the `Pointed` function at an address, inside compiled code; contiguous arrays are passed as pointers.

    The types are not checked: the arguments must match the signature of the function.
    """

    def code(context, builder, signature, values):
        kinds, given = signature.args[1].types, cgutils.unpack_tuple(builder, values[1])
        passed = [
            cgutils.create_struct_proxy(kind)(context, builder, value=value).data
            if isinstance(kind, types.Array)
            else context.cast(builder, value, kind, NUMBER if isinstance(kind, types.Float) else COUNT)
            for kind, value in zip(kinds, given, strict=True)
        ]
        function = ir.FunctionType(ir.IntType(64), [value.type for value in passed])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), passed)

    return types.int64(types.int64, arguments), code
