"""How the jobs of a study are run: executor, folder for results, and progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypedDict, cast

from .._validate import mismatch
from ..run.options import CaseOptions
from ..system.options import TOLERANCE_OPTIONS, check_keywords
from .job import Job
from .jobs import run_jobs
from .progress import Progress
from .store import Result

#: what studies expect that compare meshes and layers
GIVEN = (
    "a mesh and layers that are given, since this study compares runs on them; sweep and penalty_sweep solve their problems to "
    "a tolerance"
)


class RunnerOptions(TypedDict, total=False):
    """The keywords of `Runner`."""

    folder: str | os.PathLike[str] | None
    executor: Executor | None
    workers: int | None
    progress: Progress | None


class StudyOptions(CaseOptions, RunnerOptions, total=False):
    """The keywords that every study takes: those of `Runner`, and those of `solve` that a study may set."""


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
    >>> import eulerian_mfc as emfc
    >>> runner, options = Runner.taken_from(emfc.studies.sweep, {"workers": 2, "layer_map": "euler"})
    >>> runner.workers, options
    (2, {'layer_map': 'euler'})
    """

    folder: str | os.PathLike[str] | None = None
    executor: Executor | None = None
    workers: int | None = None
    progress: Progress | None = None

    @classmethod
    def taken_from(
        cls, study: Callable[..., object], options: StudyOptions, to_tolerance: bool = False
    ) -> tuple[Runner, CaseOptions]:
        """A runner, from the keywords of a study that belong to a runner; and the other keywords, which are those of `solve`.

        Parameters
        ----------
        study : the function of the study; errors name it.
        options : its keywords.
        to_tolerance : whether the study may solve its problems to a tolerance.

        Raises
        ------
        KeywordError
            For a keyword that neither a runner nor `solve` has.
        ArgumentError
            For a tolerance in a study that compares meshes and layers which are given.
        """
        check_keywords(study, options, StudyOptions.__annotations__)
        found = [name for name in TOLERANCE_OPTIONS if name in options]
        if found and not to_tolerance:
            raise mismatch(f"{study.__name__}: {found[0]}", "a solve to a tolerance", GIVEN)
        own = {name: value for name, value in options.items() if name in RunnerOptions.__annotations__}
        others = {name: value for name, value in options.items() if name not in own}
        return cls(**cast(RunnerOptions, own)), cast(CaseOptions, others)

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        """The results of jobs, in their order; see `run_jobs`."""
        return run_jobs(jobs, folder=self.folder, executor=self.executor, workers=self.workers, progress=self.progress)
