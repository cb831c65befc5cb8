"""Who runs the jobs of a study, where their results are kept, and who is told how far they are."""

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
    """Where the jobs of a study run.

    Parameters
    ----------
    folder : where each result is written as it finishes, so that an interrupted study goes on; nowhere where not given.
    executor : any `concurrent.futures.Executor`, such as `dask.distributed.Client(address).get_executor()`.
    workers : instead of an executor, so many processes; without both, the jobs run one after the other here.
    progress : told what is done, running and failed.

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
        """A runner of the options that are a runner's, and the other options.

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
