"""Independent jobs, run by any executor, each result kept as it comes."""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._validate import fail, integer
from ..address import address
from ..errors import ArgumentError
from .progress import Progress, Silent
from .single_thread import one_thread
from .store import Claim, Result, Store, as_result

DIED = "a worker process died (out of memory, or a script without `if __name__ == '__main__':`)"
#: seconds between two looks at jobs that another study is doing
WAIT = 0.2
#: jobs that are claimed at once: each holds a file open
LARGEST_BATCH = 200


class Job(NamedTuple):
    """One independent computation, `function(**arguments)`, which returns a dict of numbers, words and arrays.

    Attributes
    ----------
    function : of a module, so that another process can import it.
    arguments : what it is called with, sent to the worker.
    label : what to call it in messages.
    identity : what its result depends on, hashed into its address; the arguments where not given.
    """

    function: Callable[..., dict[str, Any]]
    arguments: dict[str, Any]
    label: str
    identity: Any = None

    @property
    def address(self) -> str:
        """64 hexadecimal digits that name the computation; see `address.address`."""
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        return address(name, self.arguments if self.identity is None else self.identity)


def perform(function: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> Result:
    """Run a job where it stands; what it raises is its result too."""
    with one_thread():
        try:
            return as_result(function(**arguments))
        except Exception as error:
            return Result({}, {}, f"{type(error).__name__}: {error}\n{traceback.format_exc()}")


def run_jobs(
    jobs: Sequence[Job],
    *,
    folder: Any = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """Run jobs and return their results in the jobs' order; those that `folder` holds already are not run again.

    Parameters
    ----------
    jobs : independent of each other; equal ones run once.
    folder : where each result is written as it finishes, by its address; nothing is written where not given.
    executor : any `concurrent.futures.Executor`, such as `dask.distributed.Client(address).get_executor()`.
    workers : instead of an executor, so many processes; without both, the jobs run one after the other here.
    progress : told what is done, running and failed.

    A job that raises is recorded with its error, and does not end the others. An interrupt does, and loses only the jobs
    that were running. A job's values do not depend on who ran it. Studies that share a folder at the same time do each job
    once (on systems with file locks): what another is doing is waited for, and taken over if it dies.

    Raises
    ------
    ArgumentError
        If processes were asked for and a job cannot be sent to one.
    """
    if executor is not None and workers is not None:
        raise fail("workers", workers, "none where an executor is given: it has its own")
    if executor is not None and not isinstance(executor, Executor):
        raise fail("executor", executor, "a concurrent.futures.Executor, such as Client(...).get_executor()")
    store = None if folder is None else Store(folder)
    addresses = [job.address for job in jobs]
    unique = dict(zip(addresses, jobs, strict=True))
    done = {} if store is None else {a: r for a in unique if (r := store.get(a)) is not None}
    pending = {a: job for a, job in unique.items() if a not in done}
    progress = progress or Silent()
    progress.start(len(unique), len(done))
    claims: dict[str, Claim] = {}
    try:
        with _executor(executor, workers, list(pending.values())) as chosen:
            while left := {a: job for a, job in pending.items() if a not in done}:
                before = len(done)
                for found, result in _results(chosen, left, progress, _Claimer(store, claims)):
                    done[found] = result
                    if store is not None and result.error is not None:
                        store.put_failure(found, pending[found].label, result.error)
                    elif store is not None and found in claims:
                        store.put(found, result)
                    if found in claims:
                        claims.pop(found).release()
                    progress.finished(pending[found].label, result.error)
                if len(done) == before:
                    time.sleep(WAIT)  # what is left is another study's work
    finally:
        for claim in claims.values():
            claim.release()
        progress.stop()
    return [done[a] for a in addresses]


class _Claimer:
    """Claims jobs, so that studies that share a folder do each job once."""

    def __init__(self, store: Store | None, claims: dict[str, Claim]) -> None:
        self._store, self._claims = store, claims

    def __call__(self, address: str) -> Result | bool:
        """The result where another study has stored it by now, whether the job is ours to do where not."""
        if self._store is None:
            return True
        claim = self._store.claim(address) if len(self._claims) < LARGEST_BATCH else None
        if claim is None:
            return False
        known = self._store.get(address)
        if known is not None:
            claim.release()
            return known
        self._claims[address] = claim
        return True


def _results(
    executor: Executor | None, jobs: dict[str, Job], progress: Progress, claimed: _Claimer
) -> Iterator[tuple[str, Result]]:
    """Addresses and results as they come, of those jobs that nobody else is doing."""
    if executor is None:
        for found, job in jobs.items():
            ours = claimed(found)
            if isinstance(ours, Result):
                yield found, ours
            elif ours:
                progress.running(1)
                yield found, perform(job.function, job.arguments)
        return
    futures: dict[Future[Result], str] = {}
    try:
        for found, job in jobs.items():
            ours = claimed(found)
            if isinstance(ours, Result):
                yield found, ours
                continue
            if not ours:
                continue
            futures[executor.submit(perform, job.function, job.arguments)] = found
        width = getattr(executor, "_max_workers", None) or len(futures)
        progress.running(min(width, len(futures)))
        for k, future in enumerate(as_completed(futures)):
            try:
                result = future.result()
            except BrokenExecutor as error:
                result = Result({}, {}, f"{type(error).__name__}: {DIED}: {error}")
            except Exception as error:
                result = Result({}, {}, f"{type(error).__name__}: {error}")
            yield futures[future], result
            progress.running(min(width, len(futures) - k - 1))
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _executor(executor: Executor | None, workers: int | None, jobs: list[Job]) -> Iterator[Executor | None]:
    """The executor to use: the caller's stays open, our own is closed, at once where the study is interrupted."""
    if executor is None and (workers is None or integer("workers", workers) == 1 or not jobs):
        yield None
        return
    if isinstance(executor, ProcessPoolExecutor) or executor is None:
        for job in jobs:
            _check_portable(job)
    if executor is not None:
        yield executor
        return
    from multiprocessing import get_context

    # Fresh processes: forks of one that has threads may hang, and inherit its state.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_follow_the_parent)
    try:
        yield pool
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()  # what was running is lost, what was done is stored
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_the_parent() -> None:
    """In a worker: interrupts are the parent's business, and a parent that was killed leaves no workers behind."""
    import os
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


def _check_portable(job: Job) -> None:
    try:
        if b"emfc_case_" in pickle.dumps((job.function, job.arguments)):
            raise pickle.PicklingError("it holds a function of a case file, which is no module")
    except Exception as error:
        raise ArgumentError(
            f"workers: the job {job.label!r} cannot be sent to another process ({error}). Write the functions of the "
            "problem at the top level of a module (not lambdas, nor inside other functions), or put the problem into a "
            "case file and use a study file, or run without workers"
        ) from None
