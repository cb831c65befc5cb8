"""The compiler of the kernels: Numba's, which keeps them on disk where anything can be kept there.

Numba refuses to define a kernel where no folder can be written to, and ends a run where a file of its cache is damaged, or where
the disk is full. Here the cache is a convenience: without it everything works, and a warning says what it costs.

With `NUMBA_DISABLE_JIT` nothing can be computed: the kernels use machine instructions (counters, pointers, vectors) that Python
does not have, and the compiler itself needs functions that are then not compiled. The first call of a kernel says so.
"""

from __future__ import annotations

import hashlib
import os
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core import config, sigutils
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.registry import CPUDispatcher

from ..errors import EulerianError, KernelCacheWarning

DISABLED = (
    "the environment variable NUMBA_DISABLE_JIT is set, and the kernels of eulerian_mfc run compiled only: unset it, and leave "
    "Numba's decorators out of the functions of your own that you want to debug"
)
_told: set[str] = set()


class Kept(FunctionCache):  # type: ignore[misc]  # Numba has no types
    """Numba's cache of one kernel: what cannot be read is compiled anew, what cannot be written is not kept."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel of a signature, None where there is none that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever reading a damaged file raises: the kernel's entries are written anew
            with suppress(OSError):
                self.flush()
            return None

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        """With the code of the functions in the closure, where Numba takes numbers that differ from process to process."""
        cells = [cell.cell_contents for cell in self._py_func.__closure__ or ()]
        if not any(isinstance(cell, CPUDispatcher) for cell in cells):
            return super()._index_key(sig, codegen)
        hashes = [hashlib.sha256(_content(part)).hexdigest() for part in (self._py_func.__code__, *cells)]
        return sig, codegen.magic_tuple(), tuple(hashes)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell(f"{self.cache_path} does not take them: {error.strerror or error}")


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's decorator of that name, with a cache."""

    def compiled(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:
            return _refuse
        return _kept(numba.njit(**options)(function), function)

    return compiled


class WithFormula:
    """A kernel that a formula is compiled into, and cached with; as plain Python where Numba cannot compile the formula.

    `make(formula)` returns the kernel's Python function, in which the formula is a variable of the closure.
    """

    def __init__(
        self, make: Callable[[Any], Callable[..., None]], formula: Callable[..., float], **options: Any
    ) -> None:
        self._plain = make(formula)
        inlined = numba.njit(inline="always", **{k: v for k, v in options.items() if k != "nogil"})
        self._compiled: Any = njit(**options)(make(formula if config.DISABLE_JIT else inlined(formula)))

    def __call__(self, *arguments: Any) -> None:
        if self._compiled is not None:
            try:
                return self._compiled(*arguments)
            except EulerianError:
                raise
            except Exception:  # whatever the compiler raises; what the formula itself raises, it raises below too
                self._compiled = None
        return self._plain(*arguments)


def _content(value: Any) -> bytes:
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


def _refuse(*arguments: Any) -> Any:
    """What stands for a kernel where Numba may not compile."""
    raise EulerianError(DISABLED)


def callback(signature: Any, function: Callable[..., Any], **options: Any) -> Any:
    """What Numba's `cfunc` makes of a function, with a cache: code at an address."""
    if config.DISABLE_JIT:
        raise EulerianError(DISABLED)
    kernel = _kept(CFunc(function, sigutils.normalize_signature(signature), locals={}, options=options), function)
    kernel.compile()
    return kernel


def _kept(kernel: Any, function: Callable[..., Any]) -> Any:
    """The kernel, with a cache where some folder can be written to."""
    try:
        kernel._cache = Kept(function)
    except RuntimeError as error:
        if "no locator" not in str(error):
            raise
        _tell("no folder for them can be written to")
    return kernel


def _tell(reason: str) -> None:
    """Warn once, not for every kernel."""
    if not _told:
        _told.add(reason)
        # No line of the user's program is at fault: the warning names the package.
        warnings.warn_explicit(
            f"compiled kernels are not kept, and every process compiles them again (ten to thirty seconds): {reason}. {advice()}",
            KernelCacheWarning,
            "eulerian_mfc",
            1,
        )


def advice() -> str:
    """What to do where compiled kernels cannot be kept."""
    return "Set the environment variable NUMBA_CACHE_DIR to a folder that you may write to; it is " + (
        repr(config.CACHE_DIR) if config.CACHE_DIR else "not set"
    )
