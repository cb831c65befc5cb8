"""Jobs in processes of this machine: if a worker dies, only its own job is lost, and a new worker replaces it."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from ..errors import ArgumentError
from ..fingerprint.origins import file_of
from ..kernels.blas_threads import one_thread
from ..run.case import see_modules
from ..storage.scheme_specs import CASE_PREFIX
from .store import Arguments, Entries, Result, as_result

P = ParamSpec("P")
R = TypeVar("R")

DIED = "a worker process died, killed by a signal or by the system when memory ran out"
NEVER_BEGAN = (
    "the worker processes died before they began (out of memory, or a script without `if __name__ == "
    "'__main__':`, since every worker runs the script again)"
)


def perform(function: Callable[..., Entries], arguments: Arguments) -> Result:
    """Run a job in this process; an exception becomes a result with an error."""
    with one_thread():
        try:
            return as_result(function(**arguments))
        except Exception as error:
            return failed(error)
        finally:
            see_modules()  # a case's modules may be edited before the next job


def perform_sent(data: bytes) -> Result:
    """Run a job that `sent` has packed; an exception, also from unpacking, becomes a result with an error."""
    try:
        function, arguments = pickle.loads(data)
    except Exception as error:
        return failed(error)
    return perform(function, arguments)


def failed(error: BaseException, reason: str = "") -> Result:
    """The result of a job that raised."""
    trace = "".join(traceback.format_exception(error))
    return Result({}, {}, f"{type(error).__name__}: {reason}{error}\n{trace}")


def sent(label: str, function: Callable[..., Entries], arguments: Arguments, fresh: bool = True) -> bytes:
    """A job packed for another process.

    Parameters
    ----------
    label : the name of the job in messages.
    function, arguments : the job.
    fresh : whether the other process is started anew, so that it has no definitions of an interactive session.

    Raises
    ------
    ArgumentError
        If another process cannot unpack it.
    """
    try:
        data = pickle.dumps((function, arguments))
        if CASE_PREFIX.encode() in data:
            raise pickle.PicklingError(
                "the job holds a function of a case file, which other processes cannot import as a module"
            )
        if fresh and b"__main__" in data and not _main_has_a_file():
            raise pickle.PicklingError(
                "the job holds a function or class that was typed in, or read from the standard input, and "
                "is not in any file"
            )
    except Exception as error:
        raise ArgumentError(
            f"workers: the job {label!r} cannot be sent to another process ({error}). Write the functions of "
            "the problem at the top level of a module (not as lambdas, and not inside other functions), or "
            "put the problem into a case file and use a study file, or run without workers"
        ) from None
    return data


def _main_has_a_file() -> bool:
    file = file_of(sys.modules["__main__"])
    return file is not None and os.path.isfile(file)


class Pool:
    """Worker processes; a worker that dies is replaced. It is a context manager; an interrupt ends the running jobs.

    Parameters
    ----------
    workers : the number of processes.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._begun = False

    def results(
        self, jobs: Iterator[tuple[str, bytes]], running: Callable[[int], None]
    ) -> Iterator[tuple[str, Result]]:
        """Names and results of packed jobs, as they arrive; the next job is taken from `jobs` when a worker is free.

        If a worker dies, the jobs that were running are run again one by one. A job fails if the worker dies while it runs
        alone.
        """
        alone: deque[tuple[str, bytes]] = deque()
        doing: dict[Future[Result], tuple[str, bytes]] = {}
        while True:
            while not alone and len(doing) < self.workers and (job := next(jobs, None)) is not None:
                self._submit(job, doing, alone)
            if alone and not doing:
                self._submit(alone.popleft(), doing, alone)
            if not doing:
                return
            running(len(doing))
            lonely = len(doing) == 1
            broken: list[tuple[str, bytes]] = []
            for future in wait(doing, return_when=FIRST_COMPLETED).done:
                job = doing.pop(future)
                try:
                    yield job[0], future.result()
                except BrokenExecutor:
                    broken.append(job)
                except Exception as error:
                    yield job[0], failed(error)
            if not broken:
                continue
            broken += doing.values()  # all running jobs break together with the first
            doing.clear()
            self._end()
            if not self._begun and not self._begins():
                yield from ((name, Result({}, {}, NEVER_BEGAN)) for name, _ in (*broken, *alone, *jobs))
                return
            if lonely:
                yield broken[0][0], Result({}, {}, DIED)
            else:
                alone.extend(broken)

    def _submit(
        self, job: tuple[str, bytes], doing: dict[Future[Result], tuple[str, bytes]], later: deque[tuple[str, bytes]]
    ) -> None:
        try:
            doing[self._started(perform_sent, job[1])] = job
        except BrokenExecutor:  # a worker has died while it was idle, or its death has not been noticed yet
            if not doing:
                self._end()
            later.append(job)

    def _started(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        with _main_without_a_file():
            return self._living().submit(function, *arguments, **named)

    def _living(self) -> ProcessPoolExecutor:
        if self._executor is None:
            from multiprocessing import get_context

            # New processes, no forks: a fork of a process with threads may hang, and inherits its state.
            self._executor = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_follow_the_parent
            )
        return self._executor

    def _begins(self) -> bool:
        """Whether a worker starts at all."""
        try:
            self._started(os.getpid).result()
        except BrokenExecutor:
            self._end()
            return False
        self._begun = True
        return True

    def _end(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        if kind is not None and self._executor is not None:
            for process in list((self._executor._processes or {}).values()):
                process.terminate()  # running jobs are lost, finished ones are stored
        self._end()


@contextmanager
def _main_without_a_file() -> Iterator[None]:
    """Prevent new processes from reading the main script again if it is not a file, such as the standard input."""
    main = vars(sys.modules["__main__"])
    if "__file__" not in main or _main_has_a_file():
        yield
        return
    file = main.pop("__file__")
    try:
        yield
    finally:
        main["__file__"] = file


def _follow_the_parent() -> None:
    """For a worker: ignore interrupts, which the parent handles, and end if the parent is killed."""
    import signal
    import threading
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
