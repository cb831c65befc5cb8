"""Coupled descent: the cost on the law along a training on a sample, iteration by iteration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Unpack

import numpy as np

from .._validate import fail, integer
from ..control.grid import Grid, checked_grid
from ..meshes import Mesh
from ..problem import Problem
from .columns import COST
from .job import Job
from .jobs import failures_of
from .records import Descent, Run
from .runner import Runner, StudyOptions
from .runs import MOST_REPEATS, descent_run, solve_run
from .sources import depended_on, given
from .study import Study
from .study_data import Column, Record, checked


def coupled_descent(
    problem: Problem,
    mesh: Mesh,
    samples: Sequence[int],
    layers: Grid,
    *,
    repeats: int = 8,
    seed: int = 0,
    **options: Unpack[StudyOptions],
) -> Study:
    """Training error `J_N(theta_k)` and generalisation error `J(theta_k)` at every iterate k, for samples of each size.

    Both fall together until the control of the sample departs from that of the law. From then on the training cost falls to
    its own optimum, while the generalisation cost stays above the law's optimum.

    Parameters
    ----------
    problem, mesh, layers : as for `solve`, for the true law.
    samples, repeats, seed : as for `sample_convergence`.
    options : as for `mesh_convergence`. The samples are trained by the particle twin from `options["initial"]`, with
        `options["solver"]` if it is of the twin's default kind (such as LBFGS), otherwise with that default.

    Returns
    -------
    Study
        Rows `N, iteration, training error, generalisation error`, means over the repeats of `J_N(theta_k) - min J_N` and
        `J(theta_k) - min J`. After its end, a run counts with its last iterate.

    Raises
    ------
    ArgumentError
        For unknown arguments (neither of the study nor of `solve`), or if no run succeeded.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161
    (the generalisation error).

    Examples
    --------
    >>> import numpy as np, eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), np.tanh)
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> study = emfc.studies.coupled_descent(problem, emfc.CartesianMesh([(-4.0, 4.0)], 40), [20], layers=2, repeats=2)
    >>> float(study.values("training error")[-1])
    0.0
    """
    if not len(samples):
        raise fail("samples", samples, "a list of numbers of samples")
    runner, others = Runner.taken_from(coupled_descent, options)
    source = given(problem, mesh, checked_grid(layers), others)
    identity = depended_on(source.build())
    jobs = [Job(solve_run, {"source": source}, "the law itself", {**identity, "twin": False})]
    for n, k in itertools.product(samples, range(integer("repeats", repeats, maximum=MOST_REPEATS))):
        draw = {"samples": integer("samples", n), "repeat": k, "seed": integer("seed", seed, minimum=0)}
        jobs.append(Job(descent_run, {"source": source, **draw}, f"N = {n}, sample {k + 1}", {**identity, **draw}))
    truth, *results = runner.run(jobs)
    failures = failures_of(jobs, [truth, *results])
    if truth.error is not None:
        checked("descent", [], failures)
    best = Run.of(truth).cost
    records: list[Record] = []
    for row, n in enumerate(samples):
        runs = [Descent.of(r) for r in results[row * repeats : (row + 1) * repeats] if r.error is None]
        longest = max((len(d.training) for d in runs), default=0)
        training = _mean([d.training - d.training.min() for d in runs], longest)
        generalisation = _mean([d.generalisation - best for d in runs], longest)
        for k in range(longest):
            errors = {"training error": float(training[k]), "generalisation error": float(generalisation[k])}
            records.append({"N": n, "iteration": k, **errors})
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
        failures=failures,
        details={"cost": best},
    )


def _mean(curves: list[np.ndarray], length: int) -> np.ndarray:
    return np.mean([np.append(c, np.full(length - len(c), c[-1])) for c in curves], axis=0)
