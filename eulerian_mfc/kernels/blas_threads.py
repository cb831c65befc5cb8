"""Linear algebra in one thread while jobs run: sums are then taken in one order, whichever executor runs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

# The limit is the process's, not a thread's: the first job in sets it, the last one out takes it back. Both are done by
# one thread of our own, for threadpoolctl lets only the thread that has set a limit change it.
_lock, _keeper = threading.Lock(), ThreadPoolExecutor(1, thread_name_prefix="emfc-blas-limit")
_inside = 0
_limits: list[Any] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS at one thread in this process."""
    global _inside
    with _lock:
        if not _inside:
            _keeper.submit(_limit).result()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _keeper.submit(_release).result()


def _limit() -> None:
    from threadpoolctl import threadpool_limits

    limits = threadpool_limits(limits=1)
    limits.__enter__()
    _limits.append(limits)


def _release() -> None:
    _limits.pop().__exit__(None, None, None)
