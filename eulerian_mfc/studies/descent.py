"""Coupled descent: what training on a sample does to the cost on its law, iteration by iteration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._validate import fail, integer
from .convergence import COST
from .jobs import Job, run_jobs
from .runs import descent_run, solve_run
from .sources import depended_on, given
from .study import Column, Study, checked


def coupled_descent(
    problem: Any,
    mesh: Any,
    samples: Sequence[int],
    layers: int,
    *,
    repeats: int = 8,
    seed: int = 0,
    folder: Any = None,
    executor: Any = None,
    workers: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Study:
    """Training error `J_N(theta_k)` and generalisation error `J(theta_k)` at every iterate k, for samples of each size.

    Both fall together until the sample tells its control from the law's: the training cost goes on to its own optimum,
    the generalisation cost stays above the law's.

    Parameters
    ----------
    problem, mesh, layers, options : as for `solve`, for the true law; the samples are trained by the particle twin, with
        `options["solver"]` where that is LBFGS, from `options["initial"]`.
    samples, repeats, seed : as for `sample_convergence`.
    folder, executor, workers, progress : see `run_jobs`.

    Returns
    -------
    Study
        Rows `N, iteration, training error, generalisation error`, means over the repeats of `J_N(theta_k) - min J_N` and
        `J(theta_k) - min J`. A run that has ended counts with its last iterate.

    Raises
    ------
    ArgumentError
        For arguments that are none of the study or of `solve`, or if no run succeeded.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161
    (the generalisation error).
    """
    if not len(samples):
        raise fail("samples", samples, "a list of numbers of samples")
    source = given(problem, mesh, integer("layers", layers), options)
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    identity = depended_on(source.build())
    jobs = [Job(solve_run, {"source": source}, "the law itself", {**identity, "twin": False})]
    for n, k in itertools.product(samples, range(integer("repeats", repeats))):
        draw = {"samples": integer("samples", n), "repeat": k, "seed": integer("seed", seed, minimum=0)}
        jobs.append(Job(descent_run, {"source": source, **draw}, f"N = {n}, sample {k + 1}", {**identity, **draw}))
    truth, *results = run_jobs(jobs, **run)
    failures = [{"label": j.label, "error": r.error} for j, r in zip(jobs, [truth, *results], strict=True) if r.error]
    if truth.error is not None:
        checked("descent", [], failures)
    best = float(truth.values["cost"])  # type: ignore[arg-type]
    records = []
    for row, n in enumerate(samples):
        runs = [r.arrays for r in results[row * repeats : (row + 1) * repeats] if r.error is None]
        longest = max((len(a["training"]) for a in runs), default=0)
        training = _mean([a["training"] - a["training"].min() for a in runs], longest)
        generalisation = _mean([a["generalisation"] - best for a in runs], longest)
        for k in range(longest):
            found = {"training error": float(training[k]), "generalisation error": float(generalisation[k])}
            records.append({"N": n, "iteration": k, **found})
    checked("descent", records, failures)
    return Study(
        kind="descent",
        title=f"Coupled descent, {repeats} repeats, seed {seed}",
        parameter="iteration",
        columns=(
            Column("N", "samples"),
            Column("iteration", "iteration of the solver"),
            Column("training error", "mean cost on the sample, minus its minimum", digits=3),
            Column("generalisation error", "mean cost on the law, minus its minimum", digits=3),
        ),
        records=tuple(records),
        notes=(f"the law's optimal cost on this mesh is {best:.{COST.digits}g}",),
        failures=tuple(failures),
        details={"cost": best},
    )


def _mean(curves: list[np.ndarray], length: int) -> np.ndarray:
    return np.mean([np.append(c, np.full(length - len(c), c[-1])) for c in curves], axis=0)
