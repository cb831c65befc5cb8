"""Blocks of work in threads: results come in the order of the blocks, so that sums have the same bits for any number of threads.

NumPy and the compiled kernels release the interpreter's lock while they compute, so that threads share the arrays and nothing
is copied; between NumPy's calls they wait for it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from ._validate import integer

Item = TypeVar("Item")
Result = TypeVar("Result")

#: the environment variable that sets the number of threads where no argument does
VARIABLE = "EMFC_NUM_THREADS"


def default_threads() -> int:
    """`EMFC_NUM_THREADS` where it is set, else 1: the many short calls of NumPy contend for the interpreter's lock."""
    given = os.environ.get(VARIABLE) or "1"
    return integer(VARIABLE, int(given) if given.isdecimal() else given)


@lru_cache(maxsize=8)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """A pool of this process: a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="emfc")


@dataclass(frozen=True)
class Workers:
    """Threads that work on blocks.

    Parameters
    ----------
    threads : how many; by default `default_threads()`. Results do not depend on it.
    """

    threads: int = field(default_factory=default_threads)

    def __post_init__(self) -> None:
        integer("threads", self.threads)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`function(item)` for every item, in their order; few results wait at a time."""
        if self.threads == 1 or len(items) < 2:
            yield from map(function, items)
            return
        pool = _pool(os.getpid(), self.threads)
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                if len(waiting) > self.threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # after an error: none of ours may go on in arrays that the caller has left
                future.cancel()
            for future in waiting:
                if not future.cancelled():
                    future.exception()

    def run(self, function: Callable[[Item], Any], items: Sequence[Item]) -> None:
        """`function(item)` for every item, for what it writes."""
        for _ in self.map(function, items):
            pass


#: no threads but the caller's
ONE = Workers(1)
