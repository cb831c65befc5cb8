"""Independent jobs, run by any executor; each result is stored as soon as it arrives."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from .._validate import fail, integer
from ..errors import ArgumentError, EulerianError
from ..files.locks import Claim
from ..fingerprint.fingerprint import Fingerprints
from ..kernels.threads import MOST
from .job import Job
from .looks import Kept, doubt
from .pool import DIED, Pool, failed, perform, perform_sent, sent
from .progress import Progress, Silent
from .store import Result, Store

#: seconds between two checks of jobs that another study is running
WAIT = 0.2
#: largest number of jobs that are claimed at the same time: each claim holds a file open
LARGEST_BATCH = 200


def run_jobs(
    jobs: Sequence[Job],
    *,
    folder: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """Run jobs and return their results in the order of the jobs; results that `folder` holds already are not computed again.

    Parameters
    ----------
    jobs : the jobs, independent of each other; equal jobs run once.
    folder : the folder in which each result is stored under its fingerprint when it is ready; by default nothing is written.
    executor : any `concurrent.futures.Executor`, such as `dask.distributed.Client(address).get_executor()`.
    workers : number of processes, instead of an executor; without both, the jobs run one after the other in this process.
    progress : is notified of finished, running and failed jobs.

    A job that raises, or whose process is killed, is recorded with its error and does not end the others. An interrupt ends
    all jobs; only those that were running are lost. The result of a job does not depend on the process that ran it. Studies that
    share a folder at the same time run each job once (on systems with file locks): a study waits for jobs of another study,
    and takes them over if that study dies. The first result from the folder, and the first from another process, is
    checked: its cost at its control is evaluated again in this process.

    Raises
    ------
    ArgumentError
        If a job cannot be sent to another process; if there is a folder and the fingerprint of a job cannot be computed.
    EulerianError
        If other processes compute something else than this process would.

    Warns
    -----
    StoredResultWarning
        If the stored results differ from what this process would compute; none of them is used then.

    Examples
    --------
    >>> [result.values for result in run_jobs([Job(dict, {"x": k}, f"job {k}") for k in (1, 2)])]
    [{'x': 1}, {'x': 2}]
    """
    if executor is not None and workers is not None:
        raise fail("workers", workers, "None, since an executor is given, which has its own workers")
    if executor is not None and not isinstance(executor, Executor):
        raise fail("executor", executor, "a concurrent.futures.Executor, such as Client(...).get_executor()")
    store = None if folder is None else Store(folder)
    fingerprints = _fingerprints(jobs, store is not None)
    unique = dict(zip(fingerprints, jobs, strict=True))
    kept = Kept(store, unique)
    done = kept.done()
    pending = {a: job for a, job in unique.items() if a not in done}
    progress = progress or Silent()
    progress.start(len(unique), len(done))
    claims: dict[str, Claim] = {}
    looked = isinstance(executor, ThreadPoolExecutor)  # its threads belong to this process: no check is needed
    try:
        with _executor(executor, workers, list(pending.values())) as chosen:
            while left := {a: job for a, job in pending.items() if a not in done}:
                before = len(done)
                for found, result in _results(chosen, left, progress, _Claimer(store, kept, claims)):
                    if not looked and result.error is None and chosen is not None:
                        _same_here(unique[found], result)
                        looked = True
                    done[found] = result
                    if store is not None and result.error is not None:
                        store.put_failure(found, pending[found].label, result.error)
                    elif store is not None and found in claims:
                        store.put(found, result)
                    if found in claims:
                        claims.pop(found).release()
                    progress.finished(pending[found].label, result.error)
                if len(done) == before:
                    time.sleep(WAIT)  # the remaining jobs are run by another study
    finally:
        for claim in claims.values():
            claim.release()
        progress.stop()
    return [done[a] for a in fingerprints]


def failures_of(jobs: Sequence[Job], results: Sequence[Result]) -> tuple[dict[str, str], ...]:
    """`label` and `error` of every job that failed.

    Parameters
    ----------
    jobs, results : the jobs and their results, in the same order.
    """
    both = zip(jobs, results, strict=True)
    return tuple({"label": job.label, "error": result.error} for job, result in both if result.error)


def _fingerprints(jobs: Sequence[Job], needed: bool) -> list[str]:
    """The fingerprints of the jobs. Unless they are `needed` for storage, a job without a fingerprint gets a number instead."""
    among, out = Fingerprints(), []
    for k, job in enumerate(jobs):
        try:
            out.append(job.fingerprint_among(among))
        except ArgumentError:
            if needed:
                raise
            out.append(f"job {k}")
    return out


def _same_here(job: Job, result: Result) -> None:
    reason = doubt(job.function, job.arguments, result)
    if reason is not None:
        raise EulerianError(
            f"another process computes something else than this process: for the job {job.label!r}, {reason}. "
            "A module or a case was edited while this program or the workers ran, or the workers have other "
            "versions of a package: start this program and the workers again. The results of that process "
            "are not kept"
        )


class _Claimer:
    """Claims jobs, so that studies that share a folder do each job once."""

    def __init__(self, store: Store | None, kept: Kept, claims: dict[str, Claim]) -> None:
        self._store, self._kept, self._claims = store, kept, claims

    def __call__(self, fingerprint: str) -> Result | bool:
        """The result, if another study has stored it by now; otherwise whether this study may run the job."""
        if self._store is None:
            return True
        claim = self._store.claim(fingerprint) if len(self._claims) < LARGEST_BATCH else None
        if claim is None:
            return False
        known = self._kept.get(fingerprint)
        if known is not None:
            claim.release()
            return known
        self._claims[fingerprint] = claim
        return True


def _results(
    executor: Executor | Pool | None, jobs: dict[str, Job], progress: Progress, claimed: _Claimer
) -> Iterator[tuple[str, Result]]:
    """Fingerprints and results, as they arrive, of the jobs that no other study is running."""
    if executor is None:
        for found, job in jobs.items():
            ours = claimed(found)
            if isinstance(ours, Result):
                yield found, ours
            elif ours:
                progress.running(1)
                yield found, perform(job.function, job.arguments)
    elif isinstance(executor, Pool):
        yield from _pooled(executor, jobs, progress, claimed)
    else:
        yield from _submitted(executor, jobs, progress, claimed)


def _pooled(pool: Pool, jobs: dict[str, Job], progress: Progress, claimed: _Claimer) -> Iterator[tuple[str, Result]]:
    done: list[tuple[str, Result]] = []

    def ours() -> Iterator[tuple[str, bytes]]:
        for found, job in jobs.items():
            claim = claimed(found)
            if isinstance(claim, Result):
                done.append((found, claim))
            elif claim:
                yield found, _packed(job)

    for pair in pool.results(ours(), progress.running):
        yield pair
        yield from done
        done.clear()
    yield from done


def _submitted(
    executor: Executor, jobs: dict[str, Job], progress: Progress, claimed: _Claimer
) -> Iterator[tuple[str, Result]]:
    futures: dict[Future[Result], str] = {}
    try:
        for found, job in jobs.items():
            ours = claimed(found)
            if isinstance(ours, Result):
                yield found, ours
            elif ours and isinstance(executor, ProcessPoolExecutor):
                futures[executor.submit(perform_sent, _packed(job, executor))] = found
            elif ours:
                futures[executor.submit(perform, job.function, job.arguments)] = found
        width = vars(executor).get("_max_workers") or len(futures)  # executors of other libraries may not say it
        progress.running(min(width, len(futures)))
        for k, future in enumerate(as_completed(futures)):
            try:
                result = future.result()
            except BrokenExecutor as error:
                result = failed(error, f"{DIED}, and the executor has ended for this reason: ")
            except Exception as error:
                result = failed(error)
            yield futures[future], result
            progress.running(min(width, len(futures) - k - 1))
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _executor(executor: Executor | None, workers: int | None, jobs: list[Job]) -> Iterator[Executor | Pool | None]:
    """The executor to use: the caller's stays open, our own is closed at the end, or at once if the study is interrupted."""
    if executor is None and (workers is None or integer("workers", workers, maximum=MOST) == 1 or not jobs):
        yield None
        return
    if isinstance(executor, ProcessPoolExecutor) or executor is None:
        for job in jobs:
            _packed(job, executor)
    if executor is not None:
        yield executor
        return
    with Pool(integer("workers", workers, maximum=MOST)) as pool:
        yield pool


def _packed(job: Job, executor: Executor | None = None) -> bytes:
    """A job as bytes, for processes of this machine; ArgumentError if they could not read it."""
    context = executor._mp_context if isinstance(executor, ProcessPoolExecutor) else None
    forked = context is not None and context.get_start_method() == "fork"
    return sent(job.label, job.function, job.arguments, fresh=not forked)
