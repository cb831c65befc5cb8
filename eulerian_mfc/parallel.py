"""Blocks of work in threads: results come in the order of the blocks, so that sums have the same bits for any number of threads.

NumPy and the compiled kernels release the interpreter's lock while they compute, so that threads share the arrays and nothing
is copied; between NumPy's calls they wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from ._team import SIZE
from ._validate import integer

Item = TypeVar("Item")
Result = TypeVar("Result")

#: the environment variable that sets the number of threads where no argument does
VARIABLE = "EMFC_NUM_THREADS"
#: results a thread that wait at most before they are used
WAITING = 16
_one_team = Lock()


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
        """`function(item)` for every item, in their order; few results wait at a time. Of several errors the first is raised."""
        if self.threads == 1 or len(items) < 2:
            yield from map(function, items)
            return
        for start in range(0, len(items), WAITING * self.threads):
            yield from self._together(function, items[start : start + WAITING * self.threads])

    def _together(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """All results; the caller works too, and whoever is free takes the next item: one wake-up a thread, not an item."""
        results: list[Any] = [None] * len(items)
        errors: dict[int, BaseException] = {}
        following = count()

        def work() -> None:
            while not errors and (i := next(following)) < len(items):
                try:
                    results[i] = function(items[i])
                except BaseException as error:
                    errors[i] = error

        pool = _pool(os.getpid(), self.threads - 1)
        others = [pool.submit(work) for _ in range(min(self.threads, len(items)) - 1)]
        work()
        for other in others:
            other.result()
        if errors:
            raise errors[min(errors)]
        return results

    def together(self, kernel: Callable[..., Any], *arguments: Any) -> np.ndarray:
        """`kernel(member, members, sync, *arguments)`, compiled and without the interpreter's lock, in all threads at once.

        Returns `sync`, by which the members meet and take their tasks: see `_team`.
        """
        sync = np.zeros(SIZE, np.int64)
        if self.threads == 1:
            kernel(0, 1, sync, *arguments)
            return sync
        pool = _pool(os.getpid(), self.threads - 1)
        with _one_team:  # members wait for each other: those of two teams must not take each other's threads
            others = [pool.submit(kernel, i, self.threads, sync, *arguments) for i in range(1, self.threads)]
        kernel(0, self.threads, sync, *arguments)
        for other in others:
            other.result()
        return sync

    def run(self, function: Callable[[Item], Any], items: Sequence[Item]) -> None:
        """`function(item)` for every item, for what it writes."""
        for _ in self.map(function, items):
            pass


#: no threads but the caller's
ONE = Workers(1)
