"""The compiler of the kernels: Numba, with a cache on disk that may fail.

Numba alone refuses to define a kernel if it cannot write to any folder, and ends a run if a file of its cache is damaged or the
disk is full. Here the cache is only a convenience: without it everything works, and a warning says what it costs.

If `NUMBA_DISABLE_JIT` is set, nothing can be computed: the kernels use machine instructions (counters, pointers, vectors) that
Python does not have. The first call of a kernel then raises an error that says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core import config, sigutils
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from ..errors import EulerianError, KernelCacheWarning

DISABLED = (
    "the environment variable NUMBA_DISABLE_JIT is set, and the kernels of eulerian_mfc run compiled only: unset it, and leave "
    "Numba's decorators out of the functions of your own that you want to debug"
)
_told: set[str] = set()


class Kept(FunctionCache):  # type: ignore[misc]  # Numba has no types
    """Numba's cache of one kernel, which may fail: a damaged entry is compiled again, and a full disk causes a warning."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel of a signature, or None if the cache does not have a usable one."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged file may raise anything: the kernel's entries are removed and written again
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the compiled kernel of a signature."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell(f"{self.cache_path} does not take them: {error.strerror or error}")


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's decorator `njit`, with this cache."""

    def compiled(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:
            return _refuse
        return _kept(numba.njit(**options)(function), function)

    return compiled


def _refuse(*arguments: Any) -> Any:
    """The replacement of every kernel if Numba is not allowed to compile."""
    raise EulerianError(DISABLED)


def callback(signature: Any, function: Callable[..., Any], **options: Any) -> Any:
    """A function compiled as by Numba's `cfunc`, with this cache: machine code at an address."""
    if config.DISABLE_JIT:
        raise EulerianError(DISABLED)
    kernel = _kept(CFunc(function, sigutils.normalize_signature(signature), locals={}, options=options), function)
    kernel.compile()
    return kernel


def _kept(kernel: Any, function: Callable[..., Any]) -> Any:
    """The kernel, with a cache if there is a folder for it that can be written to."""
    try:
        kernel._cache = Kept(function)
    except RuntimeError as error:
        if "no locator" not in str(error):
            raise
        _tell("no folder for them can be written to")
    return kernel


def _tell(reason: str) -> None:
    """Warn once per process, not once per kernel."""
    if not _told:
        _told.add(reason)
        # The cause is not in the user's program, so that the warning names the package and not a line of that program.
        warnings.warn_explicit(
            f"compiled kernels are not kept, and every process compiles them again (ten to thirty seconds): {reason}. {advice()}",
            KernelCacheWarning,
            "eulerian_mfc",
            1,
        )


def advice() -> str:
    """The advice for users whose compiled kernels cannot be kept."""
    return "Set the environment variable NUMBA_CACHE_DIR to a folder that you may write to; it is " + (
        repr(config.CACHE_DIR) if config.CACHE_DIR else "not set"
    )
