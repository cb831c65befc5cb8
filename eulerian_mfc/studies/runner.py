"""How the jobs of a study are run: executor, folder for results, and progress."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from typing import Any

from .job import Job
from .jobs import run_jobs
from .progress import Progress
from .store import Result


@dataclass(frozen=True)
class Runner:
    """The way in which the jobs of a study are run and stored.

    Parameters
    ----------
    folder : the folder in which each result is stored, so that an interrupted study can continue; by default none.
    executor : any `concurrent.futures.Executor`, such as `dask.distributed.Client(address).get_executor()`.
    workers : number of processes, instead of an executor; without both, the jobs run one after the other in this process.
    progress : is notified of finished, running and failed jobs.

    Every study takes these four as keyword arguments of its own; see `run_jobs`.

    Examples
    --------
    >>> runner, options = Runner.taken_from({"workers": 2, "layer_map": "euler"})
    >>> runner.workers, options
    (2, {'layer_map': 'euler'})
    """

    folder: str | os.PathLike[str] | None = None
    executor: Executor | None = None
    workers: int | None = None
    progress: Progress | None = None

    @classmethod
    def taken_from(cls, options: Mapping[str, Any]) -> tuple[Runner, dict[str, Any]]:
        """A runner, from the options that belong to a runner; and the other options.

        Parameters
        ----------
        options : keyword arguments of a study.
        """
        own = {f.name for f in fields(cls)}
        runner = cls(**{name: value for name, value in options.items() if name in own})
        return runner, {name: value for name, value in options.items() if name not in own}

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        """The results of jobs, in their order; see `run_jobs`."""
        return run_jobs(jobs, folder=self.folder, executor=self.executor, workers=self.workers, progress=self.progress)
