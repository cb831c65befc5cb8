"""Blocks of work in threads: results come in the order of the blocks, so that sums have the same bits for any number of threads.

NumPy and the compiled kernels release the interpreter's lock while they compute, so that threads share the arrays and nothing
is copied; between NumPy's calls they wait for it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import numpy as np

from .._validate import fail, integer
from .team import BROKEN, SIZE

Item = TypeVar("Item")
Result = TypeVar("Result")

#: the environment variable that sets the number of threads where no argument does
VARIABLE = "EMFC_NUM_THREADS"
#: threads at most: more than any machine has processors for
MOST = 1024
#: results a thread that wait at most before they are used
WAITING = 16
_one_team = Lock()


def _renew() -> None:
    """In a forked child: another thread may have held the lock."""
    global _one_team
    _one_team = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def default_threads() -> int:
    """`EMFC_NUM_THREADS` where it is set, else 1: the many short calls of NumPy contend for the interpreter's lock."""
    given = os.environ.get(VARIABLE) or "1"
    return integer(VARIABLE, int(given) if given.isdecimal() else given)


@lru_cache
def _helpers(process: int, threads: int) -> SimpleQueue[Callable[[], None]]:
    """A queue that so many threads serve, all of them started, of this process: a forked child has none of its parent's."""
    tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
    for _ in range(threads):
        Thread(target=_serve, args=(tasks,), name="emfc", daemon=True).start()
    return tasks


def _serve(tasks: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        tasks.get()()


@dataclass(frozen=True)
class Workers:
    """Threads that work on blocks.

    Parameters
    ----------
    threads : how many; by default `default_threads()`. Results do not depend on it.
    """

    threads: int = field(default_factory=default_threads)

    def __post_init__(self) -> None:
        if integer("threads", self.threads) > MOST:
            raise fail("threads", self.threads, f"at most {MOST}")

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
        left, done = deque(range(len(items))), SimpleQueue[int]()

        def work() -> None:
            while True:
                try:
                    i = left.popleft()
                except IndexError:
                    return
                try:
                    if not errors:
                        results[i] = function(items[i])
                except BaseException as error:
                    errors[i] = error
                finally:
                    done.put(i)

        tasks = _helpers(os.getpid(), self.threads - 1)
        for _ in range(min(self.threads, len(items)) - 1):
            tasks.put(work)
        work()
        for _ in items:
            done.get()
        if errors:
            raise errors[min(errors)]
        return results

    def together(self, kernel: Callable[..., Any], *arguments: Any) -> np.ndarray:
        """`kernel(member, members, sync, *arguments)`, compiled and without the interpreter's lock, in all threads at once.

        An exception in one member, or an interrupt, ends all.
        Returns `sync`, by which the members meet and take their tasks: see `_team`.
        """
        sync = np.zeros(SIZE + self.threads, np.int64)
        if self.threads == 1:
            kernel(0, 1, sync, *arguments)
            return sync
        done = SimpleQueue[BaseException | None]()

        def member(i: int) -> None:
            try:
                kernel(i, self.threads, sync, *arguments)
                done.put(None)
            except BaseException as error:
                sync[BROKEN] = 1
                done.put(error)

        tasks = _helpers(os.getpid(), self.threads - 1)
        try:
            with _one_team:  # members wait for each other: those of two teams must not take each other's threads
                for i in range(1, self.threads):
                    tasks.put(partial(member, i))
            kernel(0, self.threads, sync, *arguments)
            for error in [done.get() for _ in range(1, self.threads)]:
                if error is not None:
                    raise error
        except BaseException:
            sync[BROKEN] = 1
            raise
        return sync

    def run(self, function: Callable[[Item], Any], items: Sequence[Item]) -> None:
        """`function(item)` for every item, for what it writes."""
        for _ in self.map(function, items):
            pass


#: no threads but the caller's
ONE = Workers(1)
