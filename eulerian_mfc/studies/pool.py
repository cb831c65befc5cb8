"""Jobs in processes of this machine: a worker that dies costs its own job, and new ones take the place of the old."""

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
from .store import Arguments, Entries, Result, as_result

P = ParamSpec("P")
R = TypeVar("R")

DIED = "a worker process died, killed by a signal or by the system when memory ran out"
NEVER_BEGAN = (
    "the worker processes died before they began (out of memory, or a script without `if __name__ == '__main__':`, which every "
    "worker reads)"
)


def perform(function: Callable[..., Entries], arguments: Arguments) -> Result:
    """Run a job where it stands; what it raises is its result too."""
    with one_thread():
        try:
            return as_result(function(**arguments))
        except Exception as error:
            return failed(error)
        finally:
            see_modules()  # the next job may find a case's modules edited


def perform_sent(data: bytes) -> Result:
    """Run a job that `sent` has packed; what keeps it from being unpacked is its result too."""
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
    label : what the job is called in messages.
    function, arguments : the job.
    fresh : whether the other process starts from nothing, so that it does not know what was typed in here.

    Raises
    ------
    ArgumentError
        If another process cannot unpack it.
    """
    try:
        data = pickle.dumps((function, arguments))
        if b"emfc_case_" in data:
            raise pickle.PicklingError("it holds a function of a case file, which is no module")
        if fresh and b"__main__" in data and not _main_has_a_file():
            raise pickle.PicklingError(
                "it holds a function or class that was typed in, or read from the standard input, which is in no file"
            )
    except Exception as error:
        raise ArgumentError(
            f"workers: the job {label!r} cannot be sent to another process ({error}). Write the functions of the "
            "problem at the top level of a module (not lambdas, nor inside other functions), or put the problem into a "
            "case file and use a study file, or run without workers"
        ) from None
    return data


def _main_has_a_file() -> bool:
    file = file_of(sys.modules["__main__"])
    return file is not None and os.path.isfile(file)


class Pool:
    """Some processes, and new ones where one of them dies. A context; an interrupt ends what is running.

    Parameters
    ----------
    workers : how many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._begun = False

    def results(
        self, jobs: Iterator[tuple[str, bytes]], running: Callable[[int], None]
    ) -> Iterator[tuple[str, Result]]:
        """Names and results of packed jobs, as they come; `jobs` is asked for the next one when a worker is free.

        Where a worker dies, the jobs that were running are run again one by one: the one that is alone with a worker that
        dies is the one that fails.
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
            broken += doing.values()  # they break with the first
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
        except (
            BrokenExecutor
        ):  # a worker has died while it had nothing to do, or we have not seen yet that one has died
            if not doing:
                self._end()
            later.append(job)

    def _started(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        with _main_without_a_file():
            return self._living().submit(function, *arguments, **named)

    def _living(self) -> ProcessPoolExecutor:
        if self._executor is None:
            from multiprocessing import get_context

            # Fresh processes: forks of one that has threads may hang, and inherit its state.
            self._executor = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_follow_the_parent
            )
        return self._executor

    def _begins(self) -> bool:
        """Whether a worker comes to life at all."""
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
            for process in list((getattr(self._executor, "_processes", None) or {}).values()):
                process.terminate()  # what was running is lost, what was done is stored
        self._end()


@contextmanager
def _main_without_a_file() -> Iterator[None]:
    """Keep new processes from reading a script again that is no file, such as the standard input."""
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
    """In a worker: interrupts are the parent's business, and a parent that was killed leaves no workers behind."""
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
