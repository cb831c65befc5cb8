"""The error of training on a sample: the control of N samples compared with that of their law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias, Unpack

import numpy as np

from ..control.grid import Grid, checked_grid
from ..control.spaces import layer_means
from ..meshes import Mesh
from ..problem import Problem
from .columns import run_notes
from .job import Job
from .jobs import failures_of
from .records import Run, SampleRun
from .references import Reference, ReferenceLike, averaged
from .runner import Runner, StudyOptions
from .runs import sample_run, solve_run
from .sample_design import DISTANCES, Distances, SampleDesign, sample_columns
from .sources import Source, depended_on, given
from .store import Result
from .study import Study
from .study_data import ErrorColumn, Record, checked

#: the means over the layers `(layers, m)` of a control
Means: TypeAlias = Callable[[np.ndarray], np.ndarray]


def sample_convergence(
    problem: Problem,
    mesh: Mesh,
    samples: Sequence[int],
    repeats: int,
    layers: Grid,
    *,
    seed: int = 0,
    methods: Sequence[str] = ("mesh", "particles"),
    distances: Distances = DISTANCES,
    reference: ReferenceLike | None = None,
    **options: Unpack[StudyOptions],
) -> Study:
    """Control and cost of empirical laws of N samples, compared with those of the law itself.

    For each N, a control is trained on each of `repeats` independent samples, on the same mesh and by the particle twin. Training
    starts at the law's own control, so that both are on the same branch of critical points. The theory gives the bound
    `|theta_N - theta| <= C W1(mu_N, mu)`.

    Parameters
    ----------
    problem, mesh, layers : as for `solve`, for the true law.
    samples : the sample sizes N.
    repeats : number of samples of each size. Every sample has its own random stream, spawned from `seed` by its size and
        number: more sizes or repeats do not change the other samples.
    seed : an integer >= 0.
    methods : "mesh", "particles", or both.
    distances : how the distances of the samples to the law are measured, such as `Distances(symmetry=numpy.abs)`.
    reference : the law's control: by default its solution on the same mesh.
    options : as for `mesh_convergence`.

    Returns
    -------
    Study
        One row per N, root mean squares and means over the repeats: distances, errors of the control, training cost
        `J_N(theta_N)`, generalisation cost `J(theta_N)`, their gap, excess `J(theta_N) - J(theta)`, ratios to W1.
        `details["runs"]` has the results of every sample.

    Raises
    ------
    ArgumentError
        For unknown arguments (neither of the study nor of `solve`), or if no run succeeded.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161
    (the bound); N. Fournier, A. Guillin, On the rate of convergence in Wasserstein distance of the empirical measure, Probab.
    Theory Relat. Fields 162 (2015), 707-738, doi:10.1007/s00440-014-0583-7 (the rates of W1).

    Examples
    --------
    >>> import numpy as np, eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), np.tanh)
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], 40)
    >>> study = emfc.studies.sample_convergence(problem, mesh, [20, 80], repeats=2, layers=2, methods=["particles"])
    >>> study.values("N").tolist(), bool((study.values("error particles") > 0).all())
    ([20.0, 80.0], True)
    """
    runner, others = Runner.taken_from(sample_convergence, options)
    source = given(problem, mesh, checked_grid(layers), others)
    design = SampleDesign(samples, repeats, seed, methods, distances, reference)
    return sample_study(source, design, "Samples of the law", runner)


def sample_study(source: Source, design: SampleDesign, title: str, runner: Runner) -> Study:
    """The study of `sample_convergence` for a source of any kind."""
    problem, options = source.build()
    problem.need_points("a study of samples")
    known, identity = design.known(problem.parameters), depended_on((problem, options))
    truth = runner.run([Job(solve_run, {"source": source}, "the law itself", {**identity, "twin": False})])[0]
    control, cost = _truth(truth, known, options["layers"])
    means = partial(layer_means, problem.regulariser)
    jobs = []
    for n, k in design.draws():
        arguments = {"samples": n, "repeat": k, "seed": design.seed, "initial": control, "methods": design.methods,
                     "symmetry": design.distances.symmetry, "atoms": design.distances.atoms}  # fmt: skip
        label = f"N = {n}, sample {k + 1} of {design.repeats}"
        jobs.append(Job(sample_run, {"source": source, **arguments}, label, {**identity, **arguments}))
    results = runner.run(jobs)
    failures = failures_of(jobs, results)
    done = zip(design.draws(), results, strict=True)
    runs = [_compared(r, n, k, design.methods, means, control, cost) for (n, k), r in done if r.error is None]
    checked("samples", [run.row() for run in runs], failures)
    columns, errors = sample_columns(design.methods, design.distances.symmetry is not None, problem.law.dim)
    grouped = [[run for run in runs if run.size == n] for n in design.sizes]
    records = [_summary(group) for group in grouped if group]
    against = f"the law's control, {'given' if known is not None else 'on the same mesh'}"
    against += ", by means over the layers" if options.get("control_degree", 0) else ""
    return Study(
        kind="samples",
        title=f"{title}, {design.repeats} repeats, seed {design.seed}",
        parameter="N",
        columns=columns,
        records=tuple({c.name: record.get(c.name) for c in columns} for record in records),
        errors=tuple(ErrorColumn(e, against if e.startswith("error") else a, t) for e, a, t in errors),
        notes=(*run_notes([Run.of(truth), *runs]), _distance_note(runs)),
        failures=failures,
        details={
            "runs": [run.row() for run in runs],
            "cost": cost,
            "control": control.tolist(),
            "methods": list(design.methods),
        },
    )


def _truth(result: Result, known: Reference | None, layers: Grid) -> tuple[np.ndarray, float]:
    """The law's control, `(layers, m)` or its coefficients, and its cost."""
    if result.error is not None:
        checked("samples", [], [{"label": "the law itself", "error": result.error}])
    run = Run.of(result)
    if known is None:
        if not run.converged:
            stuck = (
                "this run did not converge, so that errors cannot be measured from its control: use more "
                "iterations, or another solver"
            )
            checked("samples", [], [{"label": "the law itself", "error": stuck}])
        return run.control, run.cost
    return averaged(np.asarray(known.control), layers, known.grid), run.cost if known.cost is None else known.cost


