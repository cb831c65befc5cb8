"""The compiler of the kernels: Numba, with a cache on disk that may fail.

Numba alone refuses to define a kernel if it cannot write to any folder, and ends a run if a file of its cache is damaged or the
disk is full. Here the cache is only a convenience: without it everything works, and a warning says what it costs.

If `NUMBA_DISABLE_JIT` is set, nothing can be computed: the kernels use machine instructions (counters, pointers, vectors) that
Python does not have. The first call of a kernel then raises an error that says so.
"""

from __future__ import annotations

import hashlib
import os
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import numba
from numba.core import config, sigutils
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.registry import CPUDispatcher

from ..errors import EulerianError, KernelCacheWarning

#: a signature, a compiled function or an option of Numba, which has no types
Compiled: TypeAlias = Any

DISABLED = (
    "the environment variable NUMBA_DISABLE_JIT is set, but the kernels of eulerian_mfc run only if they are "
    "compiled: unset this variable. To debug your own functions, remove Numba's decorators from them instead"
)
_told: set[str] = set()


class Kept(FunctionCache):  # type: ignore[misc]  # Numba has no types
    """Numba's cache of one kernel, which may fail: a damaged entry is compiled again, and a full disk causes a warning."""

    def load_overload(self, sig: Compiled, target_context: Compiled) -> Compiled:
        """The compiled kernel of a signature, or None if the cache does not have a usable one."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged file may raise anything: the kernel's entries are removed and written again
            with suppress(OSError):
                self.flush()
            return None

    def _index_key(self, sig: Compiled, codegen: Compiled) -> Compiled:
        """With the code of the functions in the closure, where Numba takes numbers that differ from process to process."""
        cells = [cell.cell_contents for cell in self._py_func.__closure__ or ()]
        if not any(isinstance(cell, CPUDispatcher) for cell in cells):
            return super()._index_key(sig, codegen)
        hashes = [hashlib.sha256(_content(part)).hexdigest() for part in (self._py_func.__code__, *cells)]
        return sig, codegen.magic_tuple(), tuple(hashes)

    def save_overload(self, sig: Compiled, data: Compiled) -> None:
        """Store the compiled kernel of a signature."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell(f"they cannot be written to {self.cache_path}: {error.strerror or error}")


def njit(**options: Compiled) -> Callable[[Callable[..., Compiled]], Compiled]:
    """Numba's decorator `njit`, with this cache."""

    def compiled(function: Callable[..., Compiled]) -> Compiled:
        if config.DISABLE_JIT:
            return _refuse
        return _kept(numba.njit(**options)(function), function)

    return compiled


class WithFormula:
    """A kernel that a formula is compiled into, and cached with; as plain Python where Numba cannot compile the formula.

    `make(formula)` returns the kernel's Python function, in which the formula is a variable of the closure.
    """

    def __init__(
        self, make: Callable[[Compiled], Callable[..., None]], formula: Callable[..., float], **options: Compiled
    ) -> None:
        self._plain = make(formula)
        inlined = numba.njit(inline="always", **{k: v for k, v in options.items() if k != "nogil"})
        self._compiled: Compiled = njit(**options)(make(formula if config.DISABLE_JIT else inlined(formula)))

    def __call__(self, *arguments: Compiled) -> None:
        if self._compiled is not None:
            try:
                return self._compiled(*arguments)
            except EulerianError:
                raise
            except Exception:  # whatever the compiler raises; what the formula itself raises, it raises below too
                self._compiled = None
        return self._plain(*arguments)


def _content(value: Compiled) -> bytes:
    """What a kernel's variable computes: of functions their code, file and plain global values; the same in every process."""
    if isinstance(value, CPUDispatcher):
        return _content(value.py_func)
    if isinstance(value, types.CodeType):
        parts = [value.co_code, *map(_content, value.co_consts), repr((value.co_names, value.co_varnames)).encode()]
        return b"|".join(parts)
    if isinstance(value, tuple):
        return b",".join(map(_content, value))
    if isinstance(value, types.FunctionType):
        code, names = value.__code__, value.__globals__
        used = {name: names[name] for name in sorted(code.co_names) if name in names}
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        inside = [_stamp(code.co_filename), code, *used.values(), *cells, *(value.__defaults__ or ())]
        return b"&".join(map(_content, inside))
    return repr(value).encode() if isinstance(value, _PLAIN) else type(value).__qualname__.encode()


_PLAIN = int, float, complex, bool, str, bytes, type(None)


def _stamp(file: str) -> tuple[float, int]:
    """Of a source file; zeros where there is none, as in a session."""
    try:
        found = os.stat(file)
    except OSError:
        return 0.0, 0
    return found.st_mtime, found.st_size


def _refuse(*arguments: Compiled) -> Compiled:
    """The replacement of every kernel if Numba is not allowed to compile."""
    raise EulerianError(DISABLED)


def callback(signature: Compiled, function: Callable[..., Compiled], **options: Compiled) -> Compiled:
    """A function compiled as by Numba's `cfunc`, with this cache: machine code at an address."""
    if config.DISABLE_JIT:
        raise EulerianError(DISABLED)
    kernel = _kept(CFunc(function, sigutils.normalize_signature(signature), locals={}, options=options), function)
    kernel.compile()
    return kernel


def _kept(kernel: Compiled, function: Callable[..., Compiled]) -> Compiled:
    """The kernel, with a cache if there is a folder for it that can be written to."""
    try:
        kernel._cache = Kept(function)
    except RuntimeError as error:
        if "no locator" not in str(error):
            raise
        _tell("the package has found no folder in which it may write them")
    return kernel


def _tell(reason: str) -> None:
    """Warn once per process, not once per kernel."""
    if not _told:
        _told.add(reason)
        # The cause is not in the user's program, so that the warning names the package and not a line of that program.
        warnings.warn_explicit(
            "compiled kernels are not stored on disk, and every process compiles them again (ten to thirty "
            f"seconds): {reason}. {advice()}",
            KernelCacheWarning,
            "eulerian_mfc",
            1,
        )


def advice() -> str:
    """The advice for users whose compiled kernels cannot be kept."""
    return "Set the environment variable NUMBA_CACHE_DIR to a folder in which you may write. The variable is " + (
        repr(config.CACHE_DIR) if config.CACHE_DIR else "not set"
    )
