"""BLAS in one thread while jobs run, so that sums are taken in the same order, whichever executor runs the jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

# The limit holds for the process, not for one thread: the first job sets it, and the last one removes it. A separate thread
# does both, since threadpoolctl allows only the thread that has set a limit to change it.
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
