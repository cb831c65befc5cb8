"""Blocks of work in threads. Results come in the order of the blocks, so that sums have the same bits for any number of threads.

NumPy and the compiled kernels release the interpreter's lock while they compute. So threads can share the arrays, and nothing is
copied; only between NumPy's calls they wait for the lock.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import numpy as np

from .._validate import integer
from .team import BROKEN, SIZE

Item = TypeVar("Item")
Result = TypeVar("Result")

#: the environment variable with the default number of threads
VARIABLE = "EMFC_NUM_THREADS"
#: largest number of threads: more than any machine has processors
MOST = 1024
#: largest number of results per thread that are computed before the first of them is used
WAITING = 16
_one_team = Lock()


def _renew() -> None:
    """A new lock for a forked child: a thread of the parent may have held the old one, and does not exist in the child."""
    global _one_team
    _one_team = Lock()


if sys.platform != "win32":  # which has no fork
    os.register_at_fork(after_in_child=_renew)


def default_threads() -> int:
    """`EMFC_NUM_THREADS` if it is set, otherwise 1, since the many short calls of NumPy compete for the interpreter's lock."""
    given = os.environ.get(VARIABLE) or "1"
    return integer(VARIABLE, int(given) if given.isdecimal() else given)


@lru_cache
def _helpers(process: int, threads: int) -> SimpleQueue[Callable[[], None]]:
    """A queue that so many running threads serve. The process is in the key since a forked child lacks its parent's threads."""
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
    threads : number of threads; by default `default_threads()`. Results do not depend on it.
    """

    threads: int = field(default_factory=default_threads)

    def __post_init__(self) -> None:
        integer("threads", self.threads, maximum=MOST)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`function(item)` for every item, in order. Of several errors, that of the first item is raised.

        Items are taken in groups, so that only few results are in memory before they are used.
        """
        if self.threads == 1 or len(items) < 2:
            yield from map(function, items)
            return
        for start in range(0, len(items), WAITING * self.threads):
            yield from self._together(function, items[start : start + WAITING * self.threads])

    def _together(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """All results. The calling thread works too, and each thread takes the next item when it is free.

        So every thread is woken once, and not once per item.
        """
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
        """Run `kernel(member, members, sync, *arguments)`, compiled and without the interpreter's lock, in all threads at once.

        An exception in one member, or an interrupt, ends all members.
        Returns `sync`, with which the members wait for each other and take their tasks: see `team`.
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
            # The members of a team enter the queue together: if two teams mixed there, each could hold some of the threads and
            # wait for ever for the others.
            with _one_team:
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
        """Call `function(item)` for every item; the results are dropped."""
        for _ in self.map(function, items):
            pass


#: the calling thread alone
ONE = Workers(1)
