"""Coupled descent: what training on a sample does to the cost on its law, iteration by iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._validate import fail, integer
from .convergence import COST
from .jobs import Job, run_jobs
from .runs import descent_run, solve_run
from .sources import given
from .study import Column, Study, checked


def coupled_descent(
    problem: Any,
    mesh: Any,
    samples: Sequence[int],
    layers: int,
    *,
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
    samples, seed : as for `sample_convergence`: the first sample of each size.

    Returns
    -------
    Study
        Rows `N, iteration, training, generalisation, excess`.
    """
    if not len(samples):
        raise fail("samples", samples, "a list of numbers of samples")
    source = given(problem, mesh, integer("layers", layers), options)
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    identity = {"problem": problem, "options": dict(source.options)}
    jobs = [Job(solve_run, {"source": source}, "the law itself", {**identity, "twin": False})]
    for n in samples:
        draw = {"samples": integer("samples", n), "repeat": 0, "seed": integer("seed", seed, minimum=0)}
        jobs.append(Job(descent_run, {"source": source, **draw}, f"N = {n}", {**identity, **draw}))
    truth, *results = run_jobs(jobs, **run)
    failures = [{"label": j.label, "error": r.error} for j, r in zip(jobs, [truth, *results], strict=True) if r.error]
    if truth.error is not None:
        checked("descent", [], failures)
    best = float(truth.values["cost"])  # type: ignore[arg-type]
    records = [
        {"N": n, "iteration": k, "training": a, "generalisation": b, "excess": b - best}
        for n, result in zip(samples, results, strict=True)
        if result.error is None
        for k, (a, b) in enumerate(
            zip(result.arrays["training"].tolist(), result.arrays["generalisation"].tolist(), strict=True)
        )
    ]
    checked("descent", records, failures)
    return Study(
        kind="descent",
        title=f"Coupled descent, seed {seed}",
        parameter="iteration",
        columns=(
            Column("N", "samples"),
            Column("iteration", "iteration of the solver"),
            Column("training", "cost on the sample", digits=10),
            Column("generalisation", "cost on the law", digits=10),
            Column("excess", "generalisation minus the law's optimal cost", digits=3),
        ),
        records=tuple(records),
        notes=(f"the law's optimal cost on this mesh is {best:.{COST.digits}g}",),
        failures=tuple(failures),
        details={"cost": best},
    )