def _compared(
    result: Result, size: int, repeat: int, methods: Sequence[str], means: Means, control: np.ndarray, cost: float
) -> SampleRun:
    """The results of one sample, with errors against the law's control, by the means over layers, and against its cost."""
    run = SampleRun.of(result.values, methods, result.arrays)
    controls = {name: result.arrays[f"control_{name}"] for name in methods}
    trained = {
        name: replace(
            t, error=float(np.abs(means(controls[name]) - means(control)).max()), excess=t.generalisation - cost
        )
        for name, t in run.trained.items()
    }
    difference = None
    if len(methods) == 2:
        difference = float(np.abs(controls["mesh"] - controls["particles"]).max())
    return replace(run, trained=trained, size=size, repeat=repeat, difference=difference)


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.array(values, dtype=float) ** 2)))


def _mean(values: Sequence[float]) -> float:
    return float(np.array(values, dtype=float).mean())


def _summary(runs: Sequence[SampleRun]) -> Record:
    """The row of one sample size: root mean squares, and means."""
    out: Record = {"N": runs[0].size, "runs": len(runs)}
    distances = {d.column: _rms([run.distance(d.column).value for run in runs]) for d in runs[0].distances}
    out |= distances
    for name in runs[0].trained:
        out[f"error {name}"] = _rms([run.trained[name].error for run in runs])
    training = _mean([run.main.training for run in runs])
    generalisation = _mean([run.main.generalisation for run in runs])
    out |= {"training": training, "generalisation": generalisation, "gap": generalisation - training}
    out["excess"] = _mean([run.main.excess for run in runs])
    main = _rms([run.main.error for run in runs])
    out |= {f"ratio {name}": main / value for name, value in distances.items() if name.startswith("W1")}
    differences = [run.difference for run in runs if run.difference is not None]
    if differences:
        out["difference"] = max(differences)
    out["converged"] = all(run.converged for run in runs)
    return out


def _distance_note(runs: Sequence[SampleRun]) -> str:
    found = [run.distance("W1") for run in runs]
    return f"W1 by {found[-1].method}, tolerance {max(d.tolerance for d in found):.1e}"
