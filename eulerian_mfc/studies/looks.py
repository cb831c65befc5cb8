"""A check of results that this process did not compute: the cost at the control is evaluated once more.

A fingerprint covers everything that the hash can see of a computation. Other inputs, such as a file that a label function reads
when it is called, may have changed since; one evaluation shows this.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from .._callers import warn
from ..errors import StoredResultWarning
from ..kernels.blas_threads import one_thread
from ..problem import Problem
from ..run.options import Options, on_the_mesh, without_mesh
from ..system.optimality import OptimalitySystem
from ..system.particles import ParticleSystem
from .job import Job
from .records import Descent, Run, SampleRun
from .runs import Draw, descent_run, first_control, sample_control_run, sample_run, solve_run
from .sources import Built
from .store import Arguments, Entries, Result, Store

#: costs that differ by more than this share belong to different problems (rounding on another processor is far below)
SHARE = 1e-9
#: differences of costs below this share of the terms that cancel are round-off
ROUND_OFF = 1e-12

#: a system, a control and the stored cost
Told = tuple[OptimalitySystem | ParticleSystem, np.ndarray, float]


def doubt(function: Callable[..., Entries], arguments: Arguments, result: Result) -> str | None:
    """The reason to reject a result; None if it is accepted, or if there is nothing that could be evaluated.

    Parameters
    ----------
    function, arguments : the job.
    result : its result, from another process or from an earlier run.
    """
    tell = _TOLD.get(function)
    if tell is None:
        return None
    try:
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore")
            told = tell(arguments, result)
            if told is None:
                return None
            system, control, stored = told
            fresh = system.cost(control).total
            if _agree(stored, fresh, 0.0) or _agree(stored, fresh, system.cost(np.zeros_like(control)).total):
                return None
            if isinstance(system, OptimalitySystem):
                cancelling = abs(system.offset) + system.terminal.scale(system.final_masses(control))
                if abs(stored - fresh) <= ROUND_OFF * cancelling:
                    return None
    except MemoryError:
        return None
    except Exception as error:
        return f"the cost of its control cannot be evaluated again ({type(error).__name__}: {error})"
    return f"its cost is {stored:.12g}, but {fresh:.12g} when the same control is evaluated again"


def _agree(stored: float, fresh: float, scale: float) -> bool:
    return abs(stored - fresh) <= SHARE * max(abs(stored), abs(fresh), abs(scale))


def _system(problem: Problem, options: Options, twin: bool) -> OptimalitySystem | ParticleSystem:
    return without_mesh(problem, options) if twin else on_the_mesh(problem, options)


def _of_solve(arguments: Arguments, result: Result) -> Told | None:
    problem, options = arguments["source"].build()
    if options.get("adapt") is not None:
        return None  # the final mesh of the adaptive run is not stored
    run = Run.of(result)
    return _system(problem, options, arguments.get("twin", False)), run.control, run.cost


def _of_sample(arguments: Arguments, result: Result) -> Told:
    problem, options = _on_a_sample(arguments)
    method = arguments["methods"][0]
    trained = SampleRun.of(result.values, [method], result.arrays).main
    assert trained.control is not None
    return _system(problem, options, method == "particles"), trained.control, trained.training


def _of_sample_control(arguments: Arguments, result: Result) -> Told:
    problem, options = _on_a_sample(arguments)
    run = Run.of(result)
    return _system(problem, options, arguments["twin"]), run.control, run.cost


def _of_descent(arguments: Arguments, result: Result) -> Told:
    problem, options = _on_a_sample(arguments)
    system = _system(problem, options, True)
    return system, first_control(system, options), float(Descent.of(result).training[0])


def _on_a_sample(arguments: Arguments) -> Built:
    problem, options = arguments["source"].build()
    draw = Draw(arguments["samples"], arguments["repeat"], arguments["seed"])
    return draw.problem(problem), options


_TOLD: dict[Callable[..., Entries], Callable[[Arguments, Result], Told | None]] = {
    solve_run: _of_solve,
    sample_run: _of_sample,
    sample_control_run: _of_sample_control,
    descent_run: _of_descent,
}


class Kept:
    """The results that a folder holds. The first one that is used is checked; if it is rejected, none is used.

    Parameters
    ----------
    store : the folder; None if nothing is stored.
    jobs : the jobs by fingerprint.
    """

    def __init__(self, store: Store | None, jobs: Mapping[str, Job]) -> None:
        self._store, self._jobs = store, jobs
        self._believed: bool | None = None

    def get(self, fingerprint: str) -> Result | None:
        """The result under this fingerprint; None if it is not stored, or if the stored results are rejected.

        Raises
        ------
        FileFormatError
            If its file is damaged.
        """
        if self._store is None or self._believed is False:
            return None
        result = self._store.get(fingerprint)
        job = self._jobs[fingerprint]
        if result is not None and self._believed is None and job.function in _TOLD:
            reason = doubt(job.function, job.arguments, result)
            self._believed = reason is None
            if reason is not None:
                warn(
                    f"{self._store.folder}: the stored result of {job.label!r} belongs to another "
                    f"computation: {reason}. Something has changed that the package cannot detect, such as a "
                    "file that a function reads when it is called. The stored results are not used, and all "
                    "results are computed again",
                    StoredResultWarning,
                )
        return result if self._believed is not False else None

    def done(self) -> dict[str, Result]:
        """All stored results of the jobs, by fingerprint."""
        found = {a: r for a in self._jobs if (r := self.get(a)) is not None}
        return found if self._believed is not False else {}
